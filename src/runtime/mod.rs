//! The living side: actors for sessions, queues, agents and feeds, the journal and the hub.
//!
//! Never names HTTP, and never answers for a client: what is shown comes from committed rows.

mod agent;
mod backlog;
mod clock;
mod closing;
mod context;
mod culprit;
mod directory;
mod edge;
mod environment;
mod facade;
mod fallen;
mod feed;
mod halt;
mod handle;
mod hub;
mod journal;
mod ledger;
mod log;
mod programs;
mod prompts;
mod published;
mod queue;
mod reading;
mod recovery;
mod redaction;
mod ring;
mod rings;
mod session;
mod sleep;
mod streams;
mod terminal;
mod tidying;
mod tree;
mod tty;
mod window;

pub use clock::now;
pub use context::Parts;
pub use facade::{
    AcceptRequest, Accepted, Answer, Attach, Decisions, Figures, Force, Gap, Interrupt, LogSlice,
    Page, Paused, Poll, Verdicts, WhenBusy,
};
pub use handle::{Runtime, Tree};
pub use published::{Form, Published, Sink, parts};
pub use recovery::Recovered;
pub use streams::{Piece, Rendered, STREAM_BYTES};
pub use tidying::LogFigures;
pub use tty::{TTY_RING, TtyMark};
