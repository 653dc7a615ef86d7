//! The status of a session, computed from what is wanted and what is known.
//!
//! Never written by hand: [`status`] is the only source of the stored and shown word.

use serde::{Deserialize, Serialize};

use super::exit::{ExitReason, ExitReport};
use super::id::{Incarnation, TaskId, Timestamp};
use super::limit::LimitKind;
use super::mission::Reopened;
use super::session::Completion;
use super::task::Outcome;

mod process;
mod turn;
pub use process::Process;
pub use turn::{Cut, Stall, StallKind, TurnFact, TurnPhase};

/// What a person wants of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// It runs when there is work, and stays.
    #[default]
    Run,
    /// It is to end and stay down until the next prompt or start.
    Stop,
}

/// Everything that the status of a session follows from. One owner: the session's actor, or the
/// recovery sweep before there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Facts {
    /// What is wanted.
    pub intent: Intent,
    /// Whether the queue is told to wait.
    pub paused: bool,
    /// What is known of the process.
    pub process: Process,
    /// The last number given to a process; 0 before the first.
    pub incarnation: Incarnation,
    /// The running turn.
    pub turn: Option<TurnFact>,
    /// Open questions of the running process.
    pub asked: u32,
    /// The task that nobody can place.
    pub uncertain: Option<TaskId>,
    /// Waiting tasks.
    pub queued: u32,
    /// Ended turns.
    pub turns: u64,
    /// How the last turn ended.
    pub last_outcome: Option<Outcome>,
    /// How the last process ended.
    pub last_exit: Option<ExitReport>,
    /// Whether the process of this incarnation has said that it takes prompts.
    pub ready: bool,
    /// Short lives in a row.
    pub short_lives: u32,
    /// Restarts in a row, for the back-off curve.
    pub restarts: u32,
    /// Tokens used over all turns, as far as the program told.
    pub tokens: u64,
    /// Since when it is down for good: by a stop, a crash loop or a lasting failure. A task of a
    /// later time starts it again.
    pub down_at: Option<Timestamp>,
    /// Who asked for the end of the process that still runs.
    pub ending: Option<String>,
    /// A person asked for a start while the process was being ended: it follows the end.
    pub again: bool,
    /// A person said that the work is done; forgotten when somebody goes on.
    pub completed: Option<Completion>,
    /// A person said that the work is open again after an end; holds until something of it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reopened: Option<Reopened>,
    /// Who wants it from the beginning; until then it takes no work.
    pub resetting: Option<String>,
    /// The next process takes nothing over from the one before.
    pub fresh: bool,
    /// The program's own id of the conversation, once it has one that it could go on with.
    pub conversation: Option<String>,
    /// What the turns have cost together, in millionths of a US dollar, as far as the program told.
    pub spent_micro_usd: u64,
    /// How long the turns took together, in milliseconds.
    pub busy_ms: u64,
    /// The hard stop that it has reached; until that is raised it takes no work.
    pub limit: Option<LimitKind>,
    /// Its provider takes no more work before this time: the queue is held until then.
    pub limited_until: Option<Timestamp>,
    /// Rate limits in a row, for the curve where the provider states no time.
    pub limited: u32,
    /// The running turn says nothing, or gets nowhere.
    pub stall: Option<Stall>,
}

impl Facts {
    /// When it goes on by itself, if it waits for a time.
    #[must_use]
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self.process {
            Process::Backoff { next_at } => Some(next_at),
            Process::None
            | Process::Waiting { .. }
            | Process::Starting { .. }
            | Process::Live { .. }
            | Process::Unattached { .. }
            | Process::CrashLoop
            | Process::Failed { .. } => self.limited_until,
        }
    }
}

/// The one word that every door derives its own from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Never started.
    Created,
    /// Waiting for a place to run.
    Waiting,
    /// The process comes up.
    Starting,
    /// Ready, nothing to do.
    Idle,
    /// A turn runs or is about to.
    Busy,
    /// A turn waits for a person.
    AwaitingApproval,
    /// A turn runs, and its program has printed nothing for a while.
    Quiet,
    /// A turn runs, and has made no progress for too long.
    Stalled,
    /// The turn or the process is being ended.
    Stopping,
    /// The process lives; the server is not connected to it.
    Unattached,
    /// The queue is told to wait.
    Paused,
    /// The process ended under its work.
    Interrupted,
    /// The process is started again at a stated time.
    Backoff,
    /// Its provider takes no more work before a stated time; it goes on by itself then.
    RateLimited,
    /// Too many short lives in a row.
    CrashLoop,
    /// A task can't be placed; a person decides.
    Uncertain,
    /// The process cannot be started.
    Failed,
    /// Ended as it was wanted, can go on.
    Stopped,
    /// A person said that the work is done.
    Completed,
}

/// The coarse word of the agents door, shared by every stored `status` event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// Nothing to do yet.
    Idle,
    /// Working, or alive and about to.
    Running,
    /// Held by a person.
    Paused,
    /// No process, can go on.
    Stopped,
    /// The last turn ended well and nothing waits.
    Completed,
    /// The last turn or the process failed.
    Failed,
}

