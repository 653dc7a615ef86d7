//! Puts a program into its leaf and within its limits while it waits at its gate.
//! Never refuses a start for want of a cgroup: the record says what there is.

use std::fs::File;
use std::io::{self, Write};

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd;

use crate::leaf::Leaf;
use crate::sys;
use crate::wire::caps::Caps;
use crate::wire::spec::Spec;

/// Seconds between the polite signal and SIGKILL of one that has used up its processor time.
const CPU_GRACE_S: u64 = 2;

/// A leaf whose entrance is held open: in a user namespace of its own a keeper could not open it.
#[derive(Debug)]
pub struct Yard {
    leaf: Leaf,
    entrance: File,
    /// Whether the leaf itself bounds these.
    memory: bool,
    processes: bool,
}

/// Makes the leaf, before any namespace. `None`: none is wanted, or the machine refuses it.
pub fn make(spec: &Spec) -> Option<Yard> {
    let leaf = Leaf::make(spec.cgroup.as_deref()?).ok()?;
    let Ok(entrance) = leaf.entrance() else {
        let _unused = leaf.remove();
        return None;
    };
    let set = |file: &str, most: Option<u64>| {
        most.is_some_and(|most| leaf.set(file, &most.to_string()).is_ok())
    };
    let memory = set("memory.max", spec.caps.memory);
    if memory {
        // What is left of a tree that lost one of its processes is of no use.
        let _old_kernel = leaf.set("memory.oom.group", "1");
    }
    let processes = set("pids.max", spec.caps.processes);
    Some(Yard {
        leaf,
        entrance,
        memory,
        processes,
    })
}

/// Puts the held program in and bounds it. The leaf, when the program is in it.
pub fn hold(pid: u32, yard: Option<Yard>, spec: &Spec) -> io::Result<Option<Leaf>> {
    let mut rest = spec.caps;
    let yard = yard.filter(|yard| {
        let entered = write!(&yard.entrance, "{pid}").is_ok();
        if !entered {
            let _unused = yard.leaf.remove();
        }
        entered
    });
    if let Some(yard) = &yard {
        rest.memory = rest.memory.filter(|_| !yard.memory);
        rest.processes = rest.processes.filter(|_| !yard.processes);
    }
    // 0 would be the keeper itself.
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
    bound(pid.ok_or(io::ErrorKind::NotFound)?, rest)?;
    Ok(yard.map(|yard| yard.leaf))
}

/// The limits that the system keeps for each process.
fn bound(pid: i32, caps: Caps) -> io::Result<()> {
    // The kernel counts no processes of root's; in a user namespace it counts those of the tree alone.
    let counted = !unistd::getuid().is_root();
    let wanted = [
        (Resource::RLIMIT_CORE, Some(0)),
        (Resource::RLIMIT_DATA, caps.memory),
        (Resource::RLIMIT_NPROC, caps.processes.filter(|_| counted)),
        (Resource::RLIMIT_NOFILE, caps.open_files),
        (Resource::RLIMIT_FSIZE, caps.file_size),
    ];
    for (resource, most) in wanted {
        if let Some(most) = most {
            limit(pid, resource, (most, most))?;
        }
    }
    match caps.cpu_time_s {
        Some(most) => {
            let last = most.saturating_add(CPU_GRACE_S);
            limit(pid, Resource::RLIMIT_CPU, (most, last))
        }
        None => Ok(()),
    }
}

/// Lowers a limit. What is lower already stays: nobody but root may raise it.
fn limit(pid: i32, resource: Resource, (soft, hard): (u64, u64)) -> io::Result<()> {
    let (_, top) = getrlimit(resource)?;
    sys::limit(pid, resource, (soft.min(top), hard.min(top)))
}
