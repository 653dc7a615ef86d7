//! A place among the live agents: a session that is to have a process takes one, or waits for it.
//!
//! Never starts a process without a place.

use std::sync::Arc;

use actix::prelude::*;

use super::super::clock::now;
use super::wake::Counted;
use super::{Committing, SessionActor};

impl SessionActor {
    /// Whether a process could be started: there is someone to start it, and the end of the last
    /// one is read.
    pub(super) fn stands(&self) -> bool {
        self.agent.is_some() && !self.unread_end && !self.asleep
    }

    /// Starts a process if a place is free, else waits for one.
    pub(super) fn begin(&mut self) -> Committing {
        let step = match Arc::clone(&self.shared.places).try_acquire_owned() {
            Ok(place) => {
                self.place = Some(place);
                self.core.launch(nonce(), now())
            }
            Err(_full) => {
                self.answer_starters(&Ok(()));
                self.core.wait_for_place(now())
            }
        };
        self.commit(step)
    }

    pub(super) fn await_place(&mut self, ctx: &mut Context<Self>) {
        let places = Arc::clone(&self.shared.places);
        let counted = Counted::new(Arc::clone(&self.shared));
        let wait = async move {
            let place = places.acquire_owned().await;
            drop(counted);
            place
        };
        ctx.spawn(wait.into_actor(self).map(|place, session, ctx| {
            let waits = matches!(
                session.core.session.facts.process,
                crate::domain::Process::Waiting { .. }
            );
            if let (Ok(place), true) = (place, waits) {
                session.place = Some(place);
                let step = session.core.launch(nonce(), now());
                session.commit_now(step, ctx);
            }
        }));
    }
}

fn nonce() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
