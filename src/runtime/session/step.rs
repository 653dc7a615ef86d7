//! One step of a session: what is to be committed, and what is to be done once it is.
//!
//! Never carries out an effect itself.

use std::time::Duration;

use serde_json::json;

use crate::domain::{
    ApprovalId, Change, Cut, Draft, EventKind, Incarnation, Progress, TaskId, Timestamp,
};
use crate::drivers::Command;

use super::super::facade::Force;
use super::super::ledger::Line;
use super::super::queue::Readiness;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Events in order.
    pub events: Vec<Draft>,
    /// How far the log is decoded.
    pub progress: Option<Progress>,
    /// Rows that follow.
    pub changes: Vec<Change>,
    /// What to do after the commit, in order.
    pub effects: Vec<Effect>,
}

/// Something to do after the commit.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// Tell the queue how the session stands.
    Stand(Readiness),
    /// Tell the queue that what it offered is taken or given back.
    Answered(TaskId),
    /// The rows of waiting tasks changed.
    Reload,
    /// Ask for a place among the live agents.
    Admit,
    /// Give the place back.
    Leave,
    /// Start a keeper and the program.
    Launch {
        /// The new process's number.
        incarnation: Incarnation,
        /// The snapshot that it goes on from.
        resume: Option<String>,
    },
    /// Connect to the keeper of this incarnation, or read what a dead one left.
    Attach,
    /// Translate a command for the program.
    Command(Command, Option<Cause>),
    /// Give the answer that an override has decided.
    Answer(ApprovalId),
    /// End the process.
    End(Force, String),
    /// Look again later.
    After(Duration, Alarm),
    /// A line for the supervisor's log.
    Log(Line),
}

/// What a command carries out. It is committed together with what the codec makes of the command,
/// so that neither is there without the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum Cause {
    /// The answer to this question.
    Answer(ApprovalId),
    /// The tuning with this number.
    Tuning(u64),
}

/// One attempt at a task: the task, and when it was dispatched.
pub(super) type Attempt = (TaskId, Timestamp);

/// What a timer is about; one of another time finds nothing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Alarm {
    /// The program did not end its turn on an interrupt.
    Interrupt(Attempt),
    /// The program has not ended its turn yet: it is interrupted once more.
    Again(Attempt),
    /// The program did not become ready.
    Start(Incarnation),
    /// The wait before a restart is over.
    Backoff(Incarnation),
    /// Nobody answered.
    Approval(ApprovalId),
    /// The turn takes too long, by this clock.
    Cut(Attempt, Cut),
    /// The turn may have stalled; with the number of the timer.
    Stall(Attempt, u64),
    /// The time that a rate limit states.
    Parked(Timestamp),
    /// The turn that a reset waits for takes too long.
    Reset(Attempt),
}

impl Step {
    /// Adds an event.
    pub(super) fn event(&mut self, kind: EventKind, at: Timestamp, data: serde_json::Value) {
        self.events.push(Draft::new(kind, at, data));
    }

    /// Adds an error event with a stable code.
    pub(super) fn error(&mut self, at: Timestamp, code: &str, message: &str) {
        self.event(
            EventKind::Error,
            at,
            json!({"code": code, "message": message}),
        );
    }

    /// Whether there is anything to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.changes.is_empty() && self.progress.is_none()
    }
}
