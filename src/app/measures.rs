//! Everything that an operator alarms on, gathered from where it arises.
//!
//! Never a name of a person, a session or a path, and never a wait longer than the database's.

use std::time::Duration;

use super::pulse::Lag;
use super::{App, AuditFigures, DatabaseFigures, Figures, Look, Own, Tally};
use crate::domain::{Principal, Result, Scope};

/// Longest wait for the rows.
const COUNT_WAIT: Duration = Duration::from_secs(2);

/// Figures of one moment.
#[derive(Debug, Clone)]
pub struct Measures {
    /// The living side.
    pub runtime: Figures,
    /// The database.
    pub database: DatabaseFigures,
    /// What the rows say; `None`: the database did not answer.
    pub tally: Option<Tally>,
    /// How long the oldest waiting task has waited, in milliseconds.
    pub queue_age_ms: u64,
    /// The record of who did what.
    pub audit: AuditFigures,
    /// Free bytes at each place that the server writes to.
    pub disk_free: Vec<(&'static str, u64)>,
    /// Open WebSockets.
    pub sockets: usize,
    /// Waiting polls.
    pub polls: usize,
    /// The server's threads.
    pub lags: Vec<Lag>,
    /// The server's process and its keepers.
    pub own: Own,
    /// Since when the server runs, in milliseconds of the epoch.
    pub started_at_ms: i64,
    /// Whether it takes new work.
    pub ready: bool,
}

impl App {
    /// Gathers the figures for somebody who may see them.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn measures(&self, who: &Principal) -> Result<Measures> {
        who.need(Scope::Metrics)?;
        let (tally, readiness) = tokio::join!(self.tally(), self.readiness());
        let now = self.now();
        let oldest = tally.as_ref().and_then(|tally| tally.oldest);
        let waited = oldest.map_or(0, |at| now.0.saturating_sub(at.0));
        Ok(Measures {
            runtime: self.runtime().figures(),
            database: self.store().figures(),
            tally,
            queue_age_ms: u64::try_from(waited).unwrap_or_default(),
            audit: self.audit_figures(),
            disk_free: self.disk_free(),
            sockets: self.open_connections(),
            polls: self.waiting_polls(),
            lags: self.pulse().lags(),
            own: self.own(Look::Kin).await,
            started_at_ms: self.inner.started_at.0,
            ready: readiness == super::Readiness::Ready,
        })
    }

    /// What the rows say, if they say it soon.
    async fn tally(&self) -> Option<Tally> {
        if self.store().is_away() {
            return None;
        }
        let counted = self.store().read(crate::store::tally::count);
        let Ok(counted) = tokio::time::timeout(COUNT_WAIT, counted).await else {
            tracing::warn!("the rows were not counted in time for the figures");
            return None;
        };
        if let Err(error) = &counted {
            tracing::warn!(%error, "the rows could not be counted for the figures");
        }
        counted.ok()
    }
}
