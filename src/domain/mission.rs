//! A session as a mission: one word of five, computed like every other (decisions.md 3).
//!
//! Never `active` for what a program does by itself while nothing of it runs, waits or is held.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::id::{Incarnation, Timestamp};
use super::session::Session;
use super::status::{Facts, Status, status};
use super::task::Outcome;

/// How a mission stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mission {
    /// Nothing of it was done yet.
    Pending,
    /// It is at work, waits for somebody, or goes on by itself.
    Active,
    /// Its last turn ended well, or a person said that it is done.
    Completed,
    /// Its last turn or its program failed, or a person said so.
    Failed,
    /// It was ended under its work and can go on.
    Interrupted,
}

/// A person's word that a mission which had come to an end is open again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopened {
    /// How it is shown until something of it runs.
    pub shown: Mission,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The turns that had ended then.
    pub turns: u64,
    /// The last process then.
    pub incarnation: Incarnation,
}

impl Mission {
    /// Every word.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Active,
        Self::Completed,
        Self::Failed,
        Self::Interrupted,
    ];

    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads a word.
    ///
    /// # Errors
    /// `bad_field` for `status` with the words that there are.
    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|word| word.name() == text);
        found.ok_or_else(|| {
            Error::invalid(
                "bad_field",
                "status",
                "the status is not known",
                Self::ALL.map(Self::name).join(", "),
            )
        })
    }

    /// Whether it has come to an end, from which it can be opened again.
    #[must_use]
    pub fn ended(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Interrupted => true,
            Self::Pending | Self::Active => false,
        }
    }

    /// How the mission with these facts stands.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let found = Self::plain(facts);
        match &facts.reopened {
            Some(word) if found.ended() && word.holds(facts) => word.shown,
            Some(_) | None => found,
        }
    }

    /// Whether there is something to take up again: it was interrupted, failed, opened again or is
    /// paused, and has a queue, a program to start or one that can be told to go on.
    #[must_use]
    pub fn resumable(session: &Session) -> bool {
        let facts = &session.facts;
        let ended = match Self::of(facts) {
            Self::Interrupted | Self::Failed => true,
            Self::Active | Self::Pending => facts.reopened.is_some() && Self::plain(facts).ended(),
            Self::Completed => false,
        };
        let goes = session.kind.has_model() || facts.queued > 0 || !facts.process.held();
        facts.uncertain.is_none() && (facts.paused || ended && goes)
    }

    /// The same without a person's word that it is open again.
    #[must_use]
    pub fn plain(facts: &Facts) -> Self {
        match status(facts) {
            Status::Created => Self::Pending,
            Status::Waiting if facts.turns == 0 => Self::Pending,
            Status::Waiting
            | Status::Starting
            | Status::Busy
            | Status::AwaitingApproval
            | Status::Quiet
            | Status::Stalled
            | Status::Stopping
            | Status::Unattached
            | Status::Paused
            | Status::Backoff
            | Status::RateLimited => Self::Active,
            Status::Idle => match facts.last_outcome {
                None => Self::Pending,
                Some(Outcome::Completed) => Self::Completed,
                Some(Outcome::Failed | Outcome::TimedOut) => Self::Failed,
                Some(Outcome::Stopped | Outcome::Interrupted) => Self::Interrupted,
            },
            Status::Uncertain | Status::Interrupted | Status::Stopped => Self::Interrupted,
            Status::CrashLoop | Status::Failed => Self::Failed,
            Status::Completed => match &facts.completed {
                Some(word) if word.failed() => Self::Failed,
                Some(_) | None => Self::Completed,
            },
        }
    }
}

impl Reopened {
    /// Whether nothing has run since.
    fn holds(&self, facts: &Facts) -> bool {
        facts.turn.is_none()
            && facts.turns == self.turns
            && facts.incarnation == self.incarnation
            && facts.completed.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::{Process, TurnFact, TurnPhase};
    use super::super::{Completion, TaskId};
    use super::*;

    fn idle(outcome: Option<Outcome>) -> Facts {
        Facts {
            incarnation: Incarnation(1),
            process: Process::Live {
                pid: 7,
                since: Timestamp(1),
            },
            turns: u64::from(outcome.is_some()),
            last_outcome: outcome,
            ..Facts::default()
        }
    }

    fn busy() -> Facts {
        Facts {
            turn: Some(TurnFact {
                task: TaskId::generate(),
                phase: TurnPhase::Running,
                since: Timestamp(1),
                cut: None,
            }),
            ..idle(None)
        }
    }

    fn said(status: &str) -> Facts {
        Facts {
            completed: Some(Completion {
                status: status.into(),
                comment: None,
                cost_usd: None,
                by: "ada".into(),
                at: Timestamp(2),
            }),
            ..Facts::default()
        }
    }

    #[test]
    fn the_table_of_the_control_door() {
        let waits = Process::Waiting {
            since: Timestamp(1),
        };
        let waiting = |turns| Facts {
            process: waits.clone(),
            turns,
            ..Facts::default()
        };
        let failed = Facts {
            process: Process::CrashLoop,
            ..Facts::default()
        };
        for (facts, word) in [
            (Facts::default(), Mission::Pending),
            (waiting(0), Mission::Pending),
            (waiting(1), Mission::Active),
            (idle(None), Mission::Pending),
            (busy(), Mission::Active),
            (idle(Some(Outcome::Completed)), Mission::Completed),
            (idle(Some(Outcome::TimedOut)), Mission::Failed),
            (idle(Some(Outcome::Stopped)), Mission::Interrupted),
            (failed, Mission::Failed),
            (said("success"), Mission::Completed),
            (said("failed"), Mission::Failed),
        ] {
            assert_eq!(Mission::of(&facts), word, "{facts:?}");
        }
    }

    #[test]
    fn a_reopened_mission_is_open_until_something_runs() {
        let open = |facts: Facts, shown| Facts {
            reopened: Some(Reopened {
                shown,
                by: "ada".into(),
                at: Timestamp(3),
                turns: facts.turns,
                incarnation: facts.incarnation,
            }),
            ..facts
        };
        let ended = open(idle(Some(Outcome::Failed)), Mission::Active);
        assert_eq!(Mission::of(&ended), Mission::Active);
        assert_eq!(Mission::plain(&ended), Mission::Failed);
        let again = Facts {
            turns: 2,
            ..ended.clone()
        };
        assert_eq!(Mission::of(&again), Mission::Failed);
        let restarted = Facts {
            incarnation: Incarnation(2),
            ..ended
        };
        assert_eq!(Mission::of(&restarted), Mission::Failed);
        let done = Facts {
            completed: said("success").completed,
            ..open(Facts::default(), Mission::Pending)
        };
        assert_eq!(Mission::of(&done), Mission::Completed);
    }

    #[test]
    fn words_read_back() {
        for word in Mission::ALL {
            assert_eq!(Mission::parse(word.name()).unwrap(), word);
        }
        assert_eq!(Mission::parse("blocked").unwrap_err().code(), "bad_field");
    }
}
