//! What the floor above may ask of the living side: one handle, cheap to clone.
//!
//! Never waits without a bound, and never hands out an actor's address.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::prompt::IdempotencyKey;
use crate::domain::{
    After, ApprovalId, Error, EventKind, Placement, Prompt, Result, Session, SessionId, TaskId,
};

use super::published::{Published, Sink};

/// A question for the events of one agent.
#[derive(Debug, Clone)]
pub struct Poll {
    /// From where.
    pub after: After,
    /// At most so many events, 1 to 200.
    pub limit: usize,
    /// Only these kinds.
    pub kinds: Option<Vec<EventKind>>,
    /// How long to wait for a first event; zero answers at once.
    pub wait: Duration,
}

/// A missing range of numbers: only what retention removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// First missing seq.
    pub from: u64,
    /// Last missing seq.
    pub to: u64,
}

/// Events of one agent in order.
#[derive(Debug, Clone)]
pub struct Page {
    /// True when served from the ring, false from the journal.
    pub live: bool,
    /// The events.
    pub events: Vec<Arc<Published>>,
    /// The cursor to go on from; it moves also when a filter matched nothing.
    pub next: u64,
    /// Whether committed events after `next` exist already.
    pub more: bool,
    /// Oldest seq that can still be read (1 unless retention removed some); 0 without events.
    pub oldest: u64,
    /// Last committed seq; 0 without events.
    pub latest: u64,
    /// Numbers that retention removed between the cursor and the first event.
    pub gap: Option<Gap>,
}

/// The answer to an attempt to follow live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// The sink got what it missed and now gets every event as it is committed.
    Live {
        /// Last committed number (seq or pos) at that moment.
        latest: u64,
    },
    /// The cursor is older than the ring: read a page first, then try again from its end.
    Behind,
}

/// An accepted prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Where it landed.
    pub placement: Placement,
    /// True when this is the stored answer to an earlier request with the same key.
    pub replayed: bool,
}

/// How a pause was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paused {
    /// Nothing ran: it holds now.
    Now,
    /// The running turn runs out (or is being interrupted) first.
    AfterTurn,
}

/// How much force an end of a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The stop ladder: interrupt, close, SIGTERM, SIGKILL of the tree.
    Ladder,
    /// SIGKILL of the tree at once.
    Kill,
}

/// Raw bytes of an incarnation's output log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSlice {
    /// Which incarnation.
    pub incarnation: u64,
    /// Offset of the first byte below; at least `base`.
    pub offset: u64,
    /// First byte that is still kept.
    pub base: u64,
    /// Length of the log so far.
    pub len: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The living side of the server.
#[derive(Clone)]
pub struct Runtime {}

impl Runtime {
    /// Accepts a prompt: durable when this returns. Wakes the session and starts its process when
    /// there is none.
    ///
    /// # Errors
    /// `queue_full`, `too_large`, `idempotency_key_reused`, `draining`, `invalid_state` (with
    /// `queue_when_busy` false and a turn running: `agent_busy`).
    pub async fn accept(&self, _session: &Session, _request: AcceptRequest) -> Result<Accepted> {
        Err(unwired())
    }

    /// Starts the process of a session without work (spawn, or a start after a stop or a crash
    /// loop). Returns when it is committed as started, waiting or failed.
    ///
    /// # Errors
    /// The start's own refusal (`program_not_found` ...), `draining`.
    pub async fn start_agent(&self, _session: SessionId) -> Result<()> {
        Err(unwired())
    }

