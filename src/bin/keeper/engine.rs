//! The loop: one thread, one poll, everything non-blocking.
//! Never waits for a client, never reads output that it cannot keep.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::client::{Client, Flow, News};
use crate::clock::Clock;
use crate::exitfile::ExitFile;
use crate::input::{Input, Pumped};
use crate::isolate::Leash;
use crate::launch::Program;
use crate::leaf::Leaf;
use crate::life::Life;
use crate::log::Log;
use crate::stderr::Stderr;
use crate::wire::file;
use crate::wire::frame::{BlockReason, InputOutcome, KeeperFrame};
use crate::wire::record::Record;
use crate::wire::spec::Limits;

/// Connections at a time; the next ones are closed at once.
const MAX_CLIENTS: usize = 16;
/// Between looks at a terminal that nobody has open.
const PARKED_MS: u64 = 200;
/// Between attempts at a disk that refuses: the first and the last waiting time.
const RETRY_FIRST_MS: u64 = 250;
const RETRY_LAST_MS: u64 = 1_000;

/// What [`crate::setup`] hands over.
pub struct Parts {
    pub record: Record,
    pub limits: Limits,
    pub program: Program,
    pub log: Log,
    pub input: Input,
    pub exit_file: ExitFile,
    pub listener: UnixListener,
    pub signals: SignalFd,
    pub lock: File,
    pub leash: Option<Leash>,
    pub leaf: Option<Leaf>,
}

/// The whole keeper.
pub struct Engine {
    pub record: Record,
    pub limits: Limits,
    pub terminal: bool,
    pub stdin: Option<File>,
    pub stdout: Option<File>,
    pub stderr: Option<File>,
    /// A terminal that nobody has open while the program runs. Closing our side would hang it up and
    /// kill a program that is about to exit; whoever opens it again is read again.
    pub parked: Option<Parked>,
    pub log: Log,
    pub stderr_log: Stderr,
    pub input: Input,
    pub exit_file: ExitFile,
    pub clients: Vec<Client>,
    pub life: Life,
    pub clock: Clock,
    /// The tree's own cgroup, until the tree is gone.
    pub leaf: Option<Leaf>,
    listener: UnixListener,
    signals: SignalFd,
    scratch: Vec<u8>,
    retry: Option<Retry>,
    _lock: File,
    _leash: Option<Leash>,
}

/// See [`Engine::parked`].
pub struct Parked {
    terminal: File,
    /// When it is looked at again.
    pub at: u64,
}

#[derive(Clone, Copy)]
struct Retry {
    at: u64,
    wait: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Listener,
    Output,
    Errors,
    Input,
    Client(usize),
}

impl Engine {
    pub fn new(parts: Parts) -> Self {
        Self {
            record: parts.record,
            limits: parts.limits,
            terminal: parts.program.terminal,
            stdin: parts.program.stdin,
            stdout: parts.program.stdout,
            stderr: parts.program.stderr,
            parked: None,
            log: parts.log,
            stderr_log: Stderr::default(),
            input: parts.input,
            exit_file: parts.exit_file,
            clients: Vec::new(),
            life: Life::new(),
            clock: Clock::start(),
            leaf: parts.leaf,
            listener: parts.listener,
            signals: parts.signals,
            scratch: Vec::new(),
            retry: None,
            _lock: parts.lock,
            _leash: parts.leash,
        }
    }

    /// Runs until the program has ended and everybody knows.
    pub fn run(mut self) {
        loop {
            for (source, events) in self.wait() {
                self.serve(source, events);
            }
            self.unpark();
            self.try_again();
            if self.advance() {
                break;
            }
            self.tell_clients();
            self.save_last();
        }
        let _gone = fs::remove_file(file::SOCKET);
    }

    /// What is ready now.
    fn wait(&self) -> Vec<(Source, PollFlags)> {
        let mut sources = Vec::with_capacity(5 + self.clients.len());
        let mut fds = Vec::with_capacity(5 + self.clients.len());
        let mut watch = |source, fd, events| {
            sources.push(source);
            fds.push(PollFd::new(fd, events));
        };
        watch(Source::Signals, self.signals.as_fd(), PollFlags::POLLIN);
        watch(Source::Listener, self.listener.as_fd(), PollFlags::POLLIN);
        if let (Some(output), None) = (&self.stdout, self.log.blocked()) {
            watch(Source::Output, output.as_fd(), PollFlags::POLLIN);
        }
        if let Some(errors) = &self.stderr {
            watch(Source::Errors, errors.as_fd(), PollFlags::POLLIN);
        }
        if let (Some(input), true) = (&self.stdin, self.input.wants()) {
            watch(Source::Input, input.as_fd(), PollFlags::POLLOUT);
        }
        for (index, client) in self.clients.iter().enumerate() {
            let mut events = PollFlags::empty();
            events.set(PollFlags::POLLIN, client.listens());
            events.set(PollFlags::POLLOUT, client.flow == Flow::Full);
            watch(Source::Client(index), client.fd(), events);
        }
        // An interrupted poll found nothing; the next turn asks again.
        let _count = poll(&mut fds, self.timeout());
        let ready = fds
            .iter()
            .map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        sources
            .into_iter()
            .zip(ready)
            .filter(|(_, events)| !events.is_empty())
            .collect()
    }

    fn timeout(&self) -> PollTimeout {
        if self.clients.iter().any(|client| client.flow == Flow::More) {
            return PollTimeout::ZERO;
        }
        let retry = self.retry.map(|retry| retry.at);
        let Some(at) = self.due().into_iter().chain(retry).min() else {
            return PollTimeout::NONE;
        };
        let wait = at.saturating_sub(self.clock.now());
        i32::try_from(wait)
            .ok()
            .and_then(|wait| PollTimeout::try_from(wait).ok())
            .unwrap_or(PollTimeout::MAX)
    }

