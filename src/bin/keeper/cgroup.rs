//! Where leaves can be made: the keeper's own place in the tree of cgroups, tried for real.
//! Never a group above its own, unless the service manager has handed that one over.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, Pid};

use crate::leaf::Leaf;
use crate::sys;

/// Marks that systemd puts on a group whose insides it leaves to its processes.
const HANDED_OVER: [&std::ffi::CStr; 2] = [c"trusted.delegate", c"user.delegate"];
/// The files of a leaf that hold limits.
const LIMITS: [&str; 2] = ["memory.max", "pids.max"];

/// What the machine gives: `cgroup ok PATH`, and the limits that a leaf there has; or the reason.
pub fn probe() -> String {
    let tried = own().and_then(|own| {
        let above = own.parent().filter(|above| is_handed_over(above));
        let here = || attempt(&own).map(|limits| (own.clone(), limits));
        match above {
            Some(above) => {
                pass_on(above);
                attempt(above)
                    .map(|limits| (above.to_owned(), limits))
                    .or_else(|_refused| here())
            }
            None => here(),
        }
    });
    match tried {
        Ok((base, limits)) => format!(
            "cgroup ok {}\nlimits {}\n",
            base.display(),
            limits.join(" ")
        ),
        Err(reason) => format!("cgroup {reason}\n"),
    }
}

/// The directory of this process's own group.
fn own() -> Result<PathBuf, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let groups = read("/proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let path = path.ok_or("this kernel has no cgroups of version 2")?;
    let mounts = read("/proc/self/mountinfo")?;
    let mut found = mounts.lines().filter_map(|line| mounted(line, path));
    found
        .next()
        .ok_or_else(|| "cgroups of version 2 are not mounted, or not this part of them".to_owned())
}

/// The directory of a group in one mount (proc_pid_mountinfo(5)): `None` when it is not below it.
fn mounted(line: &str, path: &str) -> Option<PathBuf> {
    let (mount, kind) = line.split_once(" - ")?;
    if kind.split(' ').next() != Some("cgroup2") || path.contains("/..") {
        return None;
    }
    let mut fields = mount.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    let below = Path::new(path).strip_prefix(root).ok()?;
    // Joining nothing would end the path in a slash.
    Some(
        Path::new(point)
            .components()
            .chain(below.components())
            .collect(),
    )
}

fn is_handed_over(dir: &Path) -> bool {
    HANDED_OVER.iter().any(|name| sys::is_marked(dir, name))
}

/// Lets leaves below have the files of their limits. What is refused is missing there, and said.
fn pass_on(dir: &Path) {
    for controller in ["+memory", "+pids"] {
        let _refused = fs::write(dir.join("cgroup.subtree_control"), controller);
    }
}

/// Makes a leaf, puts a process in, kills it by the leaf, removes the leaf: which limits it had.
fn attempt(base: &Path) -> Result<Vec<&'static str>, String> {
    let told = |step: &'static str| move |error: io::Error| format!("{step}: {error}");
    let path = base.join(format!("callboard-probe-{}", std::process::id()));
    let leaf = Leaf::make(&path).map_err(told("a group below its own"))?;
    let tried = kill_one(&leaf);
    let limits = LIMITS.into_iter().filter(|file| leaf.has(file)).collect();
    let removed = leaf.remove().map_err(told("its removal"));
    tried.and(removed).map(|()| limits)
}

fn kill_one(leaf: &Leaf) -> Result<(), String> {
    let told = |step: &'static str| move |error: io::Error| format!("{step}: {error}");
    let Some(pid) = sys::fork().map_err(told("a process"))? else {
        let _kept = prctl::set_pdeathsig(Signal::SIGKILL);
        loop {
            unistd::pause();
        }
    };
    let killed = enter(leaf, pid)
        .map_err(told("a process in it"))
        .and_then(|()| leaf.kill().map_err(told("cgroup.kill")));
    if killed.is_err() {
        let _gone = sys::kill(pid, libc::SIGKILL);
    }
    let ended = waitpid(Pid::from_raw(pid), None);
    killed?;
    match ended {
        Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) if !leaf.populated() => Ok(()),
        Ok(_) | Err(_) => Err("cgroup.kill: it had no effect".to_owned()),
    }
}

fn enter(leaf: &Leaf, pid: i32) -> io::Result<()> {
    write!(leaf.entrance()?, "{pid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_in_the_mount_that_shows_it() {
        let whole = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
        let part = "9 8 0:2 /kube/pod /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup rw";
        let old = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let at = |line, path| mounted(line, path).map(|dir| dir.display().to_string());
        let unified = "/sys/fs/cgroup/unified";
        assert_eq!(at(whole, "/").as_deref(), Some(unified));
        assert_eq!(at(whole, "/a/b").unwrap(), format!("{unified}/a/b"));
        assert_eq!(at(part, "/kube/pod/x").unwrap(), "/sys/fs/cgroup/x");
        assert_eq!(at(part, "/kube"), None);
        assert_eq!(at(whole, "/../a"), None);
        assert_eq!(at(old, "/"), None);
    }
}
