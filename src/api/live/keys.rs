//! What a client types, on its way to the terminal: in order, joined, and bounded by the input that
//! is not read meanwhile.
//!
//! Never dropped for its pace: bytes that wait count as unhandled input, so the client waits.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use super::outbox::Outbox;
use super::sip::Unhandled;

/// Shared by the connection's actor and the task that types; one thread.
#[derive(Clone)]
pub struct Keys {
    inner: Rc<Inner>,
    unhandled: Unhandled,
    outbox: Arc<Outbox>,
}

#[derive(Default)]
struct Inner {
    waiting: RefCell<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Bytes of the frames that carried them.
    owed: usize,
    over: bool,
}

impl Keys {
    /// None yet, of a connection with this outbox.
    #[must_use]
    pub fn new(outbox: Arc<Outbox>) -> Self {
        Self {
            inner: Rc::default(),
            unhandled: Unhandled::default(),
            outbox,
        }
    }

    /// The count of unhandled input that these are part of.
    #[must_use]
    pub fn unhandled(&self) -> Unhandled {
        self.unhandled.clone()
    }

    /// Adds what frames of so many bytes carried.
    pub fn push(&self, bytes: &[u8], owed: usize) {
        let mut waiting = self.inner.waiting.borrow_mut();
        waiting.bytes.extend_from_slice(bytes);
        waiting.owed = waiting.owed.saturating_add(owed);
        drop(waiting);
        self.inner.news.notify_one();
    }

    /// The connection is over: what waits is still taken, then nothing more.
    pub fn finish(&self) {
        self.inner.waiting.borrow_mut().over = true;
        self.inner.news.notify_one();
    }

    /// Everything that waits, as soon as there is any; `None` at the end.
    pub async fn take(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut waiting = self.inner.waiting.borrow_mut();
                if !waiting.bytes.is_empty() || waiting.owed > 0 {
                    self.unhandled.done(std::mem::take(&mut waiting.owed));
                    let bytes = std::mem::take(&mut waiting.bytes);
                    drop(waiting);
                    // The input may have stopped at its bound.
                    self.outbox.nudge();
                    return Some(bytes);
                }
                if waiting.over {
                    return None;
                }
            }
            self.inner.news.notified().await;
        }
    }
}
