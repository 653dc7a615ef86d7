//! Which of the client's two streams stands in an unfinished line, and where its end is due.
//!
//! Never writes: who writes asks what is due before.

use std::cell::Cell;

/// One of the two streams of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// stdout: the agent's words and output.
    Out,
    /// stderr: all about them.
    Err,
}

/// The lines that were begun and not ended.
#[derive(Debug, Default)]
pub struct Amid {
    out: Cell<bool>,
    err: Cell<bool>,
}

impl Amid {
    /// Text that ends with this byte was written there.
    pub fn wrote(&self, place: Place, last: u8) {
        self.of(place).set(last != b'\n');
    }

    /// Somebody else ended the line on stderr: a person's Enter.
    pub fn entered(&self) {
        self.err.set(false);
    }

    /// Where a line's end is due when nothing more comes to it.
    #[must_use]
    pub fn end(&self) -> Vec<Place> {
        self.before_note(true)
    }

    /// Where it is due before a note on stderr. `shared`: both are the same screen; a line that
    /// goes into a pipe is not torn by what is told elsewhere.
    #[must_use]
    pub fn before_note(&self, shared: bool) -> Vec<Place> {
        let concerned = [shared.then_some(Place::Out), Some(Place::Err)];
        let concerned = concerned.into_iter().flatten();
        concerned.filter(|place| self.of(*place).take()).collect()
    }

    fn of(&self, place: Place) -> &Cell<bool> {
        match place {
            Place::Out => &self.out,
            Place::Err => &self.err,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_it_was_begun_and_once() {
        let amid = Amid::default();
        assert_eq!(amid.end(), []);
        for place in [Place::Out, Place::Err] {
            amid.wrote(place, b'x');
            assert_eq!(amid.end(), [place]);
            assert_eq!(amid.end(), []);
            amid.wrote(place, b'x');
            amid.wrote(place, b'\n');
            assert_eq!(amid.end(), [], "it has ended");
        }
        amid.wrote(Place::Err, b':');
        amid.entered();
        assert_eq!(amid.end(), []);
    }

    #[test]
    fn a_note_tears_no_line_of_a_pipe() {
        let amid = Amid::default();
        amid.wrote(Place::Out, b'x');
        amid.wrote(Place::Err, b'x');
        assert_eq!(amid.before_note(false), [Place::Err]);
        assert_eq!(amid.end(), [Place::Out], "still due at its end");
        amid.wrote(Place::Out, b'x');
        assert_eq!(amid.before_note(true), [Place::Out]);
    }
}
