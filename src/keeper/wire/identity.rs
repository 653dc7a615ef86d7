//! Who a process is: start time, boot id, mark, read from /proc; and which directory is meant.
//! Never takes a pid for an identity: numbers are used again.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::MARK_VAR;

/// The lines of `/proc/PID/stat` that identity rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Field 4: process number of the parent; 1 or a subreaper's when the first one is gone.
    pub parent: u32,
    /// Dead, but not yet collected by its parent.
    pub zombie: bool,
    /// Field 22: clock ticks since boot.
    pub start_ticks: u64,
}

/// `None`: no such process.
pub fn stat(pid: u32) -> Option<Stat> {
    let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, also parentheses and newlines.
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // Fields 5 to 21 lie between the parent and the start time.
    let start_ticks = fields.nth(17)?.parse().ok()?;
    Some(Stat {
        parent,
        zombie: matches!(state, "Z" | "X"),
        start_ticks,
    })
}

/// The kernel's name for this boot.
pub fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// A live process with this start time (a zombie is dead).
pub fn lives(pid: u32, start_ticks: u64) -> bool {
    stat(pid).is_some_and(|stat| stat.start_ticks == start_ticks && !stat.zombie)
}

/// The process was started with this mark in its environment.
pub fn has_mark(pid: u32, mark: &str) -> bool {
    let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    environ
        .split(|byte| *byte == 0)
        .filter_map(|line| line.strip_prefix(MARK_VAR.as_bytes()))
        .any(|value| value.strip_prefix(b"=") == Some(mark.as_bytes()))
}

/// Which directory this is, whatever its name: another one for a copy, the same after a move within
/// a file system. Holds for one boot.
pub fn place(dir: &Path) -> std::io::Result<String> {
    let found = fs::metadata(dir)?;
    Ok(format!("{}:{}", found.dev(), found.ino()))
}

/// Every process number of this machine.
pub fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Children of a process, over all its threads; by a walk over /proc where the kernel lists none.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for task in tasks.filter_map(Result::ok) {
        let Ok(list) = fs::read_to_string(task.path().join("children")) else {
            return children_by_parent(pid);
        };
        found.extend(
            list.split_ascii_whitespace()
                .filter_map(|n| n.parse::<u32>().ok()),
        );
    }
    found
}

fn children_by_parent(pid: u32) -> Vec<u32> {
    all()
        .into_iter()
        .filter(|child| stat(*child).is_some_and(|stat| stat.parent == pid))
        .collect()
}

/// 128 random bits as text.
pub fn new_mark() -> std::io::Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
