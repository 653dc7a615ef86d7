//! How an agent's program is driven, changed by a person: its permission mode and its model.
//!
//! Never a change that the program would not take: it is refused instead.

use super::creation::label;
use super::{App, Overview};
use crate::domain::{Error, Principal, Result, SessionId, Tuning};
use crate::drivers::driver;

impl App {
    /// Changes how an agent's program is driven; returns the agent after it.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unsupported`, `bad_field`.
    pub async fn tune(&self, who: &Principal, id: SessionId, tuning: Tuning) -> Result<Overview> {
        let session = self.writable(who, id).await?;
        if let Some(model) = &tuning.model {
            label("model", model.as_deref())?;
            if !driver(session.kind).has_model() {
                let kind = session.kind.name();
                return Err(Error::conflict(
                    "unsupported",
                    format!("an agent of the kind {kind} has no model"),
                ));
            }
        }
        self.runtime().tune(id, tuning, &who.username).await?;
        self.agent(who, id).await
    }
}
