//! Someone asked for the end: politely first, the whole tree after the grace.
//! An interactive shell ignores SIGTERM and ends by SIGHUP, which it can miss: it marks the signal and
//! looks at the mark only before it reads, so a signal in between waits for the next key. It is sent
//! again until the shell is gone.
//!
//! Never hangs up a second time what listens to SIGTERM: it may be at its last work.

use crate::engine::Engine;
use crate::sys;

/// Between two hang-ups of a program that ignores SIGTERM.
const HANG_UP_MS: u64 = 500;

/// A stop that was asked for.
#[derive(Debug, Clone)]
pub struct Stop {
    pub by: String,
    /// When the tree is killed, on the keeper's clock in milliseconds.
    pub kill_at: u64,
    /// When a program on a terminal that ignores SIGTERM is hung up again.
    hang_up_at: Option<u64>,
}

impl Stop {
    /// When this stop has something to do.
    pub fn due(&self) -> u64 {
        self.hang_up_at
            .map_or(self.kill_at, |at| at.min(self.kill_at))
    }
}

impl Engine {
    /// Polite stop, and the whole tree after the grace. A second request can only shorten the grace.
    pub fn stop(&mut self, by: &str, grace_ms: u64) {
        let now = self.clock.now();
        let kill_at = now.saturating_add(grace_ms);
        let stop = self.life.stop.get_or_insert_with(|| Stop {
            by: by.to_owned(),
            kill_at,
            hang_up_at: None,
        });
        stop.kill_at = stop.kill_at.min(kill_at);
        if self.terminal {
            stop.hang_up_at = Some(now.saturating_add(HANG_UP_MS));
        }
        if self.life.has_exited() || grace_ms == 0 {
            return;
        }
        self.signal_group(libc::SIGTERM);
        if self.terminal {
            self.signal_group(libc::SIGHUP);
        }
        self.signal_group(libc::SIGCONT);
    }

    /// Hangs up again a shell that may have missed the first one. A program that listens to SIGTERM
    /// has heard it and is left to end in its own time.
    pub fn hang_up_again(&mut self, now: u64) {
        let pid = self.program_pid();
        let Some(stop) = &mut self.life.stop else {
            return;
        };
        if stop.hang_up_at.is_none_or(|at| at > now) {
            return;
        }
        let deaf = sys::ignores(pid, libc::SIGTERM);
        stop.hang_up_at = deaf.then(|| now.saturating_add(HANG_UP_MS));
        if deaf {
            self.signal_group(libc::SIGHUP);
        }
    }

    /// Signals the program's own process group; the program is not collected, so the number is its own.
    pub fn signal_group(&self, signo: i32) {
        if !self.life.has_exited() {
            let _gone = sys::kill(-self.program_pid(), signo);
        }
    }
}
