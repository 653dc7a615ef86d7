//! What becomes of a session whose actors gave up: its row is set right.
//!
//! Never starts it again: whoever needs it does, and the watch over lost sessions.

use std::sync::Arc;

use crate::supervision::{Event, Observer, Record};

use super::context::Shared;
use super::ledger::session_of;
use super::session::strand;
use super::tree::Trunk;

/// The observer of the sessions' supervisor. Nobody else would say of one that fell that its process
/// is not read any more.
pub(super) struct Sessions {
    shared: Arc<Shared>,
    trunk: Arc<Trunk>,
}

impl Sessions {
    pub(super) fn new(shared: &Arc<Shared>, trunk: &Arc<Trunk>) -> Self {
        Self {
            shared: Arc::clone(shared),
            trunk: Arc::clone(trunk),
        }
    }
}

impl Observer for Sessions {
    fn record(&self, record: &Record) {
        self.shared.ledger.record(record);
        let fell = record.event == Event::ChildDown
            && record.exit.as_ref().is_some_and(|exit| !exit.is_orderly());
        let id = session_of(&record.path).filter(|_| fell);
        if let (Some(id), Some(journal)) = (id, self.trunk.journal()) {
            let shared = Arc::clone(&self.shared);
            actix::spawn(async move {
                if let Err(error) = strand(&shared, &journal, id).await {
                    tracing::warn!(session.id = %id, %error, "a session that fell cannot be looked at");
                }
            });
        }
    }
}