    /// Reads committed events, from the ring or the journal.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn poll(&self, _session: &Session, _poll: Poll) -> Result<Page> {
        Err(unwired())
    }

    /// Follows one agent from after `seq`: replay from the ring and live in one step.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn attach(
        &self,
        _session: &Session,
        _seq: u64,
        _sink: Arc<dyn Sink>,
    ) -> Result<Attach> {
        Err(unwired())
    }

    /// Follows every agent from after `pos`; the sink filters by owner itself.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn attach_all(&self, _pos: u64, _sink: Arc<dyn Sink>) -> Result<Attach> {
        Err(unwired())
    }

    /// Last committed pos of the server.
    #[must_use]
    pub fn latest_pos(&self) -> u64 {
        0
    }

    /// Stops taking from the queue; `now` also interrupts the running turn. Idempotent.
    ///
    /// # Errors
    /// `draining`, `unavailable`.
    pub async fn pause(&self, _session: SessionId, _interrupt: Interrupt) -> Result<Paused> {
        Err(unwired())
    }

    /// Takes from the queue again. Idempotent. Returns the session as committed after it.
    ///
    /// # Errors
    /// `draining`, `unavailable`.
    pub async fn resume(&self, _session: SessionId) -> Result<()> {
        Err(unwired())
    }

    /// Ends the running turn; its process stays. Returns the task.
    ///
    /// # Errors
    /// `no_turn` when nothing runs.
    pub async fn interrupt(&self, _session: SessionId, _by: &str) -> Result<TaskId> {
        Err(unwired())
    }

    /// Ends the process; goes past actors that do not answer within 2 s. Waiting tasks stay
    /// queued and paused work stays; the next prompt starts a new process. Returns whether
    /// something was ended.
    ///
    /// # Errors
    /// `still_running` when the tree could not be ended in time.
    pub async fn stop(&self, _session: SessionId, _force: Force, _by: &str) -> Result<bool> {
        Err(unwired())
    }

    /// Stops the process, ends waiting tasks as stopped, drops the ring and archives the session.
    ///
    /// # Errors
    /// As [`Runtime::stop`].
    pub async fn archive(&self, _session: SessionId, _by: &str) -> Result<()> {
        Err(unwired())
    }

    /// Answers a question. The answer is committed before the agent gets it.
    ///
    /// # Errors
    /// `already_resolved` (conflict) when another answer, its expiry or the end of its process
    /// came first.
    pub async fn answer(&self, _session: SessionId, _answer: Answer) -> Result<()> {
        Err(unwired())
    }

    /// Changes the words of a waiting task.
    ///
    /// # Errors
    /// `invalid_state` when it does not wait any more.
    pub async fn edit_task(&self, _session: SessionId, _task: TaskId, _text: String) -> Result<()> {
        Err(unwired())
    }

    /// Withdraws a waiting task.
    ///
    /// # Errors
    /// `invalid_state` when it does not wait any more.
    pub async fn cancel_task(&self, _session: SessionId, _task: TaskId) -> Result<()> {
        Err(unwired())
    }

    /// Puts the waiting tasks into this order.
    ///
    /// # Errors
    /// `bad_order` when it is no permutation of the waiting tasks.
    pub async fn reorder(&self, _session: SessionId, _order: Vec<TaskId>) -> Result<()> {
        Err(unwired())
    }

    /// Waits until the task has ended, at most `within`. Returns whether it has.
    ///
    /// # Errors
    /// `unavailable` while the server stops.
    pub async fn wait_task(
        &self,
        _session: &Session,
        _task: TaskId,
        _within: Duration,
    ) -> Result<bool> {
        Err(unwired())
    }

    /// Raw output of an incarnation (the latest when `None`), at most `limit` bytes.
    ///
    /// # Errors
    /// `not_found` when there is no such log (any more).
    pub async fn log(
        &self,
        _session: SessionId,
        _incarnation: Option<u64>,
        _offset: u64,
        _limit: usize,
    ) -> Result<LogSlice> {
        Err(unwired())
    }

    /// The supervisor tree as JSON.
    ///
    /// # Errors
    /// `unavailable` when the root does not answer in time.
    pub async fn tree(&self) -> Result<serde_json::Value> {
        Err(unwired())
    }

    /// Whether the server refuses new work because it stops.
    #[must_use]
    pub fn draining(&self) -> bool {
        false
    }

    /// Figures of the living side for health and metrics: agents by state, journal lag, waiting
    /// for admission, isolation means.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures::default()
    }
}

/// A prompt to accept, with what the client said about it.
#[derive(Debug, Clone)]
pub struct AcceptRequest {
    /// The prompt.
    pub prompt: Prompt,
    /// The client's key, when it sent one.
    pub key: Option<IdempotencyKey>,
    /// Whether to wait behind other work or be refused (`agent_busy`).
    pub when_busy: WhenBusy,
}

/// What to do with a prompt for a busy agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBusy {
    /// It waits.
    Queue,
    /// It is refused.
    Refuse,
}

/// Whether a pause interrupts the running turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// The turn runs out.
    No,
    /// The turn is interrupted and not sent again.
    Now,
}

/// A person's answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which question.
    pub approval: ApprovalId,
    /// Yes or no.
    pub approved: bool,
    /// Free words.
    pub response: Option<String>,
    /// The user name.
    pub by: String,
}

/// Figures of the living side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Processes that keepers hold.
    pub live_agents: usize,
    /// Sessions that wait for a place.
    pub waiting: usize,
    /// Sessions with actors.
    pub active_sessions: usize,
    /// Rows that the journal has not committed yet.
    pub journal_pending: usize,
    /// Whether the last commit failed and is being repeated, and why.
    pub journal_trouble: Option<String>,
}

fn unwired() -> Error {
    Error::unavailable("starting", "the runtime is not running")
}
