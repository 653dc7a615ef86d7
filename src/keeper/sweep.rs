//! Ends what a dead keeper has left behind, found by the incarnation's mark.
//! Never signals a process that does not carry the mark, nor one of an earlier boot.

use std::time::{Duration, Instant};

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
    /// Marked processes that are still there.
    pub left: Vec<u32>,
}

/// Kills every process with the record's mark and returns when none is left, or after five seconds.
/// Blocking. Children of the tree that erased their environment are not found here: they die with
/// their keeper's tree kill, not after the loss of the keeper.
pub fn sweep(record: &Record) -> Swept {
    let mut swept = Swept::default();
    if identity::boot_id().as_deref() != Some(record.boot_id.as_str()) || record.mark.is_empty() {
        return swept;
    }
    let start = Instant::now();
    loop {
        swept.left = marked(&record.mark);
        if swept.left.is_empty() || start.elapsed() > LIMIT {
            return swept;
        }
        for pid in &swept.left {
            swept.killed += usize::from(kill(*pid, &record.mark));
        }
        std::thread::sleep(PAUSE);
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
