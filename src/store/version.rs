//! How often the rows have changed, for whoever keeps what was read of them.
//!
//! Never behind an answer: a write is counted before its writer hears that it is done. One server
//! owns its database, so that nobody else writes.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    static MEMBERS: Cell<bool> = const { Cell::new(false) };
}

/// The transaction that runs on this thread changes which sessions there are.
pub fn members_change() {
    MEMBERS.set(true);
}

/// Numbers that grow with every write. What was read after a number was taken holds everything up
/// to it, so that it may be shown again while the number stands.
#[derive(Debug, Default)]
pub struct Versions {
    rows: AtomicU64,
    members: AtomicU64,
}

impl Versions {
    /// Counts the transaction that has just ended on this thread, however it ended. Returns whether
    /// it was to change the set of sessions.
    pub fn advance(&self) -> bool {
        let members = MEMBERS.take();
        self.again(members);
        members
    }

    /// Counts one whose end was not known when it was counted first.
    pub fn again(&self, members: bool) {
        if members {
            self.members.fetch_add(1, Ordering::AcqRel);
        }
        self.rows.fetch_add(1, Ordering::AcqRel);
    }

    /// Changes of any row.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Acquire)
    }

    /// Changes of the set of sessions that are not archived.
    pub fn members(&self) -> u64 {
        self.members.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_was_in_doubt_counts_again_as_what_it_was() {
        let versions = Versions::default();
        members_change();
        let members = versions.advance();
        assert_eq!((versions.rows(), versions.members()), (1, 1));
        versions.again(members);
        assert_eq!((versions.rows(), versions.members()), (2, 2));
        let members = versions.advance();
        versions.again(members);
        assert_eq!((versions.rows(), versions.members()), (4, 2));
    }
}
