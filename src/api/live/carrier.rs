//! One subscription at work: the replay that it begins with, and the sink of what follows.
//!
//! Never overflows the outbox by its replay: each frame waits for room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::app::{Attach, Published, Sink};
use crate::crash;
use crate::domain::{Error, Session, SessionId, UserId};

use super::close::Close;
use super::dialect::{Dialect, Refusal, Reply};
use super::follow::Follows;
use super::gaps::{Gap, Origin};

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

    fn fail(&self, error: &Error) {
        let mut refusal = Refusal::of(error, None);
        if let Some(agent) = self.agent {
            refusal
                .more
                .insert("agentId".into(), agent.to_string().into());
        }
        self.life.end();
        self.follows.say(&Reply::Error(refusal));
    }
}

impl<D: Dialect> Sink for Carrier<D> {
    fn push(&self, event: &Arc<Published>) -> bool {
        if !self.alive() {
            return false;
        }
        crash::point("socket.push");
        let number = match self.agent {
            Some(_) => event.event.seq,
            None => event.event.pos,
        };
        if self.cursor.fetch_max(number, Ordering::AcqRel) >= number {
            // It came by before: the reader's cursor was ahead of the publisher.
            return true;
        }
        let follows = &self.follows;
        if !self.visible(event.owner) {
            return true;
        }
        let wanted = follows.wanted(event.event.agent, self.agent);
        if !wanted.meets(follows.dialect.channels(event.event.kind)) {
            return true;
        }
        let Some(frame) = follows.dialect.frame(event) else {
            return true;
        };
        let origin = Origin {
            agent: event.event.agent,
            seq: event.event.seq,
            pos: event.event.pos,
        };
        follows.outbox.push(frame, Some(origin))
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
    loop {
        crash::point("socket.replay_agent");
        let page = match app.after(&session, seq, PAGE).await {
            Ok(page) => page,
            Err(error) if carrier.try_again(&error).await => continue,
            Err(error) => return carrier.fail(&error),
        };
        if let Some(gap) = page.gap {
            let gap = Gap {
                agent: Some(session.id),
                first: gap.from,
                last: gap.to,
                dropped: gap.to.saturating_sub(gap.from).saturating_add(1),
            };
            let frame = carrier.follows.dialect.gap(&gap);
            carrier.follows.outbox.push(frame, None);
        }
        if !carrier.send(&page.events).await {
            return;
        }
        seq = page.next.max(seq);
        if page.more {
            continue;
        }
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
    loop {
        crash::point("socket.replay_all");
        let latest = app.latest_pos();
        if pos < latest {
            let events = match app.after_pos(&who, pos, PAGE).await {
                Ok(events) => events,
                Err(error) if carrier.try_again(&error).await => continue,
                Err(error) => return carrier.fail(&error),
            };
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
