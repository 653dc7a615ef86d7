//! The journal: commits what the feeds publish, in the order of its arrival, and tells the hub
//! and the feed only then.
//!
//! Never drops a batch and never shows one that is not committed: it repeats a failing commit,
//! and its memory is bounded because a feed waits for the answer before it publishes on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::domain::{Batch, Event, SessionId};
use crate::store::{self, StoreError};
use crate::supervision::{Exit, Lifeline, Stop};

use super::clock::Walls;
use super::context::Shared;
use super::culprit::{self, Culprit};
use super::hub::{Announce, Hub};
use super::published::Published;
use crate::crash;

/// Most event rows in one commit (decisions.md 4).
const MAX_ROWS: usize = 4_096;
/// Most bytes of event data in one commit.
const MAX_BYTES: usize = 1024 * 1024;
/// Wait before a failed commit is repeated: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How often the time is noted up to which the server was alive (approval expiry counts it).
const HEARTBEAT: Duration = Duration::from_secs(5);

/// A committed batch: its events as every reader gets them.
pub(super) type Committed = Vec<Arc<Published>>;

/// Commit this batch. Answers after the commit.
#[derive(Message)]
#[rtype(result = "Result<Committed, Lost>")]
pub(super) struct Append {
    /// What to commit; its events have their numbers.
    pub batch: Batch,
    /// The group that the events show.
    pub group: SessionId,
}

/// The journal went away before the commit was known; the feed's next generation finds out.
#[derive(Debug)]
pub(super) struct Lost;

struct Entry {
    append: Append,
    done: oneshot::Sender<Committed>,
    since: Instant,
}

impl Entry {
    fn events(&self) -> usize {
        self.append.batch.events.len()
    }
}

/// See the module.
pub(super) struct Journal {
    shared: Arc<Shared>,
    hub: Option<Addr<Hub>>,
    lifeline: Lifeline,
    waiting: VecDeque<Entry>,
    next_pos: u64,
    writing: bool,
    failures: u32,
    culprit: Culprit,
    stopping: bool,
    walls: Walls,
    /// A note of the time is on its way to the rows.
    beating: bool,
}

impl Journal {
    pub(super) fn new(shared: Arc<Shared>, lifeline: Lifeline, max_pos: u64) -> Self {
        shared.latest_pos.store(max_pos, Ordering::Release);
        shared.writing_pos.store(max_pos, Ordering::Release);
        shared.backlog.clear();
        Self {
            shared,
            hub: None,
            lifeline,
            waiting: VecDeque::new(),
            next_pos: max_pos.saturating_add(1),
            writing: false,
            failures: 0,
            culprit: Culprit::default(),
            stopping: false,
            walls: Walls::begin(),
            beating: false,
        }
    }

    /// Starts a commit of what waits, unless one is under way.
    fn kick(&mut self, ctx: &mut Context<Self>) {
        if self.writing || self.waiting.is_empty() {
            if self.stopping && !self.writing {
                ctx.stop();
            }
            return;
        }
        self.writing = true;
        let count = self.fitting();
        let batches: Vec<Batch> = self
            .waiting
            .iter()
            .take(count)
            .map(|entry| entry.append.batch.clone())
            .collect();
        let first_pos = self.next_pos;
        let rows: usize = batches.iter().map(|batch| batch.events.len()).sum();
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let last_pos = first_pos.saturating_add(rows).saturating_sub(1);
        self.shared.writing_pos.store(last_pos, Ordering::Release);
        let shared = Arc::clone(&self.shared);
        let alone = self.culprit.alone();
        let commit = async move {
            let began = Instant::now();
            crash::point("journal_commit");
            let written = culprit::commit(&shared, first_pos, (batches, alone)).await;
            shared.backlog.committed(began.elapsed());
            crash::point("journal_committed");
            written
        };
        ctx.spawn(
            commit
                .into_actor(self)
                .then(move |result, journal, _ctx| journal.announce(result.map(|_| count)))
                .map(|outcome, journal, ctx| journal.settle(outcome, ctx)),
        );
    }

