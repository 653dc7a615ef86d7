//! How the program is driven, changed while it may be running: its permission mode and its model.
//!
//! Never a row that says what the program was not told: both are one commit.

use actix::prelude::*;
use serde_json::json;
use tokio::sync::oneshot;

use crate::crash;
use crate::domain::{Change, Error, EventKind, Result, Timestamp, Tuning};
use crate::drivers::Command;

use super::super::agent::Order;
use super::super::clock::now;
use super::SessionActor;
use super::core::Core;
use super::messages::Tune;
use super::step::{Cause, Step};

/// A change on its way through the codec.
pub(super) struct Adjusting {
    pub tuning: Tuning,
    pub by: String,
    /// Who waits for it; held by the last of several.
    pub done: Option<oneshot::Sender<Result<()>>>,
}

impl Core {
    /// The session is driven otherwise from now on.
    pub(super) fn tuned(&mut self, tuning: Tuning, by: &str, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            if let Some(mode) = tuning.permission_mode {
                core.session.permission_mode = mode;
            }
            if let Some(model) = &tuning.model {
                core.session.model.clone_from(model);
            }
            core.session.updated_at = now;
            step.event(
                EventKind::Session,
                now,
                json!({
                    "action": "tuned", "by": by, "model": core.session.model,
                    "permissionMode": core.session.permission_mode,
                }),
            );
            step.changes.push(Change::Tuned(Box::new(tuning)));
        })
    }
}

impl SessionActor {
    /// Takes the place of a change that its codec has translated.
    pub(super) fn adjusted(&mut self, step: &mut Step) -> Option<oneshot::Sender<Result<()>>> {
        let Adjusting { tuning, by, done } = self.tuning.pop_front()?;
        let more = self.core.tuned(tuning, &by, now());
        step.events.extend(more.events);
        step.changes.extend(more.changes);
        step.effects.extend(more.effects);
        done
    }

    fn tune(&mut self, tune: Tune, done: oneshot::Sender<Result<()>>, ctx: &mut Context<Self>) {
        let Tune { tuning, by } = tune;
        if !self.core.session.facts.process.held() {
            // The next process is started with it.
            let step = self.core.tuned(tuning, &by, now());
            let committing = self.commit(step).map(|committed, _, _| {
                let _told = done.send(committed);
            });
            ctx.wait(committing);
            return;
        }
        if self.agent.is_none() {
            let _told = done.send(Err(restarting()));
            return;
        }
        let mut parts = parts(tuning);
        let last = parts.pop();
        let mut order = |(command, tuning), done| {
            let by = by.clone();
            self.tuning.push_back(Adjusting { tuning, by, done });
            let cause = Some(Cause::Tuning);
            self.order(Order::Do { command, cause });
        };
        for part in parts {
            order(part, None);
        }
        if let Some(last) = last {
            order(last, Some(done));
        }
    }
}

impl Handler<Tune> for SessionActor {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, tune: Tune, ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Tune");
        if self.asleep {
            return Box::pin(async { Err(super::moved()) });
        }
        let (told, heard) = oneshot::channel();
        self.tune(tune, told, ctx);
        Box::pin(async move { heard.await.unwrap_or_else(|_gone| Err(restarting())) })
    }
}

/// One command for each thing that changes, with what it changes.
fn parts(tuning: Tuning) -> Vec<(Command, Tuning)> {
    let mode = tuning.permission_mode.map(|mode| {
        let tuning = Tuning {
            permission_mode: Some(mode),
            model: None,
        };
        (Command::SetMode(mode), tuning)
    });
    let model = tuning.model.map(|model| {
        let tuning = Tuning {
            permission_mode: None,
            model: Some(model.clone()),
        };
        (Command::SetModel(model), tuning)
    });
    mode.into_iter().chain(model).collect()
}

fn restarting() -> Error {
    Error::unavailable("restarting", "the session is being restarted")
}
