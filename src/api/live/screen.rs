//! The terminal of one connection: it reads at its own pace, from the last bytes or from the log.
//!
//! Never drops or repeats a byte: a slow reader is behind, and what is gone from the log is a gap.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytestring::ByteString;
use tokio::sync::{Notify, watch};

use crate::app::{App, LogSlice, TtyMark, TtyPlace};
use crate::crash;
use crate::domain::{Error, Session};

use super::close::Close;
use super::dialect::{Dialect, ScreenNews};
use super::outbox::Outbox;

/// Most bytes of a frame.
const PIECE: usize = 16 * 1024;
/// How often, and after which pause, a feed that is away is asked again: 10 s.
const RETRIES: u32 = 100;
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// What must not go out before the bytes that came first.
#[derive(Debug)]
pub enum Deferred {
    /// The frame of an event.
    Frame(ByteString),
    /// The end of the connection.
    Close(Close),
}

/// The queue of what waits for the terminal's bytes.
#[derive(Debug, Default)]
pub struct Behind {
    waiting: Mutex<VecDeque<Deferred>>,
    /// Those that wait, and those that are about to be said.
    count: AtomicUsize,
    /// Their bytes.
    bytes: AtomicUsize,
    news: Notify,
}

/// Most that waits; a reader that is further behind is too slow.
const MAX_BEHIND: usize = 256;
const MAX_BEHIND_BYTES: usize = 1024 * 1024;

impl Deferred {
    fn len(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.len(),
            Self::Close(_) => 0,
        }
    }
}

