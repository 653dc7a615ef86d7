//! `callboard-keeper exec`: one command for a server that waits for it, on the server's own pipes.
//! Never outlives the server's end of the line, and never tells an end before its tree is gone.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode as FileMode, umask};
use nix::unistd;

use crate::bounds;
use crate::clock::Clock;
use crate::isolate::{self, Leash};
use crate::launch;
use crate::leaf::Leaf;
use crate::sys;
use crate::tree;
use crate::wire::exec::{End, Order};
use crate::wire::spec::{Mode, Spec, StartCode, StartFailure, encode_reply};
use crate::wire::stream::{Decoder, RawFrame};
use crate::wire::{MAX_CLIENT_BODY, MAX_SPEC_BODY};

/// Between rounds of killing.
const ROUND_MS: u64 = 5;

/// What is held of a command.
struct Exec {
    /// The server's frames; `None`: it has hung up.
    line: Option<Decoder>,
    signals: SignalFd,
    clock: Clock,
    /// What the command is still to read.
    input: Option<(File, Vec<u8>)>,
    program: i32,
    leaf: Option<Leaf>,
    _leash: Option<Leash>,
    /// When the tree is killed, if it is there still.
    kill_at: Option<u64>,
    end: Option<End>,
}

/// Runs one command to the end of its tree; the code is this process's own.
pub fn run() -> i32 {
    sys::close_inherited();
    sys::settle_heap();
    umask(FileMode::from_bits_truncate(0o077));
    // The second means behind the end of the line: it counts where the line was given to somebody.
    let _kept = prctl::set_pdeathsig(Signal::SIGTERM);
    let mut asked = None;
    match begin(&mut asked) {
        Ok(mut exec) => {
            exec.run();
            let leaf = exec.leaf.take();
            if let Some(end) = exec.end {
                say(&end.encode());
            }
            let _gone = leaf.map(|leaf| leaf.remove());
            0
        }
        Err(failure) => {
            let leaf = asked.as_ref().and_then(|spec| spec.cgroup.as_deref());
            clear(leaf.map(Leaf::at).as_ref());
            say(&encode_reply(&Err(failure)));
            1
        }
    }
}

/// Reads what is wanted and starts it. What was asked for stays behind a failure, too.
fn begin(asked: &mut Option<Spec>) -> Result<Exec, StartFailure> {
    let failed = |errno: Errno| failure(StartCode::SpawnFailed, errno.desc());
    let signals = sys::settle_signals().map_err(|error| unready(&error))?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let signals = SignalFd::with_flags(&signals, flags).map_err(failed)?;
    prctl::set_child_subreaper(true).map_err(failed)?;
    let mut line = Decoder::new(MAX_CLIENT_BODY.max(MAX_SPEC_BODY));
    let bad = |what| failure(StartCode::BadSpec, what);
    let spec = Spec::decode(&next(&mut line)?).or(Err(bad("malformed start frame")))?;
    let spec = &*asked.insert(spec);
    let input = match spec.mode {
        Mode::Pipes => match Order::decode(&next(&mut line)?) {
            Ok(Order::Input(bytes)) => bytes,
            Ok(Order::Stop { .. }) | Err(_) => return Err(bad("no input where it was announced")),
        },
        Mode::PipesNoInput => Vec::new(),
        Mode::Pty { .. } => return Err(bad("an exec has no terminal")),
    };
    let yard = bounds::make(spec);
    let leash = isolate::prepare(spec.isolation)?;
    let held = launch::hold_inheriting(spec)?;
    // The command has them now; ours would keep the server's pipes open.
    let null = OpenOptions::new().write(true).open("/dev/null");
    let null = null.map_err(|error| unready(&error))?;
    unistd::dup2_stdout(&null).map_err(failed)?;
    unistd::dup2_stderr(&null).map_err(failed)?;
    let leaf = bounds::hold(held.program.pid, yard, spec).map_err(|error| unready(&error))?;
    let program = held.release()?;
    Ok(Exec {
        line: Some(line),
        signals,
        clock: Clock::start(),
        input: program.stdin.map(|stdin| (stdin, input)),
        program: i32::try_from(program.pid).unwrap_or(i32::MAX),
        leaf,
        _leash: leash,
        kill_at: None,
        end: None,
    })
}

impl Exec {
    fn run(&mut self) {
        // What came with the start stands in the decoder: nothing more may ever come to tell of it.
        self.obey();
        loop {
            self.wait();
            self.hear();
            self.feed();
            while let Ok(Some(signal)) = self.signals.read_signal() {
                if i32::try_from(signal.ssi_signo) == Ok(libc::SIGTERM) {
                    self.kill_at = Some(0);
                }
            }
            let alone = self.reap();
            let over = self.end.is_some();
            if over && alone && !self.leaf.as_ref().is_some_and(Leaf::populated) {
                return;
            }
            if over || self.kill_at.is_some_and(|at| at <= self.clock.now()) {
                self.kill_tree();
            }
        }
    }

    /// Until something happens or is due.
    fn wait(&self) {
        let now = self.clock.now();
        let due = match self.kill_at {
            _ if self.end.is_some() => Some(ROUND_MS),
            Some(at) => Some(at.saturating_sub(now).max(ROUND_MS)),
            None => None,
        };
        let due = due.map_or(PollTimeout::NONE, |ms| {
            PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
        });
        let mut watched = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if self.line.is_some() {
            watched.push(PollFd::new(sys::stdin(), PollFlags::POLLIN));
        }
        if let Some((stdin, _)) = &self.input {
            watched.push(PollFd::new(stdin.as_fd(), PollFlags::POLLOUT));
        }
        let _woken = poll(&mut watched, due);
    }

