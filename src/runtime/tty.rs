//! The last bytes of a terminal, by their offset in its process's log.
//!
//! Never more than [`TTY_RING`] of them: what is older is in the log.

use std::collections::VecDeque;

use crate::domain::Incarnation;

/// Bytes that are kept of one terminal (decisions.md 4).
pub const TTY_RING: usize = 256 * 1024;

/// How far a terminal has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TtyMark {
    /// Which life of the process; 0 before the first byte that came by here.
    pub incarnation: Incarnation,
    /// Offset behind its last byte.
    pub end: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TtyRing {
    incarnation: Incarnation,
    /// Offset of the first byte that is held.
    base: u64,
    bytes: VecDeque<u8>,
}

impl TtyRing {
    /// Takes bytes of a process. What is known already, or of an earlier process, is left out.
    pub(super) fn push(&mut self, incarnation: Incarnation, offset: u64, bytes: &[u8]) {
        if incarnation < self.incarnation {
            return;
        }
        if incarnation > self.incarnation || offset > self.end() {
            self.incarnation = incarnation;
            self.base = offset;
            self.bytes.clear();
        }
        let known = usize::try_from(self.end().saturating_sub(offset)).unwrap_or(usize::MAX);
        let news = bytes.get(known.min(bytes.len())..).unwrap_or_default();
        self.bytes.extend(news);
        let over = self.bytes.len().saturating_sub(TTY_RING);
        self.bytes.drain(..over);
        self.base = self.base.saturating_add(u64::try_from(over).unwrap_or(0));
    }

    /// At most `limit` bytes of this process from `offset` on; none at its end. `None`: they are
    /// not here.
    pub(super) fn read(
        &self,
        incarnation: Incarnation,
        offset: u64,
        limit: usize,
    ) -> Option<Vec<u8>> {
        let held = incarnation == self.incarnation && (self.base..=self.end()).contains(&offset);
        let from = usize::try_from(offset.checked_sub(self.base)?).ok()?;
        held.then(|| self.bytes.iter().skip(from).take(limit).copied().collect())
    }

    /// How far it has come.
    pub(super) fn mark(&self) -> TtyMark {
        TtyMark {
            incarnation: self.incarnation,
            end: self.end(),
        }
    }

    fn end(&self) -> u64 {
        let held = u64::try_from(self.bytes.len()).unwrap_or(0);
        self.base.saturating_add(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: Incarnation = Incarnation(1);

    #[test]
    fn it_holds_the_end_and_says_what_it_does_not_hold() {
        let mut ring = TtyRing::default();
        ring.push(ONE, 10, b"abc");
        assert_eq!(ring.read(ONE, 10, 2).unwrap(), b"ab");
        assert_eq!(ring.read(ONE, 13, 9).unwrap(), b"");
        assert_eq!(ring.read(ONE, 9, 9), None);
        assert_eq!(ring.read(ONE, 14, 9), None);
        assert_eq!(ring.read(Incarnation(2), 10, 9), None);
        // Said again after a new connection, with more behind it.
        ring.push(ONE, 11, b"bcd");
        assert_eq!(ring.read(ONE, 10, 9).unwrap(), b"abcd");
        // A hole in the log: what stood before it is in the log alone.
        ring.push(ONE, 20, b"z");
        assert_eq!(ring.read(ONE, 10, 9), None);
        assert_eq!(ring.read(ONE, 20, 9).unwrap(), b"z");
    }

    #[test]
    fn a_new_process_begins_anew_and_an_old_one_is_over() {
        let mut ring = TtyRing::default();
        ring.push(ONE, 0, b"old");
        ring.push(Incarnation(2), 0, b"new");
        ring.push(ONE, 3, b"late");
        assert_eq!(ring.read(Incarnation(2), 0, 9).unwrap(), b"new");
        assert_eq!(ring.mark().end, 3);
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_log_whatever_is_repeated(
            pieces in prop::collection::vec((0_usize..200_000, 1_usize..100_000), 1..12)
        ) {
            let log: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
            let at = |place: usize| u64::try_from(place).unwrap();
            let mut ring = TtyRing::default();
            let mut end = 0;
            for (back, length) in pieces {
                let from = end - back.min(end);
                let to = (from + length).min(log.len());
                ring.push(ONE, at(from), &log[from..to]);
                end = end.max(to);
                prop_assert_eq!(ring.mark().end, at(end));
                let start = end.saturating_sub(TTY_RING);
                let held = ring.read(ONE, at(start), usize::MAX);
                prop_assert_eq!(held, Some(log[start..end].to_vec()));
            }
        }
    }
}
