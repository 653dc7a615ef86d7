//! The living side: actors for sessions, queues, agents and feeds, the journal and the hub.
//!
//! Never names HTTP, and never answers for a client: what is shown comes from committed rows.

mod facade;
mod published;

pub use facade::{
    AcceptRequest, Accepted, Answer, Attach, Figures, Force, Gap, Interrupt, LogSlice, Page,
    Paused, Poll, Runtime, WhenBusy,
};
pub use published::{Published, Sink};
