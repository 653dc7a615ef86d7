//! What a command printed, as readable text: its beginning and its end.
//!
//! Never longer than its bounds, which count JSON bytes, because it is part of the snapshot.

use serde::{Deserialize, Serialize};

use crate::drivers::text::{MARK, head, json_len, json_len_of, tail};

/// JSON bytes that are kept of the beginning.
const HEAD: usize = 12 * 1024;
/// JSON bytes that are kept of the end; twice as many before it is cut back to this.
const TAIL: usize = 12 * 1024;
/// JSON bytes of a line that a carriage return can still take back.
const LINE: usize = 4 * 1024;
/// JSON bytes of a turn's text.
const SUMMARY: usize = 16 * 1024;

/// The capture. Lines are taken back as on a terminal: a return overwrites the line (here: clears
/// it, with the next character), a backspace takes one character.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Capture {
    head: String,
    tail: String,
    line: String,
    /// JSON bytes of `head`, `tail` and `line`.
    sizes: [usize; 3],
    /// The beginning is full.
    full: bool,
    /// A return was seen, and nothing behind it yet.
    returned: bool,
    /// Bytes that were left out between beginning and end.
    left_out: u64,
    /// Bytes of text in all.
    total: u64,
}

impl Capture {
    pub(super) fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if std::mem::take(&mut self.returned) {
            self.erase();
        }
        let size = json_len(text);
        let [_, _, line] = self.sizes;
        if line.saturating_add(size) <= LINE {
            self.line.push_str(text);
            self.grow_line(size);
            return;
        }
        for c in text.chars() {
            let [_, _, line] = self.sizes;
            if line.saturating_add(json_len_of(c)) > LINE {
                self.flush();
            }
            self.line.push(c);
            self.grow_line(json_len_of(c));
        }
    }

    pub(super) fn newline(&mut self) {
        self.returned = false;
        self.line.push('\n');
        self.grow_line(2);
        self.flush();
    }

    pub(super) fn carriage_return(&mut self) {
        self.returned = true;
    }

    pub(super) fn back(&mut self) {
        if let Some(c) = self.line.pop() {
            let [_, _, line] = &mut self.sizes;
            *line = line.saturating_sub(json_len_of(c));
        }
    }

    pub(super) fn erase(&mut self) {
        self.line.clear();
        let [_, _, line] = &mut self.sizes;
        *line = 0;
    }

    /// Whether something was left out.
    pub(super) fn is_cut(&self) -> bool {
        self.left_out > 0
    }

    /// Bytes of text that the command printed.
    pub(super) fn total(&self) -> u64 {
        let line = u64::try_from(self.line.len()).unwrap_or(u64::MAX);
        self.total.saturating_add(line)
    }

    /// The text, with a line of its own where something was left out.
    pub(super) fn output(&self) -> String {
        let middle = if self.is_cut() {
            format!("\n{MARK} {} bytes left out {MARK}\n", self.left_out)
        } else {
            String::new()
        };
        [&self.head, middle.as_str(), &self.tail, &self.line].concat()
    }

    /// The text for a task's last words: at most 16 KiB, the end of it rather than the beginning.
    pub(super) fn summary(&self) -> String {
        let output = self.output();
        let output = output.trim_end_matches('\n');
        if json_len(output) <= SUMMARY {
            return output.to_owned();
        }
        let first = head(output, SUMMARY / 4);
        let last = tail(output, SUMMARY / 4 * 3 - 8);
        format!("{first}\n{MARK}{last}")
    }

    fn grow_line(&mut self, by: usize) {
        let [_, _, line] = &mut self.sizes;
        *line = line.saturating_add(by);
    }

    /// Moves the line to the beginning or the end.
    fn flush(&mut self) {
        let bytes = u64::try_from(self.line.len()).unwrap_or(u64::MAX);
        self.total = self.total.saturating_add(bytes);
        let [head, tail, line] = &mut self.sizes;
        if !self.full && head.saturating_add(*line) <= HEAD {
            self.head.push_str(&self.line);
            *head = head.saturating_add(*line);
        } else {
            self.full = true;
            self.tail.push_str(&self.line);
            *tail = tail.saturating_add(*line);
        }
        *line = 0;
        self.line.clear();
        self.trim();
    }

    fn trim(&mut self) {
        let [_, size, _] = &mut self.sizes;
        if *size <= TAIL.saturating_mul(2) {
            return;
        }
        let kept = tail(&self.tail, TAIL).to_owned();
        let gone = self.tail.len().saturating_sub(kept.len());
        let gone = u64::try_from(gone).unwrap_or(u64::MAX);
        self.left_out = self.left_out.saturating_add(gone);
        *size = json_len(&kept);
        self.tail = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(pieces: &[&str]) -> Capture {
        let mut capture = Capture::default();
        for piece in pieces {
            match *piece {
                "\n" => capture.newline(),
                "\r" => capture.carriage_return(),
                "\u{8}" => capture.back(),
                text => capture.text(text),
            }
        }
        capture
    }

    #[test]
    fn a_progress_line_keeps_its_last_state() {
        let capture = of(&[
            "10%", "\r", "50%", "\r", "100%", "\r", "\n", "done", "\r", "\n",
        ]);
        assert_eq!(capture.output(), "100%\ndone\n");
    }

    #[test]
    fn a_backspace_takes_one_character_back() {
        assert_eq!(
            of(&["a\u{e4}", "\u{8}", "b", "\u{8}", "\u{8}", "\u{8}", "c"]).output(),
            "c"
        );
    }

    #[test]
    fn long_output_keeps_both_ends_and_says_what_is_missing() {
        let mut capture = Capture::default();
        let mut all = 0;
        for n in 0..100_000 {
            let line = format!("line \"{n}\"");
            all += line.len() + 1;
            capture.text(&line);
            capture.newline();
        }
        let output = capture.output();
        assert!(output.starts_with("line \"0\"\nline \"1\"\n"));
        assert!(output.ends_with("line \"99999\"\n"));
        assert_eq!(capture.total(), u64::try_from(all).unwrap());
        let shown = output.lines().filter(|l| l.starts_with("line")).count();
        assert!(shown > 1_000 && capture.is_cut());
        let kept = all - usize::try_from(capture.left_out).unwrap();
        let mark = format!("\n{MARK} {} bytes left out {MARK}\n", capture.left_out);
        assert_eq!(output.len(), kept + mark.len());
        assert!(capture.summary().ends_with("line \"99999\""));
        assert!(json_len(&capture.summary()) <= SUMMARY);
        // Either side of the cut is marked: what is left of a secret there is found by it.
        let cut = format!("{MARK}\n{MARK}");
        assert!(capture.summary().contains(&cut));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter_and_the_size_is_bound(
            text in "([\"\\\\a-c\u{e4}\u{1F600}]{0,400}){0,40}",
            lines in 1_usize..8,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut whole = Capture::default();
            let mut split = Capture::default();
            for _ in 0..lines {
                whole.text(&text);
                let mut at: Vec<usize> = cuts
                    .iter()
                    .map(|cut| text.floor_char_boundary(cut.index(text.len() + 1)))
                    .collect();
                at.extend([0, text.len()]);
                at.sort_unstable();
                for pair in at.windows(2) {
                    split.text(text.get(pair[0]..pair[1]).unwrap());
                }
                whole.newline();
                split.newline();
            }
            prop_assert_eq!(&whole, &split);
            prop_assert!(serde_json::to_string(&whole).unwrap().len() < 44 * 1024);
        }
    }
}
