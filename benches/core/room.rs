//! How many agents the machine has room for: memory, processes and open files.
//!
//! Never counts on the last of anything: a quarter of the memory stays free.

use std::fs;
use std::path::Path;

use callboard::keeper::{Dir, tree};
use nix::sys::resource::{Resource, getrlimit};

use super::Res;
use super::server::{Server, private_kib};

/// What the kernel keeps of a process that its own pages do not show, in KiB: its stack, its tables,
/// its sockets.
const HIDDEN: u64 = 512;
/// For a process whose pages may not be looked at.
const UNSEEN: u64 = 4_096;

/// What one agent takes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Share {
    memory_kib: u64,
    tasks: u64,
    files: u64,
}

impl Share {
    /// Of the living agents of a server, the largest of each; `files` is what the server had open
    /// before them.
    pub fn of(server: &Server, files: u64) -> Res<Self> {
        let (mut share, mut agents) = (Self::default(), 0_u64);
        for (_session, _incarnation, dir) in Dir::all(&server.dir().join("keepers"))? {
            let Some((keeper, _)) = dir.keeper().filter(|_| dir.alive()) else {
                continue;
            };
            let (mut memory, mut tasks) = (0, 0);
            let below = tree::descendants(keeper);
            for pid in below.iter().map(|member| member.pid).chain([keeper]) {
                memory += private_kib(pid).unwrap_or(UNSEEN) + HIDDEN;
                tasks += entries(&format!("/proc/{pid}/task")).unwrap_or(1);
            }
            share.memory_kib = share.memory_kib.max(memory);
            share.tasks = share.tasks.max(tasks);
            agents += 1;
        }
        let more = open_files(server)?.saturating_sub(files);
        share.files = more.div_ceil(agents.max(1));
        Ok(share)
    }

    /// How many more agents fit, and what they are short of then.
    pub fn fits(self, server: &Server) -> Res<(usize, &'static str)> {
        let (files, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let files = files.saturating_sub(open_files(server)?);
        let (most, what) = [
            (free_memory()? / 4 * 3 / self.memory_kib.max(1), "memory"),
            (free_tasks()? / self.tasks.max(1), "processes"),
            (files / self.files.max(1), "open files"),
        ]
        .into_iter()
        .min()
        .ok_or("no bound")?;
        Ok((usize::try_from(most)?, what))
    }
}

/// How many files the server has open.
pub fn open_files(server: &Server) -> Res<u64> {
    entries(&format!("/proc/{}/fd", server.pid()))
}

fn entries(dir: &str) -> Res<u64> {
    Ok(u64::try_from(fs::read_dir(dir)?.count())?)
}

/// In KiB: of the machine, and below the bounds of our control groups.
fn free_memory() -> Res<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    let machine: u64 = kib.ok_or("no MemAvailable")?.parse()?;
    let names = [
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ];
    let group = below_bounds("memory", &names).map(|bytes| bytes / 1024);
    Ok(group.map_or(machine, |group| group.min(machine)))
}

/// Processes and threads: of the machine, of our user, and below the bounds of our control groups.
fn free_tasks() -> Res<u64> {
    let load = fs::read_to_string("/proc/loadavg")?;
    // `0.00 0.01 0.05 RUNNING/ALL LAST`
    let all = load.split(['/', ' ']).nth(4);
    let all: u64 = all.ok_or("no tasks in /proc/loadavg")?.parse()?;
    let mut most = u64::MAX;
    for file in ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"] {
        most = most.min(number(Path::new(file)).unwrap_or(u64::MAX));
    }
    if !nix::unistd::geteuid().is_root() {
        most = most.min(getrlimit(Resource::RLIMIT_NPROC)?.0);
    }
    let machine = most.saturating_sub(all);
    let group = below_bounds("pids", &[("pids.max", "pids.current")]);
    Ok(group.map_or(machine, |group| group.min(machine)))
}

/// What is left below the narrowest bound of the control groups that we are in, of either version;
/// `files` are the names of bound and use.
fn below_bounds(controller: &str, files: &[(&str, &str)]) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut least: Option<u64> = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(names), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let root = match names {
            "" => "/sys/fs/cgroup".to_owned(),
            names if names.split(',').any(|name| name == controller) => {
                format!("/sys/fs/cgroup/{controller}")
            }
            _ => continue,
        };
        let place = Path::new(&root).join(path.trim_start_matches('/'));
        for dir in place.ancestors().take_while(|dir| dir.starts_with(&root)) {
            for (bound, used) in files {
                let both = number(&dir.join(bound)).zip(number(&dir.join(used)));
                let left = both.map(|(bound, used)| {
                    bound.saturating_sub(used.saturating_sub(given_back(dir, controller)))
                });
                least = left.into_iter().chain(least).min();
            }
        }
    }
    least
}

/// Of used memory what the kernel gives back when it is asked to: files that nobody reads just now.
fn given_back(dir: &Path, controller: &str) -> u64 {
    let text = match controller {
        "memory" => fs::read_to_string(dir.join("memory.stat")).unwrap_or_default(),
        _ => return 0,
    };
    let line = text.lines().find_map(|l| l.strip_prefix("inactive_file "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// The number in a file; `None` also for `max`.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
