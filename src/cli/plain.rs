//! Takes terminal control out of what agents print, so that showing it cannot drive the terminal.
//!
//! Never lets an escape sequence through, except colours when they are asked for.

/// Whether colours (SGR sequences) may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// They stay.
    Keep,
    /// They go.
    Drop,
}

/// What the filter found in a stream of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes to show.
    Text(Vec<u8>),
    /// The text of an OSC sequence (ECMA-48 8.3.89), at most [`MAX_SEQUENCE`] bytes of it.
    Osc(Vec<u8>),
}

/// A longer control sequence is dropped without being looked at.
pub const MAX_SEQUENCE: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    Csi,
    /// An OSC (true) or another string sequence, up to BEL or ST.
    Text {
        osc: bool,
    },
    TextEscape {
        osc: bool,
    },
    /// After 0xC2, which begins a C1 control in UTF-8.
    Lead,
    /// After 0xE2, and after that and this byte: signs that turn the direction of text begin so.
    Wide,
    WideNext(u8),
    Return,
}

/// Filters a stream that may come in any pieces.
#[derive(Debug)]
pub struct Filter {
    colour: Colour,
    state: State,
    held: Vec<u8>,
    parts: Vec<Part>,
}

impl Filter {
    /// A filter at the beginning of a stream.
    #[must_use]
    pub fn new(colour: Colour) -> Self {
        Self {
            colour,
            state: State::Ground,
            held: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Takes the next bytes and returns what they give, in order.
    pub fn feed(&mut self, input: &[u8]) -> Vec<Part> {
        for byte in input {
            self.byte(*byte);
        }
        std::mem::take(&mut self.parts)
    }

    /// The shown bytes alone.
    pub fn text(&mut self, input: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(input.len());
        for part in self.feed(input) {
            if let Part::Text(bytes) = part {
                shown.extend_from_slice(&bytes);
            }
        }
        shown
    }

    fn byte(&mut self, byte: u8) {
        match self.state {
            State::Ground => self.ground(byte),
            State::Escape => self.escape(byte),
            State::Csi => self.csi(byte),
            State::Text { osc } => match byte {
                0x07 => self.end_text(osc),
                0x1b => self.state = State::TextEscape { osc },
                _ => self.hold(byte),
            },
            State::TextEscape { osc } => {
                self.end_text(osc);
                if byte != b'\\' {
                    self.state = State::Escape;
                    self.escape(byte);
                }
            }
            State::Lead => {
                self.state = State::Ground;
                if !(0x80..=0x9f).contains(&byte) {
                    self.show(0xc2);
                    self.ground(byte);
                }
            }
            State::Wide => {
                self.state = State::Ground;
                if matches!(byte, 0x80 | 0x81) {
                    self.state = State::WideNext(byte);
                } else {
                    self.show(0xe2);
                    self.ground(byte);
                }
            }
            State::WideNext(second) => {
                self.state = State::Ground;
                // U+202A to U+202E, U+2066 to U+2069: what follows could look like something else.
                let turns = match second {
                    0x80 => (0xaa..=0xae).contains(&byte),
                    _ => (0xa6..=0xa9).contains(&byte),
                };
                if !turns {
                    self.show(0xe2);
                    self.show(second);
                    self.ground(byte);
                }
            }
            State::Return => {
                self.state = State::Ground;
                if byte != b'\n' {
                    self.show(b'\r');
                }
                self.ground(byte);
            }
        }
    }

    fn ground(&mut self, byte: u8) {
        match byte {
            0x1b => self.state = State::Escape,
            0xc2 => self.state = State::Lead,
            0xe2 => self.state = State::Wide,
            b'\r' => self.state = State::Return,
            b'\n' | b'\t' => self.show(byte),
            0x00..=0x1f | 0x7f => {}
            _ => self.show(byte),
        }
    }

    fn escape(&mut self, byte: u8) {
        self.held.clear();
        self.state = match byte {
            b'[' => State::Csi,
            b']' => State::Text { osc: true },
            b'P' | b'X' | b'^' | b'_' => State::Text { osc: false },
            // Intermediate bytes of a longer escape sequence (ECMA-35 13.2).
            0x20..=0x2f => State::Escape,
            _ => State::Ground,
        };
    }

    fn csi(&mut self, byte: u8) {
        if !(0x40..=0x7e).contains(&byte) {
            self.hold(byte);
            return;
        }
        let plain = self
            .held
            .iter()
            .all(|b| b.is_ascii_digit() || b";:".contains(b));
        if byte == b'm' && plain && self.colour == Colour::Keep {
            let held = std::mem::take(&mut self.held);
            self.show(0x1b);
            self.show(b'[');
            for byte in held {
                self.show(byte);
            }
            self.show(b'm');
        }
        self.state = State::Ground;
    }

    fn end_text(&mut self, osc: bool) {
        let text = std::mem::take(&mut self.held);
        if osc {
            self.parts.push(Part::Osc(text));
        }
        self.state = State::Ground;
    }

    fn hold(&mut self, byte: u8) {
        if self.held.len() < MAX_SEQUENCE {
            self.held.push(byte);
        }
    }

    fn show(&mut self, byte: u8) {
        if let Some(Part::Text(bytes)) = self.parts.last_mut() {
            bytes.push(byte);
        } else {
            self.parts.push(Part::Text(vec![byte]));
        }
    }
}

/// Text of others without control, its line ends and tabs kept.
#[must_use]
pub fn line(text: &str) -> String {
    let shown = Filter::new(Colour::Drop).text(text.as_bytes());
    String::from_utf8_lossy(&shown).replace('\r', "")
}

/// Text of others on one line.
#[must_use]
pub fn cell(text: &str) -> String {
    line(text).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_and_colours_stay_where_wanted() {
        let input = b"a\x1b[2J\x1b[31mred\x1b[0m\x1b]52;c;aGk=\x07b\x1bPq\x1b\\c\x07\r\nd\xc2\x9be";
        assert_eq!(Filter::new(Colour::Drop).text(input), b"aredbc\nde");
        assert_eq!(
            Filter::new(Colour::Keep).text(input),
            b"a\x1b[31mred\x1b[0mbc\nde"
        );
    }

    #[test]
    fn any_cut_of_the_stream_gives_the_same() {
        let input = "x\u{e9}\u{20ac}\x1b]133;C;n\x1b\\out\r\n\x1b]133;D;0\x07\u{a0}z\rp".as_bytes();
        let whole = Filter::new(Colour::Keep).text(input);
        for cut in 0..=input.len() {
            let (one, two) = input.split_at(cut);
            let mut filter = Filter::new(Colour::Keep);
            let mut shown = filter.text(one);
            shown.extend(filter.text(two));
            assert_eq!(shown, whole, "cut at {cut}");
        }
        assert_eq!(
            String::from_utf8(whole).unwrap(),
            "x\u{e9}\u{20ac}out\n\u{a0}z\rp"
        );
    }

    #[test]
    fn signs_that_turn_the_text_round_go() {
        let input = "a\u{202e}b\u{2069}c\u{2029}\u{2065}\u{2014}\u{e9}";
        let mut filter = Filter::new(Colour::Drop);
        let shown: Vec<u8> = input
            .bytes()
            .flat_map(|byte| filter.text(&[byte]))
            .collect();
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "abc\u{2029}\u{2065}\u{2014}\u{e9}"
        );
    }

    #[test]
    fn osc_texts_are_told_in_order() {
        let parts = Filter::new(Colour::Drop).feed(b"a\x1b]133;C\x07b\x1b]133;D;2\x1b\\c");
        assert_eq!(
            parts,
            [
                Part::Text(b"a".to_vec()),
                Part::Osc(b"133;C".to_vec()),
                Part::Text(b"b".to_vec()),
                Part::Osc(b"133;D;2".to_vec()),
                Part::Text(b"c".to_vec()),
            ]
        );
    }
}