    fn serve(&mut self, source: Source, events: PollFlags) {
        match source {
            Source::Signals => self.take_signals(),
            Source::Listener => self.accept(),
            Source::Output => self.take_output(),
            Source::Errors => self.take_errors(),
            Source::Input => self.give_input(),
            Source::Client(index) => self.serve_client(index, events),
        }
    }

    fn take_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            if i32::try_from(info.ssi_signo) == Ok(libc::SIGTERM) {
                self.stop("signal", 10_000);
            }
        }
        self.reap();
    }

    fn take_output(&mut self) {
        let Some(mut output) = self.stdout.take() else {
            return;
        };
        let open = match self.log.take_from(&mut output) {
            Ok(open) => open,
            // EIO: the terminal's last user has gone.
            Err(error) if self.terminal && !is_later(&error) && !self.life.has_exited() => {
                let at = self.clock.now() + PARKED_MS;
                let terminal = output;
                self.parked = Some(Parked { terminal, at });
                return;
            }
            Err(error) => is_later(&error),
        };
        self.stdout = open.then_some(output);
    }

    /// Reads a parked terminal again: it is time, or the program has ended.
    pub fn unpark(&mut self) {
        let due = |parked: &Parked| self.life.has_exited() || parked.at <= self.clock.now();
        if self.parked.as_ref().is_some_and(due)
            && let Some(parked) = self.parked.take()
        {
            self.stdout = Some(parked.terminal);
        }
    }

    fn take_errors(&mut self) {
        let Some(mut errors) = self.stderr.take() else {
            return;
        };
        let open = match self.stderr_log.take_from(&mut errors) {
            Ok(open) => open,
            Err(error) => is_later(&error),
        };
        self.stderr = open.then_some(errors);
    }

    /// Writes queued input; called when the program's input has room and when input arrives.
    pub fn give_input(&mut self) {
        let Some(mut sink) = self.stdin.take() else {
            self.input.shut();
            return;
        };
        match self.input.pump(&mut sink) {
            Ok(Pumped::Written(ids)) => {
                self.stdin = Some(sink);
                for id in ids {
                    let outcome = InputOutcome::Written;
                    self.tell_all(&KeeperFrame::InputAck { id, outcome });
                }
            }
            Ok(Pumped::End) => {
                if self.terminal {
                    // A terminal has no end of its own: its end-of-file letter says so.
                    let _full = io::Write::write(&mut sink, &[4]);
                }
                self.input.shut();
            }
            Err(_program_closed_it) => self.input.shut(),
        }
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let own = nix::unistd::geteuid().as_raw();
            let trusted = getsockopt(&stream, PeerCredentials)
                .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
            if !trusted || stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.clients.len() >= MAX_CLIENTS {
                let busy = KeeperFrame::Error {
                    code: "busy".to_owned(),
                    text: format!("{MAX_CLIENTS} connections are open"),
                };
                let _told = io::Write::write(&mut stream, &busy.encode());
                continue;
            }
            self.clients.push(Client::new(stream));
        }
    }

    fn serve_client(&mut self, index: usize, events: PollFlags) {
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
        if events.contains(PollFlags::POLLIN) {
            match client.read(&mut self.scratch) {
                Ok(true) => {}
                Ok(false) | Err(_) => client.gone = true,
            }
        } else if events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            client.gone = true;
        }
    }

    /// Handles what clients have said, sends what they take, forgets who has gone.
    fn tell_clients(&mut self) {
        for index in 0..self.clients.len() {
            self.hear(index);
        }
        let news = News {
            log: &self.log,
            blocked: self.log.blocked(),
            exit: (self.life.edition, self.life.exit.as_ref()),
        };
        for client in &mut self.clients {
            let deaf = !client.listens();
            if client.send(&news, &mut self.scratch).is_err() || client.is_stuck() {
                client.gone = true;
            }
            if deaf && client.listens() && client.flow == Flow::Idle {
                // Frames that were left unread meanwhile get their turn without a new event.
                client.flow = Flow::More;
            }
        }
        self.clients.retain(|client| !client.gone);
        let greeted = self.clients.iter().any(|client| client.greeted);
        self.life.met_client |= greeted;
        if greeted {
            self.life.alone_since = None;
        } else if self.life.alone_since.is_none() {
            self.life.alone_since = Some(self.clock.now());
        }
    }

    fn tell_all(&mut self, frame: &KeeperFrame) {
        for client in self.clients.iter_mut().filter(|client| client.greeted) {
            client.push(frame);
        }
    }

    /// What the disk refused is tried again after a while.
    fn try_again(&mut self) {
        let refused = (self.log.blocked().is_some()
            && self.log.blocked() != Some(BlockReason::Cap))
            || self.input.has_unrecorded()
            || self.life.unsaved;
        if !refused {
            self.retry = None;
            return;
        }
        let now = self.clock.now();
        let last = self.retry.map_or(0, |retry| retry.wait);
        if self.retry.is_some_and(|retry| retry.at > now) {
            return;
        }
        if self.retry.is_some() {
            self.log.flush();
            self.input.record_written();
            if self.life.unsaved {
                self.save_exit();
            }
        }
        let wait = (last * 2).clamp(RETRY_FIRST_MS, RETRY_LAST_MS);
        self.retry = Some(Retry {
            at: now + wait,
            wait,
        });
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
