//! One subscription at work: the sink of what is published, behind the replay that it begins with.
//!
//! Never drops what does not fit while its reader reads: it leaves its publisher, pages on from its
//! cursor and comes back (`carrier/replay.rs`).

mod replay;
mod seat;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use tokio::sync::Notify;

use crate::app::{App, Piece, Published};
use crate::crash;
use crate::domain::{Error, EventKind, SessionId, UserId};

use super::close::Close;
use super::dialect::{Dialect, Refusal, Reply};
use super::follow::Follows;
use super::outbox::Offered;
use super::screen::Deferred;
use super::source::Source;

pub(super) use replay::{replay_agent, replay_all};

/// Whether a subscription goes on, shared with the task that serves it.
pub(super) struct Life {
    alive: AtomicBool,
    news: Notify,
}

impl Life {
    pub(super) fn new() -> Self {
        Self {
            alive: AtomicBool::new(true),
            news: Notify::new(),
        }
    }

    pub(super) fn goes_on(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.alive.store(false, Ordering::Release);
        self.news.notify_one();
    }
}

/// One subscription.
pub(super) struct Carrier<D: Dialect, S: Source = App> {
    follows: Arc<Follows<D, S>>,
    /// Which agent; `None`: all.
    agent: Option<SessionId>,
    life: Arc<Life>,
    place: Mutex<Place>,
}

/// Where it is. Whoever brings events holds it from the look at the cursor until they wait to go out.
#[derive(Default)]
struct Place {
    /// The last number that came by: seq of the agent, or pos.
    cursor: u64,
    /// The seat that was taken last; see [`seat::Seat`].
    seat: u64,
    /// Whether it still holds that seat.
    seated: bool,
    /// How often in a row the publisher could not be reached.
    refused: u32,
}

impl<D: Dialect, S: Source> Carrier<D, S> {
    pub(super) fn new(
        follows: Arc<Follows<D, S>>,
        agent: Option<SessionId>,
        life: Arc<Life>,
    ) -> Arc<Self> {
        Arc::new(Self {
            follows,
            agent,
            life,
            place: Mutex::default(),
        })
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn visible(&self, owner: UserId) -> bool {
        self.agent.is_some() || self.follows.who.may_read(owner)
    }

    fn alive(&self) -> bool {
        self.life.goes_on()
    }

    /// Whether an event is for this reader. Its number counts as seen either way.
    fn takes(&self, place: &mut Place, event: &Published) -> bool {
        crash::point("socket.push");
        let number = match self.agent {
            Some(_) => event.event.seq,
            None => event.event.pos,
        };
        if place.cursor >= number {
            // It came by before: the reader's cursor was ahead of the publisher.
            return false;
        }
        place.cursor = number;
        let follows = &self.follows;
        if !self.visible(event.owner) {
            return false;
        }
        let wanted = follows.wanted(event.event.agent, self.agent);
        wanted.meets(follows.dialect.channels(event.event.kind))
    }

    /// Takes one event without a look at the room. `false` ends the subscription at the publisher.
    fn push(&self, place: &mut Place, event: &Published) -> bool {
        if !self.alive() {
            return false;
        }
        !self.takes(place, event) || self.deliver(event, self.follows.dialect.frame(event))
    }

    /// Takes the events of a commit, in order. `false` as above: also when they do not fit, and it
    /// has left its seat.
    fn push_all(&self, place: &mut Place, events: &[Arc<Published>]) -> bool {
        let follows = &self.follows;
        if follows.behind.get().is_some_and(|behind| behind.waits()) {
            return events.iter().all(|event| self.push(place, event));
        }
        if !self.alive() {
            return false;
        }
        // What ends the connection goes by itself, behind the others; whether the status of one that
        // is about an agent does so is known behind the exit.
        let of_one = follows.dialect.gone().is_some();
        let last = |event: &Arc<Published>| {
            follows.dialect.close(event).is_some()
                || (of_one && event.event.kind == EventKind::Exit)
        };
        let count = events.iter().position(last).unwrap_or(events.len());
        let (events, rest) = events.split_at(count);
        let before = place.cursor;
        let taken = events.iter().filter(|event| self.takes(place, event));
        let frames = taken.filter_map(|event| follows.dialect.frame(event));
        let frames: Vec<ByteString> = frames.collect();
        if !frames.is_empty() {
            match follows.outbox.offer(frames, || self.alive()) {
                Offered::Taken => {}
                Offered::Over => return false,
                Offered::Later => {
                    place.cursor = before;
                    place.seated = false;
                    self.life.news.notify_one();
                    return false;
                }
            }
        }
        rest.iter().all(|event| self.push(place, event))
    }

    fn speak(&self, piece: &Arc<Piece>) {
        let follows = &self.follows;
        if !self.alive() || !self.visible(piece.owner) {
            return;
        }
        let wanted = follows.wanted(piece.agent, self.agent);
        if wanted.meets(follows.dialect.live()) {
            follows.outbox.speak(piece);
        }
    }

    /// Pushes the frame of an event, behind the bytes of a terminal that came before it. `false`:
    /// the connection is over.
    fn deliver(&self, event: &Published, frame: Option<ByteString>) -> bool {
        let follows = &self.follows;
        let close = follows.dialect.close(event);
        let last = event.event.kind == EventKind::Exit || close.is_some();
        if let Some(behind) = follows.behind.get()
            && (last || behind.waits())
        {
            let frame = frame.map(Deferred::Frame);
            let mut deferred = frame.into_iter().chain(close.map(Deferred::Close));
            let fits = deferred.all(|one| behind.put(one));
            if !fits {
                follows.outbox.close(Close::TooSlow);
            }
            return fits;
        }
        let open = frame.is_none_or(|frame| follows.outbox.push(frame));
        match close {
            Some(close) => {
                follows.outbox.close_after(close);
                false
            }
            None => open,
        }
    }

    fn fail(&self, error: &Error) {
        if let (Error::NotFound { .. }, Some(close)) = (error, self.follows.dialect.gone()) {
            self.life.end();
            // Behind the bytes and the exit that came first.
            match self.follows.behind.get() {
                Some(behind) => drop(behind.put(Deferred::Close(close))),
                None => self.follows.outbox.close_after(close),
            }
            return;
        }
        let mut refusal = Refusal::of(error, None);
        if let Some(agent) = self.agent {
            refusal
                .more
                .insert("agentId".into(), agent.to_string().into());
        }
        self.life.end();
        self.follows.say(&Reply::Error(refusal));
        if self.follows.dialect.gone().is_some() {
            // A connection about one agent is nothing without it.
            self.follows.outbox.close_after(Close::Later);
        }
    }
}

#[cfg(test)]
mod tests;
