//! The running turn as a fact: how far it is, what ends it, whether it gets nowhere.
//!
//! Never the outcome; that is the task's.

use serde::{Deserialize, Serialize};

use super::super::id::{TaskId, Timestamp};

/// How far the running turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnPhase {
    /// Committed to go out; the agent has not acknowledged it.
    Dispatching,
    /// Acknowledged.
    Running,
    /// A person, or a clock, ended it; the program's own end is awaited.
    Stopping,
}

/// The running turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnFact {
    /// Its task.
    pub task: TaskId,
    /// How far it is.
    pub phase: TurnPhase,
    /// When it was dispatched.
    pub since: Timestamp,
    /// Which clock ends it, when one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
}

/// Why the machinery, and no person, ends a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// It took longer than a turn may.
    Deadline,
    /// It used up the time that the turns of its session may take together.
    Limit,
    /// It got nowhere for too long, and the settings end such a turn.
    Stalled,
}

impl Cut {
    /// The shown word, which is also the `by` of the end of a process that did not listen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Limit => "limit",
            Self::Stalled => "stalled",
        }
    }
}

/// How a turn gets nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StallKind {
    /// The program prints nothing.
    Quiet,
    /// It makes no progress.
    Stalled,
}

/// A turn that gets nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// How.
    pub kind: StallKind,
    /// The last output, or the last progress, before it.
    pub since: Timestamp,
}
