//! Completing and resetting sessions, for the floor above.
//!
//! Never done before the rows say so.

use std::time::Duration;

use crate::domain::status::Intent;
use crate::domain::{Completion, Error, Mission, Result, Session, SessionId};
use crate::store;

use super::facade::{Force, Verdicts};
use super::handle::Runtime;
use super::reading;
use super::session::{Complete, Reopen, Reset};

/// How long, beyond its grace, the end of a completed session's process may take before it is ended
/// past its actors.
const END_MARGIN: Duration = Duration::from_secs(5);
/// How long the process behind a reset may take to be there before the answer goes without it.
const START_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for the end of a reset: its patience with the turn, both graces, the new start.
const RESET_WITHIN: Duration = Duration::from_secs(60);

impl Runtime {
    /// Ends the process and keeps the record; returns the one that stands, which may be an earlier
    /// one.
    ///
    /// # Errors
    /// `still_running`, `reopened`.
    pub async fn complete(
        &self,
        session: &Session,
        completion: Completion,
        verdicts: Verdicts,
    ) -> Result<Completion> {
        let id = session.id;
        let by = completion.by.clone();
        let stands = self
            .ask_session(id, || Complete {
                completion: completion.clone(),
                verdicts,
            })
            .await?;
        let over =
            |session: &Session| session.facts.completed.is_none() || !session.facts.process.held();
        let within = self.shared().config.agents.stop_grace + END_MARGIN;
        if !reading::wait_session(self, self.shared(), (session, within), over).await? {
            self.stop(id, Force::Ladder, &by).await?;
        }
        Ok(stands)
    }

    /// Shows a session as open again that had come to an end as a mission; starts nothing.
    ///
    /// # Errors
    /// `invalid_state`.
    pub async fn reopen(&self, id: SessionId, shown: Mission, by: &str) -> Result<()> {
        let by = by.to_owned();
        self.ask_session(id, || Reopen {
            shown,
            by: by.clone(),
        })
        .await
    }

    /// Begins a session from the beginning: waits for its running turn (30 s, then it is
    /// interrupted), ends its process, and starts one that takes nothing over if there was one.
    /// Waiting tasks stay.
    ///
    /// # Errors
    /// `draining`, `reset_cancelled` by a stop, `timeout` when it goes on still.
    pub async fn reset(&self, session: &Session, by: &str) -> Result<()> {
        self.open()?;
        let id = session.id;
        self.ask_session(id, || Reset { by: by.to_owned() }).await?;
        let done = |session: &Session| session.facts.resetting.is_none();
        if reading::wait_session(self, self.shared(), (session, RESET_WITHIN), done).await? {
            let stands = |session: &Session| session.facts.process.settled();
            let wait = (session, START_WITHIN);
            let _there = reading::wait_session(self, self.shared(), wait, stands).await?;
            return self.went_through(id).await;
        }
        Err(Error::Timeout {
            message: "the reset goes on; its session event tells its end".into(),
        })
    }

    /// Whether a reset that is over was carried out, or called off by a stop or a deletion.
    async fn went_through(&self, id: SessionId) -> Result<()> {
        let read = move |conn: &mut store::Connection| store::sessions::by_id(conn, id);
        let row = self.shared().store.read(read).await?;
        let row = row.filter(|row| row.archived_at.is_none());
        let row = row.ok_or_else(|| Error::not_found("session", id))?;
        if row.facts.intent == Intent::Stop {
            let text = "the session was stopped before its reset was through";
            return Err(Error::conflict("reset_cancelled", text));
        }
        Ok(())
    }
}
