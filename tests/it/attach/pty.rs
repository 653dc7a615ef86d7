//! A terminal of the test's own, with somebody who types and reads.
//!
//! Never a fixed pause: what is waited for is looked for, with a bound.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{InputFlags, LocalFlags, OutputFlags, tcgetattr};

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
    shown: Arc<Mutex<Vec<u8>>>,
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
        let shown = Arc::new(Mutex::new(Vec::new()));
        let mut reader = std::fs::File::from(ends.master.try_clone().unwrap());
        let theirs = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                theirs.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self {
            master: ends.master,
            slave: ends.slave,
            shown,
        }
    }

    /// Starts a program on it.
    pub fn spawn(&self, command: &mut Command) -> Child {
        let end = || Stdio::from(self.slave.try_clone().unwrap());
        command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap()
    }

    pub fn types(&self, keys: &[u8]) {
        let mut rest = keys;
        while !rest.is_empty() {
            let written = nix::unistd::write(&self.master, rest).unwrap();
            rest = &rest[written..];
        }
    }

    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until this is shown.
    pub fn shows(&self, words: &str) {
        self.until(|| self.shown().contains(words));
    }

    pub fn until(&self, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < PATIENCE, "it shows: {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn wait(&self, child: &mut Child) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if started.elapsed() >= PATIENCE {
                child.kill().unwrap();
                panic!("it does not end, and shows: {:?}", self.shown());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
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