    /// For figures alone.
    fn note_waiting(&self) {
        let oldest = self.waiting.front().map(|entry| entry.since);
        self.shared.backlog.waits_since(oldest);
        self.shared
            .journal_pending
            .store(self.waiting.len(), Ordering::Relaxed);
    }

    /// How many of the waiting batches go into one commit.
    fn fitting(&self) -> usize {
        if self.culprit.alone() {
            return 1;
        }
        let (mut rows, mut bytes, mut count) = (0_usize, 0_usize, 0_usize);
        for entry in &self.waiting {
            let events = &entry.append.batch.events;
            rows = rows.saturating_add(events.len());
            bytes = bytes.saturating_add(events.iter().map(|event| event.data.len()).sum());
            if count > 0 && (rows > MAX_ROWS || bytes > MAX_BYTES) {
                break;
            }
            count = count.saturating_add(1);
        }
        count
    }

    /// Renders the committed events and hands them to the hub before anybody else, so that the
    /// hub sees every pos in order.
    fn announce(
        &mut self,
        result: Result<usize, StoreError>,
    ) -> ResponseActFuture<Self, Result<(), StoreError>> {
        crash::point("journal.announce");
        let count = match result {
            Ok(count) => count,
            Err(error) => return Box::pin(async move { Err(error) }.into_actor(self)),
        };
        let mut done = Vec::with_capacity(count);
        for entry in self.waiting.drain(..count.min(self.waiting.len())) {
            self.shared.backlog.went(entry.events());
            let events = render(&entry.append, &mut self.next_pos);
            done.push((entry.done, events));
        }
        let latest = self.next_pos.saturating_sub(1);
        self.shared.latest_pos.store(latest, Ordering::Release);
        self.culprit.settled(done.len());
        self.note_waiting();
        let all: Vec<Arc<Published>> = done
            .iter()
            .flat_map(|(_, events)| events.iter().cloned())
            .collect();
        let hub = self.hub.clone();
        let tell = async move {
            if let Some(hub) = hub
                && !all.is_empty()
            {
                // A hub that is gone is being replaced together with everything below it.
                let _told = hub.send(Announce(all)).await;
            }
            for (feed, events) in done {
                // A feed that is gone reads its numbers from the rows when it is back.
                let _told = feed.send(events);
            }
            Ok(())
        };
        Box::pin(tell.into_actor(self))
    }

    fn settle(&mut self, outcome: Result<(), StoreError>, ctx: &mut Context<Self>) {
        crash::point("journal.settle");
        match outcome {
            Ok(()) => {
                if self.failures > 0 {
                    tracing::info!(failures = self.failures, "the journal commits again");
                    self.shared.set_trouble(None);
                }
                self.failures = 0;
                self.writing = false;
                self.kick(ctx);
            }
            Err(error) => self.failed(&error, ctx),
        }
    }

