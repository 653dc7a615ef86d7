//! What is forgotten in time: sign-ins that are over, keys of repeated requests, and what the
//! settings of retention name.
//!
//! Never more than a small step at one time: the writer of the database is there for others.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::App;
use super::reckoning::Today;
use crate::config::Retention;
use crate::domain::{Result, SessionId, Timestamp};
use crate::runtime::LogFigures;
use crate::store::retention::{self, History, Keep};
use crate::store::{
    Connection, StoreError, api_keys, attempts, audit, idempotency, invites, refresh, stats,
    tickets, tokens,
};

/// How long keys that are over are remembered: 30 days in milliseconds.
const KEYS_KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// How long an invitation that is over is still shown.
const INVITES_MS: i64 = 30 * 86_400_000;
/// Most rows that one transaction removes.
pub(super) const STEP: usize = 500;
/// Most pages of the database's file that one transaction gives back.
const PAGES: usize = 500;
/// Pause between two of them.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// Sessions that are looked at in one read.
pub(super) const SESSIONS: usize = 200;

/// What one go removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// When it was over.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Events.
    pub events: u64,
    /// Ended tasks.
    pub tasks: u64,
    /// Answered questions.
    pub approvals: u64,
    /// What was noted of earlier processes.
    pub incarnations: u64,
    /// Sessions that rested too long: they are deleted now.
    pub rested: u64,
    /// Deleted sessions whose rows are gone now.
    pub sessions: u64,
    /// Output logs.
    pub logs: u64,
    /// Their bytes.
    pub log_bytes: u64,
    /// Lines of the supervisors' log.
    pub decisions: u64,
    /// Audit rows.
    pub audit: u64,
    /// The clock is not believed, so nothing was removed by its age.
    pub clock_doubted: bool,
    /// Parts that failed; the others were done.
    pub failed: u64,
}

impl Swept {
    /// Notes that a part failed; the others are done all the same.
    fn note(&mut self, what: &'static str, result: Result<()>) {
        if let Err(error) = result {
            self.failed = self.failed.saturating_add(1);
            tracing::warn!(%error, what, "what is over could not be forgotten");
        }
    }
}

/// What was counted on the way.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    /// What the last go removed.
    pub last: Option<Swept>,
    /// Events that were left, and the last pos then.
    pub events: Option<(u64, u64)>,
    /// The logs that were left.
    pub logs: Option<LogFigures>,
    /// When a go looked at the clock last.
    pub looked: Option<Instant>,
}

/// See [`Counted`].
#[derive(Default)]
pub(super) struct Tally(Mutex<Counted>);

impl Tally {
    pub(super) fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Forgets what is over, and says what that was. A part that fails holds up no other; what needs
    /// no room in the database goes first.
    pub async fn forget_what_is_over(&self) -> Swept {
        let begun = Instant::now();
        let keep = self.config().retention;
        let mut swept = Swept::default();
        let today = match self.reckon().await {
            Ok(today) => today,
            Err(error) => {
                swept.note("clock", Err(error));
                Today::UNKNOWN
            }
        };
        swept.clock_doubted = !today.is_believed();
        let done = self.forget_logs(&keep, today, &mut swept).await;
        swept.note("logs", done);
        let done = self.forget_sign_ins(today).await;
        swept.note("sign-ins", done);
        let done = self.trim_histories(&keep, today, &mut swept).await;
        swept.note("events", done);
        let done = self.forget_ended(&keep, today, &mut swept).await;
        swept.note("ended tasks", done);
        let done = self.delete_resting(&keep, today, &mut swept).await;
        swept.note("resting sessions", done);
        let done = self.remove_deleted(&keep, today, &mut swept).await;
        swept.note("deleted sessions", done);
        let done = self.forget_lines(&keep, today, &mut swept).await;
        swept.note("lines", done);
        let done = self.give_room_back().await;
        swept.note("room", done);
        (swept.at, swept.took) = (self.now(), begun.elapsed());
        self.inner.tally.lock().last = Some(swept);
        swept
    }

    async fn forget_logs(&self, keep: &Retention, today: Today, swept: &mut Swept) -> Result<()> {
        let logs = kept(today, keep.logs_age, keep.logs_per_agent);
        let logs = self.runtime().sweep_logs(logs).await?;
        (swept.logs, swept.log_bytes) = (logs.removed, logs.freed);
        self.inner.tally.lock().logs = Some(logs);
        Ok(())
    }

    /// Those of the supervisors and of the audit.
    async fn forget_lines(&self, keep: &Retention, today: Today, swept: &mut Swept) -> Result<()> {
        let lines = kept(today, keep.supervisor_age, keep.supervisor_lines);
        swept.decisions = self.steps(retention::decisions, lines).await?;
        if let Some(before) = today.since(keep.audit_age) {
            swept.audit = self.forget_audit(before).await?;
        }
        Ok(())
    }

