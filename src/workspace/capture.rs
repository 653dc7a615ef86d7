//! What is kept of a command's output: its beginning and its end, and a count of the whole.
//!
//! Never more bytes than its bound, and never half a character where it was cut.

use std::collections::VecDeque;

/// Output as it comes.
#[derive(Debug)]
pub struct Gather {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Most bytes of each.
    bounds: (usize, usize),
    total: u64,
}

/// Output as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// What was kept, with a mark where something was left out; what is no UTF-8 is U+FFFD.
    pub text: String,
    /// Bytes that the command printed.
    pub bytes: u64,
    /// Whether something was left out.
    pub truncated: bool,
}

impl Gather {
    /// Keeps at most so many bytes: the first half and the last.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        let first = bound / 2;
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            bounds: (first, bound.saturating_sub(first)),
            total: 0,
        }
    }

    /// Takes what came.
    pub fn add(&mut self, bytes: &[u8]) {
        let came = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.total = self.total.saturating_add(came);
        let (first, last) = self.bounds;
        let room = first.saturating_sub(self.head.len()).min(bytes.len());
        let (early, late) = bytes.split_at(room);
        self.head.extend_from_slice(early);
        let late = late.get(late.len().saturating_sub(last)..).unwrap_or(late);
        let over = self.tail.len().saturating_add(late.len());
        let over = over.saturating_sub(last);
        self.tail.drain(..over);
        self.tail.extend(late);
    }

    /// What is told of it.
    #[must_use]
    pub fn finish(self) -> Captured {
        let tail: Vec<u8> = self.tail.into();
        let kept = self.head.len().saturating_add(tail.len());
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        let truncated = kept < self.total;
        let text = if truncated {
            let (head, tail) = (whole_to(&self.head), whole_from(&tail));
            let shown = u64::try_from(head.len().saturating_add(tail.len())).unwrap_or(u64::MAX);
            let left_out = self.total.saturating_sub(shown);
            let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
            format!("{head}\n[{left_out} bytes left out]\n{tail}")
        } else {
            let all = [self.head, tail].concat();
            String::from_utf8_lossy(&all).into_owned()
        };
        Captured {
            text,
            bytes: self.total,
            truncated,
        }
    }
}

/// Without the character at the end that is not whole.
fn whole_to(bytes: &[u8]) -> &[u8] {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len().saturating_sub(back);
        let (before, last) = bytes.split_at(at);
        let wants = match last.first() {
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf7) => 4,
            Some(0x80..=0xbf) => continue,
            Some(_) | None => return bytes,
        };
        return if wants > back { before } else { bytes };
    }
    bytes
}

/// Without the rest of a character at the beginning.
fn whole_from(bytes: &[u8]) -> &[u8] {
    let rest = bytes
        .iter()
        .take(3)
        .take_while(|b| (0x80..=0xbf).contains(*b));
    bytes.get(rest.count()..).unwrap_or_default()
}

/// How many bytes at the end begin a character that is not whole.
#[must_use]
pub fn unfinished(bytes: &[u8]) -> usize {
    bytes.len().saturating_sub(whole_to(bytes).len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gathered(bound: usize, pieces: &[&[u8]]) -> Captured {
        let mut gather = Gather::new(bound);
        pieces.iter().for_each(|piece| gather.add(piece));
        gather.finish()
    }

    #[test]
    fn both_ends_are_kept_and_the_rest_is_counted() {
        let all = gathered(8, &[b"abc", b"defgh"]);
        assert_eq!(
            (all.text.as_str(), all.bytes, all.truncated),
            ("abcdefgh", 8, false)
        );
        let cut = gathered(8, &[b"abcdefgh", b"ij", b"klm"]);
        assert_eq!(cut.text, "abcd\n[5 bytes left out]\njklm");
        assert_eq!((cut.bytes, cut.truncated), (13, true));
        assert_eq!(gathered(8, &[]).text, "");
    }

    #[test]
    fn no_character_is_cut_and_what_is_none_is_said_so() {
        let cut = gathered(10, &["\u{20ac}".repeat(10).as_bytes()]);
        assert_eq!(cut.text, "\u{20ac}\n[24 bytes left out]\n\u{20ac}");
        let odd = gathered(100, &[b"a\xe2\x82", b"\xac\xff"]);
        assert_eq!(odd.text, "a\u{20ac}\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_pieces_are_counted_and_bounded(
            pieces: Vec<Vec<u8>>,
            bound in 1_usize..64,
        ) {
            let mut gather = Gather::new(bound);
            for piece in &pieces {
                gather.add(piece);
                prop_assert!(gather.head.len() + gather.tail.len() <= bound);
            }
            let all = pieces.concat();
            let told = gather.finish();
            prop_assert_eq!(told.bytes, u64::try_from(all.len()).unwrap());
            prop_assert_eq!(told.truncated, all.len() > bound);
            if !told.truncated {
                prop_assert_eq!(told.text, String::from_utf8_lossy(&all));
            }
        }
    }
}
