//! How `run` shows a turn: a status line on a terminal, plain lines elsewhere, JSON lines for
//! programs. The agent's own words and output go to stdout, everything about it to stderr.
//!
//! Never draws on stderr while output of a command is under way: its line may be unfinished.

use std::time::Duration;

use indicatif::ProgressBar;

use super::amid::{Amid, Place};
use super::failure::Failure;
use super::follow::Seen;
use super::live::Piece;
use super::plain::{self, Colour, Filter};
use super::wire::{Event, Gap};
use super::words::{Rest, Words};
use super::{glance, out, render, terminal};

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
    /// Whether messages are shown while they are being written.
    live: bool,
    written: Words,
    filter: Filter,
    /// The last words of a message did not end their line.
    amid: Amid,
    /// The status line gave way to a message.
    hidden: bool,
    /// The last line of the prompt that a person has not answered.
    asking: String,
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
            live: form == Form::People && terminal::on_stdout(),
            written: Words::default(),
            filter: Filter::new(Colour::Drop),
            amid: Amid::default(),
            hidden: false,
            asking: String::new(),
        };
        view.wake();
        view
    }

    /// Prints pieces of messages for programs as well.
    #[must_use]
    pub fn with_pieces(mut self, wanted: bool) -> Self {
        self.live |= wanted;
        self
    }

    /// Whether pieces of messages are shown.
    #[must_use]
    pub fn shows_pieces(&self) -> bool {
        self.live
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
            "assistant_message" | "thinking" => self.message(event),
            "turn_ended" => {
                self.written.close();
                self.end_message();
                Ok(())
            }
            "tool_call" => {
                self.note(&glance::call(&event.data, terminal::width()));
                Ok(())
            }
            "tool_result" => {
                self.note(&glance::result(&event.data, terminal::width()));
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

    /// A piece of a message, as it comes.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn piece(&mut self, piece: &Piece) -> Result<(), Failure> {
        if self.form == Form::Json {
            return out::json_line(&piece.raw);
        }
        let thinks = piece.kind == "thinking";
        if thinks && !terminal::on_stderr() {
            return Ok(());
        }
        let begins = !self.written.is_open(&piece.message_id);
        let Some(new) = self.written.piece(piece) else {
            return Ok(());
        };
        if begins {
            self.filter = Filter::new(Colour::Drop);
            self.hidden |= self.bar.is_some();
            self.hide();
            if thinks {
                terminal::show(&dim("  ~ "));
            }
        }
        self.write(new, thinks)
    }

    /// A whole message: what of it is not on the screen yet.
    fn message(&mut self, event: &Event) -> Result<(), Failure> {
        let words = render::words(event);
        let thinks = event.kind == "thinking";
        let id = render::field(&event.data, &["messageId"]);
        match self.written.whole(id.as_deref(), &words) {
            Rest::Open(rest) => {
                self.write(rest, thinks)?;
                self.end_message();
                Ok(())
            }
            Rest::Left("") => Ok(()),
            Rest::Left(rest) => self.aloud(rest, thinks),
            Rest::All => self.aloud(&words, thinks),
        }
    }

    fn aloud(&self, words: &str, thinks: bool) -> Result<(), Failure> {
        if !thinks {
            return self.say(words);
        }
        let text = plain::line(&format!("  ~ {words}"));
        self.around(|| out::note(&dim(&text)));
        Ok(())
    }

    fn write(&mut self, words: &str, thinks: bool) -> Result<(), Failure> {
        let mut shown = self.filter.text(words.as_bytes());
        shown.retain(|byte| *byte != b'\r');
        let Some(last) = shown.last() else {
            return Ok(());
        };
        let place = if thinks { Place::Err } else { Place::Out };
        self.amid.wrote(place, *last);
        if thinks {
            terminal::show(&dim(&String::from_utf8_lossy(&shown)));
            return Ok(());
        }
        out::bytes(&shown)
    }

    /// Ends the line of a message, and brings the status line back.
    fn end_message(&mut self) {
        self.end_message_line();
        self.ask_on();
        if std::mem::take(&mut self.hidden) {
            self.wake();
        }
    }

    fn end_message_line(&self) {
        end_lines(&self.amid.end());
    }

    /// The agent's words, to stdout.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn say(&self, words: &str) -> Result<(), Failure> {
        self.end_message_line();
        let said = self.beside_bar(|| out::line(words));
        self.ask_on();
        said
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
        self.end_message_line();
        if std::mem::take(&mut self.unfinished) {
            end_lines(&[Place::Out]);
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

    /// No status line from now on, until it is woken.
    pub fn quiet(&mut self) {
        self.hidden = false;
        self.asking.clear();
        self.hide();
    }

    /// Asks the person, whose words come behind it on its last line.
    pub fn prompt(&mut self, text: &str) {
        self.give_way();
        self.hidden = false;
        self.clear();
        terminal::show(text);
        text.lines()
            .last()
            .unwrap_or_default()
            .clone_into(&mut self.asking);
        self.amid.wrote(Place::Err, b' ');
    }

    /// The person ended the prompt's line.
    pub fn typed(&mut self) {
        self.amid.entered();
        self.asking.clear();
    }

    /// Nobody has to answer the prompt any more.
    pub fn unasked(&mut self) {
        self.asking.clear();
    }

    /// Shows again what is asked, below what came meanwhile.
    fn ask_on(&self) {
        if !self.asking.is_empty() {
            terminal::show(&self.asking);
            self.amid.wrote(Place::Err, b' ');
        }
    }

    fn hide(&mut self) {
        self.end_message_line();
        self.clear();
    }

    fn clear(&mut self) {
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

    /// Ends what is under way where a note would be written into it.
    fn give_way(&self) {
        let shared = terminal::on_stdout() && terminal::on_stderr();
        end_lines(&self.amid.before_note(shared));
    }

    /// Prints to stderr, not into a line that is under way on the same screen.
    fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        self.give_way();
        let printed = self.beside_bar(print);
        self.ask_on();
        printed
    }

    fn beside_bar<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// Ends these lines. Who reads stdout no more is told so by the next words to it.
fn end_lines(places: &[Place]) {
    for place in places {
        match place {
            Place::Out => drop(out::bytes(b"\n")),
            Place::Err => terminal::show("\n"),
        }
    }
}

/// Words that stand back, where stderr is a terminal that may have colours.
fn dim(text: &str) -> String {
    match terminal::on_stderr() && coloured(|name| std::env::var(name).ok()) {
        true => format!("\u{1b}[2m{text}\u{1b}[0m"),
        false => text.to_owned(),
    }
}

/// Whether a terminal with these variables may have colours: an empty `NO_COLOR` forbids nothing.
fn coloured(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_comes_back_below_a_note_until_it_is_answered() {
        let mut view = View::new(Form::Json);
        let due = |view: &View| {
            view.note("  > Read x");
            !view.amid.end().is_empty()
        };
        view.prompt("  ? may it?\n    [y]es: ");
        assert_eq!(view.asking, "    [y]es: ");
        assert!(due(&view), "it stands open again");
        view.typed();
        assert!(!due(&view));
        view.prompt("  ? and now? ");
        view.unasked();
        assert_eq!(view.amid.end(), [Place::Err]);
        assert!(!due(&view));
    }

    #[test]
    fn colours_are_left_out_where_they_are_not_wanted() {
        let with = |name: &'static str, value: &'static str| {
            coloured(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert!(with("TERM", "xterm") && with("NO_COLOR", ""));
        assert!(!with("NO_COLOR", "1") && !with("TERM", "dumb"));
    }
}
