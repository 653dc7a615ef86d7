//! The words between the runtime and the floor above: questions, answers and their limits.
//!
//! Never an actor's address.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::prompt::IdempotencyKey;
use crate::domain::{After, ApprovalId, EventKind, Placement, Prompt, Remember};

use super::published::Published;

/// A question for the events of one agent.
#[derive(Debug, Clone)]
pub struct Poll {
    /// From where.
    pub after: After,
    /// At most so many events, 1 to 200.
    pub limit: usize,
    /// At most so many bytes of their data, but for one event that is larger by itself; a page that
    /// the ring serves is bounded as the ring is.
    pub bytes: usize,
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

/// Which of a person's words about finished work count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdicts {
    /// The first, until somebody goes on.
    First,
    /// The last one that says otherwise.
    Last,
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
    /// For how long it holds.
    pub remember: Remember,
    /// The user name.
    pub by: String,
}

/// What supervisors decided since the start of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Restarts of actors, by kind: `journal`, `feed`, `session`, ...
    pub restarts: BTreeMap<String, u64>,
    /// Supervisors that gave up after too many restarts.
    pub escalations: u64,
    /// Lines of the log about processes, by event.
    pub processes: BTreeMap<String, u64>,
    /// Lines that got no row.
    pub lost: u64,
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
    /// Bytes of the events that are held for their readers.
    pub ring_bytes: usize,
    /// Rows that the journal has not committed yet.
    pub journal_pending: usize,
    /// Whether the last commit failed and is being repeated, and why.
    pub journal_trouble: Option<String>,
    /// Events in what the journal has not committed yet.
    pub journal_events: usize,
    /// How long the oldest of it has waited.
    pub journal_age: Duration,
    /// How long the last commit took.
    pub last_commit: Duration,
    /// How long ago the wall clock jumped last; `None` if it never did.
    pub since_jump: Option<Duration>,
    /// Decisions of supervisors since the start.
    pub decisions: Decisions,
}
