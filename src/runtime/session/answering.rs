//! Answers on their way to the program: given to its codec, and told to whoever waits for them.
//!
//! Never two for one question: the first that comes is the one that goes.

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::domain::{ApprovalId, Error, Result};

use super::super::agent::Order;
use super::super::clock::now;
use super::SessionActor;
use super::questions::Resolution;
use super::step::Cause;

/// An answer that was given to the codec.
pub(super) struct Answering {
    pub resolution: Resolution,
    pub done: Option<oneshot::Sender<Result<()>>>,
}

impl SessionActor {
    /// Ends a question: one of the program goes through its codec first, so that the answer and
    /// what the codec makes of it are one commit.
    pub(super) fn respond(
        &mut self,
        resolution: Resolution,
        done: Option<oneshot::Sender<Result<()>>>,
        ctx: &mut Context<Self>,
    ) {
        let id = resolution.id;
        if !self.core.is_open(id) || self.answering.contains_key(&id) {
            if let Some(done) = done {
                let _told = done.send(Err(already_resolved()));
            }
            return;
        }
        match self.core.answer_command(&resolution) {
            Some(command) => {
                self.answering.insert(id, Answering { resolution, done });
                self.order(Order::Do {
                    command,
                    cause: Some(Cause::Answer(id)),
                });
            }
            None => {
                let step = self.core.place(resolution, now());
                let committing = self.commit(step).map(|committed, _, _| {
                    if let Some(done) = done {
                        let _told = done.send(committed);
                    }
                });
                ctx.wait(committing);
            }
        }
    }

    /// Whoever waits for an answer that can no longer be given hears so.
    pub(super) fn settle_answers(&mut self) {
        if !self.core.session.facts.process.held() {
            self.tuning.clear();
        }
        let core = &self.core;
        let closed: Vec<ApprovalId> = self
            .answering
            .keys()
            .copied()
            .filter(|id| !core.is_open(*id))
            .collect();
        for id in closed {
            if let Some(Answering {
                done: Some(done), ..
            }) = self.answering.remove(&id)
            {
                let _told = done.send(Err(already_resolved()));
            }
        }
    }
}

fn already_resolved() -> Error {
    Error::conflict(
        "already_resolved",
        "the question is answered, expired or withdrawn already",
    )
}
