//! What is kept, in figures: everything for admins, their own for everybody else.
//!
//! Never counted for each request: figures are some seconds old, those of large things an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{App, DiskState, Swept};
use crate::config::{Disk, Retention};
use crate::domain::{
    ApprovalState, Mission, Principal, Result, Space, Status, TaskState, Timestamp, UserId,
};
use crate::runtime::LogFigures;
use crate::store::sessions::spent;
use crate::store::{retention, stats};

/// How old figures may be.
const BELIEVED: Duration = Duration::from_secs(3);
/// Figures of so many people are remembered.
const MAX_KNOWN: usize = 256;
/// Sessions that are looked at in one read.
const SESSIONS: usize = 1_000;

/// Whose figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatsOf {
    /// Those of the whole server.
    Everyone,
    /// Those of one person.
    Own(UserId),
}

/// The figures.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Whose they are.
    pub of: StatsOf,
    /// When they were read.
    pub at: Timestamp,
    /// Sessions by status.
    pub sessions: Vec<(Status, u64)>,
    /// Sessions that are deleted, but whose rows are kept.
    pub deleted: u64,
    /// Tasks by state.
    pub tasks: Vec<(TaskState, u64)>,
    /// Questions by state.
    pub approvals: Vec<(ApprovalState, u64)>,
    /// Processes of which a row is kept.
    pub incarnations: u64,
    /// Events; `None` before the first count of the whole server's.
    pub events: Option<u64>,
    /// When the oldest of them was.
    pub oldest_event: Option<Timestamp>,
    /// The same sessions as missions, by their word.
    pub missions: Vec<(Mission, u64)>,
    /// What the turns of the sessions that are there cost together, in millionths of a US dollar.
    pub spent_micro_usd: u64,
    /// The tokens that they used.
    pub tokens: u64,
    /// How the disk stands.
    pub disk: (DiskState, Option<Space>),
    /// What only an admin sees.
    pub house: Option<House>,
    /// The settings in force.
    pub retention: Retention,
}

/// Figures of the server as such.
#[derive(Debug, Clone)]
pub struct House {
    /// Bytes of the database.
    pub database_bytes: u64,
    /// Rows of the audit.
    pub audit_rows: u64,
    /// Lines of the supervisors' log.
    pub supervisor_lines: u64,
    /// The output logs at the last count.
    pub logs: Option<LogFigures>,
    /// What was removed last.
    pub last_sweep: Option<Swept>,
    /// When is told how the disk stands.
    pub settings: Disk,
}

/// Figures that were read just now.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<StatsOf, (Instant, Stats)>>);

impl Cache {
    fn get(&self, of: StatsOf) -> Option<Stats> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, stats) = known.get(&of)?;
        (at.elapsed() < BELIEVED).then(|| stats.clone())
    }

    fn put(&self, stats: &Stats) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        if known.len() < MAX_KNOWN {
            known.insert(stats.of, (Instant::now(), stats.clone()));
        }
    }
}

impl App {
    /// What is kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stats(&self, who: &Principal) -> Result<Stats> {
        let everyone = who.may_read(UserId(uuid::Uuid::nil()));
        let of = if everyone {
            StatsOf::Everyone
        } else {
            StatsOf::Own(who.user)
        };
        if let Some(stats) = self.inner.stats.get(of) {
            return Ok(stats);
        }
        let owner = (!everyone).then_some(who.user);
        let (sessions, deleted) = self
            .store()
            .read(move |conn| stats::sessions(conn, owner))
            .await?;
        let (tasks, approvals, incarnations, (missions, spent)) = self
            .store()
            .read(move |conn| {
                let tasks = stats::tasks(conn, owner)?;
                let approvals = stats::approvals(conn, owner)?;
                let incarnations = stats::incarnations(conn, owner)?;
                let missions = stats::missions(conn, owner)?;
                let work = (missions, spent::spent(conn, owner)?);
                Ok((tasks, approvals, incarnations, work))
            })
            .await?;
        let (events, oldest_event) = match owner {
            Some(owner) => self.own_events(owner).await?,
            None => (
                self.all_events(),
                self.store().read(stats::oldest_event).await?,
            ),
        };
        let house = if everyone {
            Some(self.house().await?)
        } else {
            None
        };
        let stats = Stats {
            of,
            at: self.now(),
            sessions,
            deleted,
            tasks,
            approvals,
            incarnations,
            events,
            oldest_event,
            missions,
            spent_micro_usd: spent.0,
            tokens: spent.1,
            disk: self.disk(),
            house,
            retention: self.config().retention,
        };
        self.inner.stats.put(&stats);
        Ok(stats)
    }

    /// The events that were counted last, and those that came since.
    fn all_events(&self) -> Option<u64> {
        let (rows, pos) = self.inner.tally.lock().events?;
        Some(rows.saturating_add(self.latest_pos().saturating_sub(pos)))
    }

    async fn own_events(&self, owner: UserId) -> Result<(Option<u64>, Option<Timestamp>)> {
        let (mut rows, mut oldest, mut after) = (0_u64, None, None);
        loop {
            let page = self
                .store()
                .read(move |conn| retention::histories(conn, after, Some(owner), SESSIONS))
                .await?;
            for history in page.iter().filter(|history| history.latest > 0) {
                rows = rows.saturating_add(history.rows());
                let at = history.oldest.1;
                oldest = Some(oldest.map_or(at, |oldest: Timestamp| oldest.min(at)));
            }
            match page.last() {
                Some(last) if page.len() == SESSIONS => after = Some(last.session),
                Some(_) | None => return Ok((Some(rows), oldest)),
            }
        }
    }

    async fn house(&self) -> Result<House> {
        let database_bytes = stats::bytes(self.store()).await?;
        let (audit_rows, supervisor_lines) = self.store().read(stats::lines).await?;
        let (logs, last_sweep) = {
            let tally = self.inner.tally.lock();
            (tally.logs, tally.last)
        };
        Ok(House {
            database_bytes,
            audit_rows,
            supervisor_lines,
            logs,
            last_sweep,
            settings: self.config().disk,
        })
    }
}
