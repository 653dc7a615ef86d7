//! How the program is driven, changed while it may be running: its permission mode and its model.
//!
//! Never a row that says what the program was not told: both are one commit.

use std::collections::VecDeque;

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

/// Changes on their way, each with a number.
#[derive(Default)]
pub(super) struct Adjustments {
    last: u64,
    waiting: VecDeque<(u64, Adjusting)>,
}

impl Adjustments {
    /// Adds one, and gives its number.
    fn add(&mut self, adjusting: Adjusting) -> u64 {
        self.last = self.last.saturating_add(1);
        self.waiting.push_back((self.last, adjusting));
        self.last
    }

    /// Takes the one with this number. Those before it were passed over: nobody will translate
    /// them, and whoever waits for one hears so.
    fn take(&mut self, number: u64) -> Option<Adjusting> {
        let at = self.waiting.iter().position(|(of, _)| *of == number)?;
        self.waiting
            .drain(..=at)
            .next_back()
            .map(|(_, found)| found)
    }

    /// Lets go of all; whoever waits for one hears so.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
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
    pub(super) fn adjusted(
        &mut self,
        number: u64,
        step: &mut Step,
    ) -> Option<oneshot::Sender<Result<()>>> {
        let Adjusting { tuning, by, done } = self.tuning.take(number)?;
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
            let number = self.tuning.add(Adjusting { tuning, by, done });
            let cause = Some(Cause::Tuning(number));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn adjusting(by: &str) -> (Adjusting, oneshot::Receiver<Result<()>>) {
        let (told, heard) = oneshot::channel();
        let adjusting = Adjusting {
            tuning: Tuning {
                permission_mode: None,
                model: None,
            },
            by: by.into(),
            done: Some(told),
        };
        (adjusting, heard)
    }

    #[test]
    fn a_change_that_was_passed_over_does_not_take_the_place_of_the_next() {
        let mut under_way = Adjustments::default();
        let (lost, mut of_lost) = adjusting("ann");
        let (given, _of_given) = adjusting("bob");
        let (first, second) = (under_way.add(lost), under_way.add(given));
        assert_eq!(under_way.take(second).unwrap().by, "bob");
        let closed = oneshot::error::TryRecvError::Closed;
        assert_eq!(of_lost.try_recv().unwrap_err(), closed, "it hears so");
        assert!(under_way.take(first).is_none() && under_way.waiting.is_empty());
    }
}
