//! The loop between this terminal and the agent's: keys out, output in, over restarts of the
//! server.
//!
//! Never ends because a connection did: it goes on at the byte where it was.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use tungstenite::Message;

use super::connection::Connection;
use super::frame::{self, Ended, Frame, Hello};
use super::keyboard::{Heard, Keyboard, Source};
use super::place::{At, Jump, Place};
use super::screen::Age;
use super::socket::Came;
use super::tty::{self, Tty};
use super::verdict::{Verdict, verdict};
use crate::cli::args::AttachArgs;
use crate::cli::client::Client;
use crate::cli::clock;
use crate::cli::failure::Failure;

/// How long the rest of the output of an ended process may take, when nothing closes the connection.
const REST: Duration = Duration::from_secs(2);
/// Messages that are shown before keys are looked at again.
const BURST: usize = 64;

/// How attaching ended.
#[derive(Debug)]
pub enum Over {
    /// By the person; the program runs on.
    Detached,
    /// By a signal to this command.
    Signal,
    /// By the end of the program.
    Ended(Option<Ended>),
    /// By the end of the session.
    Removed,
}

/// Answers to a hello.
#[derive(Debug)]
pub enum Greeting {
    /// Go on.
    Stay,
    /// Its process was started: connect again.
    Again,
}

/// A terminal that is attached to an agent.
pub struct Attached<'a> {
    connection: Connection<'a>,
    args: &'a AttachArgs,
    signals: SignalFd,
    tty: Tty,
    keyboard: Keyboard,
    place: Place,
    greeted: bool,
    /// Output below this offset is from before.
    old_until: u64,
    ended: Option<Ended>,
    /// The process is gone and nothing was said about it: the rest of its output may come until then.
    rest_until: Option<Instant>,
    more: bool,
}

impl<'a> Attached<'a> {
    /// Not connected yet.
    pub fn new(client: &'a Client, id: &str, args: &'a AttachArgs, signals: SignalFd) -> Self {
        Self {
            connection: Connection::new(client, id),
            args,
            signals,
            tty: Tty::default(),
            keyboard: Keyboard::new(args),
            place: Place::default(),
            greeted: false,
            old_until: 0,
            ended: None,
            rest_until: None,
            more: false,
        }
    }

    /// Attaches until something ends it. `greet` looks at the first hello.
    pub fn run(
        &mut self,
        mut greet: impl FnMut(&Hello) -> Result<Greeting, Failure>,
    ) -> Result<Over, Failure> {
        self.connect()?;
        loop {
            let at = self.place.at();
            self.more |= self.connection.mend(at, self.args.no_history)?;
            self.hand_over();
            let ready = self.wait()?;
            if ready.signal && self.signalled()? {
                return Ok(Over::Signal);
            }
            self.keyboard.tick();
            if ready.keys && self.keyboard.read()? == Heard::Detach {
                return Ok(Over::Detached);
            }
            if let Some(over) = self.messages(&mut greet)? {
                return Ok(over);
            }
            if self.rest_until.is_some_and(|until| clock::now() >= until) {
                return Ok(Over::Ended(self.ended.take()));
            }
        }
    }

    /// Gives the terminal back.
    pub fn give_back(&mut self) {
        self.tty.give_back();
        self.connection.close();
    }

    fn connect(&mut self) -> Result<(), Failure> {
        // The first frames may have come with the handshake, and nothing else tells of them.
        self.more = true;
        self.connection.open(self.place.at(), self.args.no_history)
    }

    /// The connection is gone.
    fn lose(&mut self) {
        if !self.connection.lose() {
            return;
        }
        let keys = match self.keyboard.source() {
            Source::Terminal => format!("; {} detaches", self.args.detach_keys),
            Source::Pipe | Source::None => String::new(),
        };
        self.tty
            .tell(&format!("connection lost, trying again{keys}"));
    }

    /// Sends what was typed, as far as the socket takes it.
    fn hand_over(&mut self) {
        let mut sent = !self.connection.is_behind() || self.connection.flush();
        while sent && self.greeted && self.connection.is_up() && !self.connection.is_behind() {
            let Some(keys) = self.keyboard.take() else {
                break;
            };
            sent = self.connection.send(Message::binary(keys));
        }
        if !sent {
            self.lose();
        }
    }

