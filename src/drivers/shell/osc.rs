//! Terminal output, cut into tokens: text, the controls that shape a line, and our own marks.
//!
//! Never takes half of a sequence: what is incomplete is left for the next call, so that the
//! tokens do not depend on how the bytes arrive. Strings without an end are skipped as they come.
//!
//! Grammar: ECMA-48 control sequences; OSC 133 marks as terminals know them (`133;A` prompt,
//! `133;C` start, `133;D` end), here with our nonce and the task in them.

use crate::domain::TaskId;

/// Longest control string that is kept whole to see whether it is a mark.
const MAX_MARK: usize = 256;
/// Longest control sequence; a longer one is no sequence.
const MAX_CSI: usize = 64;
const ESC: u8 = 0x1b;

/// A mark with the right nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The shell is at its prompt.
    Prompt,
    /// This task starts.
    Start(TaskId),
    /// This task ended with the exit code; `parsed` is false when it did not even start.
    End {
        task: TaskId,
        code: u8,
        parsed: bool,
    },
}

/// A piece of output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Printable text, in pieces of any size.
    Text(&'a str),
    /// Newline.
    Newline,
    /// Carriage return.
    Return,
    /// Backspace.
    Back,
    /// The line is erased.
    Erase,
    /// A mark with the right nonce.
    Mark(Mark),
    /// Nothing to show.
    Nothing,
}

/// What follows the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    /// More may come.
    Maybe,
    /// Nothing.
    Never,
}

/// The state between two tokens.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    pub(super) nonce: &'a str,
    /// In a control string that was too long to be a mark.
    pub(super) skipping: &'a mut bool,
}

impl Lexer<'_> {
    /// The next token and how many bytes it took; `None` when more bytes are needed.
    pub(super) fn next<'i>(&mut self, input: &'i [u8], more: More) -> Option<(Token<'i>, usize)> {
        let first = *input.first()?;
        if *self.skipping {
            return Some((Token::Nothing, self.skip(input)));
        }
        match first {
            b'\n' => Some((Token::Newline, 1)),
            b'\r' => Some((Token::Return, 1)),
            0x08 => Some((Token::Back, 1)),
            b'\t' => Some((Token::Text("\t"), 1)),
            ESC => self.escape(input, more),
            0x00..=0x1f | 0x7f => Some((Token::Nothing, 1)),
            _ => text(input, more),
        }
    }

    fn escape<'i>(&mut self, input: &'i [u8], more: More) -> Option<(Token<'i>, usize)> {
        match input.get(1) {
            None if more == More::Maybe => None,
            Some(b'[') => csi(input, more),
            Some(b']' | b'P' | b'X' | b'^' | b'_') => self.string(input, more),
            Some(0x20..=0x2f) => {
                // ESC, intermediates, one final byte; for example the choice of a character set.
                let rest = input.get(1..).unwrap_or_default();
                match rest.iter().position(|byte| !(0x20..=0x2f).contains(byte)) {
                    Some(at) if at <= 8 => Some((Token::Nothing, at.saturating_add(2))),
                    None if rest.len() <= 8 && more == More::Maybe => None,
                    _ => Some((Token::Nothing, 1)),
                }
            }
            Some(0x30..=0x7e) => Some((Token::Nothing, 2)),
            _ => Some((Token::Nothing, 1)),
        }
    }

    /// OSC, DCS, SOS, PM and APC: everything up to BEL, ST, or what breaks it off.
    fn string<'i>(&mut self, input: &'i [u8], more: More) -> Option<(Token<'i>, usize)> {
        let window = input.get(..MAX_MARK).unwrap_or(input);
        let body = window.get(2..).unwrap_or_default();
        let Some(at) = body.iter().position(|byte| ends_string(*byte)) else {
            if window.len() < MAX_MARK && more == More::Maybe {
                return None;
            }
            *self.skipping = true;
            return Some((Token::Nothing, window.len()));
        };
        let end = at.saturating_add(2);
        let taken = match (window.get(end), input.get(end.saturating_add(1))) {
            (Some(&ESC), None) if more == More::Maybe => return None,
            (Some(&ESC), Some(b'\\')) => end.saturating_add(2),
            (Some(0x07 | 0x18 | 0x1a), _) => end.saturating_add(1),
            // Broken off by another sequence or a line's end, which is read for itself.
            _ => end,
        };
        let whole = taken > end;
        let is_osc = input.get(1) == Some(&b']');
        let mark = body
            .get(..at)
            .filter(|_| whole && is_osc)
            .and_then(|body| self.mark(body));
        Some((mark.map_or(Token::Nothing, Token::Mark), taken))
    }

    /// Skips to the end of a long control string; returns how many bytes that took.
    fn skip(&mut self, input: &[u8]) -> usize {
        let Some(at) = input.iter().position(|byte| ends_string(*byte)) else {
            return input.len();
        };
        *self.skipping = false;
        match input.get(at) {
            // `ESC \` reads as an escape sequence of its own, which shows nothing.
            Some(&ESC | b'\n' | b'\r') => at,
            _ => at.saturating_add(1),
        }
    }

    fn mark(&self, body: &[u8]) -> Option<Mark> {
        let body = std::str::from_utf8(body).ok()?.strip_prefix("133;")?;
        let fields: Vec<&str> = body.split(';').collect();
        match *fields.as_slice() {
            ["A", nonce] if nonce == self.nonce => Some(Mark::Prompt),
            ["C", nonce, task] if nonce == self.nonce => Some(Mark::Start(task.parse().ok()?)),
            ["D", code, nonce, task, parsed] if nonce == self.nonce => Some(Mark::End {
                task: task.parse().ok()?,
                code: code.parse().ok()?,
                parsed: parsed == "1",
            }),
            _ => None,
        }
    }
}

