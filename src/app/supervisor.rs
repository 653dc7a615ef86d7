//! The operator's view: the tree of actors and the log of the supervisors' decisions.
//!
//! Never open to anyone but admins.

use super::{App, SupervisorRow};
use crate::domain::{Principal, Result, SessionId};
use crate::store::supervisor_log;

/// Rows read at one time when the log is searched for one session.
const SWEEP: usize = 1_000;

impl App {
    /// The supervisor tree.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`.
    pub async fn tree(&self, who: &Principal) -> Result<serde_json::Value> {
        self.admins_only(who, "supervisor").await?;
        self.runtime().tree().await
    }

    /// Decisions after an id, oldest first, of one session when it is named; and the cursor to go
    /// on from, which moves also past rows that did not match.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn decisions(
        &self,
        who: &Principal,
        after: u64,
        limit: usize,
        session: Option<SessionId>,
    ) -> Result<(Vec<SupervisorRow>, u64, bool)> {
        self.admins_only(who, "supervisor").await?;
        let found = self
            .store()
            .read(move |conn| {
                let Some(session) = session else {
                    let mut rows = supervisor_log::page(conn, after, limit.saturating_add(1))?;
                    let more = rows.len() > limit;
                    rows.truncate(limit);
                    let next = rows.last().map_or(after, |row| row.id);
                    return Ok((rows, next, more));
                };
                let mut rows = Vec::new();
                let mut next = after;
                loop {
                    let page = supervisor_log::page(conn, next, SWEEP)?;
                    let last = page.len() < SWEEP;
                    for row in page {
                        if rows.len() >= limit {
                            return Ok((rows, next, true));
                        }
                        next = row.id;
                        if row.session == Some(session) {
                            rows.push(row);
                        }
                    }
                    if last {
                        return Ok((rows, next, false));
                    }
                }
            })
            .await?;
        Ok(found)
    }
}