    fn wait(&mut self) -> Result<Ready, Failure> {
        let away = !self.connection.is_up();
        let stdin = io::stdin();
        let keys = self.greeted && self.keyboard.wants(away);
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if keys {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        if let Some(socket) = self.connection.socket() {
            let mut flags = PollFlags::POLLIN;
            flags.set(PollFlags::POLLOUT, socket.is_behind());
            fds.push(PollFd::new(socket.as_fd(), flags));
        }
        match poll(&mut fds, self.patience()) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let ready = |index: usize| fds.get(index).and_then(PollFd::any).unwrap_or(false);
        Ok(Ready {
            signal: ready(0),
            keys: keys && ready(1),
        })
    }

    /// Until when nothing but an event can be of interest.
    fn patience(&self) -> PollTimeout {
        if self.more {
            return PollTimeout::ZERO;
        }
        let until = [self.keyboard.until(), self.rest_until]
            .into_iter()
            .flatten()
            .fold(self.connection.until(), Instant::min);
        let left = until.saturating_duration_since(clock::now());
        // A part of a millisecond counts as one, so that the loop does not spin.
        PollTimeout::try_from(left.saturating_add(Duration::from_millis(1)))
            .unwrap_or(PollTimeout::MAX)
    }

    /// Takes the signals that came; true when one of them ends the command.
    fn signalled(&mut self) -> Result<bool, Failure> {
        while let Some(info) = self.signals.read_signal().map_err(io::Error::from)? {
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            match Signal::try_from(number) {
                Ok(Signal::SIGWINCH) => self.resize(),
                Ok(Signal::SIGCONT) => {
                    self.tty.raw_again();
                    self.resize();
                }
                Ok(_) => return Ok(true),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    fn resize(&mut self) {
        if let Some((columns, rows)) = tty::size() {
            self.send_size(columns, rows);
        }
    }

    fn send_size(&mut self, columns: u16, rows: u16) {
        if self.keyboard.is_silent() || !self.greeted {
            return;
        }
        let size = Message::text(frame::resize(columns, rows));
        if !self.connection.send(size) {
            self.lose();
        }
    }

    fn messages(
        &mut self,
        greet: &mut impl FnMut(&Hello) -> Result<Greeting, Failure>,
    ) -> Result<Option<Over>, Failure> {
        self.more = false;
        for _ in 0..BURST {
            match self.connection.read() {
                Ok(Came::Nothing) => return Ok(None),
                Ok(Came::Closed(code, reason)) => return self.closed(code, &reason),
                Ok(Came::Bytes(bytes)) => self.output(&bytes)?,
                Ok(Came::Text(text)) => self.frame(frame::read(&text), greet)?,
                Ok(Came::Life) => {}
                Err(_) => {
                    self.lose();
                    return Ok(None);
                }
            }
        }
        self.more = true;
        Ok(None)
    }

    fn output(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let until = self.old_until.saturating_sub(self.place.served());
        let old = usize::try_from(until)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (old, live) = bytes.split_at_checked(old).unwrap_or((bytes, &[]));
        for (bytes, age) in [(old, Age::Old), (live, Age::Live)] {
            let new = self.place.take(bytes);
            self.tty.show(new, age)?;
        }
        if let Some(until) = &mut self.rest_until {
            *until = clock::now() + REST;
        }
        Ok(())
    }

    fn frame(
        &mut self,
        frame: Frame,
        greet: &mut impl FnMut(&Hello) -> Result<Greeting, Failure>,
    ) -> Result<(), Failure> {
        match frame {
            Frame::Hello(hello) if self.greeted => self.hello_again(&hello),
            Frame::Hello(hello) => match greet(&hello)? {
                Greeting::Stay => self.hello(&hello)?,
                Greeting::Again => self.connect()?,
            },
            Frame::TtyStart {
                incarnation,
                offset,
            } => {
                self.old_until = 0;
                self.ended = None;
                self.rest_until = None;
                self.moves(At {
                    incarnation,
                    offset,
                });
                self.resize();
            }
            Frame::TtyGap { incarnation, to } => self.moves(At {
                incarnation,
                offset: to,
            }),
            Frame::Exit(ended) => self.ended = Some(ended),
            Frame::Error(refusal) => {
                self.tty
                    .tell(&format!("{} ({})", refusal.message, refusal.code));
                if refusal.code == "forbidden" {
                    self.keyboard.silence();
                }
            }
            Frame::Other => {}
        }
        Ok(())
    }

    fn hello(&mut self, hello: &Hello) -> Result<(), Failure> {
        self.greeted = true;
        let at = hello.at();
        self.moves(at);
        let length = hello.tty_length.unwrap_or(0);
        self.old_until = if self.args.no_history { 0 } else { length };
        if !hello.writable {
            self.keyboard.silence();
        }
        if self.keyboard.source() == Source::Terminal {
            self.tty.raw()?;
        }
        self.resize();
        Ok(())
    }

    fn hello_again(&mut self, hello: &Hello) {
        self.old_until = 0;
        self.connection.stands();
        self.tty.tell("the connection is back");
        self.moves(hello.at());
        if !hello.has_process() {
            self.rest_until = Some(clock::now() + REST);
        }
        // A program with the whole screen draws it again when the size changes.
        if self.tty.is_full()
            && let Some((columns, rows)) = tty::size()
        {
            self.send_size(columns, rows.saturating_sub(1));
        }
        self.resize();
    }

    fn moves(&mut self, to: At) {
        match self.place.moves(to) {
            Some(Jump::Missing(count)) => self
                .tty
                .tell(&format!("{count} bytes of output are no longer kept")),
            Some(Jump::Process(number)) => {
                self.tty.tell(&format!("its process number {number}"));
            }
            None => {}
        }
    }

    fn closed(&mut self, code: u16, reason: &str) -> Result<Option<Over>, Failure> {
        self.connection.close();
        match verdict(code, reason) {
            Verdict::Ended => Ok(Some(Over::Ended(self.ended.take()))),
            Verdict::Removed => Ok(Some(Over::Removed)),
            Verdict::Again => {
                self.lose();
                Ok(None)
            }
            Verdict::Refused(failure) => Err(failure),
        }
    }
}

/// What can be looked at without waiting.
struct Ready {
    signal: bool,
    keys: bool,
}
