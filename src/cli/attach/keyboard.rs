//! What is typed, or piped, on its way to the program.
//!
//! Never takes more than it can hand over: what is not read yet waits in the pipe.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use super::detach::Detector;
use crate::cli::args::AttachArgs;
use crate::cli::clock;
use crate::cli::failure::Failure;

/// How long the first keys of the sequence wait for the rest.
const REST: Duration = Duration::from_secs(1);
/// Bytes of one read, which become one frame.
const PIECE: usize = 4096;
/// Typed bytes that wait for a server that is away.
const MOST: usize = 64 * 1024;
/// Ctrl-C as a raw terminal sends it.
const CTRL_C: u8 = 3;

/// Where keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A person.
    Terminal,
    /// A file or a program.
    Pipe,
    /// Nowhere, or no longer.
    None,
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Go on.
    Input,
    /// The person wants to leave.
    Detach,
}

/// Stdin.
#[derive(Debug)]
pub struct Keyboard {
    source: Source,
    silent: bool,
    detector: Detector,
    until: Option<Instant>,
    waiting: Vec<u8>,
}

impl Keyboard {
    /// As the command line says.
    #[must_use]
    pub fn new(args: &AttachArgs) -> Self {
        let terminal = io::stdin().is_terminal();
        let source = match (args.no_stdin, terminal) {
            (true, _) => Source::None,
            (false, true) => Source::Terminal,
            (false, false) => Source::Pipe,
        };
        let keys = if terminal {
            args.detach_keys.bytes()
        } else {
            &[]
        };
        Self {
            source,
            silent: args.read_only,
            detector: Detector::new(keys),
            until: None,
            waiting: Vec::new(),
        }
    }

    /// Where keys come from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// Nothing goes to the program from now on; Ctrl-C leaves.
    pub fn silence(&mut self) {
        self.silent = true;
        self.waiting.clear();
    }

    /// Whether nothing goes to the program.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether stdin is to be watched; `away`: there is no server to take it.
    #[must_use]
    pub fn wants(&self, away: bool) -> bool {
        match self.source {
            Source::Terminal => away || self.waiting.is_empty(),
            Source::Pipe => !away && self.waiting.is_empty(),
            Source::None => false,
        }
    }

    /// When held keys are to be given up on.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// When stdin cannot be read.
    pub fn read(&mut self) -> Result<Heard, Failure> {
        let mut buffer = [0_u8; PIECE];
        let length = match nix::unistd::read(io::stdin(), &mut buffer) {
            Ok(length) => length,
            Err(nix::Error::EINTR | nix::Error::EAGAIN) => return Ok(Heard::Input),
            // A terminal that hung up.
            Err(nix::Error::EIO) => 0,
            Err(error) => return Err(io::Error::from(error).into()),
        };
        if length == 0 {
            let gone = self.source == Source::Terminal;
            self.source = Source::None;
            return Ok(if gone { Heard::Detach } else { Heard::Input });
        }
        let read = buffer.get(..length).unwrap_or_default();
        let typed = self.detector.feed(read);
        self.until = self.detector.holds().then(|| clock::now() + REST);
        let stop = self.silent && self.source == Source::Terminal && typed.pass.contains(&CTRL_C);
        self.keep(&typed.pass);
        Ok(if typed.detach || stop {
            Heard::Detach
        } else {
            Heard::Input
        })
    }

    /// Gives up on held keys whose time is over.
    pub fn tick(&mut self) {
        if self.until.is_some_and(|until| clock::now() >= until) {
            self.until = None;
            let held = self.detector.release();
            self.keep(&held);
        }
    }

    /// What goes to the program next.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let length = self.waiting.len().min(PIECE);
        (length > 0).then(|| self.waiting.drain(..length).collect())
    }

    fn keep(&mut self, bytes: &[u8]) {
        // More than this is nobody's typing while the server was away.
        if !self.silent && self.waiting.len() < MOST {
            self.waiting.extend_from_slice(bytes);
        }
    }
}
