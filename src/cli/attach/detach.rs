//! Finds the keys that detach in what is typed.
//!
//! Never keeps a key for itself that turns out not to be part of them.

/// What a piece of input came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// For the program.
    pub pass: Vec<u8>,
    /// The keys were pressed; what was typed behind them is dropped.
    pub detach: bool,
}

/// Looks for a sequence over pieces of any size.
#[derive(Debug)]
pub struct Detector {
    keys: Vec<u8>,
    held: Vec<u8>,
}

impl Detector {
    /// Looks for these keys; for none it lets everything through.
    #[must_use]
    pub fn new(keys: &[u8]) -> Self {
        Self {
            keys: keys.to_vec(),
            held: Vec::new(),
        }
    }

    /// Takes what was typed.
    pub fn feed(&mut self, input: &[u8]) -> Typed {
        let mut typed = Typed::default();
        for byte in input {
            self.held.push(*byte);
            while !self.keys.starts_with(&self.held) {
                typed.pass.push(self.held.remove(0));
            }
            if !self.held.is_empty() && self.held.len() == self.keys.len() {
                self.held.clear();
                typed.detach = true;
                break;
            }
        }
        typed
    }

    /// Whether the beginning of the keys waits for the rest.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives up on the rest: the beginning was meant for the program.
    pub fn release(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(pass: &[u8], detach: bool) -> Typed {
        Typed {
            pass: pass.to_vec(),
            detach,
        }
    }

    #[test]
    fn the_keys_detach_also_in_pieces() {
        let mut detector = Detector::new(b"\x1d\x1d");
        assert_eq!(detector.feed(b"ls\x1d"), typed(b"ls", false));
        assert!(detector.holds());
        assert_eq!(detector.feed(b"\x1drm"), typed(b"", true));
    }

    #[test]
    fn a_beginning_without_the_rest_goes_to_the_program() {
        let mut detector = Detector::new(b"\x10\x11");
        assert_eq!(detector.feed(b"a\x10b"), typed(b"a\x10b", false));
        assert_eq!(detector.feed(b"\x10\x10\x10"), typed(b"\x10\x10", false));
        assert_eq!(detector.release(), b"\x10");
        assert!(!detector.holds());
    }

    #[test]
    fn an_end_that_is_a_new_beginning_counts() {
        let mut detector = Detector::new(b"aab");
        assert_eq!(detector.feed(b"aaab"), typed(b"a", true));
    }

    #[test]
    fn no_keys_let_everything_through() {
        let mut detector = Detector::new(b"");
        assert_eq!(detector.feed(b"\x1d\x1d"), typed(b"\x1d\x1d", false));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled(pieces in prop::collection::vec("[ab]{0,6}", 0..8)) {
            let mut detector = Detector::new(b"aba");
            let (mut whole, mut passed, mut detached) = (String::new(), Vec::new(), false);
            for piece in pieces {
                whole.push_str(&piece);
                let typed = detector.feed(piece.as_bytes());
                passed.extend(typed.pass);
                if typed.detach {
                    detached = true;
                    break;
                }
            }
            let until = whole.find("aba");
            prop_assert_eq!(detached, until.is_some());
            passed.extend(detector.release());
            let meant = whole.get(..until.unwrap_or(whole.len())).unwrap();
            prop_assert_eq!(passed, meant.as_bytes());
        }
    }
}
