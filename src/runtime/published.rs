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
    frames: [OnceLock<ByteString>; 3],
}

/// The forms of an event whose bytes are kept for everybody who reads it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A frame of `/ws`.
    Socket,
    /// A part of an event stream over one session, with its seq.
    StreamOfOne,
    /// A part of an event stream over many, with its pos.
    StreamOfMany,
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
            frames: Default::default(),
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

    /// The event in a form: rendered once, by the first who asks, and shared by every reader of it.
    pub fn frame(&self, form: Form, render: impl FnOnce(&Self) -> ByteString) -> ByteString {
        let [socket, one, many] = &self.frames;
        let kept = match form {
            Form::Socket => socket,
            Form::StreamOfOne => one,
            Form::StreamOfMany => many,
        };
        kept.get_or_init(|| render(self)).clone()
    }
}

/// Where committed events are pushed to: one connection's bounded outbox.
pub trait Sink: Send + Sync {
    /// Takes the events of a commit, in order, without waiting. `false` ends the subscription: the
    /// connection is over, or has no room and comes back by itself.
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

/// Pushes what a new reader missed, in parts, as far as it takes them: it comes back for the rest.
pub(super) fn catch_up(sink: &Arc<dyn Sink>, missed: &[Arc<Published>]) -> bool {
    let mut parts = parts(missed, MISSED);
    missed.is_empty() || parts.all(|part| offer_all(sink, part))
}

/// Events and bytes of such a part: one fits where there is room for a replay.
const MISSED: (usize, usize) = (50, 128 * 1024);

/// Cuts events into parts of at most so many, and of so many bytes, but one event at least; one part
/// of nothing for nothing.
pub fn parts(
    events: &[Arc<Published>],
    (most, bytes): (usize, usize),
) -> impl Iterator<Item = &[Arc<Published>]> {
    let mut rest = Some(events);
    std::iter::from_fn(move || {
        let events = rest?;
        let mut sum = 0_usize;
        let fits = events.iter().take(most).take_while(|event| {
            sum = sum.saturating_add(event.weight());
            sum <= bytes
        });
        let count = fits.count().max(1).min(events.len());
        let (part, later) = events.split_at(count);
        rest = (!later.is_empty()).then_some(later);
        Some(part)
    })
}

/// As [`offer_all`], with a piece of a message.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EventKind, SessionId, Timestamp};

    fn events(sizes: &[usize]) -> Vec<Arc<Published>> {
        let agent = SessionId::generate();
        let made = sizes.iter().zip(1..).map(|(size, seq)| {
            let event = Event {
                seq,
                pos: seq,
                agent,
                group: agent,
                kind: EventKind::Status,
                at: Timestamp(0),
                data: "x".repeat(*size),
            };
            Published::new(event, UserId::generate())
        });
        made.collect()
    }

    #[test]
    fn parts_keep_to_both_bounds_and_lose_nothing() {
        let own = events(&[0]).first().unwrap().weight();
        let lengths = |sizes: &[usize], bound| -> Vec<usize> {
            let events = events(sizes);
            let cut: Vec<_> = parts(&events, bound).collect();
            assert_eq!(cut.concat().len(), events.len());
            cut.iter().map(|part| part.len()).collect()
        };
        assert_eq!(lengths(&[1; 7], (3, usize::MAX)), [3, 3, 1]);
        assert_eq!(lengths(&[10; 4], (9, 2 * own + 20)), [2, 2]);
        // One that is larger by itself goes by itself.
        assert_eq!(lengths(&[900, 1, 900], (9, own + 100)), [1, 1, 1]);
        assert_eq!(lengths(&[], (9, 9)), [0]);
    }
}
