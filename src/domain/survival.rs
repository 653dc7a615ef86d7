//! Whether agents survive a restart of the server. They do not when something ends all processes of
//! the server's group with it: a systemd unit without `KillMode=process` (systemd.kill(5)), or a
//! container whose first process is the server.
//!
//! Never looks for itself: it judges what was read.

/// What is known of the server's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The unit that its cgroup names.
    pub unit: Option<String>,
    /// Whether it is the first process of a container.
    pub first: bool,
}

/// The verdict on a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Nothing ends agents with their server.
    Yes,
    /// The container's end does.
    Container,
    /// The unit does.
    Unit,
    /// In a unit that does not tell.
    Unknown,
}

impl Place {
    /// Reads `/proc/PID/cgroup` and `/proc/PID/status`.
    #[must_use]
    pub fn read(cgroup: &str, status: &str) -> Self {
        Self {
            unit: service_of(cgroup),
            first: innermost_pid(status) == Some(1),
        }
    }

    /// The verdict, with the unit's `KillMode` where it tells.
    #[must_use]
    pub fn judge(&self, kill_mode: Option<&str>) -> Survival {
        match (self.first, &self.unit, kill_mode) {
            (true, _, _) => Survival::Container,
            (false, None, _) | (false, Some(_), Some("process" | "none")) => Survival::Yes,
            (false, Some(_), Some(_)) => Survival::Unit,
            (false, Some(_), None) => Survival::Unknown,
        }
    }
}

impl Survival {
    /// Whether they survive; `None`: nobody knows.
    #[must_use]
    pub fn known(self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::Container | Self::Unit => Some(false),
            Self::Unknown => None,
        }
    }

    /// What to do about it, without names of this machine.
    #[must_use]
    pub fn mend(self) -> Option<&'static str> {
        match self {
            Self::Yes => None,
            Self::Container => Some(
                "make a supervisor process 1 of the container and restart the server below it \
                 (docker run --init does not help: it ends with the server)",
            ),
            Self::Unit => Some("systemctl edit the server's unit: [Service] KillMode=process"),
            Self::Unknown => Some(
                "make sure of it: systemctl show -p KillMode of the server's unit must say process",
            ),
        }
    }
}

/// The mode in the answer of `systemctl show -p LoadState -p KillMode UNIT`; only a loaded unit has
/// one.
#[must_use]
pub fn kill_mode(shown: &str) -> Option<&str> {
    let value = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name));
    value("KillMode=").filter(|_| value("LoadState=") == Some("loaded"))
}

/// The service in a cgroup path: the last part that ends with `.service`, of the v2 line `0::` or
/// of the v1 line of systemd itself. A user's manager (`user@N.service`) is none of its own.
fn service_of(cgroup: &str) -> Option<String> {
    cgroup
        .lines()
        .filter_map(|line| {
            line.split_once("::")
                .or_else(|| line.split_once(":name=systemd:"))
        })
        .find_map(|(_, path)| {
            path.rsplit('/')
                .find(|part| part.ends_with(".service"))
                .filter(|part| !part.starts_with("user@"))
                .map(str::to_owned)
        })
}

/// The pid in the innermost namespace: the last of `NSpid:` (proc_pid_status(5)).
fn innermost_pid(status: &str) -> Option<u32> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?
        .split_whitespace()
        .last()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_read_from_both_kinds_of_cgroup_lines() {
        let v2 = "0::/system.slice/callboard.service\n";
        assert_eq!(service_of(v2).as_deref(), Some("callboard.service"));
        let v1 = "12:pids:/system.slice\n1:name=systemd:/system.slice/cb.service/sub\n0::/\n";
        assert_eq!(service_of(v1).as_deref(), Some("cb.service"));
        let shell = "0::/user.slice/user-0.slice/user@0.service/app.slice/run.scope\n";
        assert_eq!(service_of(shell), None);
        let user = "0::/user.slice/user-0.slice/user@0.service/app.slice/cb.service\n";
        assert_eq!(service_of(user).as_deref(), Some("cb.service"));
    }

    #[test]
    fn only_a_loaded_unit_has_a_mode() {
        let text = "KillMode=control-group\nLoadState=loaded\n";
        assert_eq!(kill_mode(text), Some("control-group"));
        assert_eq!(kill_mode("KillMode=process\nLoadState=not-found\n"), None);
    }

    #[test]
    fn each_place_has_its_verdict() {
        let unit = Place::read("0::/system.slice/cb.service\n", "NSpid:\t400\n");
        assert_eq!(unit.judge(Some("process")), Survival::Yes);
        assert_eq!(unit.judge(Some("control-group")), Survival::Unit);
        assert_eq!(unit.judge(None), Survival::Unknown);
        let free = Place::read("0::/user.slice\n", "NSpid:\t400\t7\n");
        assert_eq!(free.judge(None), Survival::Yes);
        let first = Place::read("0::/\n", "Name:\tx\nNSpid:\t400\t1\n");
        assert_eq!(first.judge(Some("process")), Survival::Container);
        for verdict in [Survival::Container, Survival::Unit, Survival::Unknown] {
            assert!(verdict.known() != Some(true) && verdict.mend().is_some());
        }
        assert_eq!(Survival::Yes.mend(), None);
    }
}
