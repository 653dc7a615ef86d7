//! How a session that came up settles with what it finds: a keeper that lived on, one that died,
//! a wait that is still due.
//!
//! Never says that something runs before the operating system was asked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::fut::wrap_future;
use actix::prelude::*;

use crate::crash;
use crate::domain::{Batch, Incarnation, Process, Result, SessionId, Timestamp};
use crate::keeper;
use crate::store;

use super::super::clock::now;
use super::super::context::Shared;
use super::super::journal::{Append, Journal};
use super::core::Core;
use super::limits::until;
use super::step::{Alarm, Effect, Step};
use super::{Committing, SessionActor};

impl Core {
    /// Whether nothing is or will be running without a new prompt.
    pub(super) fn may_sleep(&self) -> bool {
        if self.session.facts.limited_until.is_some() {
            return false;
        }
        match self.session.facts.process {
            Process::None | Process::CrashLoop | Process::Failed { .. } => true,
            Process::Waiting { .. }
            | Process::Starting { .. }
            | Process::Live { .. }
            | Process::Unattached { .. }
            | Process::Backoff { .. } => false,
        }
    }

    /// Timers that a new generation must set again.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut due: Vec<Effect> = self
            .approvals
            .iter()
            .filter_map(|open| {
                open.expires_at
                    .map(|at| Effect::After(until(at, now), Alarm::Approval(open.id)))
            })
            .collect();
        due.extend(self.clocks(now));
        due.extend(self.watch_turn(true, now));
        due.extend(self.parked(now));
        if let Process::Starting { since, .. } = self.session.facts.process {
            due.push(self.start_clock(since, now));
        }
        due
    }

    /// What is left until the program must have said that it is ready.
    pub(super) fn start_clock(&self, since: Timestamp, now: Timestamp) -> Effect {
        let ms = i64::try_from(self.rules.start_timeout.as_millis()).unwrap_or(i64::MAX);
        let left = until(since.plus_ms(ms), now);
        Effect::After(left, Alarm::Start(self.session.facts.incarnation))
    }
}

impl SessionActor {
    /// Commits what is true of the process now, and goes on from there.
    pub(super) fn settle(&mut self, ctx: &mut Context<Self>) -> Committing {
        let due = self.core.due(now());
        self.carry_out(due, ctx);
        let incarnation = self.core.session.facts.incarnation;
        match self.core.session.facts.process.clone() {
            Process::Starting { .. } | Process::Live { .. } | Process::Unattached { .. } => {
                self.look(incarnation)
            }
            Process::None if self.unread_end && incarnation.0 > 0 => self.look(incarnation),
            Process::Waiting { .. } => self.begin(),
            Process::Backoff { next_at } => {
                let wait = until(next_at, now());
                let effects = vec![Effect::After(wait, Alarm::Backoff(incarnation))];
                self.commit(Step {
                    effects,
                    ..Step::default()
                })
            }
            Process::None | Process::CrashLoop | Process::Failed { .. } => {
                // Its limits may be others now.
                let step = self.core.run(now(), |_, _| {});
                self.commit(step)
            }
        }
    }

    /// Asks the operating system about the keeper of the latest incarnation.
    fn look(&mut self, incarnation: Incarnation) -> Committing {
        let dir = self.keeper_dir(incarnation);
        let ask = tokio::task::spawn_blocking(move || held(&dir));
        Box::pin(wrap_future::<_, Self>(ask).then(|found, session, _ctx| {
            crash::point("session.found");
            let step = match found {
                Ok(Some(pid)) => {
                    session.place = Arc::clone(&session.shared.places).try_acquire_owned().ok();
                    session.core.found_alive(pid, now())
                }
                Ok(None) | Err(_) => {
                    session.unread_end = true;
                    session.core.found_dead(now())
                }
            };
            session.commit(step)
        }))
    }

    /// Where the keeper of an incarnation has its files.
    pub(super) fn keeper_dir(&self, incarnation: Incarnation) -> keeper::Dir {
        keeper::Dir::new(&self.shared.keepers, self.core.session.id.0, incarnation.0)
    }
}

/// The program's pid if its keeper lives.
fn held(dir: &keeper::Dir) -> Option<u32> {
    let record = dir.record().filter(|_| dir.alive());
    record.map(|record| record.program_pid)
}

/// Commits what is true of the process of a session whose actors gave up: that it lives and nobody
/// reads it, or that it is gone. The journal refuses it when the session is awake again by then.
pub(in crate::runtime) async fn strand(
    shared: &Arc<Shared>,
    journal: &Addr<Journal>,
    id: SessionId,
) -> Result<()> {
    let (mut core, _) = Core::load(shared, id).await?;
    if !core.session.facts.process.held() {
        return Ok(());
    }
    let incarnation = core.session.facts.incarnation;
    let dir = keeper::Dir::new(&shared.keepers, id.0, incarnation.0);
    let step = match tokio::task::spawn_blocking(move || held(&dir)).await {
        Ok(Some(pid)) => core.found_alive(pid, now()),
        Ok(None) | Err(_) => core.found_dead(now()),
    };
    let (_, latest) = shared
        .store
        .read(move |conn| store::events::bounds(conn, id))
        .await?;
    let batch = Batch {
        session: id,
        owner: core.session.owner,
        incarnation,
        first_seq: latest.saturating_add(1),
        events: step.events,
        progress: None,
        changes: step.changes,
    };
    let group = core.session.group;
    // It was refused, or the journal is being replaced: whoever wakes the session says it then.
    let _said = journal.send(Append { batch, group }).await;
    Ok(())
}

/// Counts a session among those that wait, until it is dropped.
pub(super) struct Counted(Arc<Shared>);

impl Counted {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
