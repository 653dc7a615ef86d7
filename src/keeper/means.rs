//! What this machine gives to hold an agent's tree together, asked once, when the server starts.
//! Never guesses: the keeper's program tries each way in a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::binary::KeeperBinary;
use super::wire::caps::Caps;
use super::wire::spec::Isolation;

/// The ways that were tried, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Means {
    tried: Vec<(Isolation, Result<(), String>)>,
    /// Where leaves are made.
    cgroup: Result<PathBuf, String>,
    /// The files of a leaf that hold limits.
    limits: Vec<String>,
}

/// By what the limits of a tree are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitMeans {
    /// None are wanted.
    None,
    /// The system's limits of each process.
    Rlimit,
    /// Memory and processes by the tree's cgroup; the others for each process.
    Cgroup,
}

impl LimitMeans {
    /// The word in replies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rlimit => "rlimit",
            Self::Cgroup => "cgroup",
        }
    }
}

impl Means {
    /// Asks the keeper's program. Blocking, a few milliseconds.
    #[must_use]
    pub fn probe(binary: &KeeperBinary) -> Self {
        let asked = Command::new(binary.path())
            .arg("probe")
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        match asked {
            Ok(answer) => Self::read(&String::from_utf8_lossy(&answer.stdout)),
            Err(error) => Self {
                tried: vec![(Isolation::Namespaces, Err(error.to_string()))],
                ..Self::none()
            },
        }
    }

    /// What is there when nothing was asked: the process group.
    #[must_use]
    pub fn none() -> Self {
        Self {
            tried: Vec::new(),
            cgroup: Err("the keeper's program does not answer".to_owned()),
            limits: Vec::new(),
        }
    }

    /// Reads lines of a name and `ok`, or of a name and the reason; `cgroup ok` goes on with the
    /// place, and `limits` names files.
    fn read(answer: &str) -> Self {
        let mut means = Self::none();
        for (name, outcome) in answer.lines().filter_map(|line| line.split_once(' ')) {
            let reason = || outcome.to_owned();
            match (name, Isolation::parse(name)) {
                (_, Some(isolation)) => {
                    let outcome = if outcome == "ok" {
                        Ok(())
                    } else {
                        Err(reason())
                    };
                    means.tried.push((isolation, outcome));
                }
                ("cgroup", None) => {
                    let place = outcome.strip_prefix("ok ").map(PathBuf::from);
                    means.cgroup = place.ok_or_else(reason);
                }
                ("limits", None) => {
                    means.limits = outcome.split_whitespace().map(str::to_owned).collect();
                }
                // A keeper of another version.
                (_, None) => {}
            }
        }
        means
    }

    /// The best that works; the process group always does.
    #[must_use]
    pub fn best(&self) -> Isolation {
        let works = self.tried.iter().find(|(_, outcome)| outcome.is_ok());
        works.map_or(Isolation::Group, |(isolation, _)| *isolation)
    }

    /// Why nothing better than [`Self::best`] is in force; `None` when nothing is missing.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if self.best() != Isolation::Group {
            return None;
        }
        let refused = self.tried.iter().filter_map(|(isolation, outcome)| {
            let reason = outcome.as_ref().err()?;
            Some(format!("{}: {reason}", isolation.name()))
        });
        let refused: Vec<String> = refused.collect();
        Some(if refused.is_empty() {
            "the keeper's program does not answer".to_owned()
        } else {
            refused.join("; ")
        })
    }

    /// Where the cgroups of trees can be made.
    #[must_use]
    pub fn cgroup(&self) -> Option<&Path> {
        self.cgroup.as_deref().ok()
    }

    /// Why trees have no cgroups of their own; `None` when they have.
    #[must_use]
    pub fn cgroup_missing(&self) -> Option<&str> {
        self.cgroup.as_ref().err().map(String::as_str)
    }

    /// By what these limits are held here, and what of them is not held as they say.
    #[must_use]
    pub fn limits(&self, caps: Caps) -> (LimitMeans, Option<&'static str>) {
        if !caps.any() {
            return (LimitMeans::None, None);
        }
        let held = |wanted: Option<u64>, file: &str| {
            wanted.is_none() || self.limits.iter().any(|given| given == file)
        };
        let memory = held(caps.memory, "memory.max");
        let processes = held(caps.processes, "pids.max");
        let missing = match (memory, processes) {
            (true, true) => None,
            (false, true) => Some("memory is limited for each process, not for the tree"),
            (true, false) => Some("processes are counted for the user, and not for root"),
            (false, false) => Some(
                "memory is limited for each process, and processes are counted for the user, not \
                 for root",
            ),
        };
        let wanted = caps.memory.or(caps.processes).is_some();
        let means = if wanted && memory && processes {
            LimitMeans::Cgroup
        } else {
            LimitMeans::Rlimit
        };
        (means, missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_that_works_is_taken() {
        let both = Means::read("namespaces ok\nuser_namespaces ok\n");
        assert_eq!(both.best(), Isolation::Namespaces);
        assert_eq!(both.missing(), None);
        let user = Means::read("namespaces a pid namespace: not permitted\nuser_namespaces ok\n");
        assert_eq!(user.best(), Isolation::UserNamespaces);
        assert_eq!(user.missing(), None);
    }

    #[test]
    fn what_is_missing_is_told() {
        let none = Means::read("namespaces a pid namespace: no\nuser_namespaces an init: full\n");
        assert_eq!(none.best(), Isolation::Group);
        let why = none.missing().unwrap();
        assert_eq!(
            why,
            "namespaces: a pid namespace: no; user_namespaces: an init: full"
        );
        assert!(Means::read("").missing().is_some());
    }

    #[test]
    fn a_cgroup_is_taken_with_its_place_or_missing_with_the_reason() {
        let given = Means::read("namespaces ok\ncgroup ok /sys/fs/cgroup/a b\nlimits \n");
        assert_eq!(given.cgroup(), Some(Path::new("/sys/fs/cgroup/a b")));
        assert_eq!(given.cgroup_missing(), None);
        let refused = Means::read("cgroup a group below its own: Permission denied\n");
        assert_eq!(refused.cgroup(), None);
        let why = "a group below its own: Permission denied";
        assert_eq!(refused.cgroup_missing(), Some(why));
        assert!(Means::read("namespaces ok\n").cgroup_missing().is_some());
    }

    #[test]
    fn limits_are_held_by_what_the_leaf_has() {
        let memory = Caps {
            memory: Some(1),
            ..Caps::default()
        };
        let both = Caps {
            processes: Some(9),
            ..memory
        };
        let files = Caps {
            open_files: Some(9),
            ..Caps::default()
        };
        let all = Means::read("cgroup ok /x\nlimits memory.max pids.max\n");
        assert_eq!(all.limits(both), (LimitMeans::Cgroup, None));
        assert_eq!(all.limits(files), (LimitMeans::Rlimit, None));
        assert_eq!(all.limits(Caps::default()), (LimitMeans::None, None));
        let some = Means::read("cgroup ok /x\nlimits memory.max\n");
        assert_eq!(some.limits(memory), (LimitMeans::Cgroup, None));
        let (means, missing) = some.limits(both);
        assert_eq!(means, LimitMeans::Rlimit);
        assert!(missing.unwrap().contains("root"));
        let (means, missing) = Means::read("cgroup no\n").limits(memory);
        assert_eq!((means, missing.is_some()), (LimitMeans::Rlimit, true));
    }
}
