//! What is known of a session's process.
//!
//! Never says that a program runs before the keeper, or the operating system, said so.

use serde::{Deserialize, Serialize};

use super::super::id::Timestamp;

/// What is known of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Process {
    /// There is none.
    #[default]
    None,
    /// It may start as soon as there is a place (admission or start gate).
    Waiting {
        /// Since when.
        since: Timestamp,
    },
    /// The keeper starts it, or it has not said yet that it is ready.
    Starting {
        /// Since when.
        since: Timestamp,
        /// The program's own pid, once there is one.
        pid: Option<u32>,
    },
    /// It runs and the server reads its output.
    Live {
        /// The program's own pid.
        pid: u32,
        /// Since when.
        since: Timestamp,
    },
    /// It runs below its keeper; the server is not connected to it yet.
    Unattached {
        /// The program's own pid.
        pid: u32,
        /// Since when it runs.
        since: Timestamp,
    },
    /// It ended and is started again at a stated time.
    Backoff {
        /// When.
        next_at: Timestamp,
    },
    /// Too many short lives in a row: it stays down until a person acts.
    CrashLoop,
    /// It could not be started, and another try would not help.
    Failed {
        /// Stable code, for example `program_not_found`.
        code: String,
        /// What went wrong.
        text: String,
    },
}

impl Process {
    /// The pid of a program that is alive as far as is known.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Live { pid, .. } | Self::Unattached { pid, .. } => Some(*pid),
            Self::Starting { pid, .. } => *pid,
            Self::None
            | Self::Waiting { .. }
            | Self::Backoff { .. }
            | Self::CrashLoop
            | Self::Failed { .. } => None,
        }
    }

    /// Whether no start is on its way.
    #[must_use]
    pub fn settled(&self) -> bool {
        let starting = matches!(self, Self::Starting { pid: None, .. });
        !starting && !matches!(self, Self::Waiting { .. })
    }

    /// Whether a keeper holds, or is about to hold, a process.
    #[must_use]
    pub fn held(&self) -> bool {
        match self {
            Self::Starting { .. } | Self::Live { .. } | Self::Unattached { .. } => true,
            Self::None
            | Self::Waiting { .. }
            | Self::Backoff { .. }
            | Self::CrashLoop
            | Self::Failed { .. } => false,
        }
    }
}
