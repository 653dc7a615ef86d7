//! The feed of one agent: numbers its events, keeps the ring, and serves pollers and followers.
//!
//! Never shows an event before its batch is committed, and never gives a number twice.

mod live;
mod terminal;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::fut::wrap_future;
use actix::prelude::*;
use tokio::sync::{oneshot, watch};

use crate::crash;
use crate::domain::{Batch, Error, EventKind, Incarnation, Progress, Result, SessionId, UserId};
use crate::domain::{Change, Draft};
use crate::store;
use crate::supervision::{Exit, Lifeline, Stop};

use super::context::{Readers, Shared};
use super::facade::Attach;
use super::hub::Hub;
use super::journal::{Append, Committed, Journal};
use super::published::{Published, Sink, catch_up, offer_all, speak};
use super::redaction;
use super::ring::{RING_EVENTS, Ring};
use super::streams::Streams;
use super::tty::{TtyMark, TtyRing};
use super::window::Window;

pub(super) use live::Said;
pub(super) use terminal::{Printed, ReadTty, TtyNews};

/// Commit these events and rows. Answers after the commit.
#[derive(Message)]
#[rtype(result = "Result<()>")]
pub(super) struct Publish {
    /// The process that the events are about.
    pub incarnation: Incarnation,
    /// Events in order.
    pub events: Vec<Draft>,
    /// How far the log is decoded.
    pub progress: Option<Progress>,
    /// Rows that follow.
    pub changes: Vec<Change>,
}

/// Read the ring.
#[derive(Message)]
#[rtype(result = "Look")]
pub(super) struct Read {
    /// The last seq that the reader has; `None`: from the oldest in the ring.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// Only these kinds.
    pub kinds: Option<Vec<EventKind>>,
}

/// What the ring had.
#[derive(Debug)]
pub(super) enum Look {
    /// The events, the cursor to go on from, and the last committed seq.
    Ring {
        /// Matching events.
        events: Vec<Arc<Published>>,
        /// Where to go on.
        next: u64,
        /// Last committed seq.
        latest: u64,
    },
    /// The cursor is older than the ring.
    Behind {
        /// Last committed seq.
        latest: u64,
    },
    /// The cursor is ahead of the log.
    Ahead {
        /// Last committed seq.
        latest: u64,
    },
}

/// Tell me when an event after this seq is committed.
#[derive(Message)]
#[rtype(result = "Result<()>")]
pub(super) struct Await {
    /// The last seq that the reader has.
    pub after: u64,
}

/// Follow from after this seq: replay and live in one message.
#[derive(Message)]
#[rtype(result = "Result<Attach>")]
pub(super) struct Follow {
    /// The last seq that the reader has.
    pub after: u64,
    /// Where to push. It may be given numbers that its reader has, when its cursor was ahead of
    /// the ring by a commit that was on its way.
    pub sink: Arc<dyn Sink>,
}

/// See the module.
pub(super) struct Feed {
    id: SessionId,
    owner: UserId,
    group: SessionId,
    journal: Addr<Journal>,
    hub: Addr<Hub>,
    lifeline: Lifeline,
    readers: Arc<Readers>,
    redactor: Arc<redaction::Cover>,
    window: Arc<Window>,
    /// The next number to give; above `ring.latest() + 1` while a batch waits for its commit.
    next_seq: u64,
    waiters: Vec<oneshot::Sender<()>>,
    sinks: Vec<Arc<dyn Sink>>,
    streams: Streams,
    tty: TtyRing,
    tty_news: watch::Sender<TtyMark>,
}

/// Whose feed it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeedOf {
    pub id: SessionId,
    pub owner: UserId,
    pub group: SessionId,
    /// The latest process, of which a terminal may have bytes in its log.
    pub incarnation: Incarnation,
}

impl Feed {
    /// Loads the last numbers and the ring from the journal's rows.
    pub(super) async fn load(
        shared: &Shared,
        of: FeedOf,
        (journal, hub): (Addr<Journal>, Addr<Hub>),
        (lifeline, readers): (Lifeline, Arc<Readers>),
    ) -> Result<Self> {
        let id = of.id;
        let retained = shared.retained.load(Ordering::Acquire);
        let (oldest, latest, tail) = shared
            .store
            .read(move |conn| {
                let (oldest, latest) = store::events::bounds(conn, id)?;
                Ok((oldest, latest, store::events::tail(conn, id, RING_EVENTS)?))
            })
            .await?;
        let redactor = redaction::of_session(shared, id).await?;
        let tail = tail
            .into_iter()
            .map(|event| Published::new(event, of.owner))
            .collect();
        let ring = Ring::refill(latest, tail);
        let window = Window::new(of.owner, ring, Arc::clone(&readers), &shared.rings);
        window.note_oldest(oldest, retained);
        Ok(Self {
            id,
            owner: of.owner,
            group: of.group,
            journal,
            hub,
            lifeline,
            readers,
            window,
            next_seq: latest.saturating_add(1),
            waiters: Vec::new(),
            sinks: Vec::new(),
            streams: Streams::covering(live::MAX_OPEN, Arc::clone(&redactor)),
            redactor,
            tty: TtyRing::default(),
            tty_news: watch::Sender::new(TtyMark {
                incarnation: of.incarnation,
                end: 0,
            }),
        })
    }

