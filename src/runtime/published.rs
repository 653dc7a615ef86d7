//! A committed event as readers get it: rendered once, shared by all.
//!
//! Never made before its batch is committed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use bytestring::ByteString;

use super::streams::Piece;
use crate::domain::{Event, UserId};

/// A committed event with its owner and its ready-made bytes.
#[derive(Debug)]
pub struct Published {
    /// The event.
    pub event: Event,
    /// Whose session it is: streams over many agents filter by it.
    pub owner: UserId,
    tail: String,
    frame: OnceLock<ByteString>,
}

impl Published {
    /// Renders a committed event.
    #[must_use]
    pub fn new(event: Event, owner: UserId) -> Arc<Self> {
        let tail = event.tail();
        Arc::new(Self {
            event,
            owner,
            tail,
            frame: OnceLock::new(),
        })
    }

    /// The JSON object after its `type` member; see [`Event::tail`].
    #[must_use]
    pub fn tail(&self) -> &str {
        &self.tail
    }

    /// Bytes that count towards a ring's bound.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.tail.len()
    }

    /// The frame of the first dialect that asks, rendered once and shared by every socket of it.
    pub fn frame(&self, render: impl FnOnce(&Self) -> ByteString) -> ByteString {
        self.frame.get_or_init(|| render(self)).clone()
    }
}

/// Where committed events are pushed to: one connection's bounded outbox.
pub trait Sink: Send + Sync {
    /// Takes one event without waiting. `false` ends the subscription: the connection is over.
    fn push(&self, event: &Arc<Published>) -> bool;

    /// Takes the events of a commit, in order, at once. As [`Sink::push`].
    fn push_all(&self, events: &[Arc<Published>]) -> bool;

    /// Takes a piece of a message that is being written, without waiting. A connection that is
    /// behind may go without: the place of the next piece tells.
    fn speak(&self, piece: &Arc<Piece>);

    /// The publisher went away (its actor is being replaced): nothing more comes by this
    /// subscription; follow again from the cursor.
    fn detached(&self);

    /// Whether the connection is still there; a quiet feed asks before it counts it as a reader.
    fn open(&self) -> bool;

    /// The connection cannot go on: what it was to be shown made a panic.
    fn broken(&self);
}

/// Pushes the events of a commit to one of many readers: a panic over them ends that one alone.
pub(super) fn offer_all(sink: &Arc<dyn Sink>, events: &[Arc<Published>]) -> bool {
    alone(sink, || sink.push_all(events))
}

/// The same with a piece of a message.
pub(super) fn speak(sink: &Arc<dyn Sink>, piece: &Arc<Piece>) -> bool {
    alone(sink, || {
        sink.speak(piece);
        true
    })
}

fn alone(sink: &Arc<dyn Sink>, push: impl FnOnce() -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(push)).unwrap_or_else(|_panic| {
        sink.broken();
        false
    })
}
