//! The sink of one subscription, and the task that replays into it until the ring takes over.
//!
//! Never lets a replay overflow the outbox: each frame waits for room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::app::{Attach, Published, Sink};
use crate::domain::{Error, Session, SessionId, UserId};

use super::super::dialect::{Dialect, Refusal, Reply};
use super::super::outbox::{Gap, Origin};
use super::{Follows, Life};

/// Events of a page of replay.
const PAGE: usize = 200;

/// The sink of one subscription.
pub(super) struct Carrier<D: Dialect> {
    follows: Arc<Follows<D>>,
    /// Which agent; `None`: all.
    agent: Option<SessionId>,
    life: Arc<Life>,
    /// The last number that came by: seq of the agent, or pos.
    cursor: AtomicU64,
}

impl<D: Dialect> Carrier<D> {
    pub(super) fn new(
        follows: &Arc<Follows<D>>,
        agent: Option<SessionId>,
        life: Arc<Life>,
    ) -> Self {
        Self {
            follows: Arc::clone(follows),
            agent,
            life,
            cursor: AtomicU64::new(0),
        }
    }

    fn visible(&self, owner: UserId) -> bool {
        self.agent.is_some() || self.follows.who.may_read(owner)
    }

    fn alive(&self) -> bool {
        self.life.alive.load(Ordering::Acquire)
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
        let number = match self.agent {
            Some(_) => event.event.seq,
            None => event.event.pos,
        };
        self.cursor.store(number, Ordering::Release);
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
}

/// Pages until the ring takes over.
pub(super) async fn replay_agent<D: Dialect>(
    carrier: Arc<Carrier<D>>,
    session: Session,
    mut seq: u64,
) {
    let app = carrier.follows.app.clone();
    loop {
        let page = match app.after(&session, seq, PAGE).await {
            Ok(page) => page,
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
        let sink: Arc<dyn Sink> = carrier.clone();
        match app.attach(&session, seq, sink).await {
            Ok(Attach::Live { .. }) => {
                if !carrier.lost_publisher().await {
                    return;
                }
                seq = carrier.cursor.load(Ordering::Acquire).max(seq);
            }
            Ok(Attach::Behind) => {}
            Err(error) => return carrier.fail(&error),
        }
    }
}

/// The same over all agents, by pos.
pub(super) async fn replay_all<D: Dialect>(carrier: Arc<Carrier<D>>, mut pos: u64) {
    let app = carrier.follows.app.clone();
    let who = carrier.follows.who.clone();
    loop {
        let latest = app.latest_pos();
        if pos < latest {
            let events = match app.after_pos(&who, pos, PAGE).await {
                Ok(events) => events,
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
        let sink: Arc<dyn Sink> = carrier.clone();
        match app.attach_all(pos, sink).await {
            Ok(Attach::Live { .. }) => {
                if !carrier.lost_publisher().await {
                    return;
                }
                pos = carrier.cursor.load(Ordering::Acquire).max(pos);
            }
            Ok(Attach::Behind) => {}
            Err(error) => return carrier.fail(&error),
        }
    }
}
