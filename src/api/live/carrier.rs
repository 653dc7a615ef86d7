//! One subscription at work: the replay that it begins with, and the sink of what follows.
//!
//! Never overflows the outbox by its replay: each frame waits for room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytestring::ByteString;
use tokio::sync::Notify;

use crate::app::{Attach, Piece, Published, Sink};
use crate::crash;
use crate::domain::{Error, EventKind, Session, SessionId, UserId};

use super::close::Close;
use super::dialect::{Dialect, Refusal, Reply};
use super::follow::Follows;
use super::gaps::{Gap, Origin, Reason};
use super::screen::Deferred;

/// Events of a page of replay.
const PAGE: usize = 200;
/// How often, and after which pause, a publisher that is away is asked again: 10 s.
const RETRIES: u32 = 100;
const RETRY_AFTER: Duration = Duration::from_millis(100);

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

/// Most bytes of events in one frame of a replay.
const PART: usize = 128 * 1024;

/// Cuts a page into parts that a frame carries; one of nothing for a page of nothing.
fn parts(events: &[Arc<Published>]) -> Vec<&[Arc<Published>]> {
    let (mut parts, mut rest) = (Vec::new(), events);
    loop {
        let mut bytes = 0_usize;
        let fits = rest.iter().take_while(|event| {
            bytes = bytes.saturating_add(event.weight());
            bytes <= PART
        });
        let count = fits.count().max(1).min(rest.len());
        let (part, later) = rest.split_at(count);
        parts.push(part);
        rest = later;
        if rest.is_empty() {
            return parts;
        }
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
}

impl<D: Dialect> Carrier<D> {
    fn visible(&self, owner: UserId) -> bool {
        self.agent.is_some() || self.follows.who.may_read(owner)
    }

    fn alive(&self) -> bool {
        self.life.goes_on()
    }

    /// Waits while the publisher pushes. `true`: it went away, follow again from the cursor.
    async fn lost_publisher(&self) -> bool {
        loop {
            tokio::select! {
                () = self.life.news.notified() => {}
                () = self.follows.outbox.wait_end() => return false,
            }
            if !self.alive() {
                return false;
            }
            if self.life.detached.swap(false, Ordering::AcqRel) {
                return true;
            }
        }
    }

    /// Waits until a page fits; `false` when there is nobody to send to any more.
    async fn room(&self) -> bool {
        self.alive() && self.follows.outbox.wait_room().await && self.alive()
    }

    async fn send(&self, events: &[Arc<Published>]) -> bool {
        for event in events {
            if !self.room().await || !self.push(event) {
                return false;
            }
        }
        true
    }

    /// A publisher that is being replaced is back soon.
    async fn try_again(&self, error: &Error) -> bool {
        let Error::Unavailable { .. } = error else {
            return false;
        };
        if self.refused.fetch_add(1, Ordering::Relaxed) >= RETRIES {
            return false;
        }
        tokio::time::sleep(RETRY_AFTER).await;
        true
    }

    /// A page of the replay that a connection to one agent opens with, in one frame where the
    /// dialect has one for it.
    async fn replay(&self, events: &[Arc<Published>], opening: &mut bool) -> bool {
        if !std::mem::take(opening) {
            return self.send(events).await;
        }
        *opening = true;
        for part in parts(events) {
            let Some(frame) = self.follows.dialect.replay(part) else {
                return self.send(events).await;
            };
            if !self.room().await || !self.follows.outbox.push_kept(frame) {
                return false;
            }
            if let Some(last) = part.last() {
                self.cursor.fetch_max(last.event.seq, Ordering::AcqRel);
            }
        }
        true
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

    /// Tells of numbers that retention removed: seq of an agent, pos of a stream over many.
    fn tell_removed(&self, agent: Option<SessionId>, (first, last): (u64, u64)) {
        let gap = Gap {
            agent,
            first,
            last,
            dropped: last.saturating_sub(first).saturating_add(1),
            reason: Reason::Retention,
        };
        let frame = self.follows.dialect.gap(&gap);
        self.follows.outbox.push(frame, None);
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
        // What may have to wait behind a terminal's bytes, or ends the connection, goes one by one.
        let last = |event: &Arc<Published>| follows.dialect.close(event).is_some();
        if events.len() < 2 || follows.behind.get().is_some() || events.iter().any(last) {
            return events.iter().all(|event| self.push(event));
        }
        if !self.alive() {
            return false;
        }
        let taken = events.iter().filter(|event| self.takes(event));
        let frames = taken.filter_map(|event| Some((follows.dialect.frame(event)?, origin(event))));
        let frames: Vec<_> = frames.collect();
        frames.is_empty() || follows.outbox.push_all(frames)
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

/// Pages until the ring takes over; each frame waits for room, so a replay never overflows.
pub(super) async fn replay_agent<D: Dialect>(
    carrier: Arc<Carrier<D>>,
    session: Session,
    mut seq: u64,
) {
    let app = carrier.follows.app.clone();
    let mut opening = true;
    loop {
        crash::point("socket.replay_agent");
        let page = match app.after(&session, seq, PAGE).await {
            Ok(page) => page,
            Err(error) if carrier.try_again(&error).await => continue,
            Err(error) => return carrier.fail(&error),
        };
        if let Some(gap) = page.gap {
            carrier.tell_removed(Some(session.id), (gap.from, gap.to));
        }
        if !carrier.replay(&page.events, &mut opening).await {
            return;
        }
        seq = page.next.max(seq);
        if page.more {
            continue;
        }
        opening = false;
        if !carrier.room().await {
            return;
        }
        carrier.cursor.fetch_max(seq, Ordering::AcqRel);
        let sink: Arc<dyn Sink> = carrier.clone();
        match app.attach(&session, seq, sink).await {
            Ok(Attach::Live { .. }) => {
                carrier.refused.store(0, Ordering::Relaxed);
                if !carrier.lost_publisher().await {
                    return;
                }
                seq = carrier.cursor.load(Ordering::Acquire).max(seq);
            }
            Ok(Attach::Behind) => {}
            Err(error) if carrier.try_again(&error).await => {}
            Err(error) => return carrier.fail(&error),
        }
    }
}

/// The same over all agents, by pos.
pub(super) async fn replay_all<D: Dialect>(carrier: Arc<Carrier<D>>, mut pos: u64) {
    let app = carrier.follows.app.clone();
    let who = carrier.follows.who.clone();
    // What retention removed is told once, not with each page.
    let mut told = 0;
    loop {
        crash::point("socket.replay_all");
        let latest = app.latest_pos();
        if pos < latest {
            let (events, removed) = match app.after_pos(&who, pos, PAGE).await {
                Ok(found) => found,
                Err(error) if carrier.try_again(&error).await => continue,
                Err(error) => return carrier.fail(&error),
            };
            if let Some(last) = removed.filter(|last| *last > told) {
                carrier.tell_removed(None, (pos.max(told).saturating_add(1), last));
                told = last;
            }
            if !carrier.send(&events).await {
                return;
            }
            let last = events.last().map_or(pos, |event| event.event.pos);
            if events.len() >= PAGE {
                pos = last;
                continue;
            }
            // A page that is not full has shown all that was committed before it was read.
            pos = last.max(latest);
        }
        if !carrier.room().await {
            return;
        }
        carrier.cursor.fetch_max(pos, Ordering::AcqRel);
        let sink: Arc<dyn Sink> = carrier.clone();
        match app.attach_all(pos, sink).await {
            Ok(Attach::Live { .. }) => {
                carrier.refused.store(0, Ordering::Relaxed);
                if !carrier.lost_publisher().await {
                    return;
                }
                pos = carrier.cursor.load(Ordering::Acquire).max(pos);
            }
            Ok(Attach::Behind) => {}
            Err(error) if carrier.try_again(&error).await => {}
            Err(error) => return carrier.fail(&error),
        }
    }
}
