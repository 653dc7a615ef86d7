//! The processes below a keeper, found by parentage and pinned before they are signalled.
//! Never signals a process whose parent was not seen in the tree; shared with the keeper's binary.

use super::pidfd::Pidfd;
use super::wire::identity;

/// A living process of the tree.
#[derive(Debug)]
pub struct Member {
    /// Process number, valid for as long as the handle says that it lives.
    pub pid: u32,
    /// Pins the process: a signal through it reaches no later one of the same number.
    pub handle: Pidfd,
}

/// Everything below `root`, parents before children; zombies are left out.
pub fn descendants(root: u32) -> Vec<Member> {
    let mut found: Vec<Member> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for pid in identity::children(parent) {
            if found.iter().any(|member| member.pid == pid) {
                continue;
            }
            if let Some(member) = pin(pid, parent) {
                parents.push(pid);
                found.push(member);
            }
        }
    }
    found
}

/// Signals everything below `root`; how many were reached.
pub fn signal(root: u32, signo: i32) -> usize {
    descendants(root)
        .iter()
        .filter(|member| member.handle.signal(signo).is_ok())
        .count()
}

/// The order matters: once the handle is open, a parent read afterwards that is ours proves that the
/// handle is our process, or that it points at a dead one, which no signal reaches.
fn pin(pid: u32, parent: u32) -> Option<Member> {
    let handle = Pidfd::open(pid).ok()?;
    let stat = identity::stat(pid)?;
    (stat.parent == parent && !stat.zombie).then_some(Member { pid, handle })
}
