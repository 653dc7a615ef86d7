//! What a shell turn prints, live: the bytes between the turn's start and end marks in the raw log
//! of its process (OSC 133, see `drivers::shell`).
//!
//! Never shows the prompt, the typed line or the output of another turn.

use super::client::{Client, Request};
use super::failure::Failure;
use super::plain::{Colour, Filter, Part};

/// Bytes that one request asks for.
const PIECE: u64 = 256 * 1024;

/// The reader of one turn's output.
#[derive(Debug)]
pub struct Stream {
    path: String,
    incarnation: Option<u64>,
    offset: u64,
    marks: Marks,
}

impl Stream {
    /// The output of this task of this agent.
    #[must_use]
    pub fn new(agent: &str, task: &str, colour: Colour) -> Self {
        Self {
            path: format!("/api/agents/{agent}/log"),
            incarnation: None,
            offset: 0,
            marks: Marks::new(task, colour),
        }
    }

    /// What was printed since the last call. Stops at the end of the log or of the turn.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn next(&mut self, client: &Client) -> Result<Vec<u8>, Failure> {
        let mut shown = Vec::new();
        while !self.marks.ended() {
            let mut request = Request::get(&self.path)
                .with("offset", self.offset)
                .with("limit", PIECE);
            if let Some(incarnation) = self.incarnation {
                request = request.with("incarnation", incarnation);
            }
            let reply = client.send(&request)?;
            self.incarnation = self.incarnation.or(reply.number("x-log-incarnation"));
            if reply.bytes.is_empty() {
                break;
            }
            let length = u64::try_from(reply.bytes.len()).unwrap_or(0);
            let start = reply.number("x-log-offset").unwrap_or(self.offset);
            self.offset = start.saturating_add(length);
            shown.extend(self.marks.feed(&reply.bytes));
        }
        Ok(shown)
    }

    /// Whether the turn's start mark was seen, so that its output was shown here.
    #[must_use]
    pub fn started(&self) -> bool {
        self.marks.nonce.is_some()
    }
}

/// Finds one turn between its marks: `133;C;NONCE;TASK`, then `133;A;NONCE` at the next prompt.
#[derive(Debug)]
struct Marks {
    task: String,
    filter: Filter,
    nonce: Option<String>,
    ended: bool,
}

impl Marks {
    fn new(task: &str, colour: Colour) -> Self {
        Self {
            task: task.to_owned(),
            filter: Filter::new(colour),
            nonce: None,
            ended: false,
        }
    }

    fn ended(&self) -> bool {
        self.ended
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::new();
        for part in self.filter.feed(bytes) {
            match part {
                Part::Text(text) if self.nonce.is_some() && !self.ended => shown.extend(text),
                Part::Text(_) => {}
                Part::Osc(text) => self.mark(&String::from_utf8_lossy(&text)),
            }
        }
        shown
    }

    fn mark(&mut self, text: &str) {
        let fields: Vec<&str> = text.split(';').collect();
        match (&self.nonce, fields.as_slice()) {
            (None, ["133", "C", nonce, task]) if *task == self.task => {
                self.nonce = Some((*nonce).to_owned());
            }
            (Some(nonce), ["133", "A", other]) if nonce == other => self.ended = true,
            (Some(nonce), ["133", "D", _, other, ..]) if nonce == other => self.ended = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_turn_between_its_marks_is_shown() {
        let log = "rc\x1b]133;A;n\x07$ typed\r\n\x1b]133;C;n;other\x07no\r\n\x1b]133;A;n\x07\
                   \x1b]133;D;0;n;other;1\x07$ typed\r\n\x1b]133;C;n;t1\x07one\r\n\x1b]133;A;fake\x07\
                   \x1b[31mtwo\x1b[0m\r\n\x1b]133;A;n\x07\x1b]133;D;0;n;t1;1\x07$ ";
        for cut in 0..log.len() {
            let (first, second) = log.as_bytes().split_at(cut);
            let mut marks = Marks::new("t1", Colour::Drop);
            let mut shown = marks.feed(first);
            shown.extend(marks.feed(second));
            assert_eq!(
                String::from_utf8(shown).unwrap(),
                "one\ntwo\n",
                "cut at {cut}"
            );
            assert!(marks.ended());
        }
    }

    #[test]
    fn a_turn_that_never_started_shows_nothing() {
        let mut marks = Marks::new("t1", Colour::Drop);
        assert!(marks.feed(b"$ typed\r\n\x1b]133;A;n\x07$ ").is_empty());
        assert!(!marks.ended());
    }
}
