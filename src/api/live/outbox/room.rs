//! Room in an outbox: what a publisher's events do when they do not fit, and how a replay waits.
//!
//! Never a gap for a reader that reads: it pages on from its cursor until it is level again. Only
//! who leaves the outbox full for a while loses events, and is told.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytestring::ByteString;
use tokio::time::{Instant, timeout_at};

use super::super::backlog::Frame;
use super::super::gaps::Origin;
use super::{Inner, Outbox, wake};
use crate::domain::SessionId;

/// How long an outbox may stay full before its reader counts as slow and events are pushed out.
/// Well below the grace after which it is closed.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What became of the events of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// They wait to go out; where the reader is slow, in place of older ones.
    Taken,
    /// None was taken: they do not fit, and the reader may page on to them.
    Later,
    /// The connection is over or about to close.
    Over,
}

impl Outbox {
    /// Puts the events of a commit behind what waits, in order and at once, or none of them.
    pub fn offer(&self, events: Vec<(ByteString, Origin)>) -> Offered {
        let frames = events.into_iter();
        let frames: Vec<_> = frames
            .map(|(text, origin)| Frame::new(text.into(), Some(origin), false))
            .collect();
        {
            let mut inner = self.lock();
            if inner.ends() {
                return Offered::Over;
            }
            if !inner.waiting.makes_room(&frames) && !inner.is_slow() {
                drop(inner);
                self.full_since();
                return Offered::Later;
            }
        }
        match self.put(frames) {
            true => Offered::Taken,
            false => Offered::Over,
        }
    }

    /// Waits until a ring's worth of frames fits. `false`: the connection is over.
    pub async fn wait_room(&self) -> bool {
        loop {
            let mut notified = std::pin::pin!(self.room.notified());
            notified.as_mut().enable();
            {
                let inner = self.lock();
                if inner.ends() {
                    return false;
                }
                if inner.waiting.has_room() {
                    return true;
                }
            }
            notified.await;
        }
    }

    /// The same for a reader that was live and pages on, which may not leave the outbox full for
    /// long. `None`: it did.
    pub async fn wait_room_briefly(&self) -> Option<bool> {
        if self.lock().waiting.has_room() {
            return Some(!self.standing_over());
        }
        let end = self.full_since() + PATIENCE;
        let room = timeout_at(end, self.wait_room()).await;
        room.ok().or_else(|| self.standing_over().then_some(false))
    }

    /// Leaves out what a reader that leaves the outbox full has not been given yet: these numbers,
    /// and the events that wait in front of them. `agent`: seq of this one, otherwise pos of all.
    pub fn skip(&self, agent: Option<SessionId>, numbers: RangeInclusive<u64>) {
        let mut inner = self.lock();
        if inner.ends() {
            return;
        }
        while let Some(origin) = inner.waiting.drop_event(agent) {
            inner.lost.add(origin);
        }
        inner.lost.skip(agent, numbers);
        let waker = inner.waker.take();
        drop(inner);
        wake(waker);
    }

    /// Since when it is full; from now on, when it was not.
    fn full_since(&self) -> Instant {
        let mut inner = self.lock();
        let before = inner.behind_since;
        let since = *inner.behind_since.get_or_insert_with(Instant::now);
        drop(inner);
        if before.is_none() {
            self.changed.notify_one();
        }
        since
    }
}

impl Inner {
    /// Whether its reader left it full for too long.
    fn is_slow(&self) -> bool {
        self.behind_since
            .is_some_and(|since| since.elapsed() >= PATIENCE)
    }
}