impl Behind {
    /// Whether something waits, so that what comes later has to wait as well.
    pub fn waits(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Puts something behind the bytes that the terminal has printed by now. `false`: too much
    /// waits.
    pub fn put(&self, deferred: Deferred) -> bool {
        let before = self.bytes.fetch_add(deferred.len(), Ordering::AcqRel);
        let fits = before == 0 || before.saturating_add(deferred.len()) <= MAX_BEHIND_BYTES;
        if self.count.fetch_add(1, Ordering::AcqRel) >= MAX_BEHIND || !fits {
            return false;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(deferred);
        drop(waiting);
        self.news.notify_one();
        true
    }

    fn take(&self) -> VecDeque<Deferred> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// See the module.
pub(super) struct Screen<D: Dialect> {
    pub app: App,
    pub session: Session,
    pub dialect: Arc<D>,
    pub outbox: Arc<Outbox>,
    pub behind: Arc<Behind>,
    /// Where it goes on.
    pub place: TtyPlace,
}

/// What a look at the terminal gave.
enum Look {
    /// Something went out, look again.
    More,
    /// All is shown.
    End,
    /// The connection or the session is over.
    Over,
}

impl<D: Dialect> Screen<D> {
    /// Shows the terminal until the connection is over or the session is gone.
    pub(super) async fn run(mut self) {
        let mut refused = 0_u32;
        let mut news = None;
        while self.outbox.wait_room().await {
            crash::point("socket.screen");
            // Seen before the look: what comes during it wakes the wait below.
            let deferred = self.behind.take();
            let mark = self.mark(&mut news).await;
            match self.look(mark, !deferred.is_empty(), &mut refused).await {
                Look::More => self.put_back(deferred),
                Look::Over => return,
                // What was said may have held up the next process: look again before the wait.
                Look::End if !deferred.is_empty() => {
                    if self.say(deferred).await {
                        return;
                    }
                }
                Look::End => {
                    if !self.wait(&mut news).await {
                        return;
                    }
                }
            }
        }
    }

    /// Goes back to the head of the queue: bytes came first.
    fn put_back(&self, mut earlier: VecDeque<Deferred>) {
        if earlier.is_empty() {
            return;
        }
        let waiting = &self.behind.waiting;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        earlier.append(&mut waiting);
        *waiting = earlier;
    }

    /// Says what waited for the bytes. Whether the connection closes.
    async fn say(&self, deferred: VecDeque<Deferred>) -> bool {
        for one in deferred {
            match one {
                Deferred::Frame(frame) => {
                    if !self.outbox.wait_room().await {
                        return true;
                    }
                    self.behind.bytes.fetch_sub(frame.len(), Ordering::AcqRel);
                    self.outbox.push(frame);
                    self.behind.count.fetch_sub(1, Ordering::AcqRel);
                }
                Deferred::Close(close) => {
                    self.outbox.close_after(close);
                    return true;
                }
            }
        }
        false
    }

    /// How far the terminal is, as far as the feed has seen it.
    async fn mark(&self, news: &mut Option<watch::Receiver<TtyMark>>) -> Option<TtyMark> {
        if news.as_ref().is_none_or(|news| news.has_changed().is_err()) {
            *news = self.app.tty_news(&self.session).await.ok();
        }
        news.as_mut().map(|news| *news.borrow_and_update())
    }

    /// Shows the next bytes of this process, or goes on to the next process.
    async fn look(&mut self, mark: Option<TtyMark>, ended: bool, refused: &mut u32) -> Look {
        let TtyPlace {
            incarnation,
            offset,
            ..
        } = self.place;
        match self
            .app
            .tty(&self.session, (incarnation, offset), PIECE)
            .await
        {
            Ok(slice) if !slice.bytes.is_empty() => {
                *refused = 0;
                self.show(slice)
            }
            // No log is no bytes: it was never started, or retention took it.
            Ok(_) | Err(Error::NotFound { .. }) => {
                *refused = 0;
                // What is said behind the bytes of this process comes before the next one's.
                match mark {
                    Some(mark) if mark.incarnation > incarnation && !ended => self.next_process(),
                    Some(_) | None => Look::End,
                }
            }
            Err(Error::Unavailable { .. }) if *refused < RETRIES => {
                *refused = refused.saturating_add(1);
                tokio::time::sleep(RETRY_AFTER).await;
                Look::More
            }
            Err(error) => {
                tracing::warn!(session.id = %self.session.id, %error, "a terminal cannot be shown");
                self.outbox.close_after(Close::Later);
                Look::Over
            }
        }
    }

    fn show(&mut self, slice: LogSlice) -> Look {
        let LogSlice { offset, bytes, .. } = slice;
        let incarnation = self.place.incarnation.0;
        if offset > self.place.offset {
            let from = self.place.offset;
            self.push(ScreenNews::Gap {
                incarnation,
                from,
                to: offset,
            });
        }
        let length = u64::try_from(bytes.len()).unwrap_or(0);
        self.place.offset = offset.saturating_add(length);
        self.push(ScreenNews::Bytes {
            incarnation,
            offset,
            bytes,
            at: self.app.now(),
        });
        Look::More
    }

    fn next_process(&mut self) -> Look {
        self.place.incarnation = self.place.incarnation.next();
        self.place.offset = 0;
        let incarnation = self.place.incarnation.0;
        self.push(ScreenNews::Start { incarnation });
        Look::More
    }

    fn push(&self, news: ScreenNews) {
        if let Some(body) = self.dialect.screen(news) {
            self.outbox.push(body);
        }
    }

    /// Waits for more. `false`: the connection is over.
    async fn wait(&self, news: &mut Option<watch::Receiver<TtyMark>>) -> bool {
        let more = async {
            match news {
                Some(news) => {
                    if news.changed().await.is_err() {
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                }
                None => tokio::time::sleep(RETRY_AFTER).await,
            }
        };
        tokio::select! {
            () = more => true,
            () = self.behind.news.notified() => true,
            () = self.outbox.wait_end() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_the_bytes_is_bounded_by_number_and_by_size() {
        let frame = |size: usize| Deferred::Frame("x".repeat(size).into());
        let small = Behind::default();
        assert!((0..MAX_BEHIND).all(|_| small.put(frame(1))));
        assert!(!small.put(frame(1)));
        let large = Behind::default();
        assert!(large.put(frame(MAX_BEHIND_BYTES + 1)), "one alone");
        assert!(!large.put(frame(1)));
        let pieces = Behind::default();
        assert!((0..16).all(|_| pieces.put(frame(64 * 1024))));
        assert!(!pieces.put(frame(1)));
    }
}