fn ends_string(byte: u8) -> bool {
    matches!(byte, 0x07 | 0x18 | 0x1a | ESC | b'\n' | b'\r')
}

/// `ESC [`, parameters, intermediates, one final byte.
fn csi(input: &[u8], more: More) -> Option<(Token<'_>, usize)> {
    let window = input.get(..MAX_CSI).unwrap_or(input);
    let body = window.get(2..).unwrap_or_default();
    let Some(at) = body.iter().position(|byte| !(0x20..=0x3f).contains(byte)) else {
        if window.len() < MAX_CSI && more == More::Maybe {
            return None;
        }
        return Some((Token::Nothing, 2));
    };
    let end = at.saturating_add(2);
    match body.get(at) {
        Some(b'K') if body.get(..at) == Some(b"2") => Some((Token::Erase, end.saturating_add(1))),
        Some(0x40..=0x7e) => Some((Token::Nothing, end.saturating_add(1))),
        // Broken off: the byte is read for itself.
        _ => Some((Token::Nothing, end)),
    }
}

/// The printable bytes up to the next control.
fn text(input: &[u8], more: More) -> Option<(Token<'_>, usize)> {
    let end = input
        .iter()
        .position(|byte| *byte < 0x20 || *byte == 0x7f)
        .unwrap_or(input.len());
    let run = input.get(..end).unwrap_or_default();
    match std::str::from_utf8(run) {
        Ok(text) => Some((Token::Text(text), end)),
        Err(error) if error.valid_up_to() > 0 => {
            let valid = run.get(..error.valid_up_to()).unwrap_or_default();
            let text = std::str::from_utf8(valid).unwrap_or_default();
            Some((Token::Text(text), valid.len()))
        }
        Err(error) => match error.error_len() {
            None if end == input.len() && more == More::Maybe => None,
            None => Some((Token::Text("\u{fffd}"), end)),
            Some(bad) => Some((Token::Text("\u{fffd}"), bad)),
        },
    }
}

#[cfg(test)]
#[path = "osc_tests.rs"]
mod tests;
