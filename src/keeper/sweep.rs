//! Ends what a dead keeper has left behind, found by the incarnation's cgroup and by its mark.
//! Never signals a process that is in neither, nor one of an earlier boot or of another directory.

use std::path::Path;
use std::time::{Duration, Instant};

use super::dir::Dir;
use super::leaf::{self, Leaf};
use super::pidfd::Pidfd;
use super::wire::identity;
use super::wire::record::Record;

/// The longest a sweep goes on; a process that the kernel cannot end (state D) outlasts it.
const LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Processes that were sent SIGKILL.
    pub killed: usize,
    /// Processes of the tree that are still there.
    pub left: Vec<u32>,
}

/// Kills everything in the record's cgroup and every process with its mark, and returns when none is
/// left, or after five seconds. Blocking. Without a cgroup and without namespaces, children of the
/// tree that erased their environment are not found here: they die with their keeper's tree kill,
/// not after the loss of the keeper. A record that came here by a copy of the directory names a tree
/// of the original: that one is left alone.
pub fn sweep(dir: &Dir, record: &Record) -> Swept {
    let mut swept = Swept::default();
    if identity::boot_id().as_deref() != Some(record.boot_id.as_str()) || record.mark.is_empty() {
        return swept;
    }
    if !dir.owns(record) {
        let (session, incarnation) = (record.session.as_str(), record.incarnation);
        tracing::warn!(
            session,
            incarnation,
            "a process is left alone: it belongs to the directory that this one was copied from"
        );
        return swept;
    }
    let leaf = own_leaf(record);
    let start = Instant::now();
    loop {
        swept.killed += leaf.as_ref().map_or(0, kill_all);
        swept.left = marked(&record.mark);
        let held = leaf.as_ref().is_some_and(Leaf::populated);
        if (swept.left.is_empty() && !held) || start.elapsed() > LIMIT {
            break;
        }
        for pid in &swept.left {
            swept.killed += usize::from(kill(*pid, &record.mark));
        }
        std::thread::sleep(PAUSE);
    }
    if let Some(leaf) = leaf {
        swept.left.extend(leaf.members());
        swept.left.sort_unstable();
        swept.left.dedup();
        let _gone = leaf.remove();
    }
    swept
}

/// The record's leaf. One of the same name that was made later is somebody else's.
fn own_leaf(record: &Record) -> Option<Leaf> {
    let path = record.cgroup.as_deref()?;
    let leaf = Leaf::of(path, &record.session, record.incarnation)?;
    let noted = record.cgroup_place.as_ref();
    let same = |place: &String| identity::place(leaf.path()).is_ok_and(|found| found == *place);
    noted.is_none_or(same).then_some(leaf)
}

/// Ends and removes what keepers below `root` that are dead have left where leaves are made; how
/// many leaves that were. Leaves of other servers stay. Blocking.
pub fn clear_leaves(base: &Path, root: &Path) -> usize {
    let Ok(found) = std::fs::read_dir(base) else {
        return 0;
    };
    let names = found.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let left = names.filter(|name| {
        let own = leaf::parse(name).map(|(session, number)| Dir::new(root, session, number));
        let Some(dir) = own.filter(|dir| dir.path().exists() && !dir.alive()) else {
            return false;
        };
        match dir.record() {
            // It is the leaf of the original, of which this directory is a copy.
            Some(record) if !dir.owns(&record) => return false,
            Some(record) => {
                sweep(&dir, &record);
            }
            None => {}
        }
        // A keeper that died before it had a record has left an empty one; where somebody lives, it
        // is that of a copy of this directory.
        let leaf = Leaf::at(&base.join(name));
        !leaf.path().exists() || (!leaf.populated() && leaf.remove().is_ok())
    });
    left.count()
}

/// How many there were in it.
fn kill_all(leaf: &Leaf) -> usize {
    if !leaf.populated() {
        return 0;
    }
    let members = leaf.members().len();
    match leaf.kill() {
        Ok(()) => members,
        Err(error) => {
            tracing::warn!(%error, "a cgroup cannot be killed");
            0
        }
    }
}

fn marked(mark: &str) -> Vec<u32> {
    let own = std::process::id();
    let mut found = identity::all();
    found.retain(|pid| *pid != own && identity::has_mark(*pid, mark));
    found
}

/// The mark is read again behind the handle: what carries it then is what the signal reaches.
fn kill(pid: u32, mark: &str) -> bool {
    let Ok(handle) = Pidfd::open(pid) else {
        return false;
    };
    identity::has_mark(pid, mark) && handle.signal(libc::SIGKILL).is_ok()
}
