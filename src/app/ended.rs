//! Forgets what is over of sessions that live on: tasks, questions and processes.
//!
//! Never within a day of its end: so long a repeated request is answered with its task, and whoever
//! waited for an end hears of it.

use super::App;
use super::housekeeping::{PAUSE, SESSIONS, STEP, Swept};
use super::reckoning::Today;
use crate::config::Retention;
use crate::domain::{Result, SessionId};
use crate::store::idempotency::KEPT_MS;
use crate::store::retention::{self, Over};

impl App {
    /// Forgets ended tasks, answered questions and the rows of processes that are gone, each by age
    /// and by number.
    ///
    /// For clients a task that went was never there: 404 `not_found` wherever its id is asked for,
    /// while the events that name it stay as long as events do.
    pub(super) async fn forget_ended(
        &self,
        keep: &Retention,
        today: Today,
        swept: &mut Swept,
    ) -> Result<()> {
        let over = Over {
            old: today.old(keep.tasks_age),
            newest: (keep.tasks_per_agent > 0).then_some(keep.tasks_per_agent),
            before: self.now().plus_ms(-KEPT_MS),
        };
        if over.old.is_none() && over.newest.is_none() {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = self
                .store()
                .read(move |conn| retention::living(conn, after, SESSIONS))
                .await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(*last);
            for id in page {
                self.forget_ended_of(id, over, swept).await?;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn forget_ended_of(&self, id: SessionId, over: Over, swept: &mut Swept) -> Result<()> {
        let look = self
            .store()
            .read(move |conn| retention::has_over(conn, id, over));
        if !look.await? {
            return Ok(());
        }
        loop {
            let step = self
                .store()
                .write(move |conn| retention::forget(conn, id, over, STEP));
            let gone = step.await?;
            add(&mut swept.tasks, gone.tasks);
            add(&mut swept.approvals, gone.approvals);
            add(&mut swept.incarnations, gone.incarnations);
            if gone.rows() < STEP {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn add(sum: &mut u64, rows: usize) {
    *sum = sum.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
}
