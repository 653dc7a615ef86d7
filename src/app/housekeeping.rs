//! What is forgotten in time: sessions of people that are over, tickets, keys of repeated requests,
//! old lines of the supervisor's log.
//!
//! Never anything of an agent: its history is kept until it is deleted.

use super::App;
use crate::domain::Result;
use crate::store::{StoreError, idempotency, supervisor_log, tickets, tokens};

/// Lines of the supervisor's log that are kept.
const LOG_LINES: usize = 100_000;

impl App {
    /// Forgets what is over, and returns how many rows that were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_what_is_over(&self) -> Result<usize> {
        let now = self.now();
        let rows = self
            .store()
            .write(move |conn| {
                let counts = [
                    tickets::sweep(conn, now)?,
                    tokens::sweep(conn, now)?,
                    idempotency::sweep(conn, now)?,
                    supervisor_log::sweep(conn, LOG_LINES)?,
                ];
                Ok::<_, StoreError>(counts.iter().sum())
            })
            .await?;
        Ok(rows)
    }
}
