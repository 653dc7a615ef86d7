//! How a process ended, and why.
//!
//! Never guessed: a code or signal here comes from a real wait by the keeper.

use serde::{Deserialize, Serialize};

use super::id::{Incarnation, Timestamp};

/// Why a process is gone (reliability.md 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// It ended by itself with code 0.
    Completed,
    /// It ended by itself with another code, and said so before.
    Failed,
    /// A signal or an unexpected code ended it.
    Crashed,
    /// A person stopped or killed it.
    KilledByUser,
    /// Its keeper is gone; what was left of the tree was ended.
    KeeperLost,
    /// Nobody attached for `orphan_ttl`.
    Orphaned,
    /// The server was told to end its agents when it stops.
    ServerShutdown,
    /// It could not be started at all.
    SpawnFailed,
    /// It did not become ready in time.
    StartTimeout,
    /// It said nothing for too long, and the settings end such a process.
    Stalled,
    /// The kernel ended it for lack of memory.
    Oom,
    /// It reached a hard stop of its session, or a limit of the kernel's.
    Limit,
    /// It may not use its provider: no sign-in, or a refused one.
    Auth,
    /// Its provider takes no more work for now.
    RateLimited,
}

impl ExitReason {
    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
            Self::KilledByUser => "killed_by_user",
            Self::KeeperLost => "keeper_lost",
            Self::Orphaned => "orphaned",
            Self::ServerShutdown => "server_shutdown",
            Self::SpawnFailed => "spawn_failed",
            Self::StartTimeout => "start_timeout",
            Self::Stalled => "stalled",
            Self::Oom => "oom",
            Self::Limit => "limit",
            Self::Auth => "auth",
            Self::RateLimited => "rate_limited",
        }
    }

    /// Whether a person or the server wanted this end.
    #[must_use]
    pub fn wanted(self) -> bool {
        match self {
            Self::Completed | Self::KilledByUser | Self::Orphaned | Self::ServerShutdown => true,
            Self::Failed
            | Self::Crashed
            | Self::KeeperLost
            | Self::SpawnFailed
            | Self::StartTimeout
            | Self::Stalled
            | Self::Oom
            | Self::Limit
            | Self::Auth
            | Self::RateLimited => false,
        }
    }
}

/// The whole account of one ended process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitReport {
    /// Which life of the session's process.
    pub incarnation: Incarnation,
    /// The program's own pid on the host; absent when it never ran.
    pub pid: Option<u32>,
    /// Exit code, when it exited.
    pub exit_code: Option<i32>,
    /// Signal number, when one ended it.
    pub signal: Option<i32>,
    /// Whether the kernel wrote a core.
    #[serde(default)]
    pub core: bool,
    /// Whether the kernel ended it for lack of memory; known only where its tree has a cgroup.
    #[serde(default)]
    pub oom: bool,
    /// Why.
    pub reason: ExitReason,
    /// Who or what asked for the end, in the keeper's words.
    pub by: Option<String>,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The last lines that it wrote to stderr (at most 20).
    #[serde(default)]
    pub stderr_tail: Vec<String>,
    /// Length of its output log in bytes.
    pub log_len: u64,
}

/// Signals that stand for a limit, and the limit: of processor time, of a file's size.
const LIMITS: [(i32, &str); 2] = [(24, "processor time"), (25, "file size")];

impl ExitReport {
    /// The reason and what the kernel says of the end, for the supervisor's log.
    #[must_use]
    pub fn words(&self) -> String {
        let mut reason = self.reason.name().to_owned();
        if let (ExitReason::Limit, Some(by)) = (self.reason, &self.by) {
            reason = format!("{reason}: {by}");
        }
        match (self.signal, self.exit_code) {
            (Some(signal), _) => {
                let why = match (Self::kernel_limit(self.signal), self.oom) {
                    (_, true) => ": out of memory".to_owned(),
                    (Some(what), false) => format!(": limit of {what}"),
                    (None, false) => String::new(),
                };
                format!("{reason} (signal {signal}{why})")
            }
            (None, Some(code)) => format!("{reason} (code {code})"),
            (None, None) => reason,
        }
    }

    /// The kernel's limit that ended it, if one did.
    #[must_use]
    pub fn kernel_limit(signal: Option<i32>) -> Option<&'static str> {
        let found = LIMITS.iter().find(|(number, _)| Some(*number) == signal);
        found.map(|(_, what)| *what)
    }

    /// The last words that it wrote to stderr.
    #[must_use]
    pub fn last_words(&self) -> Option<&str> {
        let said = self.stderr_tail.iter().rev().map(|line| line.trim());
        said.into_iter().find(|line| !line.is_empty())
    }

    /// How long it lived, in milliseconds.
    #[must_use]
    pub fn lifetime_ms(&self) -> i64 {
        self.ended_at.0.saturating_sub(self.started_at.0).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_with_what_the_kernel_says() {
        let told = |signal, exit_code, oom| {
            let report = ExitReport {
                incarnation: Incarnation(1),
                pid: Some(7),
                exit_code,
                signal,
                core: false,
                oom,
                reason: ExitReason::Crashed,
                by: None,
                started_at: Timestamp(0),
                ended_at: Timestamp(1),
                stderr_tail: Vec::new(),
                log_len: 0,
            };
            report.words()
        };
        assert_eq!(told(Some(9), None, false), "crashed (signal 9)");
        assert_eq!(
            told(Some(9), None, true),
            "crashed (signal 9: out of memory)"
        );
        let time = "crashed (signal 24: limit of processor time)";
        assert_eq!(told(Some(24), None, false), time);
        assert_eq!(told(None, Some(3), false), "crashed (code 3)");
        assert_eq!(told(None, None, false), "crashed");
    }
}
