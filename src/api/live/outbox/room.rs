//! Room in an outbox: what a publisher's events do when they do not fit, and how a replay waits.
//!
//! Never a gap for what does not fit: whoever brings it pages on from its cursor as its reader makes
//! room. Who makes none is closed in the end.

use bytestring::ByteString;
use tokio::time::Instant;

use super::super::backlog::{Backlog, Frame};
use super::{Inner, Outbox, wake};

/// What became of the events of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// They wait to go out.
    Taken,
    /// None was taken: they do not fit, and the reader may page on to them.
    Later,
    /// The connection or the subscription is over or about to close.
    Over,
}

impl Outbox {
    /// Puts the events of a commit behind what waits, in order and at once, or none of them.
    /// `alive` is asked with nobody else at the outbox: what is said after an end comes after the end.
    pub fn offer(&self, events: Vec<ByteString>, alive: impl FnOnce() -> bool) -> Offered {
        let events = events.into_iter();
        let frames: Vec<_> = events.map(|text| Frame::new(text.into())).collect();
        let mut inner = self.lock();
        if inner.ends() || !alive() {
            return Offered::Over;
        }
        if !inner.waiting.makes_room(&frames) {
            let newly = inner.falls_behind();
            drop(inner);
            if newly {
                self.changed.notify_one();
            }
            return Offered::Later;
        }
        for frame in frames {
            inner.waiting.push(frame);
        }
        let waker = inner.waker.take();
        drop(inner);
        wake(waker);
        Offered::Taken
    }

    /// Waits until a ring's worth of frames fits. `false`: the connection is over.
    pub async fn wait_room(&self) -> bool {
        self.wait(Backlog::has_room, false).await
    }

    /// The same for a reader of pages: without room it is behind, and closed when it stays so ([`super::OVERFLOW_GRACE`]).
    pub async fn wait_room_behind(&self) -> bool {
        self.wait(Backlog::has_room, true).await
    }

    /// Waits until few replies wait. Who makes no room for them is behind as well. `false`: the
    /// connection is over.
    pub async fn wait_calm(&self) -> bool {
        self.wait(Backlog::is_calm, true).await
    }

    async fn wait(&self, enough: fn(&Backlog) -> bool, behind: bool) -> bool {
        loop {
            let mut notified = std::pin::pin!(self.room.notified());
            notified.as_mut().enable();
            let newly = {
                let mut inner = self.lock();
                if inner.ends() {
                    return false;
                }
                if enough(&inner.waiting) {
                    return true;
                }
                behind && inner.falls_behind()
            };
            if newly {
                self.changed.notify_one();
            }
            notified.await;
        }
    }
}

impl Inner {
    /// Its reader leaves it full from now on, if it does. Whether it did not before.
    fn falls_behind(&mut self) -> bool {
        let newly = self.behind_since.is_none() && !self.waiting.has_room();
        if newly {
            self.behind_since = Some(Instant::now());
        }
        newly
    }
}
