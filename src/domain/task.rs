//! Tasks: one unit of user work each, from acceptance to exactly one end.
//!
//! Never moves except along [`TaskState::may_move`].

use serde::{Deserialize, Serialize};

use super::id::{Incarnation, SessionId, TaskId, Timestamp, UserId};
use super::prompt::OnUncertain;

/// Reason of a task that its provider refused: it waits again, or failed in the middle of its work.
pub const RATE_LIMITED: &str = "rate_limited";

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Made, not in a queue yet.
    Created,
    /// Waiting in its session's queue.
    Queued,
    /// Committed to go to the agent; the bytes may be on their way.
    Dispatching,
    /// The agent acknowledged it.
    Running,
    /// The agent asks before it goes on.
    AwaitingApproval,
    /// A person ended the turn; its end is awaited.
    Stopping,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Ended or withdrawn by a person.
    Stopped,
    /// The process ended under it; it is not sent again by itself.
    Interrupted,
    /// Handed over, and nobody can say whether the agent got it.
    Uncertain,
    /// Its turn deadline passed.
    TimedOut,
}

impl TaskState {
    /// Every state, for stored words and tests.
    pub const ALL: [Self; 12] = [
        Self::Created,
        Self::Queued,
        Self::Dispatching,
        Self::Running,
        Self::AwaitingApproval,
        Self::Stopping,
        Self::Completed,
        Self::Failed,
        Self::Stopped,
        Self::Interrupted,
        Self::Uncertain,
        Self::TimedOut,
    ];

    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Queued => "queued",
            Self::Dispatching => "dispatching",
            Self::Running => "running",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Stopping => "stopping",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Uncertain => "uncertain",
            Self::TimedOut => "timed_out",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }

    /// The coarse word of the agents, terminals and control doors.
    #[must_use]
    pub fn coarse(self) -> &'static str {
        match self {
            Self::Created | Self::Queued => "queued",
            Self::Dispatching | Self::Running | Self::AwaitingApproval | Self::Stopping => {
                "running"
            }
            Self::TimedOut => "failed",
            Self::Completed
            | Self::Failed
            | Self::Stopped
            | Self::Interrupted
            | Self::Uncertain => self.name(),
        }
    }

    /// Whether it has ended for good. `Uncertain` has not: a person decides.
    #[must_use]
    pub fn ended(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Stopped | Self::Interrupted | Self::TimedOut => {
                true
            }
            Self::Created
            | Self::Queued
            | Self::Dispatching
            | Self::Running
            | Self::AwaitingApproval
            | Self::Stopping
            | Self::Uncertain => false,
        }
    }

    /// Whether it holds the session's one running place.
    #[must_use]
    pub fn in_turn(self) -> bool {
        match self {
            Self::Dispatching | Self::Running | Self::AwaitingApproval | Self::Stopping => true,
            Self::Created
            | Self::Queued
            | Self::Completed
            | Self::Failed
            | Self::Stopped
            | Self::Interrupted
            | Self::Uncertain
            | Self::TimedOut => false,
        }
    }

    /// The legal moves of decisions.md 4. An ended task never moves again.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use TaskState as S;
        match self {
            S::Created => matches!(next, S::Queued | S::Stopped),
            S::Queued => matches!(next, S::Dispatching | S::Stopped),
            S::Dispatching => {
                matches!(
                    next,
                    S::Queued | S::Running | S::AwaitingApproval | S::Stopping | S::Uncertain
                ) || next.ended()
            }
            S::Running => matches!(next, S::AwaitingApproval | S::Stopping) || next.ended(),
            S::AwaitingApproval => {
                matches!(
                    next,
                    S::Dispatching | S::Running | S::Stopping | S::Uncertain | S::Queued
                ) || next.ended()
            }
            S::Stopping => next.ended() || matches!(next, S::Uncertain),
            S::Uncertain => matches!(next, S::Queued | S::Stopped | S::Running) || next.ended(),
            S::Completed | S::Failed | S::Stopped | S::Interrupted | S::TimedOut => false,
        }
    }

    /// Whether it may move there for this reason: along [`TaskState::may_become`]; and a running
    /// task that its provider refused before it had done anything waits again.
    #[must_use]
    pub fn may_move(self, next: Self, reason: Option<&str>) -> bool {
        let refused = self == Self::Running && next == Self::Queued;
        self.may_become(next) || (refused && reason == Some(RATE_LIMITED))
    }
}