impl Status {
    /// Every status, for stored words and tests.
    pub const ALL: [Self; 19] = [
        Self::Created,
        Self::Waiting,
        Self::Starting,
        Self::Idle,
        Self::Busy,
        Self::AwaitingApproval,
        Self::Quiet,
        Self::Stalled,
        Self::Stopping,
        Self::Unattached,
        Self::Paused,
        Self::Interrupted,
        Self::Backoff,
        Self::RateLimited,
        Self::CrashLoop,
        Self::Uncertain,
        Self::Failed,
        Self::Stopped,
        Self::Completed,
    ];

    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Quiet => "quiet",
            Self::Stalled => "stalled",
            Self::Stopping => "stopping",
            Self::Unattached => "unattached",
            Self::Paused => "paused",
            Self::Interrupted => "interrupted",
            Self::Backoff => "backoff",
            Self::RateLimited => "rate_limited",
            Self::CrashLoop => "crash_loop",
            Self::Uncertain => "uncertain",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == text)
    }

    /// The coarse word (table of decisions.md 3). Needs the facts where one status has several.
    #[must_use]
    pub fn lifecycle(self, facts: &Facts) -> Lifecycle {
        match self {
            Self::Created | Self::Waiting => Lifecycle::Idle,
            Self::Starting
            | Self::Busy
            | Self::AwaitingApproval
            | Self::Quiet
            | Self::Stalled
            | Self::Stopping
            | Self::Unattached => Lifecycle::Running,
            Self::Idle => match facts.last_outcome {
                Some(Outcome::Completed) => Lifecycle::Completed,
                Some(Outcome::Failed | Outcome::TimedOut) => Lifecycle::Failed,
                Some(Outcome::Stopped | Outcome::Interrupted) | None => Lifecycle::Idle,
            },
            Self::Paused => Lifecycle::Paused,
            Self::Interrupted
            | Self::Backoff
            | Self::RateLimited
            | Self::Uncertain
            | Self::Stopped => Lifecycle::Stopped,
            Self::CrashLoop | Self::Failed => Lifecycle::Failed,
            Self::Completed => Lifecycle::Completed,
        }
    }
}

impl Lifecycle {
    /// The shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// Computes the status. The order of the questions is the order of precedence.
#[must_use]
pub fn status(facts: &Facts) -> Status {
    if facts.completed.is_some() && !facts.process.held() {
        return Status::Completed;
    }
    match &facts.process {
        Process::CrashLoop => return Status::CrashLoop,
        Process::Failed { .. } => return Status::Failed,
        Process::Unattached { .. } => return Status::Unattached,
        Process::None
        | Process::Waiting { .. }
        | Process::Starting { .. }
        | Process::Live { .. }
        | Process::Backoff { .. } => {}
    }
    let ends = facts.intent == Intent::Stop || facts.ending.is_some();
    if ends && facts.process.held() {
        return Status::Stopping;
    }
    if facts.uncertain.is_some() {
        return Status::Uncertain;
    }
    match &facts.process {
        Process::Waiting { .. } => Status::Waiting,
        Process::Starting { .. } => Status::Starting,
        Process::Backoff { .. } => Status::Backoff,
        Process::Live { .. } => live(facts),
        Process::None => gone(facts),
        Process::CrashLoop => Status::CrashLoop,
        Process::Failed { .. } => Status::Failed,
        Process::Unattached { .. } => Status::Unattached,
    }
}

fn live(facts: &Facts) -> Status {
    match &facts.turn {
        Some(turn) if turn.phase == TurnPhase::Stopping => Status::Stopping,
        Some(_) if facts.asked > 0 => Status::AwaitingApproval,
        Some(_) => match facts.stall.map(|stall| stall.kind) {
            Some(StallKind::Quiet) => Status::Quiet,
            Some(StallKind::Stalled) => Status::Stalled,
            None => Status::Busy,
        },
        None if facts.paused => Status::Paused,
        None if facts.limited_until.is_some() => Status::RateLimited,
        None if facts.queued > 0 => Status::Busy,
        None => Status::Idle,
    }
}

fn gone(facts: &Facts) -> Status {
    if facts.paused {
        return Status::Paused;
    }
    if facts.limited_until.is_some() && facts.intent == Intent::Run {
        return Status::RateLimited;
    }
    match &facts.last_exit {
        None if facts.intent == Intent::Stop => Status::Stopped,
        None if facts.incarnation.0 == 0 => Status::Created,
        // Its end is not read yet.
        None => Status::Interrupted,
        Some(exit) if exit.reason == ExitReason::KilledByUser => Status::Stopped,
        Some(_) if facts.intent == Intent::Stop => Status::Stopped,
        Some(exit) if exit.reason.wanted() => Status::Stopped,
        Some(_) => Status::Interrupted,
    }
}

#[cfg(test)]
mod tests;
