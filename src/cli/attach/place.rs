//! Where in the output of which process this terminal is: what makes a reconnection exact.
//!
//! Never shows a byte twice, and never passes over missing ones in silence.

/// What a person should know about the output that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// So many bytes are no longer there.
    Missing(u64),
    /// Another process begins, with this number.
    Process(u64),
}

/// A process and the offset in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Which life of the process.
    pub incarnation: u64,
    /// The next byte.
    pub offset: u64,
}

/// Counts what is shown.
#[derive(Debug, Default)]
pub struct Place {
    shown: Option<At>,
    /// Offset of the next byte that the server sends.
    served: u64,
}

impl Place {
    /// Where to go on; nothing before the first connection.
    #[must_use]
    pub fn at(&self) -> Option<At> {
        self.shown
    }

    /// Offset of the next byte that the server sends.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served
    }

    /// The server goes on from here: after a connection, at a new process, behind a hole.
    pub fn moves(&mut self, to: At) -> Option<Jump> {
        self.served = to.offset;
        let Some(shown) = &mut self.shown else {
            self.shown = Some(to);
            return None;
        };
        if shown.incarnation != to.incarnation {
            let first = shown.incarnation == 0;
            *shown = to;
            return (!first).then_some(Jump::Process(to.incarnation));
        }
        let missing = to.offset.saturating_sub(shown.offset);
        shown.offset = shown.offset.max(to.offset);
        (missing > 0).then_some(Jump::Missing(missing))
    }

    /// Takes the next bytes and returns those that were not shown yet.
    pub fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let known = self
            .shown
            .map_or(0, |shown| shown.offset.saturating_sub(self.served));
        self.served = self.served.saturating_add(length);
        if let Some(shown) = &mut self.shown {
            shown.offset = shown.offset.max(self.served);
        }
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        bytes.get(known..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(incarnation: u64, offset: u64) -> At {
        At {
            incarnation,
            offset,
        }
    }

    #[test]
    fn bytes_are_counted_from_the_hello() {
        let mut place = Place::default();
        assert_eq!(place.at(), None);
        assert_eq!(place.moves(at(1, 100)), None);
        assert_eq!(place.take(b"abc"), b"abc");
        assert_eq!(place.at(), Some(at(1, 103)));
    }

    #[test]
    fn what_comes_again_after_a_reconnection_is_passed_over() {
        let mut place = Place::default();
        place.moves(at(1, 0));
        place.take(b"abcdef");
        assert_eq!(place.moves(at(1, 2)), None);
        assert_eq!(place.take(b"cd"), b"");
        assert_eq!(place.take(b"efgh"), b"gh");
        assert_eq!(place.take(b"ij"), b"ij");
        assert_eq!(place.at(), Some(at(1, 10)));
    }

    #[test]
    fn missing_bytes_are_told_once() {
        let mut place = Place::default();
        place.moves(at(1, 5));
        assert_eq!(place.moves(at(1, 9)), Some(Jump::Missing(4)));
        assert_eq!(place.take(b"x"), b"x");
        assert_eq!(place.at(), Some(at(1, 10)));
    }

    #[test]
    fn another_process_counts_from_its_own_beginning() {
        let mut place = Place::default();
        place.moves(at(1, 50));
        place.take(b"abc");
        assert_eq!(place.moves(at(2, 0)), Some(Jump::Process(2)));
        assert_eq!(place.take(b"new"), b"new");
        assert_eq!(place.at(), Some(at(2, 3)));
    }

    #[test]
    fn the_first_process_of_all_is_no_news() {
        let mut place = Place::default();
        place.moves(at(0, 0));
        assert_eq!(place.moves(at(1, 0)), None);
    }
}