/// How a turn ended. Success needs the program's own turn end without an error flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The program ended the turn without an error.
    Completed,
    /// The program said that it failed, or the turn was lost.
    Failed,
    /// A person ended it.
    Stopped,
    /// The process ended under it.
    Interrupted,
    /// Its deadline passed.
    TimedOut,
}

impl Outcome {
    /// The shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.task_state().name()
    }

    /// The task's end state of this outcome.
    #[must_use]
    pub fn task_state(self) -> TaskState {
        match self {
            Self::Completed => TaskState::Completed,
            Self::Failed => TaskState::Failed,
            Self::Stopped => TaskState::Stopped,
            Self::Interrupted => TaskState::Interrupted,
            Self::TimedOut => TaskState::TimedOut,
        }
    }
}

/// What a program is sent of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Words {
    /// What is shown, too.
    #[default]
    Shown,
    /// A secret is covered where they are shown; these are sealed, as they are stored. Empty: they
    /// were given up.
    Sealed(Vec<u8>),
    /// The same, opened.
    Opened(String),
}

/// One task as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The session whose queue it is in.
    pub session: SessionId,
    /// Who asked for it.
    pub owner: UserId,
    /// Place in the session's order; lower runs first.
    pub ord: i64,
    /// Where it stands.
    pub state: TaskState,
    /// The words of the prompt as they are shown: known secrets in them are covered.
    pub prompt: String,
    /// The words that its program is sent.
    pub said: Words,
    /// What to do when nobody knows whether it was received.
    pub on_uncertain: OnUncertain,
    /// The client's own data.
    pub metadata: serde_json::Value,
    /// How often it was handed over; part of the keeper's input id.
    pub attempt: u32,
    /// The process that it was handed to.
    pub incarnation: Option<Incarnation>,
    /// Why it ended or stands as it does (`exit_2`, `lost_prompt`, `cancelled` ...).
    pub reason: Option<String>,
    /// The last words of the agent in this turn.
    pub text: Option<String>,
    /// What the turn used, as the program told it.
    pub usage: Option<serde_json::Value>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the agent acknowledged it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Task {
    /// The words that its program is sent; `None` while they are sealed: what is shown never takes
    /// their place.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        match &self.said {
            Words::Opened(words) => Some(words),
            Words::Shown => Some(&self.prompt),
            Words::Sealed(_) => None,
        }
    }

    /// The keeper's id of the input frame that carries this attempt: the same bytes are never
    /// written twice under it.
    #[must_use]
    pub fn input_id(&self) -> String {
        format!("{}:{}", self.id, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_task_never_moves() {
        for from in TaskState::ALL.into_iter().filter(|s| s.ended()) {
            for to in TaskState::ALL {
                assert!(!from.may_become(to), "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn a_running_task_waits_again_for_one_reason_only() {
        let back = |reason| TaskState::Running.may_move(TaskState::Queued, reason);
        assert!(back(Some(RATE_LIMITED)));
        assert!(!back(Some("given_back")) && !back(None));
        for from in TaskState::ALL {
            for to in TaskState::ALL {
                let same = from.may_move(to, Some(RATE_LIMITED)) == from.may_become(to);
                let the_one = (from, to) == (TaskState::Running, TaskState::Queued);
                assert_eq!(same, !the_one, "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn every_state_reaches_an_end() {
        for from in TaskState::ALL.into_iter().filter(|s| !s.ended()) {
            assert!(from.may_become(TaskState::Stopped), "{from:?}");
        }
    }

    #[test]
    fn words_read_back() {
        for state in TaskState::ALL {
            assert_eq!(TaskState::parse(state.name()), Some(state));
        }
    }
}
