//! How a program ends: record first, then the rest of its output, then the rest of its tree.
//! Never reports an end that the kernel has not reported, never ends before its tree is gone.

use std::path::Path;

use crate::clock::wall_ms;
use crate::engine::Engine;
use crate::exitfile::ExitFile;
use crate::leaf::Leaf;
use crate::stop::Stop;
use crate::sys;
use crate::tree;
use crate::wire::file;
use crate::wire::record::ExitRecord;
use crate::wire::spec::OnServerLoss;

/// Wait for output of children that outlive the program (workspaces.md 3).
const DRAIN_MS: u64 = 1_000;
/// With the tree dead and the disk unwilling: the record is served before all output is written.
const PROVISIONAL_MS: u64 = 500;
/// Between rounds of killing.
const ROUND_MS: u64 = 5;
const ROUNDS: usize = 20;
/// A keeper with nothing left to do stays for clients on their way, and for those who never answer.
const LINGER_MS: u64 = 10_000;
const LINGER_WATCHED_MS: u64 = 300_000;
/// Grace of the stops that the keeper itself decides.
const OWN_GRACE_MS: u64 = 10_000;
/// `on_server_loss = stop`: time for a client to come back, and for the first one to come.
const LOSS_MS: u64 = 10_000;
const FIRST_CLIENT_MS: u64 = 60_000;
/// What a keeper that cannot write its log waits for space when its orphan time is unlimited.
const DAY_MS: u64 = 24 * 3_600_000;

/// Where the program's life stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// Ended; its output is read to the end.
    Draining {
        until: u64,
    },
    /// What is left of the tree is killed and collected.
    Killing,
    /// The tree is gone; what its pipes still hold goes into the log.
    Settling {
        since: u64,
    },
    /// All is on disk; the keeper lingers.
    Ended {
        since: u64,
    },
}

/// Phase, stop request and exit record.
#[derive(Debug)]
pub struct Life {
    pub phase: Phase,
    pub stop: Option<Stop>,
    pub exit: Option<ExitRecord>,
    /// How often the exit record was published to clients.
    pub edition: u8,
    /// The record in memory is newer than the one on disk.
    pub unsaved: bool,
    /// The last version is still to be written, once clients have been told.
    pub save_last: bool,
    pub acked: bool,
    /// When the disk last kept us from reading.
    pub held_until: u64,
    /// Since when no client is connected.
    pub alone_since: Option<u64>,
    pub met_client: bool,
}

/// Whether the disk still refuses output or the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Nothing,
    Something,
}

impl Life {
    pub fn new() -> Self {
        Self {
            phase: Phase::Running,
            stop: None,
            exit: None,
            edition: 0,
            unsaved: false,
            save_last: false,
            acked: false,
            held_until: 0,
            alone_since: Some(0),
            met_client: false,
        }
    }

    pub fn has_exited(&self) -> bool {
        self.exit.is_some()
    }
}

impl Engine {
    pub fn program_pid(&self) -> i32 {
        i32::try_from(self.record.program_pid).unwrap_or(i32::MAX)
    }

    /// Collects every dead child; `true` when no child is left at all.
    pub fn reap(&mut self) -> bool {
        loop {
            match sys::wait_any() {
                sys::Waited::Nobody => return true,
                sys::Waited::None => return false,
                sys::Waited::Ended { pid, status } => {
                    if pid == self.program_pid() && !self.life.has_exited() {
                        self.program_ended(status);
                    }
                }
            }
        }
    }

    fn program_ended(&mut self, status: i32) {
        let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
        let starved = self.leaf.as_ref().is_some_and(Leaf::oom);
        self.life.exit = Some(ExitRecord {
            code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
            signal,
            core: signal.is_some() && libc::WCOREDUMP(status),
            oom: starved && signal == Some(libc::SIGKILL),
            at_ms: wall_ms(),
            by: self.life.stop.as_ref().map(|stop| stop.by.clone()),
            log_len: self.log.length(),
            drained: false,
            stderr_tail: self.stderr_log.tail(),
        });
        self.save_exit();
        self.input.shut();
        self.stdin = None;
        self.unpark();
        self.life.phase = Phase::Draining {
            until: self.clock.now() + DRAIN_MS,
        };
    }

    pub fn save_exit(&mut self) {
        if let Some(record) = &self.life.exit {
            self.life.unsaved = self.exit_file.save(record).is_err();
        }
    }

    /// The last version of the record, after clients have been told: the first one stands already.
    pub fn save_last(&mut self) {
        if std::mem::take(&mut self.life.save_last) {
            self.save_exit();
            self.life.unsaved |= ExitFile::settle().is_err();
        }
    }

    /// Moves the life on; called once in every turn of the loop. `true`: the keeper is done.
    pub fn advance(&mut self) -> bool {
        let now = self.clock.now();
        self.mind_loneliness(now);
        let forced = self
            .life
            .stop
            .as_ref()
            .is_some_and(|stop| stop.kill_at <= now);
        match self.life.phase {
            Phase::Running if forced => {
                self.signal_group(libc::SIGKILL);
                self.kill_tree();
            }
            Phase::Running => self.hang_up_again(now),
            Phase::Draining { until } => {
                let drained = self.stdout.is_none() && self.stderr.is_none();
                if drained || forced || now >= until {
                    self.life.phase = Phase::Killing;
                    self.kill_rounds();
                }
            }
            Phase::Killing => self.kill_rounds(),
            Phase::Settling { since } => {
                self.settle(since);
                return self.alone_for(since) >= self.patience(Refused::Something);
            }
            Phase::Ended { since } => return self.may_leave(since),
        }
        false
    }

