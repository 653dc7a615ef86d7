//! The pages of a subscription: what was before it, and what it could not keep up with.
//!
//! Never overflows the outbox: each frame waits for room.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::app::{Attach, Published, Sink};
use crate::crash;
use crate::domain::{Error, Result, Session, SessionId};

use super::super::dialect::Dialect;
use super::super::gaps::{Gap, Reason};
use super::Carrier;

/// Events of a page of replay.
const PAGE: usize = 200;
/// How often, and after which pause, a publisher that is away is asked again: 10 s.
const RETRIES: u32 = 100;
const RETRY_AFTER: Duration = Duration::from_millis(100);

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

impl<D: Dialect> Carrier<D> {
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
        let outbox = &self.follows.outbox;
        let room = match self.behind.load(Ordering::Acquire) {
            true => self.alive() && outbox.wait_room_behind().await,
            false => self.alive() && outbox.wait_room().await,
        };
        room && self.alive()
    }

    async fn send(&self, events: &[Arc<Published>]) -> bool {
        for event in events {
            if !self.room().await || !self.push(event) {
                return false;
            }
        }
        true
    }

    /// What comes of going live behind this number: the number to page on from, some time later.
    /// `None`: the subscription is over.
    async fn live(&self, attached: Result<Attach>, behind: bool, number: u64) -> Option<u64> {
        match attached {
            Ok(Attach::Live { .. }) => {
                self.refused.store(0, Ordering::Relaxed);
                let on = self.lost_publisher().await;
                on.then(|| self.cursor.load(Ordering::Acquire).max(number))
            }
            Ok(Attach::Behind) => {
                self.stays(behind);
                Some(number)
            }
            Err(error) if self.try_again(&error).await => {
                self.stays(behind);
                Some(number)
            }
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// It is not live yet: as far behind as it was.
    fn stays(&self, behind: bool) {
        self.behind.fetch_or(behind, Ordering::AcqRel);
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
}

/// Pages until the ring takes over; each frame waits for room, so a replay never overflows.
pub(in super::super) async fn replay_agent<D: Dialect>(
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
        // Its publisher may find it behind again before this is answered.
        let behind = carrier.behind.swap(false, Ordering::AcqRel);
        let attached = app.attach(&session, seq, sink).await;
        match carrier.live(attached, behind, seq).await {
            Some(number) => seq = number,
            None => return,
        }
    }
}

/// The same over all agents, by pos.
pub(in super::super) async fn replay_all<D: Dialect>(carrier: Arc<Carrier<D>>, mut pos: u64) {
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
        // Its publisher may find it behind again before this is answered.
        let behind = carrier.behind.swap(false, Ordering::AcqRel);
        let attached = app.attach_all(pos, sink).await;
        match carrier.live(attached, behind, pos).await {
            Some(number) => pos = number,
            None => return,
        }
    }
}
