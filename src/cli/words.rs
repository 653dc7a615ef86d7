//! Which words of a message are on the screen already.
//!
//! Never lets a word out twice: the whole message gives only what no piece showed.

use std::collections::VecDeque;

use super::live::Piece;

/// Finished messages that are remembered: pieces of them may still be on their way.
const REMEMBERED: usize = 64;
/// Messages that gave way to another one and may still come whole.
const LEFT: usize = 8;

/// The message that is being shown, and those that are done.
#[derive(Debug, Default)]
pub struct Words {
    open: Option<Open>,
    left: VecDeque<Open>,
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
    /// What the pieces left out of the message that is being shown.
    Open(&'a str),
    /// The same of one that gave way to another message.
    Left(&'a str),
}

impl Words {
    /// The new words of a piece; `None` when it does not go on where the shown ones end. A message
    /// whose beginning was missed is shown as a whole, later.
    pub fn piece<'a>(&mut self, piece: &'a Piece) -> Option<&'a str> {
        if self.done.contains(&piece.message_id) {
            return None;
        }
        if piece.offset == 0 && !self.knows(&piece.message_id) {
            self.begin(&piece.message_id);
        }
        let open = self.open.as_mut();
        let open = open.filter(|open| open.message == piece.message_id)?;
        let shown = u64::try_from(open.shown.len()).ok()?;
        let known = usize::try_from(shown.checked_sub(piece.offset)?).ok()?;
        let new = piece.text.get(known..).filter(|new| !new.is_empty())?;
        open.shown.push_str(new);
        Some(new)
    }

    /// Whether this message is being shown.
    #[must_use]
    pub fn is_open(&self, message: &str) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| open.message == message)
    }

    fn knows(&self, message: &str) -> bool {
        self.is_open(message) || self.left.iter().any(|left| left.message == message)
    }

    /// Opens a message. The one before was given up, or is written at the same time.
    fn begin(&mut self, message: &str) {
        let begun = Open {
            message: message.to_owned(),
            shown: String::new(),
        };
        if let Some(left) = self.open.replace(begun) {
            if self.left.len() >= LEFT {
                self.left.pop_front();
            }
            self.left.push_back(left);
        }
    }

    /// A whole message came.
    pub fn whole<'a>(&mut self, message: Option<&str>, content: &'a str) -> Rest<'a> {
        let Some(message) = message else {
            return Rest::All;
        };
        self.remember(message);
        if let Some(open) = self.open.take_if(|open| open.message == message) {
            return open.rest(content).map_or(Rest::All, Rest::Open);
        }
        let place = self.left.iter().position(|left| left.message == message);
        let left = place.and_then(|place| self.left.remove(place));
        let rest = left.and_then(|left| left.rest(content));
        rest.map_or(Rest::All, Rest::Left)
    }

    /// The turn is over: nothing more comes of open messages.
    pub fn close(&mut self) {
        let left = std::mem::take(&mut self.left);
        for open in left.into_iter().chain(self.open.take()) {
            self.remember(&open.message);
        }
    }

    fn remember(&mut self, message: &str) {
        if self.done.len() >= REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back(message.to_owned());
    }
}

impl Open {
    /// What of the whole is not shown; `None`: they are not the same words.
    fn rest<'a>(&self, content: &'a str) -> Option<&'a str> {
        if let Some(rest) = content.strip_prefix(&self.shown) {
            return Some(rest);
        }
        // The event was cut with a mark, and the pieces told more than it has.
        let kept = content.trim_end_matches('\u{2026}');
        self.shown.starts_with(kept).then_some("")
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
        assert_eq!(
            words.whole(Some("m"), "one two three"),
            Rest::Open(" three")
        );
        assert_eq!(words.piece(&piece("m", 0, "one")), None, "it is done");
    }

    #[test]
    fn what_was_missed_is_shown_as_a_whole() {
        let mut words = Words::default();
        assert_eq!(words.piece(&piece("a", 5, "late")), None);
        assert!(!words.is_open("a"));
        assert_eq!(words.piece(&piece("b", 0, "b")), Some("b"));
        assert!(words.is_open("b"));
        assert_eq!(words.whole(Some("a"), "it is late"), Rest::All);
        assert_eq!(words.whole(None, "raw"), Rest::All);
        assert_eq!(words.whole(Some("b"), "b"), Rest::Open(""));
        assert_eq!(words.piece(&piece("d", 0, "d")), Some("d"));
        words.close();
        assert_eq!(words.piece(&piece("d", 1, "e")), None);
    }

    #[test]
    fn a_message_that_gives_way_is_not_shown_twice() {
        let mut words = Words::default();
        assert_eq!(words.piece(&piece("a", 0, "a")), Some("a"));
        assert_eq!(words.piece(&piece("b", 0, "b")), Some("b"));
        assert_eq!(words.piece(&piece("a", 1, "a")), None);
        assert_eq!(words.piece(&piece("b", 1, "c")), Some("c"));
        assert_eq!(words.whole(Some("a"), "aab"), Rest::Left("ab"));
        assert_eq!(words.whole(Some("b"), "bcd"), Rest::Open("d"));
        for n in 0..20 {
            words.piece(&piece(&n.to_string(), 0, "x"));
        }
        assert_eq!(words.left.len(), LEFT);
    }

    #[test]
    fn a_message_that_was_cut_is_not_shown_again() {
        let mut words = Words::default();
        words.piece(&piece("m", 0, "a long message"));
        assert_eq!(words.whole(Some("m"), "a long\u{2026}"), Rest::Open(""));
        words.piece(&piece("n", 0, "abc"));
        assert_eq!(words.whole(Some("n"), "another text"), Rest::All);
    }
}
