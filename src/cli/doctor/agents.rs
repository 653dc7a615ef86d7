//! Whether agents survive a restart of the server here. They do not when something ends all
//! processes of the server's group with it: a systemd unit without `KillMode=process`
//! (systemd.kill(5)), or a container whose first process is the server.
//!
//! Never asks the server: it looks at the process that listens, or at this one in its place.

use std::fs;
use std::path::Path;

use super::super::child;
use super::Check;

const NAME: &str = "agents survive";

/// What is known of the server's process, or of this one when no server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    pid: u32,
    /// Whether it is the server's.
    server: bool,
    /// The unit that its cgroup names.
    unit: Option<String>,
    /// Whether it is the first process of a container.
    first: bool,
}

/// Looks, and says how to mend it.
pub fn survival() -> Check {
    let place = match server_pid() {
        Some(pid) => look(pid, true),
        None => look(std::process::id(), false),
    };
    let kill_mode = place.unit.as_deref().and_then(kill_mode);
    judge(&place, kill_mode.as_deref())
}

fn judge(place: &Place, kill_mode: Option<&str>) -> Check {
    let who = if place.server {
        format!("the server (pid {})", place.pid)
    } else {
        String::from("a server started from here")
    };
    if place.first {
        return Check::warning(
            NAME,
            format!("{who} is process 1 of a container, whose end ends the agents"),
            "start the container with an init that outlives the server (docker run --init does \
             not: use a supervisor as process 1, and restart the server below it)",
        );
    }
    match (&place.unit, kill_mode) {
        (Some(unit), Some("process" | "none")) => {
            Check::ok(NAME, format!("{who} is in {unit}, which leaves them alone"))
        }
        (Some(unit), Some(mode)) => Check::warning(
            NAME,
            format!("{who} is in {unit} with KillMode={mode}, which ends them with it"),
            format!("systemctl edit {unit}: [Service] KillMode=process"),
        ),
        (Some(unit), None) => Check::warning(
            NAME,
            format!("{who} is in {unit}, and systemctl does not tell its KillMode"),
            format!("make sure of it: systemctl show -p KillMode {unit} must say process"),
        ),
        (None, _) => Check::ok(NAME, format!("nothing ends them with {who}")),
    }
}

/// The pid of a running `callboard serve` of this user.
fn server_pid() -> Option<u32> {
    let me = nix::unistd::geteuid().as_raw();
    fs::read_dir("/proc")
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| {
            let dir = format!("/proc/{pid}");
            owner(Path::new(&dir)) == Some(me) && is_server(&fs::read(format!("{dir}/cmdline")))
        })
}

fn is_server(cmdline: &std::io::Result<Vec<u8>>) -> bool {
    let Ok(cmdline) = cmdline else {
        return false;
    };
    let mut words = cmdline.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    program
        .rsplit(|byte| *byte == b'/')
        .next()
        .is_some_and(|name| name == b"callboard")
        && words.any(|word| word == b"serve")
}

fn owner(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|found| found.uid())
}

fn look(pid: u32, server: bool) -> Place {
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    Place {
        pid,
        server,
        unit: service_of(&cgroup),
        first: server && innermost_pid(&status) == Some(1),
    }
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

fn kill_mode(unit: &str) -> Option<String> {
    ["--system", "--user"].into_iter().find_map(|scope| {
        let text = child::output(
            Path::new("systemctl"),
            &[scope, "show", "-p", "LoadState", "-p", "KillMode", unit],
        )
        .ok()?;
        mode_of(&text)
    })
}

fn mode_of(shown: &str) -> Option<String> {
    let value = |name: &str| {
        shown
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::to_owned)
    };
    (value("LoadState=").as_deref() == Some("loaded"))
        .then(|| value("KillMode="))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::super::State;
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
        assert_eq!(mode_of(text).as_deref(), Some("control-group"));
        assert_eq!(
            mode_of("KillMode=control-group\nLoadState=not-found\n"),
            None
        );
    }

    #[test]
    fn each_place_has_its_verdict() {
        let place = Place {
            pid: 9,
            server: true,
            unit: Some("cb.service".into()),
            first: false,
        };
        assert_eq!(judge(&place, Some("process")).state, State::Ok);
        let killed = judge(&place, Some("control-group"));
        assert_eq!(killed.state, State::Warning);
        assert!(killed.mend.unwrap().contains("KillMode=process"));
        let free = Place {
            unit: None,
            ..place.clone()
        };
        assert_eq!(judge(&free, None).state, State::Ok);
        let first = Place {
            first: true,
            ..free
        };
        assert_eq!(judge(&first, None).state, State::Warning);
        assert_eq!(innermost_pid("Name:\tx\nNSpid:\t400\t1\n"), Some(1));
    }

    #[test]
    fn a_server_is_known_by_its_command_line() {
        let line = |text: &str| Ok(text.replace(' ', "\0").into_bytes());
        assert!(is_server(&line("/usr/bin/callboard serve --bind x")));
        assert!(!is_server(&line("/usr/bin/callboard ps")));
        assert!(!is_server(&line("vi callboard serve")));
    }
}
