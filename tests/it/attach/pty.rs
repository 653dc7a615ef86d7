//! A terminal of the test's own, with somebody who types and reads.
//!
//! Never a program left behind: it ends with its handle, also when the test fails.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{InputFlags, LocalFlags, OutputFlags, tcgetattr};
use nix::unistd::Pid;

use super::PATIENCE;

/// What of the terminal's modes a program changes.
#[derive(Debug, PartialEq, Eq)]
pub struct Modes {
    pub is_raw: bool,
    input: InputFlags,
    output: OutputFlags,
    local: LocalFlags,
}

pub struct Pty {
    master: OwnedFd,
    slave: OwnedFd,
    shown: Arc<Shown>,
}

/// What came, and the news that more did.
#[derive(Default)]
struct Shown {
    bytes: Mutex<Vec<u8>>,
    more: Condvar,
}

/// Longest time between two looks at what no output tells of: the terminal's modes.
const LOOK: Duration = Duration::from_millis(50);

/// A program on a terminal.
pub struct Running {
    pid: Pid,
    end: Receiver<ExitStatus>,
    over: bool,
}

impl Running {
    pub fn id(&self) -> u32 {
        u32::try_from(self.pid.as_raw()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over {
            // It is not collected before this: the number is its own.
            let _gone = kill(self.pid, Signal::SIGKILL);
            let _end = self.end.recv_timeout(PATIENCE);
        }
    }
}

impl Pty {
    pub fn open(rows: u16, columns: u16) -> Self {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let ends = openpty(Some(&size), None).unwrap();
        let shown = Arc::new(Shown::default());
        let mut reader = std::fs::File::from(ends.master.try_clone().unwrap());
        let theirs = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                let mut bytes = theirs.bytes.lock().unwrap();
                bytes.extend_from_slice(&buffer[..length]);
                theirs.more.notify_all();
            }
        });
        Self {
            master: ends.master,
            slave: ends.slave,
            shown,
        }
    }

    /// Starts a program on it.
    pub fn spawn(&self, command: &mut Command) -> Running {
        let end = || Stdio::from(self.slave.try_clone().unwrap());
        let mut child = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let (told, end) = channel();
        std::thread::spawn(move || told.send(child.wait().unwrap()));
        Running {
            pid,
            end,
            over: false,
        }
    }

    pub fn types(&self, keys: &[u8]) {
        let mut rest = keys;
        while !rest.is_empty() {
            let written = nix::unistd::write(&self.master, rest).unwrap();
            rest = &rest[written..];
        }
    }

    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.bytes.lock().unwrap()).into_owned()
    }

    /// Waits until this is shown.
    pub fn shows(&self, words: &str) {
        self.until(|| self.shown().contains(words));
    }

    /// Waits until this holds; looked at whenever something is shown.
    pub fn until(&self, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < PATIENCE, "it shows: {:?}", self.shown());
            let bytes = self.shown.bytes.lock().unwrap();
            let _more = self.shown.more.wait_timeout(bytes, LOOK).unwrap();
        }
    }

    pub fn wait(&self, child: &mut Running) -> ExitStatus {
        let Ok(status) = child.end.recv_timeout(PATIENCE) else {
            panic!("it does not end, and shows: {:?}", self.shown());
        };
        child.over = true;
        self.settle();
        status
    }

    /// Waits until everything that was written is read: a mark goes the same way, and is taken off.
    fn settle(&self) {
        const MARK: u8 = 0x1f;
        let written = nix::unistd::write(&self.slave, &[MARK]).unwrap();
        assert_eq!(written, 1);
        self.until(|| self.shown.bytes.lock().unwrap().last() == Some(&MARK));
        self.shown.bytes.lock().unwrap().pop();
    }

    pub fn modes(&self) -> Modes {
        let modes = tcgetattr(self.slave.as_fd()).unwrap();
        let cooked = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
        Modes {
            is_raw: !modes.local_flags.intersects(cooked),
            input: modes.input_flags,
            output: modes.output_flags,
            local: modes.local_flags,
        }
    }

    /// Gives it another size, as a window does.
    pub fn resize(&self, rows: u16, columns: u16) {
        let done = Command::new("stty")
            .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
            .stdin(Stdio::from(self.slave.try_clone().unwrap()))
            .status()
            .unwrap();
        assert!(done.success());
    }
}
