//! Which words of a message are on the screen already.
//!
//! Never lets a word out twice: the whole message gives only what no piece showed.

use std::collections::VecDeque;

use super::live::Piece;

/// Finished messages that are remembered: pieces of them may still be on their way.
const REMEMBERED: usize = 64;

/// The message that is being shown, and those that are done.
#[derive(Debug, Default)]
pub struct Words {
    open: Option<Open>,
    done: VecDeque<String>,
}

#[derive(Debug)]
struct Open {
    message: String,
    shown: String,
}

/// What of a whole message is to be shown.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest<'a> {
    /// All of it: nothing was shown.
    All,
    /// What the pieces left out.
    Of(&'a str),
}

impl Words {
    /// The new words of a piece; `None` when it does not go on where the shown ones end. A message
    /// whose beginning was missed is shown as a whole, later.
    pub fn piece<'a>(&mut self, piece: &'a Piece) -> Option<&'a str> {
        if self.done.contains(&piece.message_id) {
            return None;
        }
        if self.open.is_none() && piece.offset == 0 {
            self.open = Some(Open {
                message: piece.message_id.clone(),
                shown: String::new(),
            });
        }
        let open = self.open.as_mut();
        let open = open.filter(|open| open.message == piece.message_id)?;
        let shown = u64::try_from(open.shown.len()).ok()?;
        let known = usize::try_from(shown.checked_sub(piece.offset)?).ok()?;
        let new = piece.text.get(known..).filter(|new| !new.is_empty())?;
        open.shown.push_str(new);
        Some(new)
    }

    /// Whether the next words are the first of their message.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// A whole message came.
    pub fn whole<'a>(&mut self, message: Option<&str>, content: &'a str) -> Rest<'a> {
        let Some(message) = message else {
            return Rest::All;
        };
        self.remember(message);
        let Some(open) = self.open.take_if(|open| open.message == message) else {
            return Rest::All;
        };
        if let Some(rest) = content.strip_prefix(&open.shown) {
            return Rest::Of(rest);
        }
        // The event was cut with a mark, and the pieces told more than it has.
        let kept = content.trim_end_matches('\u{2026}');
        if open.shown.starts_with(kept) {
            Rest::Of("")
        } else {
            Rest::All
        }
    }

    /// The turn is over: nothing more comes of an open message. Whether there was one.
    pub fn close(&mut self) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
        self.remember(&open.message);
        true
    }

    fn remember(&mut self, message: &str) {
        if self.done.len() >= REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back(message.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(message: &str, offset: u64, text: &str) -> Piece {
        Piece {
            message_id: message.into(),
            offset,
            text: text.into(),
            ..Piece::default()
        }
    }

    #[test]
    fn pieces_are_shown_once_and_the_whole_adds_what_is_missing() {
        let mut words = Words::default();
        assert_eq!(words.piece(&piece("m", 0, "one ")), Some("one "));
        assert_eq!(words.piece(&piece("m", 0, "one ")), None);
        assert_eq!(words.piece(&piece("m", 2, "e two")), Some("two"));
        assert_eq!(words.piece(&piece("m", 20, "later")), None, "a hole");
        assert_eq!(words.whole(Some("m"), "one two three"), Rest::Of(" three"));
        assert_eq!(words.piece(&piece("m", 0, "one")), None, "it is done");
        assert!(!words.close());
    }

    #[test]
    fn what_was_missed_or_comes_in_between_is_shown_as_a_whole() {
        let mut words = Words::default();
        assert_eq!(words.piece(&piece("a", 5, "late")), None);
        assert!(!words.is_open());
        assert_eq!(words.piece(&piece("b", 0, "b")), Some("b"));
        assert_eq!(
            words.piece(&piece("c", 0, "c")),
            None,
            "not amid another one"
        );
        assert_eq!(words.whole(Some("a"), "it is late"), Rest::All);
        assert_eq!(words.whole(None, "raw"), Rest::All);
        assert_eq!(words.whole(Some("b"), "b"), Rest::Of(""));
        assert_eq!(words.whole(Some("c"), "c"), Rest::All);
        assert_eq!(words.piece(&piece("d", 0, "d")), Some("d"));
        assert!(words.close());
        assert_eq!(words.piece(&piece("d", 1, "e")), None);
    }

    #[test]
    fn a_message_that_was_cut_is_not_shown_again() {
        let mut words = Words::default();
        words.piece(&piece("m", 0, "a long message"));
        assert_eq!(words.whole(Some("m"), "a long\u{2026}"), Rest::Of(""));
        words.piece(&piece("n", 0, "abc"));
        assert_eq!(words.whole(Some("n"), "another text"), Rest::All);
    }
}