    /// Takes what the server says. Its end, and what cannot be read, end the tree.
    fn hear(&mut self) {
        let Some(line) = &mut self.line else { return };
        let mut ready = [PollFd::new(sys::stdin(), PollFlags::POLLIN)];
        if !matches!(poll(&mut ready, PollTimeout::ZERO), Ok(1..)) {
            return;
        }
        let mut buffer = [0_u8; 1024];
        let count = match unistd::read(sys::stdin(), &mut buffer) {
            Ok(count) => count,
            Err(Errno::EINTR | Errno::EAGAIN) => return,
            Err(_) => 0,
        };
        line.feed(buffer.get(..count).unwrap_or_default());
        self.obey();
        if count == 0 {
            self.hang_up();
        }
    }

    /// Does what the frames say that have come.
    fn obey(&mut self) {
        let Some(line) = &mut self.line else { return };
        let mut lost = false;
        let mut stops = Vec::new();
        loop {
            match line
                .next_frame()
                .map(|frame| frame.as_ref().map(Order::decode))
            {
                Ok(None) => break,
                Ok(Some(Ok(Order::Stop { grace_ms }))) => stops.push(grace_ms),
                Ok(Some(Ok(Order::Input(_)) | Err(_))) | Err(_) => {
                    lost = true;
                    break;
                }
            }
        }
        stops.into_iter().for_each(|grace_ms| self.stop(grace_ms));
        if lost {
            self.hang_up();
        }
    }

    /// The server has gone, or says what has no meaning: the tree ends.
    fn hang_up(&mut self) {
        self.line = None;
        self.kill_at = Some(0);
    }

    /// Politely, and the whole tree after the grace. A second request can only shorten the grace.
    fn stop(&mut self, grace_ms: u64) {
        let at = self.clock.now().saturating_add(grace_ms);
        self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
        if self.end.is_none() && grace_ms > 0 {
            // The command is not collected, so the number of its group is its own.
            for signo in [libc::SIGTERM, libc::SIGCONT] {
                let _gone = sys::kill(-self.program, signo);
            }
        }
    }

    /// Gives the command what its pipe takes. Whoever does not read to the end is not told more.
    fn feed(&mut self) {
        let Some((stdin, rest)) = &mut self.input else {
            return;
        };
        while !rest.is_empty() {
            match stdin.write(rest) {
                Ok(count) => drop(rest.drain(..count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(_) => break,
            }
        }
        self.input = None;
    }

    /// Collects the dead; `true` when no child is left.
    fn reap(&mut self) -> bool {
        loop {
            match sys::wait_any() {
                sys::Waited::Nobody => return true,
                sys::Waited::None => return false,
                sys::Waited::Ended { pid, status } if pid == self.program => {
                    let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
                    self.end = Some(End {
                        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
                        signal,
                        oom: self.leaf.as_ref().is_some_and(Leaf::oom),
                    });
                    self.input = None;
                }
                sys::Waited::Ended { .. } => {}
            }
        }
    }

    fn kill_tree(&self) {
        if let Some(leaf) = &self.leaf {
            let _old_kernel = leaf.kill();
        }
        tree::signal(std::process::id(), libc::SIGKILL);
    }
}

/// The next frame; waits for it.
fn next(line: &mut Decoder) -> Result<RawFrame, StartFailure> {
    let bad = |what| failure(StartCode::BadSpec, what);
    let mut buffer = vec![0_u8; 16 * 1024];
    loop {
        if let Some(raw) = line.next_frame().or(Err(bad("a frame is too long")))? {
            return Ok(raw);
        }
        match unistd::read(sys::stdin(), &mut buffer) {
            Ok(0) => return Err(bad("the line ended before the start")),
            Ok(count) => line.feed(buffer.get(..count).unwrap_or_default()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(bad(errno.desc())),
        }
    }
}

/// Ends what a start that failed has made: its init, a program at its gate, its cgroup.
fn clear(leaf: Option<&Leaf>) {
    loop {
        if let Some(leaf) = leaf {
            let _absent = leaf.kill();
        }
        tree::signal(std::process::id(), libc::SIGKILL);
        if sys::wait_any() == sys::Waited::Nobody && !leaf.is_some_and(Leaf::populated) {
            break;
        }
        let _waited = poll(&mut [], PollTimeout::from(5_u8));
    }
    if let Some(leaf) = leaf {
        let _absent = leaf.remove();
    }
}

/// Says something to the server, who may have gone.
fn say(frame: &[u8]) {
    let mut rest = frame;
    while let Ok(count @ 1..) = unistd::write(sys::stdin(), rest) {
        rest = rest.get(count..).unwrap_or_default();
    }
}

fn unready(error: &std::io::Error) -> StartFailure {
    StartFailure {
        code: StartCode::SpawnFailed,
        errno: error.raw_os_error().unwrap_or(0),
        text: format!("the command could not be started: {error}"),
    }
}

fn failure(code: StartCode, text: &str) -> StartFailure {
    StartFailure {
        code,
        errno: 0,
        text: text.to_owned(),
    }
}
