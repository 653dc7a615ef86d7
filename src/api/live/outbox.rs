//! What waits to go out on one connection: bounded, shared by every producer, read by the body.
//!
//! Never waits for the reader, and never leaves out an event or a reply: what does not fit comes
//! later (`outbox/room.rs`), and who asks without reading the answers is closed.

mod room;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::backlog::{Backlog, Frame};
use super::close::Close;
use crate::app::Piece;

/// How long a reader may be over the bound before it is closed with 4008 (decisions.md 5).
pub const OVERFLOW_GRACE: Duration = Duration::from_secs(10);

pub use super::backlog::{MAX_BYTES, MAX_FRAMES, MAX_REPLIES, MAX_REPLY_BYTES};
pub use super::frame::{Body, Next, Standing};
pub use room::Offered;

/// The outbox of one connection.
pub struct Outbox {
    inner: Mutex<Inner>,
    room: Notify,
    changed: Notify,
    ended: Notify,
    silent: AtomicU8,
}

struct Inner {
    waiting: Backlog,
    behind_since: Option<Instant>,
    pong: Option<Bytes>,
    ping: bool,
    close: Option<Close>,
    close_taken: bool,
    /// How it closes when everything before is written.
    farewell: Option<Close>,
    over: bool,
    waker: Option<Waker>,
}

/// Readers that were closed as too slow, in the life of this process.
static SLOW: AtomicU64 = AtomicU64::new(0);

/// How many readers were closed because they did not read.
#[must_use]
pub fn slow_readers_cut() -> u64 {
    SLOW.load(Ordering::Relaxed)
}

