//! What one commit of the journal carries: events and the rows that follow from them.
//!
//! Never half applied: all of a batch is in one transaction.

use serde_json::Value;

use super::approval::{Approval, ApprovalState};
use super::event::Draft;
use super::exit::ExitReport;
use super::id::{ApprovalId, Incarnation, SessionId, TaskId, Timestamp, UserId};
use super::overrides::Override;
use super::permission::PermissionMode;
use super::status::Facts;
use super::task::TaskState;

/// How far the output log of one incarnation has become events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Whose log.
    pub incarnation: Incarnation,
    /// First byte that is not decoded yet.
    pub offset: u64,
    /// The codec's state after the byte before it (the driver's own format).
    pub snapshot: String,
}

/// A process that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIncarnation {
    /// Its number.
    pub incarnation: Incarnation,
    /// Secret mark of this life, for marks that commands must not forge.
    pub nonce: String,
    /// The codec's first state.
    pub snapshot: String,
    /// When it was started.
    pub started_at: Timestamp,
}

/// A task's move, with what is learned at it. `None` leaves a column as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskMove {
    /// Which task.
    pub task: TaskId,
    /// Its new state.
    pub to: TaskState,
    /// When: sets `started_at` on `Running`, `ended_at` on an end.
    pub at: Timestamp,
    /// The process that it is handed to.
    pub incarnation: Option<Incarnation>,
    /// The number of this hand-over.
    pub attempt: Option<u32>,
    /// Why.
    pub reason: Option<String>,
    /// The agent's last words.
    pub text: Option<String>,
    /// What was used.
    pub usage: Option<Value>,
}

impl TaskMove {
    /// A bare move.
    #[must_use]
    pub fn new(task: TaskId, to: TaskState, at: Timestamp) -> Self {
        Self {
            task,
            to,
            at,
            incarnation: None,
            attempt: None,
            reason: None,
            text: None,
            usage: None,
        }
    }
}

/// What is changed about how a session's program is driven; what is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tuning {
    /// How far it may go without asking.
    pub permission_mode: Option<PermissionMode>,
    /// The model; `Some(None)`: the program's own choice.
    pub model: Option<Option<String>>,
}

/// One row that follows from an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The session's facts; its status column is computed from them in the same statement.
    Facts(Box<Facts>),
    /// A task moves.
    Task(Box<TaskMove>),
    /// A process was started.
    Started(Box<NewIncarnation>),
    /// A process ended.
    Ended(Box<ExitReport>),
    /// A question was asked.
    Asked(Box<Approval>),
    /// A question was answered, expired or cancelled. Applies to a pending one only.
    Resolved {
        /// Which.
        id: ApprovalId,
        /// Its end.
        to: ApprovalState,
        /// Who or what.
        by: String,
        /// Free words.
        response: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// An answer is given again by itself from now on.
    Remembered(Box<Override>),
    /// The session is driven otherwise from now on.
    Tuned(Box<Tuning>),
    /// The session is deleted from the lists.
    Archived(Timestamp),
}

/// What one publisher wants committed in one transaction, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Whose.
    pub session: SessionId,
    /// The owner, for those who filter streams.
    pub owner: UserId,
    /// The process that the events are about.
    pub incarnation: Incarnation,
    /// First seq of `events`; the feed gives it.
    pub first_seq: u64,
    /// Events in order; each gets the next seq.
    pub events: Vec<Draft>,
    /// How far the log is decoded with this batch.
    pub progress: Option<Progress>,
    /// The rows that follow.
    pub changes: Vec<Change>,
}