    /// When [`Engine::advance`] wants to be called again, at the latest.
    pub fn due(&self) -> Option<u64> {
        let now = self.clock.now();
        let phase = match self.life.phase {
            Phase::Running => self
                .life
                .stop
                .as_ref()
                .map(|stop| stop.due().max(now + ROUND_MS)),
            Phase::Draining { until } => Some(
                self.life
                    .stop
                    .as_ref()
                    .map_or(until, |stop| stop.kill_at.min(until)),
            ),
            Phase::Killing => Some(now + ROUND_MS),
            Phase::Settling { since } => Some((since + PROVISIONAL_MS).max(now + 100)),
            Phase::Ended { .. } if self.life.acked => Some(now),
            Phase::Ended { since } => {
                let alone = self.life.alone_since.map(|at| at.max(since) + LINGER_MS);
                Some(alone.unwrap_or(since + LINGER_WATCHED_MS).max(now + 100))
            }
        };
        let lonely = self
            .loneliness_ends()
            .map(|(at, _)| at)
            .filter(|at| *at > now);
        let parked = self.parked.as_ref().map(|parked| parked.at);
        phase.into_iter().chain(lonely).chain(parked).min()
    }

    fn mind_loneliness(&mut self, now: u64) {
        if self.life.stop.is_some() || self.life.phase != Phase::Running {
            return;
        }
        if let Some((at, by)) = self.loneliness_ends()
            && at <= now
        {
            self.stop(by, OWN_GRACE_MS);
        }
    }

    fn loneliness_ends(&self) -> Option<(u64, &'static str)> {
        let since = self.life.alone_since?;
        let ttl_ms = self.limits.orphan_ttl_s.saturating_mul(1_000);
        let orphan = (ttl_ms > 0).then(|| (since.saturating_add(ttl_ms), "orphan_ttl"));
        let loss = match (self.limits.on_server_loss, self.life.met_client) {
            (OnServerLoss::Keep, _) => None,
            (OnServerLoss::Stop, true) => Some((since + LOSS_MS, "server_loss")),
            (OnServerLoss::Stop, false) => Some((since + FIRST_CLIENT_MS, "server_loss")),
        };
        orphan.into_iter().chain(loss).min()
    }

    fn kill_rounds(&mut self) {
        for _ in 0..ROUNDS {
            if self.reap() && self.leave_leaf() {
                let since = self.clock.now();
                self.life.phase = Phase::Settling { since };
                self.log.lift_cap();
                self.log.flush();
                // Most often all output has been read by now, and nothing would wake the loop.
                return self.settle(since);
            }
            if self.kill_tree() == 0 {
                return;
            }
        }
    }

    /// Kills what is left of the tree, by its cgroup and by parentage; how many were reached by the
    /// latter.
    fn kill_tree(&self) -> usize {
        if let Some(leaf) = &self.leaf {
            let _old_kernel = leaf.kill();
        }
        tree::signal(self.record.keeper_pid, libc::SIGKILL)
    }

    /// Removes the tree's cgroup, if there is one; `false` while anything in it lives.
    fn leave_leaf(&mut self) -> bool {
        if self.leaf.as_ref().is_some_and(Leaf::populated) {
            return false;
        }
        if let Some(leaf) = self.leaf.take() {
            let _gone = leaf.remove();
        }
        true
    }

    fn settle(&mut self, since: u64) {
        let now = self.clock.now();
        if self.log.blocked().is_some() {
            self.life.held_until = now;
        }
        // A foreign process may have been given the pipe; its end would never come. The time counts
        // from when the disk let us read again: until then nothing was taken out of the pipe.
        let waited = now >= since.max(self.life.held_until) + DRAIN_MS;
        let read = waited || (self.stdout.is_none() && self.stderr.is_none());
        let complete = read && self.log.is_settled();
        if !complete && (now < since + PROVISIONAL_MS || self.life.edition > 0) {
            return;
        }
        if let Some(record) = &mut self.life.exit {
            record.log_len = self.log.length();
            record.drained = complete;
            record.stderr_tail = self.stderr_log.tail();
        }
        if complete {
            self.stdout = None;
            self.stderr = None;
            self.life.phase = Phase::Ended { since: now };
        }
        self.life.save_last = true;
        self.life.edition += 1;
    }

    fn may_leave(&self, since: u64) -> bool {
        if self.life.acked {
            return true;
        }
        if self.life.alone_since.is_none() {
            return self.clock.now() >= since + LINGER_WATCHED_MS;
        }
        let refused = if self.life.unsaved {
            Refused::Something
        } else {
            Refused::Nothing
        };
        let enough = self.patience(refused);
        self.alone_for(since) >= enough
    }

    /// Milliseconds without a client, counted from `since` at the earliest.
    fn alone_for(&self, since: u64) -> u64 {
        let Some(alone) = self.life.alone_since else {
            return 0;
        };
        self.clock.now().saturating_sub(alone.max(since))
    }

    /// How long an ended keeper stays without clients: longer when the disk still refuses something,
    /// but not when its directory has been deleted and there is nothing left to keep.
    fn patience(&self, refused: Refused) -> u64 {
        if refused == Refused::Nothing || !Path::new(file::LOCK).exists() {
            return LINGER_MS;
        }
        match self.limits.orphan_ttl_s {
            0 => DAY_MS,
            seconds => seconds.saturating_mul(1_000),
        }
    }
}
