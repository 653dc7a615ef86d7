//! This terminal: raw while an agent has it, its size, and what it shows.
//!
//! Never left raw or in a mode of the program's: whatever ends the command puts it back, also a
//! panic and a signal that can be caught.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::screen::{Age, Screen};
use crate::cli::failure::{Exit, Failure};
use crate::cli::out;

/// The terminal of the person who runs the command, or what stands in its place.
#[derive(Debug, Default)]
pub struct Tty {
    before: Option<Termios>,
    screen: Screen,
    drawn: bool,
}

impl Tty {
    /// Gives every key to the program from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn raw(&mut self) -> Result<(), Failure> {
        let failed = |error: nix::Error| {
            Failure::new(Exit::Failed, "the terminal cannot be made raw")
                .because(error.to_string())
                .mend("run it in the foreground, or with --no-stdin")
        };
        if self.before.is_none() {
            self.before = Some(tcgetattr(io::stdin()).map_err(failed)?);
        }
        let Some(mut raw) = self.before.clone() else {
            return Ok(());
        };
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw).map_err(failed)
    }

    /// Makes it raw again, after a shell had it meanwhile.
    pub fn raw_again(&mut self) {
        if self.before.is_some()
            && let Err(failure) = self.raw()
        {
            failure.print();
        }
    }

    /// Shows output of the program.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn show(&mut self, output: &[u8], age: Age) -> Result<(), Failure> {
        if output.is_empty() {
            return Ok(());
        }
        if !io::stdout().is_terminal() {
            return out::bytes(output);
        }
        self.drawn = true;
        let shown = self.screen.feed(output, age);
        out::bytes(&shown)
    }

    /// Whether a program has taken the whole screen.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.screen.is_full()
    }

    /// A line for the person on stderr, which leaves a full screen as it is but for its last line.
    pub fn tell(&self, words: &str) {
        let end = if self.before.is_some() { "\r" } else { "" };
        if self.is_full() && io::stderr().is_terminal() {
            super::super::terminal::show(&format!(
                "\x1b7\x1b[999;1H\x1b[0;7m[callboard: {words}]\x1b[0m\x1b[K\x1b8"
            ));
        } else if self.drawn {
            out::note(&format!("{end}\n[callboard: {words}]{end}"));
        } else {
            out::note(&format!("[callboard: {words}]{end}"));
        }
    }

    /// Gives it back as it was. Doing it twice does nothing.
    pub fn give_back(&mut self) {
        if std::mem::take(&mut self.drawn) {
            // A terminal that is gone has nothing to be put back.
            let _ = out::bytes(&self.screen.undo());
        }
        if let Some(before) = self.before.take()
            && let Err(error) = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &before)
            && error != nix::Error::EIO
        {
            out::note(&format!("callboard: run `reset`: {error}"));
        }
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Columns and rows of the terminal that shows the output.
#[must_use]
pub fn size() -> Option<(u16, u16)> {
    fn of(place: impl AsFd) -> Option<(u16, u16)> {
        let (width, height) = terminal_size::terminal_size_of(place)?;
        Some((width.0, height.0))
    }
    of(io::stdout()).or_else(|| of(io::stdin()))
}
