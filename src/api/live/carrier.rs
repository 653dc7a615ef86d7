//! One subscription at work: the sink of what is published, behind the replay that it begins with.
//!
//! Never drops what does not fit while its reader reads: it leaves its publisher, pages on from its
//! cursor and comes back (`carrier/replay.rs`).

mod replay;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bytestring::ByteString;
use tokio::sync::Notify;

use crate::app::{Piece, Published, Sink};
use crate::crash;
use crate::domain::{Error, EventKind, SessionId, UserId};

use super::close::Close;
use super::dialect::{Dialect, Refusal, Reply};
use super::follow::Follows;
use super::gaps::Origin;
use super::outbox::Offered;
use super::screen::Deferred;

pub(super) use replay::{replay_agent, replay_all};

/// Whether a subscription goes on, shared with the task that serves it.
pub(super) struct Life {
    alive: AtomicBool,
    detached: AtomicBool,
    news: Notify,
}

impl Life {
    pub(super) fn new() -> Self {
        Self {
            alive: AtomicBool::new(true),
            detached: AtomicBool::new(false),
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

/// The sink of one subscription.
pub(super) struct Carrier<D: Dialect> {
    pub(super) follows: Arc<Follows<D>>,
    /// Which agent; `None`: all.
    pub(super) agent: Option<SessionId>,
    pub(super) life: Arc<Life>,
    /// The last number that came by: seq of the agent, or pos.
    pub(super) cursor: AtomicU64,
    /// How often in a row the publisher could not be reached.
    pub(super) refused: AtomicU32,
    /// It was live and did not keep up: it pages on until it is level again.
    pub(super) behind: AtomicBool,
}

impl<D: Dialect> Carrier<D> {
    fn visible(&self, owner: UserId) -> bool {
        self.agent.is_some() || self.follows.who.may_read(owner)
    }

    fn alive(&self) -> bool {
        self.life.goes_on()
    }

    /// Offers the frames of events that [`Self::takes`] let through; `before` is the cursor in front
    /// of them. `false` ends the subscription at the publisher.
    fn offer(&self, frames: Vec<(ByteString, Origin)>, before: u64) -> bool {
        if frames.is_empty() {
            return true;
        }
        match self.follows.outbox.offer(frames) {
            Offered::Taken => true,
            Offered::Over => false,
            Offered::Later => {
                self.cursor.store(before, Ordering::Release);
                self.behind.store(true, Ordering::Release);
                self.detached();
                false
            }
        }
    }

    /// Whether an event is for this reader. Its number counts as seen either way.
    fn takes(&self, event: &Published) -> bool {
        crash::point("socket.push");
        let number = match self.agent {
            Some(_) => event.event.seq,
            None => event.event.pos,
        };
        if self.cursor.fetch_max(number, Ordering::AcqRel) >= number {
            // It came by before: the reader's cursor was ahead of the publisher.
            return false;
        }
        let follows = &self.follows;
        if !self.visible(event.owner) {
            return false;
        }
        let wanted = follows.wanted(event.event.agent, self.agent);
        wanted.meets(follows.dialect.channels(event.event.kind))
    }

    /// Pushes the frame of an event, behind the bytes of a terminal that came before it. `false`:
    /// the connection is over.
    fn deliver(&self, event: &Published, frame: Option<ByteString>) -> bool {
        let follows = &self.follows;
        let close = follows.dialect.close(event);
        let origin = origin(event);
        let last = event.event.kind == EventKind::Exit || close.is_some();
        if let Some(behind) = follows.behind.get()
            && (last || behind.waits())
        {
            let frame = frame.map(|frame| Deferred::Frame(frame, origin));
            let mut deferred = frame.into_iter().chain(close.map(Deferred::Close));
            let fits = deferred.all(|one| behind.put(one));
            if !fits {
                follows.outbox.close(Close::TooSlow);
            }
            return fits;
        }
        let open = frame.is_none_or(|frame| follows.outbox.push(frame, Some(origin)));
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

fn origin(event: &Published) -> Origin {
    Origin {
        agent: event.event.agent,
        seq: event.event.seq,
        pos: event.event.pos,
    }
}

impl<D: Dialect> Sink for Carrier<D> {
    fn push(&self, event: &Arc<Published>) -> bool {
        if !self.alive() {
            return false;
        }
        !self.takes(event) || self.deliver(event, self.follows.dialect.frame(event))
    }

    fn push_all(&self, events: &[Arc<Published>]) -> bool {
        let follows = &self.follows;
        if follows.behind.get().is_some_and(|behind| behind.waits()) {
            return events.iter().all(|event| self.push(event));
        }
        if !self.alive() {
            return false;
        }
        // What ends the connection goes by itself, behind the others.
        let screen = follows.behind.get().is_some();
        let last = |event: &Arc<Published>| {
            follows.dialect.close(event).is_some()
                || (screen && event.event.kind == EventKind::Exit)
        };
        let count = events.iter().position(last).unwrap_or(events.len());
        let (events, rest) = events.split_at(count);
        let before = self.cursor.load(Ordering::Acquire);
        let taken = events.iter().filter(|event| self.takes(event));
        let frames = taken.filter_map(|event| Some((follows.dialect.frame(event)?, origin(event))));
        self.offer(frames.collect(), before) && rest.iter().all(|event| self.push(event))
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

    fn detached(&self) {
        self.life.detached.store(true, Ordering::Release);
        self.life.news.notify_one();
    }

    fn open(&self) -> bool {
        self.alive() && !self.follows.outbox.standing_over()
    }

    fn broken(&self) {
        self.life.end();
        self.follows.outbox.close(Close::Internal);
    }
}
