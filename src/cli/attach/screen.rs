//! Watches what goes to the terminal: which modes it leaves behind, and what in old output would
//! make the terminal answer.
//!
//! Never changes a byte of live output.

/// Longest control sequence that is looked at.
const MAX_SEQUENCE: usize = 4096;

/// Modes that programs switch on and that hurt when they stay: mouse, focus, pasted text,
/// synchronized updates, application keys.
const OFF: &[u8] = b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l\
                     \x1b[?2004l\x1b[?2026l\x1b[?1l\x1b>\x1b[4l\x1b[?7h\x1b[?25h\x1b(B\x1b[0m";

/// Whether bytes are from before this terminal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Nobody waits for an answer any more.
    Old,
    /// As the program writes it.
    Live,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    Intermediate,
    Csi,
    /// OSC, DCS and the like, up to ST (an OSC also up to BEL).
    Text,
    TextEscape,
}

/// The state of the terminal as far as it must be undone.
#[derive(Debug)]
pub struct Screen {
    state: State,
    held: Vec<u8>,
    /// How many of the held bytes were let through already.
    passed: usize,
    alternate: Option<Vec<u8>>,
    margins: bool,
    keyboards: usize,
    other_keys: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            state: State::Ground,
            held: Vec::new(),
            passed: 0,
            alternate: None,
            margins: false,
            keyboards: 0,
            other_keys: false,
        }
    }
}

impl Screen {
    /// Takes the next output and returns what goes to the terminal.
    pub fn feed(&mut self, input: &[u8], age: Age) -> Vec<u8> {
        let mut out = Vec::with_capacity(input.len());
        for byte in input {
            self.byte(*byte, age, &mut out);
        }
        if age == Age::Live {
            self.pass(&mut out);
        }
        out
    }

    /// Whether a program has taken the whole screen.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.alternate.is_some()
    }

    /// What brings the terminal back to what a shell expects.
    #[must_use]
    pub fn undo(&self) -> Vec<u8> {
        let mut undo = Vec::new();
        // Ends a sequence that was cut in the middle.
        if self.passed > 0 {
            undo.push(0x18);
        }
        if self.margins {
            undo.extend_from_slice(b"\x1b7\x1b[r\x1b8");
        }
        if self.keyboards > 0 {
            undo.extend_from_slice(format!("\x1b[<{}u", self.keyboards).as_bytes());
        }
        if self.other_keys {
            undo.extend_from_slice(b"\x1b[>4m");
        }
        if let Some(mode) = &self.alternate {
            undo.extend_from_slice(b"\x1b[?");
            undo.extend_from_slice(mode);
            undo.push(b'l');
        }
        undo.extend_from_slice(OFF);
        undo
    }

    fn byte(&mut self, byte: u8, age: Age, out: &mut Vec<u8>) {
        match (self.state, byte) {
            // Cancel, and the beginning of another sequence, end this one.
            (State::Escape | State::Intermediate | State::Csi, 0x18 | 0x1a)
            | (State::Text | State::TextEscape, 0x18 | 0x1a) => {
                self.held.push(byte);
                self.end(out);
            }
            (State::Ground | State::Escape | State::Intermediate | State::Csi, 0x1b) => {
                self.end(out);
                self.held.push(byte);
                self.state = State::Escape;
            }
            // The terminal answers this one (ENQ).
            (State::Ground, 0x05) if age == Age::Old => {}
            (State::Ground, _) => out.push(byte),
            (_, _) => {
                self.held.push(byte);
                self.inside(byte, age, out);
            }
        }
    }

    fn inside(&mut self, byte: u8, age: Age, out: &mut Vec<u8>) {
        let next = match (self.state, byte) {
            (State::Escape, b'[') => State::Csi,
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::Text,
            (State::Escape | State::Intermediate, 0x20..=0x2f) => State::Intermediate,
            (State::Csi, 0x40..=0x7e) | (State::Escape | State::Intermediate, _) => State::Ground,
            (State::Csi, _) => State::Csi,
            (State::Text, 0x1b) => State::TextEscape,
            (State::Text, 0x07) if self.held.get(1) == Some(&b']') => State::Ground,
            (State::TextEscape, b'\\') => State::Ground,
            (State::Text | State::TextEscape, _) => State::Text,
            (State::Ground, _) => State::Ground,
        };
        if next == State::Ground {
            self.note();
            if age == Age::Old && self.passed == 0 && asks(&self.held) {
                self.held.clear();
            }
            self.end(out);
        } else if self.held.len() >= MAX_SEQUENCE {
            self.pass(out);
            let keep = self.held.get(..2).unwrap_or_default().to_vec();
            self.passed = keep.len();
            self.held = keep;
            self.state = next;
        } else {
            self.state = next;
        }
    }

    /// Lets through what is held and begins anew.
    fn end(&mut self, out: &mut Vec<u8>) {
        self.pass(out);
        self.held.clear();
        self.passed = 0;
        self.state = State::Ground;
    }

    fn pass(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.held.get(self.passed..).unwrap_or_default());
        self.passed = self.held.len();
    }

    /// Keeps in mind what the complete sequence changes.
    fn note(&mut self) {
        match self.held.as_slice() {
            [0x1b, b'c'] => {
                let (state, passed) = (self.state, self.passed);
                let held = std::mem::take(&mut self.held);
                *self = Self {
                    state,
                    held,
                    passed,
                    ..Self::default()
                };
            }
            [0x1b, b'[', b'?', modes @ .., b'h'] => {
                let full = alternate(modes).map(<[u8]>::to_vec);
                self.alternate = full.or(self.alternate.take());
            }
            [0x1b, b'[', b'?', modes @ .., b'l'] if alternate(modes).is_some() => {
                self.alternate = None;
            }
            [0x1b, b'[', b'r'] | [0x1b, b'[', b'!', b'p'] => self.margins = false,
            [0x1b, b'[', b'0'..=b'9' | b';', .., b'r'] => self.margins = true,
            [0x1b, b'[', b'>', .., b'u'] => self.keyboards = self.keyboards.saturating_add(1),
            [0x1b, b'[', b'<', count @ .., b'u'] => {
                self.keyboards = self.keyboards.saturating_sub(number(count).max(1));
            }
            [0x1b, b'[', b'>', b'4', .., b'm'] => self.other_keys = true,
            _ => {}
        }
    }
}

/// The mode of the alternate screen among these, when it is.
fn alternate(modes: &[u8]) -> Option<&[u8]> {
    modes
        .split(|byte| *byte == b';')
        .find(|mode| matches!(*mode, b"47" | b"1047" | b"1049"))
}

fn number(digits: &[u8]) -> usize {
    let text = std::str::from_utf8(digits).unwrap_or_default();
    text.parse().unwrap_or(0)
}

/// Whether a terminal answers this sequence, so that the answer would be typed into the program.
fn asks(sequence: &[u8]) -> bool {
    match sequence {
        [0x1b, b'Z']
        | [0x1b, b'[', .., b'c' | b'n' | b'x']
        | [0x1b, b'[', .., b'$', b'p']
        | [0x1b, b'[', .., b'*', b'y']
        | [0x1b, b'[', b'?', .., b'u' | b'S']
        | [0x1b, b'[', b'>', .., b'q']
        | [0x1b, b'P', b'$' | b'+', b'q', ..] => true,
        [0x1b, b'[', rest @ .., b't'] => {
            let first = rest.split(|byte| *byte == b';').next().unwrap_or_default();
            (11..=21).contains(&number(first))
        }
        [0x1b, b']', text @ ..] => text.windows(2).any(|pair| pair == b";?"),
        [0x1b, b'_', b'G', text @ ..] => text.windows(3).any(|word| word == b"a=q"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn live(pieces: &[&[u8]]) -> Screen {
        let mut screen = Screen::default();
        for piece in pieces {
            assert_eq!(screen.feed(piece, Age::Live), *piece);
        }
        screen
    }

    fn undoes(screen: &Screen, sequence: &[u8]) -> bool {
        let undo = screen.undo();
        undo.windows(sequence.len())
            .any(|window| window == sequence)
    }

    #[test]
    fn the_alternate_screen_is_left_only_when_it_was_entered() {
        assert!(!undoes(&live(&[b"ls\r\n"]), b"\x1b[?1049l"));
        let screen = live(&[b"\x1b[?10", b"49;2004h", b"vim"]);
        assert!(screen.is_full() && undoes(&screen, b"\x1b[?1049l"));
        let screen = live(&[b"\x1b[?1049h", b"vim\x1b[?1049l$ "]);
        assert!(!screen.is_full() && !undoes(&screen, b"\x1b[?1049l"));
        let screen = live(&[b"\x1b[?47h\x1bc"]);
        assert!(!undoes(&screen, b"\x1b[?47l"));
    }

    #[test]
    fn cursor_mouse_and_paste_modes_always_go() {
        let screen = live(&[b"\x1b[?25l\x1b[?1006h"]);
        for sequence in [
            &b"\x1b[?25h"[..],
            b"\x1b[?1006l",
            b"\x1b[?2004l",
            b"\x1b[0m",
        ] {
            assert!(undoes(&screen, sequence));
        }
    }

    #[test]
    fn margins_and_keyboards_go_when_they_are_left() {
        let screen = live(&[b"\x1b[3;20r\x1b[>1u\x1b[>5u\x1b[<u"]);
        assert!(undoes(&screen, b"\x1b[r") && undoes(&screen, b"\x1b[<1u"));
        let screen = live(&[b"\x1b[3;20r\x1b[r"]);
        assert!(!undoes(&screen, b"\x1b[r"));
    }

    #[test]
    fn a_sequence_that_was_cut_is_cancelled() {
        assert_eq!(live(&[b"a\x1b[3"]).undo().first(), Some(&0x18));
        assert_ne!(live(&[b"a\x1b[3m"]).undo().first(), Some(&0x18));
    }

    #[test]
    fn old_questions_do_not_make_the_terminal_answer() {
        for question in [
            "\x1b[c",
            "\x1b[>0c",
            "\x1b[6n",
            "\x1b[?6n",
            "\x1b[?2026$p",
            "\x1bZ",
            "\x1b[18t",
            "\x1b]11;?\x07",
            "\x1b]52;c;?\x1b\\",
            "\x1bP$qm\x1b\\",
            "\x1bP+q544e\x1b\\",
            "\x1b[?u",
            "\x1b[>0q",
            "\x05",
            "\x1b_Gi=1,a=q;AAAA\x1b\\",
        ] {
            let text = format!("a{question}b");
            for at in 0..=text.len() {
                let (one, two) = text.as_bytes().split_at(at);
                let mut screen = Screen::default();
                let mut shown = screen.feed(one, Age::Old);
                shown.extend(screen.feed(two, Age::Old));
                assert_eq!(shown, b"ab", "{question:?} at {at}");
            }
            live(&[text.as_bytes()]);
        }
    }

    #[test]
    fn old_output_stays_as_it_was_otherwise() {
        let text = "\x1b]0;title\x07\x1b[1;31mred\x1b[0m\x1b[?1049h\x1b[8;24;80t\x1b(B\u{e4}\r\n";
        let mut screen = Screen::default();
        assert_eq!(screen.feed(text.as_bytes(), Age::Old), text.as_bytes());
        assert!(screen.is_full());
    }

    #[test]
    fn what_is_held_of_old_output_comes_with_the_live_one() {
        let mut screen = Screen::default();
        assert_eq!(screen.feed(b"a\x1b[3", Age::Old), b"a");
        assert_eq!(screen.feed(b"1mb", Age::Live), b"\x1b[31mb");
    }

    #[test]
    fn a_text_without_an_end_is_not_kept() {
        let mut screen = Screen::default();
        let mut text = b"\x1b]52;c;".to_vec();
        text.extend(std::iter::repeat_n(b'A', 3 * MAX_SEQUENCE));
        let shown = screen.feed(&text, Age::Old);
        assert!(shown.len() > 2 * MAX_SEQUENCE && screen.held.len() < MAX_SEQUENCE);
        let mut all = shown;
        all.extend(screen.feed(b"\x07$ ", Age::Live));
        text.extend_from_slice(b"\x07$ ");
        assert_eq!(all, text);
    }

    proptest! {
        #[test]
        fn live_output_is_never_changed(pieces in prop::collection::vec(
            prop::collection::vec(prop::sample::select(&b"\x1b[]P?0;:\\\x07\x18cnhlrm$a\x05"[..]), 0..9), 0..40)
        ) {
            let mut screen = Screen::default();
            for piece in pieces {
                prop_assert_eq!(screen.feed(&piece, Age::Live), piece);
            }
        }
    }
}