    /// Gives the room of removed rows back to the disk, where the database does not do it itself.
    async fn give_room_back(&self) -> Result<()> {
        let mut pages = 0_u64;
        loop {
            let step = |conn: &mut Connection| retention::give_back(conn, PAGES);
            let given = self.store().write(step).await?;
            pages = pages.saturating_add(u64::try_from(given).unwrap_or(u64::MAX));
            if given < PAGES {
                tracing::debug!(pages, "room on the disk is given back");
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sign-ins only end early by a wrong clock, and so they go all the same.
    async fn forget_sign_ins(&self, today: Today) -> Result<()> {
        let (now, believed) = (self.now(), today.is_believed());
        let rows: usize = self
            .store()
            .write(move |conn| {
                let mut counts = vec![
                    tickets::sweep(conn, now)?,
                    tokens::sweep(conn, now)?,
                    refresh::sweep(conn, now)?,
                    attempts::sweep(conn, now)?,
                ];
                if believed {
                    counts.push(invites::sweep(conn, now.plus_ms(-INVITES_MS))?);
                    counts.push(api_keys::sweep(conn, now.plus_ms(-KEYS_KEPT_MS))?);
                    counts.push(idempotency::sweep(conn, now)?);
                }
                Ok::<_, StoreError>(counts.iter().sum())
            })
            .await?;
        tracing::debug!(rows, "sign-ins and keys that are over are forgotten");
        Ok(())
    }

    /// Forgets notes older than `before`, step by step; what is left after each is a whole chain.
    async fn forget_audit(&self, before: Timestamp) -> Result<u64> {
        let (now, key) = (self.now(), self.inner.ledger.key());
        let upto = self
            .store()
            .read(move |conn| audit::old(conn, before, now))
            .await?;
        let prune =
            move |conn: &mut Connection, _all: Keep, most| audit::prune(conn, upto, most, &key);
        self.steps(prune, Keep::default()).await
    }

    async fn trim_histories(
        &self,
        settings: &Retention,
        today: Today,
        swept: &mut Swept,
    ) -> Result<()> {
        let keep = kept(today, settings.events_age, settings.events_per_agent);
        let mut after = None;
        loop {
            let page = self
                .store()
                .read(move |conn| retention::histories(conn, after, None, SESSIONS))
                .await?;
            let Some(last) = page.last() else { break };
            after = Some(last.session);
            for history in page {
                let gone = if history.exceeds(keep) {
                    self.trim_history(history, keep).await?
                } else {
                    0
                };
                swept.events = swept.events.saturating_add(gone);
            }
            tokio::time::sleep(PAUSE).await;
        }
        // In one snapshot: what comes meanwhile is either in it or behind its last pos.
        let counted = self.store().read(stats::events).await?;
        self.inner.tally.lock().events = Some(counted);
        Ok(())
    }

    async fn trim_history(&self, history: History, keep: Keep) -> Result<u64> {
        let history = self
            .store()
            .read(move |conn| {
                let mut history = history;
                retention::before_turn(conn, &mut history)?;
                Ok(history)
            })
            .await?;
        let trim =
            move |conn: &mut Connection, keep, most| retention::trim(conn, &history, keep, most);
        let gone = self.steps(trim, keep).await;
        // Also when it broke off: what was noted of the oldest number may be old.
        self.runtime().events_were_retained();
        gone
    }

    /// Removes step by step until a step finds less than it may take.
    async fn steps<F>(&self, step: F, keep: Keep) -> Result<u64>
    where
        F: Fn(&mut crate::store::Connection, Keep, usize) -> Result<usize, StoreError>
            + Clone
            + Send
            + 'static,
    {
        let mut gone = 0_u64;
        loop {
            let step = step.clone();
            let rows = self
                .store()
                .write(move |conn| step(conn, keep, STEP))
                .await?;
            gone = gone.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
            if rows < STEP {
                return Ok(gone);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn delete_resting(
        &self,
        settings: &Retention,
        today: Today,
        swept: &mut Swept,
    ) -> Result<()> {
        let Some(old) = today.old(settings.rest_age) else {
            return Ok(());
        };
        loop {
            let resting = self
                .store()
                .read(move |conn| retention::resting(conn, old, SESSIONS))
                .await?;
            let mut gone = 0_u64;
            for id in resting {
                let now = self.now();
                let deleted = self
                    .store()
                    .write(move |conn| retention::delete_resting(conn, id, (old.before, now)))
                    .await?;
                if deleted {
                    gone = gone.saturating_add(1);
                    tracing::info!(session.id = %id, "a session that rested too long is deleted");
                    self.bury(id).await;
                }
                tokio::time::sleep(PAUSE).await;
            }
            swept.rested = swept.rested.saturating_add(gone);
            if gone == 0 {
                return Ok(());
            }
        }
    }

    /// What cannot be taken down now is found by its files later.
    async fn bury(&self, id: SessionId) {
        if let Err(error) = self.runtime().bury(id).await {
            tracing::warn!(session.id = %id, %error, "something of a deleted session is left");
        }
    }

    async fn remove_deleted(
        &self,
        settings: &Retention,
        today: Today,
        swept: &mut Swept,
    ) -> Result<()> {
        let Some(old) = today.old(settings.deleted_age) else {
            return Ok(());
        };
        loop {
            let deleted = self
                .store()
                .read(move |conn| retention::deleted(conn, old, SESSIONS))
                .await?;
            if deleted.is_empty() {
                return Ok(());
            }
            for id in deleted {
                loop {
                    let (events, over) = self
                        .store()
                        .write(move |conn| retention::remove(conn, id, STEP))
                        .await?;
                    let events = u64::try_from(events).unwrap_or(u64::MAX);
                    swept.events = swept.events.saturating_add(events);
                    if over {
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                swept.sessions = swept.sessions.saturating_add(1);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What a pair of settings keeps now; zeros keep everything.
fn kept(today: Today, age: Duration, newest: u64) -> Keep {
    Keep {
        since: today.since(age),
        newest: (newest > 0).then_some(newest),
    }
}
