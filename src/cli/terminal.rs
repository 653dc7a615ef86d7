//! The person at the terminal: who is there, what they type, and passwords without echo.
//!
//! Never leaves the terminal without echo, also when Ctrl-C ends a question.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::mpsc::{Receiver, channel};

use nix::sys::signal::Signal;
use nix::sys::termios::{FlushArg, LocalFlags, SetArg, Termios, tcflush, tcgetattr, tcsetattr};

use super::failure::{Exit, Failure};
use super::interrupt;

/// Largest text that is taken from stdin: the server takes 1 MiB of a prompt.
const MAX_STDIN: u64 = 4 * 1024 * 1024;

/// Width of a line where nobody says how wide the screen is.
const WIDTH: usize = 160;

/// Whether a person reads stdout.
#[must_use]
pub fn on_stdout() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person can be asked: stdin and stderr are terminals.
#[must_use]
pub fn person() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether a status line can be drawn on stderr.
#[must_use]
pub fn on_stderr() -> bool {
    io::stderr().is_terminal()
}

/// Columns of stderr; as many as a line may have where it is no terminal.
#[must_use]
pub fn width() -> usize {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(WIDTH, |(width, _)| usize::from(width.0))
}

/// `text`, or all of stdin when it is `-`.
///
/// # Errors
/// When stdin cannot be read, is too long, or no UTF-8.
pub fn text_or_stdin(text: &str) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut read = String::new();
    let taken = io::stdin()
        .lock()
        .take(MAX_STDIN.saturating_add(1))
        .read_to_string(&mut read)
        .map_err(|error| {
            Failure::new(Exit::Usage, "stdin cannot be read as text").because(error.to_string())
        })?;
    if u64::try_from(taken).is_ok_and(|taken| taken > MAX_STDIN) {
        return Err(Failure::new(Exit::Usage, "stdin is too long for a prompt")
            .mend("put it into a file and name the file in the prompt"));
    }
    Ok(read)
}

/// The first line of stdin, without its end.
///
/// # Errors
/// When there is none.
pub fn first_line() -> Result<String, Failure> {
    let mut line = String::new();
    let taken = io::stdin().lock().read_line(&mut line).map_err(|error| {
        Failure::new(Exit::Usage, "stdin cannot be read").because(error.to_string())
    })?;
    if taken == 0 {
        return Err(Failure::new(Exit::Usage, "stdin is empty"));
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks for a line and shows what is typed.
///
/// # Errors
/// As [`first_line`].
pub fn ask(question: &str) -> Result<String, Failure> {
    show(question);
    first_line()
}

/// Asks for a line without showing it. To be called before other threads are started.
///
/// # Errors
/// As [`first_line`], or when stdin is no terminal that can hide it.
pub fn ask_hidden(question: &str) -> Result<String, Failure> {
    let failed = |error: nix::Error| {
        Failure::new(Exit::Failed, "the terminal cannot hide what is typed")
            .because(error.to_string())
            .mend("use --password-file, or give the password on stdin")
    };
    let before = tcgetattr(io::stdin()).map_err(failed)?;
    let held = interrupt::hold(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])?;
    let seen = before.clone();
    held.each(move |_| {
        restore(&seen);
        interrupt::quit();
    });
    let mut hidden = before.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    hidden.local_flags.insert(LocalFlags::ECHONL);
    tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &hidden).map_err(failed)?;
    show(question);
    let line = first_line();
    restore(&before);
    line
}

/// Lines as a person types them, read in a thread of its own that ends with the process.
#[derive(Debug, Default)]
pub struct Typed {
    lines: Option<Receiver<String>>,
}

impl Typed {
    /// Forgets what was typed up to now, and reads on. Asked only where stdin is a
    /// terminal ([`person`]): nothing of a pipe is lost.
    pub fn forget(&mut self) {
        if io::stdin().is_terminal() {
            // A terminal that went away has nothing to forget.
            let _flushed = tcflush(io::stdin(), FlushArg::TCIFLUSH);
        }
        let lines = self.lines.get_or_insert_with(read_lines);
        while lines.try_recv().is_ok() {}
    }

    /// The next line that was typed, when there is one.
    pub fn line(&mut self) -> Option<String> {
        self.lines.get_or_insert_with(read_lines).try_recv().ok()
    }
}

impl From<Receiver<String>> for Typed {
    fn from(lines: Receiver<String>) -> Self {
        Self { lines: Some(lines) }
    }
}

fn read_lines() -> Receiver<String> {
    let (give, take) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if give.send(line).is_err() {
                return;
            }
        }
    });
    take
}

/// Text to stderr without a line's end.
pub fn show(text: &str) {
    let mut err = io::stderr().lock();
    if err.write_all(text.as_bytes()).is_ok() {
        drop(err.flush());
    }
}

fn restore(to: &Termios) {
    if let Err(error) = tcsetattr(io::stdin(), SetArg::TCSANOW, to) {
        super::out::note(&format!("callboard: run `stty echo`: {error}"));
    }
}