impl Outbox {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                waiting: Backlog::default(),
                behind_since: None,
                pong: None,
                ping: false,
                close: None,
                close_taken: false,
                farewell: None,
                over: false,
                waker: None,
            }),
            room: Notify::new(),
            changed: Notify::new(),
            ended: Notify::new(),
            silent: AtomicU8::new(0),
        }
    }

    /// Runs a task of this connection beside it: a panic of one ends the connection, so that nobody
    /// waits for what will not come.
    pub fn serve(self: &Arc<Self>, task: impl Future<Output = ()> + 'static) {
        let outbox = Arc::clone(self);
        actix_web::rt::spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                outbox.close(Close::Internal);
            }
        });
    }

    /// Puts a frame behind the others; whoever brings it has waited for room. `false`: the
    /// connection is over or about to close.
    pub fn push(&self, body: impl Into<Body>) -> bool {
        self.put(Frame::new(body.into()))
    }

    /// Puts a reply behind the others, at once. A client that asks and lets more than
    /// [`MAX_REPLIES`] of them wait is closed. `false` as above.
    pub fn reply(&self, body: impl Into<Body>) -> bool {
        let frame = Frame::reply(body.into());
        if !self.lock().waiting.takes_reply(&frame) {
            self.close(Close::TooSlow);
            return false;
        }
        self.put(frame)
    }

    /// Puts a piece of a message behind the others. A reader that is behind goes without: it sees
    /// where the next one begins, and gets the whole message.
    pub fn speak(&self, piece: &Arc<Piece>) {
        let mut inner = self.lock();
        if inner.ends() || !inner.waiting.speak(piece) {
            return;
        }
        let waker = inner.waker.take();
        drop(inner);
        wake(waker);
    }

    fn put(&self, frame: Frame) -> bool {
        let mut inner = self.lock();
        if inner.ends() {
            return false;
        }
        inner.waiting.push(frame);
        inner.waiting.trim();
        let waker = inner.waker.take();
        drop(inner);
        wake(waker);
        true
    }

    /// Takes the next thing to write, or stores the waker.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut inner = self.lock();
        let calm = inner.waiting.is_calm();
        let next = inner.next();
        match next {
            Some(next) => {
                let calms = !calm && inner.waiting.is_calm();
                let room = calms || inner.waiting.has_room();
                drop(inner);
                if room {
                    self.room.notify_waiters();
                }
                if let Next::Close(_) = next {
                    self.changed.notify_one();
                    self.ended.notify_waiters();
                }
                Poll::Ready(next)
            }
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Remembers the newest ping of the client; an older unanswered one is forgotten (RFC 6455
    /// 5.5.3 allows it).
    pub fn pong(&self, payload: Bytes) {
        self.change(|inner| inner.pong = Some(payload));
    }

    /// Asks the client for a sign of life. Returns how many questions before it stayed without
    /// one.
    pub fn ping(&self) -> u8 {
        self.change(|inner| inner.ping = true);
        self.silent.fetch_add(1, Ordering::Relaxed)
    }

    /// The client showed that it is there.
    pub fn heard(&self) {
        self.silent.store(0, Ordering::Relaxed);
    }

    /// Closes; the first reason stays. What waits is dropped: the reader has its cursor.
    pub fn close(&self, close: Close) {
        self.change(|inner| {
            if inner.close.is_none() {
                inner.close = Some(close);
                if close == Close::TooSlow {
                    SLOW.fetch_add(1, Ordering::Relaxed);
                }
                inner.clear();
            }
        });
        self.changed.notify_one();
        self.ended.notify_waiters();
        self.room.notify_waiters();
    }

    /// Closes when everything that waits is written; nothing is taken any more.
    pub fn close_after(&self, close: Close) {
        self.change(|inner| {
            if inner.farewell.is_none() {
                inner.farewell = Some(close);
            }
        });
        self.room.notify_waiters();
    }

    /// Asks the connection's body to look for input again.
    pub fn nudge(&self) {
        self.change(|_| {});
    }

    /// Asks the watch over the connection to look again: something that it asks for is another.
    pub fn look(&self) {
        self.changed.notify_one();
    }

    /// Says that the connection's actor is gone: nothing is taken any more.
    pub fn finish(&self) {
        self.change(|inner| {
            inner.over = true;
            inner.clear();
        });
        self.changed.notify_one();
        self.ended.notify_waiters();
        self.room.notify_waiters();
    }

    /// Where the connection stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let inner = self.lock();
        match inner.close {
            Some(close) => Standing::Closing(close),
            None if inner.over => Standing::Over,
            None => Standing::Open(inner.behind_since),
        }
    }

    /// Completes at the next change of the standing.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Waits until the connection is over or about to close.
    pub async fn wait_end(&self) {
        loop {
            let mut notified = std::pin::pin!(self.ended.notified());
            notified.as_mut().enable();
            if self.standing_over() {
                return;
            }
            notified.await;
        }
    }

    /// Whether nothing is taken any more.
    #[must_use]
    pub fn standing_over(&self) -> bool {
        !matches!(self.standing(), Standing::Open(_))
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        let waker = inner.waker.take();
        drop(inner);
        wake(waker);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn next(&mut self) -> Option<Next> {
        if self.over || self.close_taken {
            return Some(Next::Over);
        }
        if let Some(close) = self.close {
            self.close_taken = true;
            return Some(Next::Close(close));
        }
        if let Some(payload) = self.pong.take() {
            return Some(Next::Pong(payload));
        }
        if std::mem::take(&mut self.ping) {
            return Some(Next::Ping);
        }
        let frame = self.waiting.pop();
        if self.waiting.has_room() {
            self.behind_since = None;
        }
        match (frame, self.farewell) {
            (Some(frame), _) => Some(frame.next()),
            (None, Some(close)) => {
                self.close = Some(close);
                self.close_taken = true;
                Some(Next::Close(close))
            }
            (None, None) => None,
        }
    }

    /// Whether nothing is taken any more.
    fn ends(&self) -> bool {
        self.over || self.close.is_some() || self.farewell.is_some()
    }

    fn clear(&mut self) {
        self.waiting = Backlog::default();
        self.pong = None;
        self.ping = false;
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
