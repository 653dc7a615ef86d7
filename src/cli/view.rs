//! How `run` shows a turn: a status line on a terminal, plain lines elsewhere, JSON lines for
//! programs. The agent's own words and output go to stdout, everything about it to stderr.
//!
//! Never draws on stderr while output of a command is under way: its line may be unfinished.

use std::time::Duration;

use indicatif::ProgressBar;

use super::failure::Failure;
use super::follow::Seen;
use super::plain;
use super::wire::{Event, Gap};
use super::{out, render, terminal};

/// Lines of a tool's result that are shown.
const RESULT_LINES: usize = 6;

/// What a program is told instead of what a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text for people.
    People,
    /// Each event as one JSON line.
    Json,
}

/// The view of one turn.
#[derive(Debug)]
pub struct View {
    form: Form,
    bar: Option<ProgressBar>,
    status: String,
    /// The last output on a terminal did not end its line.
    unfinished: bool,
}

impl View {
    /// A view in this form.
    #[must_use]
    pub fn new(form: Form) -> Self {
        let mut view = Self {
            form,
            bar: None,
            status: String::new(),
            unfinished: false,
        };
        view.wake();
        view
    }

    /// Draws the status line (again).
    pub fn wake(&mut self) {
        if self.form == Form::People && self.bar.is_none() && terminal::on_stderr() {
            let bar = ProgressBar::new_spinner().with_message(self.status.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = Some(bar);
        }
    }

    /// Whether people read it.
    #[must_use]
    pub fn for_people(&self) -> bool {
        self.form == Form::People
    }

    /// Shows one event in full.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn event(&mut self, seen: &Seen) -> Result<(), Failure> {
        if self.form == Form::Json {
            return out::json_line(seen.raw.get());
        }
        self.words(&seen.event)
    }

    fn words(&mut self, event: &Event) -> Result<(), Failure> {
        match event.kind.as_str() {
            "assistant_message" => self.say(&render::words(event)),
            "thinking" => {
                self.note(&format!("  ~ {}", render::words(event)));
                Ok(())
            }
            "tool_call" => {
                let data = &event.data;
                let call = format!("  > {} {}", render::tool(data), render::arguments(data));
                self.note(&render::cut(&call, 200));
                Ok(())
            }
            "tool_result" => {
                self.note(&head(&render::result(&event.data)));
                Ok(())
            }
            "error" | "rate_limited" | "exit" => {
                self.note(&format!("  ! {}: {}", event.kind, render::words(event)));
                Ok(())
            }
            "status" => {
                self.status(&render::field(&event.data, &["detail", "status"]).unwrap_or_default());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The agent's words, to stdout.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn say(&self, words: &str) -> Result<(), Failure> {
        self.around(|| out::line(words))
    }

    /// A command's output, to stdout as it is.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn output(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() || self.form == Form::Json {
            return Ok(());
        }
        self.quiet();
        self.unfinished = terminal::on_stdout() && bytes.last() != Some(&b'\n');
        out::bytes(bytes)
    }

    /// Ends the line that a command left unfinished.
    pub fn end_line(&mut self) {
        if std::mem::take(&mut self.unfinished) {
            out::note("");
        }
    }

    /// Missing events.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn gap(&self, gap: &Gap) -> Result<(), Failure> {
        if self.form == Form::Json {
            let line = serde_json::json!({"type":"gap","from":gap.from,"to":gap.to});
            return out::json_line(&line.to_string());
        }
        self.note(&render::gap(gap));
        Ok(())
    }

    /// One line about the turn, to stderr.
    pub fn note(&self, text: &str) {
        self.around(|| out::note(&plain::line(text)));
    }

    /// No status line from now on.
    pub fn quiet(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn status(&mut self, word: &str) {
        if word == self.status {
            return;
        }
        word.clone_into(&mut self.status);
        let word = plain::cell(word);
        match &self.bar {
            Some(bar) => bar.set_message(word),
            None if terminal::on_stderr() => {}
            None => out::note(&format!("  status: {word}")),
        }
    }

    fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

fn head(text: &str) -> String {
    let mut lines: Vec<String> = text
        .lines()
        .take(RESULT_LINES)
        .map(|line| format!("    {}", render::cut(line, 160)))
        .collect();
    let rest = text.lines().count().saturating_sub(RESULT_LINES);
    if rest > 0 {
        lines.push(format!("    \u{2026} {rest} more lines"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_result_shows_its_head_and_how_much_is_missing() {
        let text = (1..=9)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join("\n");
        let shown = head(&text);
        assert!(shown.starts_with("    1\n") && shown.ends_with("    \u{2026} 3 more lines"));
    }
}