    fn failed(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        self.failures = self.failures.saturating_add(1);
        let passing = passing(error);
        tracing::warn!(%error, failures = self.failures, passing, "a commit failed");
        self.shared.set_trouble(Some(error.to_string()));
        if let Some(at) = error.batch() {
            // It would be refused for ever: its feed alone starts again from the rows, and the
            // output log is decoded again from there.
            self.culprit.settled(1);
            if let Some(refused) = self.waiting.remove(at) {
                self.shared.backlog.went(refused.events());
                self.note_waiting();
            }
            self.writing = false;
            self.kick(ctx);
            return;
        }
        self.culprit.failed(error, self.waiting.len());
        if !passing {
            self.lifeline
                .record(Exit::Failed(format!("the store refused a commit: {error}")));
            ctx.stop();
            return;
        }
        let wait = RETRY
            .0
            .saturating_mul(1 << self.failures.min(6))
            .min(RETRY.1);
        ctx.run_later(wait, |journal, ctx| {
            journal.writing = false;
            journal.kick(ctx);
        });
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        crash::point("journal.beat");
        let (jump, jumped) = self.walls.look();
        if jumped {
            self.shared.backlog.jumped();
        }
        // One after the other: two would wait for a locked file together, and move questions twice.
        if std::mem::replace(&mut self.beating, true) {
            return;
        }
        let store = self.shared.store.clone();
        let now = super::clock::now();
        let note = async move {
            let noted = store.write(move |conn| {
                if jump != 0 {
                    // Questions grow older with the time that passes, not with the clock's hands.
                    store::approvals::shift_expiry(conn, jump)?;
                }
                store::meta::set(conn, "heartbeat", &now.0.to_string())
            });
            noted.await
        };
        ctx.spawn(note.into_actor(self).map(move |noted, journal, _ctx| {
            journal.beating = false;
            match noted {
                Ok(()) => journal.walls.settled(jump),
                Err(error) => tracing::debug!(%error, "the heartbeat was not noted"),
            }
        }));
    }
}

/// Whether the same commit may work later.
fn passing(error: &StoreError) -> bool {
    match error {
        StoreError::Busy
        | StoreError::Unreachable
        | StoreError::Full
        | StoreError::Gone
        | StoreError::Unknown
        | StoreError::Taken { .. }
        | StoreError::Closed
        | StoreError::Other(_) => true,
        StoreError::Conflict(_)
        | StoreError::NotFound
        | StoreError::SchemaNewer { .. }
        | StoreError::Schema(_)
        | StoreError::Illegal { .. }
        | StoreError::OutOfOrder { .. }
        | StoreError::Missing { .. }
        | StoreError::Unstorable { .. }
        | StoreError::Domain(_) => false,
    }
}

fn render(append: &Append, next_pos: &mut u64) -> Committed {
    let batch = &append.batch;
    let numbered = batch.events.iter().zip(batch.first_seq..);
    numbered
        .map(|(draft, seq)| {
            let pos = *next_pos;
            *next_pos = pos.saturating_add(1);
            let event = Event {
                seq,
                pos,
                agent: batch.session,
                group: append.group,
                kind: draft.kind,
                at: draft.at,
                data: draft.data.clone(),
            };
            Published::new(event, batch.owner)
        })
        .collect()
}

impl Actor for Journal {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crash::point("journal.started");
        self.lifeline.tether().hold(ctx, |_, ctx| ctx.stop());
        ctx.run_interval(HEARTBEAT, Self::beat);
    }
}

/// The hub of this generation of the tree. Answers with the last pos that it will not be told of.
#[derive(Message)]
#[rtype(result = "u64")]
pub(super) struct HubIs(pub Addr<Hub>);

impl Handler<HubIs> for Journal {
    type Result = MessageResult<HubIs>;

    fn handle(&mut self, message: HubIs, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("journal.HubIs");
        self.hub = Some(message.0);
        MessageResult(self.next_pos.saturating_sub(1))
    }
}

impl Handler<Append> for Journal {
    type Result = ResponseFuture<Result<Committed, Lost>>;

    fn handle(&mut self, append: Append, ctx: &mut Self::Context) -> Self::Result {
        crash::point("journal.Append");
        let (done, committed) = oneshot::channel();
        let entry = Entry {
            append,
            done,
            since: Instant::now(),
        };
        self.shared.backlog.came(entry.events());
        self.waiting.push_back(entry);
        self.note_waiting();
        self.kick(ctx);
        Box::pin(async move { committed.await.map_err(|_gone| Lost) })
    }
}

impl Handler<Stop> for Journal {
    type Result = ();

    /// Commits what it has, then ends.
    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        crash::point("journal.Stop");
        self.lifeline.record(Exit::Shutdown);
        self.stopping = true;
        self.kick(ctx);
    }
}
