//! What the kernel says of the server's own process and of the keepers of its data directory.
//!
//! Never asks a process: all of it is read from `/proc`, and what cannot be read is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

/// The process of the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own {
    /// Bytes in memory.
    pub resident: u64,
    /// Processor time so far, in milliseconds.
    pub cpu_ms: u64,
    /// Open descriptors; `None`: not even one is left to count them with.
    pub open_files: Option<u64>,
    /// The most that are allowed now.
    pub max_files: u64,
    /// Threads.
    pub threads: u64,
}

/// Keepers and what they left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kin {
    /// Keepers at work.
    pub keepers: u64,
    /// Ended processes below the server or its keepers that nobody has waited for.
    pub zombies: u64,
}

/// Looks at this process.
#[must_use]
pub fn own() -> Own {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    Own {
        resident: field(&status, "VmRSS:").saturating_mul(1024),
        cpu_ms: cpu_ms(),
        open_files: open_files(),
        max_files: getrlimit(Resource::RLIMIT_NOFILE)
            .map(|(soft, _)| soft)
            .unwrap_or_default(),
        threads: field(&status, "Threads:"),
    }
}

fn cpu_ms() -> u64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return 0;
    };
    let times = [usage.user_time(), usage.system_time()];
    let ms = times.map(|time| time.tv_sec().saturating_mul(1_000) + time.tv_usec() / 1_000);
    u64::try_from(ms.iter().sum::<i64>()).unwrap_or_default()
}

fn open_files() -> Option<u64> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the list itself.
    u64::try_from(listed.saturating_sub(1)).ok()
}

/// Looks for the keepers whose directories are below `keepers`.
#[must_use]
pub fn kin(keepers: &Path) -> Kin {
    let mut parents = BTreeSet::from([std::process::id()]);
    let mut ended = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let text = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some(stat) = Stat::read(&text) else {
            continue;
        };
        if stat.state == 'Z' {
            ended.push(stat.parent);
        } else if stat.is_keeper && works_below(&entry.path(), keepers) {
            parents.insert(pid);
        }
    }
    let zombies = ended.iter().filter(|parent| parents.contains(parent));
    Kin {
        keepers: count(parents.len().saturating_sub(1)),
        zombies: count(zombies.count()),
    }
}

fn works_below(process: &Path, keepers: &Path) -> bool {
    fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(keepers))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// What is used of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    is_keeper: bool,
    state: char,
    parent: u32,
}

impl Stat {
    /// The name stands in brackets and may hold any of them itself.
    fn read(text: &str) -> Option<Self> {
        let (head, rest) = text.rsplit_once(") ")?;
        let (_pid, name) = head.split_once(" (")?;
        let mut fields = rest.split(' ');
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        Some(Self {
            // The kernel keeps 15 bytes of a name.
            is_keeper: !name.is_empty() && "callboard-keeper".starts_with(name),
            state,
            parent,
        })
    }
}

/// The first number behind a name in `/proc/self/status`.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name_is() {
        let line = |name: &str| format!("7 ({name}) Z 3 7 7 0 -1 4194304 1 2 3 4 50 60 0 0 20 0");
        let keeper = Stat::read(&line("callboard-keepe")).unwrap();
        assert!(keeper.is_keeper);
        assert_eq!((keeper.state, keeper.parent), ('Z', 3));
        let odd = Stat::read(&line("a) S (b")).unwrap();
        assert_eq!((odd.is_keeper, odd.state), (false, 'Z'));
        assert_eq!(Stat::read(""), None);
    }

    #[test]
    fn this_process_has_memory_descriptors_and_no_keeper() {
        let own = own();
        assert!(own.resident > 1 << 20, "{own:?}");
        assert!(own.open_files.is_some_and(|open| open >= 3), "{own:?}");
        assert!(own.threads >= 1 && own.max_files > 3, "{own:?}");
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kin(dir.path()).keepers, 0);
    }
}