    /// Where pollers look by themselves.
    pub(super) fn window(&self) -> Arc<Window> {
        Arc::clone(&self.window)
    }

    fn show(&mut self, events: Committed) {
        crash::point("feed.show");
        for event in &events {
            self.streams.end(event);
        }
        self.window.push(&events);
        self.sinks.retain(|sink| offer_all(sink, &events));
        for waiter in self.waiters.drain(..) {
            // A poller that has gone away needs no answer.
            let _told = waiter.send(());
        }
        self.count_readers();
    }

    /// A cursor beyond the ring. Rows and other readers may show a commit that is on its way here;
    /// any other number is none of this log.
    fn ahead(&self, after: u64) -> Look {
        if after < self.next_seq {
            return Look::Ring {
                events: Vec::new(),
                next: after,
                latest: after,
            };
        }
        Look::Ahead {
            latest: self.window.ring().latest(),
        }
    }

    /// Whether the agent has a process: the ring of one that has none gives way first.
    fn note_process(&self, changes: &[Change]) {
        for change in changes {
            if let Change::Facts(facts) = change {
                self.window.lives(facts.process.pid().is_some());
            }
        }
    }

    fn count_readers(&mut self) {
        self.waiters.retain(|waiter| !waiter.is_closed());
        let readers = self.sinks.len().saturating_add(self.waiters.len());
        self.readers.live.store(readers, Ordering::Release);
    }
}

impl Actor for Feed {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crash::point("feed.started");
        self.lifeline.tether().hold(ctx, |_, ctx| ctx.stop());
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        for sink in &self.sinks {
            sink.detached();
        }
    }
}

impl Handler<Publish> for Feed {
    type Result = ResponseActFuture<Self, Result<()>>;

    fn handle(&mut self, mut publish: Publish, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("feed.Publish");
        let redactor = self.redactor.now();
        redaction::of_events(&redactor, &mut publish.events);
        redaction::of_changes(&redactor, &mut publish.changes);
        self.note_process(&publish.changes);
        self.say_rest(&publish.events);
        let first_seq = self.next_seq;
        let count = u64::try_from(publish.events.len()).unwrap_or(u64::MAX);
        self.next_seq = first_seq.saturating_add(count);
        let batch = Batch {
            session: self.id,
            owner: self.owner,
            incarnation: publish.incarnation,
            first_seq,
            events: publish.events,
            progress: publish.progress,
            changes: publish.changes,
        };
        let append = self.journal.send(Append {
            batch,
            group: self.group,
        });
        Box::pin(
            wrap_future::<_, Self>(append).map(|answer, feed, ctx| match answer {
                Ok(Ok(events)) => {
                    feed.show(events);
                    Ok(())
                }
                Ok(Err(_)) | Err(_) => {
                    feed.lifeline
                        .record(Exit::Failed("the journal is gone".into()));
                    ctx.stop();
                    Err(Error::unavailable(
                        "restarting",
                        "the journal is being restarted",
                    ))
                }
            }),
        )
    }
}

impl Handler<Read> for Feed {
    type Result = MessageResult<Read>;

    fn handle(&mut self, read: Read, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("feed.Read");
        MessageResult(match (self.window.look(&read), read.after) {
            (Look::Ahead { .. }, Some(after)) => self.ahead(after),
            (look, _) => look,
        })
    }
}

impl Handler<Await> for Feed {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, message: Await, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("feed.Await");
        if self.window.ring().latest() > message.after {
            return Box::pin(async { Ok(()) });
        }
        let (told, heard) = oneshot::channel();
        self.waiters.push(told);
        self.count_readers();
        Box::pin(async move {
            heard
                .await
                .map_err(|_gone| Error::unavailable("restarting", "the feed is being restarted"))
        })
    }
}

impl Handler<Follow> for Feed {
    type Result = Result<Attach>;

    fn handle(&mut self, follow: Follow, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("feed.Follow");
        self.readers.touch();
        let ring = self.window.ring();
        let latest = ring.latest();
        if follow.after >= self.next_seq {
            return Err(Error::EpochChanged {
                epoch: String::new(),
                latest_seq: latest,
            });
        }
        let Some(missed) = ring.after(follow.after.min(latest)) else {
            return Ok(Attach::Behind);
        };
        let missed: Vec<_> = missed.cloned().collect();
        drop(ring);
        if !catch_up(&follow.sink, &missed) {
            return Ok(Attach::Live { latest });
        }
        if self
            .streams
            .so_far()
            .all(|piece| speak(&follow.sink, &piece))
        {
            self.sinks.retain(|sink| sink.open());
            self.sinks.push(follow.sink);
        }
        self.count_readers();
        Ok(Attach::Live { latest })
    }
}

/// Do the readers still stand? Drops those that are over, so that a quiet session can sleep.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Census;

impl Handler<Census> for Feed {
    type Result = ();

    fn handle(&mut self, _message: Census, _ctx: &mut Self::Context) {
        crash::point("feed.Census");
        self.sinks.retain(|sink| sink.open());
        self.count_readers();
    }
}

impl Handler<Stop> for Feed {
    type Result = ();

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        crash::point("feed.Stop");
        self.lifeline.record(Exit::Shutdown);
        ctx.stop();
    }
}
