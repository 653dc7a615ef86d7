//! The pages of a subscription: what was before it, and what it could not keep up with.
//!
//! Never overflows the outbox: each frame waits for room. Never more than one page of a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::SemaphorePermit;

use crate::app::{Attach, EventPage, Published, parts};
use crate::crash;
use crate::domain::{Error, Result, Session, SessionId};

use super::super::dialect::Dialect;
use super::super::gaps::Gap;
use super::super::source::Source;
use super::{Carrier, Place};

/// How often, and after which pause, a publisher that is away is asked again: 10 s.
const RETRIES: u32 = 100;
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Most bytes of events in one frame of a replay.
const PART: usize = 128 * 1024;

impl Place {
    /// Its publisher has answered.
    fn settle(&mut self) {
        self.refused = 0;
    }

    /// One more try to reach it. `false`: it was the last one.
    fn retries(&mut self) -> bool {
        self.refused = self.refused.saturating_add(1);
        self.refused <= RETRIES
    }
}

impl<D: Dialect, S: Source> Carrier<D, S> {
    /// Waits while the publisher pushes. `true`: one has left the other, page on from the cursor.
    async fn left(&self) -> bool {
        while self.alive() {
            if !self.place().seated {
                return true;
            }
            tokio::select! {
                () = self.life.news.notified() => {}
                () = self.follows.outbox.wait_end() => return false,
            }
        }
        false
    }

    /// Waits until a page fits; `false` when there is nobody to send to any more.
    async fn room(&self) -> bool {
        let mut room = std::pin::pin!(self.follows.outbox.wait_room_behind());
        while self.alive() {
            tokio::select! {
                room = &mut room => return room && self.alive(),
                () = self.life.news.notified() => {}
            }
        }
        false
    }

    /// Waits for room, and for the right to hold a page; `None` as above.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let mut turn = std::pin::pin!(self.follows.pages.acquire());
        let turn = loop {
            if !self.room().await {
                return None;
            }
            tokio::select! {
                turn = &mut turn => break turn.ok()?,
                () = self.life.news.notified() => {}
                () = self.follows.outbox.wait_end() => return None,
            }
        };
        self.room().await.then_some(turn)
    }

    async fn send(&self, events: &[Arc<Published>]) -> bool {
        for event in events {
            if !self.room().await || !self.push(&mut self.place(), event) {
                return false;
            }
        }
        true
    }

    /// What comes of going live behind this number: the number to page on from, some time later.
    /// `None`: the subscription is over.
    async fn live(&self, attached: Result<Attach>, number: u64) -> Option<u64> {
        match attached {
            Ok(Attach::Live { .. }) => {
                self.place().settle();
                let on = self.left().await;
                on.then(|| self.stand().max(number))
            }
            Ok(Attach::Behind) => Some(self.stand().max(number)),
            Err(error) => {
                let cursor = self.stand();
                if self.try_again(&error).await {
                    return Some(cursor.max(number));
                }
                self.fail(&error);
                None
            }
        }
    }

    /// A publisher that is being replaced is back soon.
    async fn try_again(&self, error: &Error) -> bool {
        let Error::Unavailable { .. } = error else {
            return false;
        };
        if !self.place().retries() {
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
        for part in parts(events, (usize::MAX, PART)) {
            let Some(frame) = self.follows.dialect.replay(part) else {
                return self.send(events).await;
            };
            if !self.room().await || !self.follows.outbox.push(frame) {
                return false;
            }
            if let Some(last) = part.last() {
                let mut place = self.place();
                place.cursor = place.cursor.max(last.event.seq);
            }
        }
        true
    }

    /// Shows a page, and tells what is gone before it.
    async fn shows(&self, session: &Session, page: &EventPage, opening: &mut bool) -> bool {
        if let Some(gap) = page.gap
            && !self
                .tell_removed(Some(session.id), (gap.from, gap.to))
                .await
        {
            return false;
        }
        self.replay(&page.events, opening).await
    }

    /// Tells of numbers that retention removed: seq of an agent, pos of a stream over many. `false`:
    /// the subscription is over.
    async fn tell_removed(&self, agent: Option<SessionId>, (first, last): (u64, u64)) -> bool {
        let gap = Gap { agent, first, last };
        let frame = self.follows.dialect.gap(&gap);
        self.room().await && self.follows.outbox.push(frame)
    }
}

/// Pages until the ring takes over; each frame waits for room, so a replay never overflows.
pub(in super::super) async fn replay_agent<D: Dialect, S: Source>(
    carrier: Arc<Carrier<D, S>>,
    session: Session,
    mut seq: u64,
) {
    let app = carrier.follows.app.clone();
    let mut opening = true;
    // Who came forward by an attach gets more of what its publisher still holds.
    let mut recent = false;
    loop {
        crash::point("socket.replay_agent");
        if !recent {
            let Some(turn) = carrier.turn().await else {
                return;
            };
            let page = match app.page(&session, seq).await {
                Ok(page) => page,
                Err(error) => {
                    // Others go on meanwhile.
                    drop(turn);
                    if carrier.try_again(&error).await {
                        continue;
                    }
                    return carrier.fail(&error);
                }
            };
            if !carrier.shows(&session, &page, &mut opening).await {
                return;
            }
            seq = page.next.max(seq);
            if page.more {
                continue;
            }
        }
        opening = false;
        if !carrier.room().await {
            return;
        }
        let attached = app.attach(&session, seq, carrier.sit(seq)).await;
        let Some(number) = carrier.live(attached, seq).await else {
            return;
        };
        recent = number > seq;
        seq = number;
    }
}

/// The same over all agents, by pos.
pub(in super::super) async fn replay_all<D: Dialect, S: Source>(
    carrier: Arc<Carrier<D, S>>,
    mut pos: u64,
) {
    let app = carrier.follows.app.clone();
    let who = carrier.follows.who.clone();
    // What retention removed is told once, not with each page.
    let mut told = 0;
    let mut recent = false;
    loop {
        crash::point("socket.replay_all");
        let latest = app.latest_pos();
        if pos < latest && !recent {
            let Some(turn) = carrier.turn().await else {
                return;
            };
            let found = match app.places(&who, pos).await {
                Ok(found) => found,
                Err(error) => {
                    drop(turn);
                    if carrier.try_again(&error).await {
                        continue;
                    }
                    return carrier.fail(&error);
                }
            };
            if let Some(last) = found.removed.filter(|last| *last > told) {
                let gap = (pos.max(told).saturating_add(1), last);
                if !carrier.tell_removed(None, gap).await {
                    return;
                }
                told = last;
            }
            if !carrier.send(&found.events).await {
                return;
            }
            let last = found.events.last().map_or(pos, |event| event.event.pos);
            if found.more {
                pos = last;
                continue;
            }
            // A page that is not full has shown all that was committed before it was read.
            pos = last.max(latest);
        }
        if !carrier.room().await {
            return;
        }
        let attached = app.attach_all(pos, carrier.sit(pos)).await;
        let Some(number) = carrier.live(attached, pos).await else {
            return;
        };
        recent = number > pos;
        pos = number;
    }
}
