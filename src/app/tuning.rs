//! How an agent's program is driven, changed by a person: its permission mode and its model.
//!
//! Never a change that the program would not take: it is refused instead.

use super::{App, Overview, options};
use crate::domain::{Error, PermissionMode, Principal, Result, SessionId, Tuning};
use crate::drivers::driver;

impl App {
    /// Changes how an agent's program is driven; returns the agent after it.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unsupported`, `restart_needed`, `bad_field`.
    pub async fn tune(&self, who: &Principal, id: SessionId, tuning: Tuning) -> Result<Overview> {
        let session = self.writable(who, id).await?;
        if tuning.permission_mode.is_none() && tuning.model.is_none() {
            return self.agent(who, id).await;
        }
        if let Some(model) = &tuning.model {
            options::model(None, model.as_deref())?;
            if !driver(session.kind).has_model() {
                let kind = session.kind.name();
                return Err(Error::conflict(
                    "unsupported",
                    format!("an agent of the kind {kind} has no model"),
                ));
            }
        }
        if let Some(mode) = tuning.permission_mode
            && session.facts.process.held()
            && mode != session.permission_mode
            && !driver(session.kind).may_switch(mode, self.runtime().as_root())
        {
            let words = "the running program does not take this mode: stop the agent, change it, \
                         and start it again";
            return Err(Error::conflict("restart_needed", words));
        }
        let bypasses = tuning.permission_mode == Some(PermissionMode::BypassPermissions)
            && session.permission_mode != PermissionMode::BypassPermissions;
        self.runtime().tune(id, tuning, &who.username).await?;
        if bypasses {
            self.done(who, "agent.permissions_bypassed", id).await;
        }
        self.agent(who, id).await
    }
}
