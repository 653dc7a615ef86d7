//! The actor of one session: hosts the [`core`] state machine, commits each of its steps through
//! the feed, and carries out what follows.
//!
//! Never handles a message while a step waits for its commit, so what is in memory at the start
//! of any handler is what is committed.

mod answering;
mod closing;
mod core;
mod exits;
mod limits;
mod load;
mod messages;
mod outcome;
mod parking;
mod places;
mod process;
mod questions;
mod remember;
mod reports;
mod stall;
mod step;
#[cfg(test)]
mod tests;
mod tuning;
mod turn;
mod wake;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::fut::{ready, wrap_future};
use actix::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::crash;
use crate::domain::{ApprovalId, ApprovalState, Error, Remember, Result};
use crate::supervision::{Exit, Lifeline, Stop};

use super::redaction::Cover;

use self::answering::Answering;
use self::core::Core;
use self::questions::Resolution;
use self::step::{Alarm, Effect, Step};
use self::tuning::Adjustments;
pub(super) use exits::{
    Ending, OWNER_DELETED, SERVER, START_CANCELLED, START_TIMEOUT, WORKSPACE_GONE,
};
pub(super) use messages::{
    AgentIs, Archive, CaughtUp, Complete, Decode, Exited, Halt, Halting, InterruptTurn,
    LaunchFailed, Launched, Offer, Pause, PromptLost, QueueIs, Reopen, Reset, Respond, Resume,
    Start, Tune, Wanted,
};
pub(super) use step::Cause;
pub(super) use wake::strand;

use super::agent::{AgentActor, Order};
use super::clock::now;
use super::context::{Readers, Shared};
use super::edge::tell;
use super::feed::{Census, Feed, Publish};
use super::queue::{Answered, Queue, Reload, Stand};

/// Code of the refusal of a session that goes to sleep.
pub(super) const ASLEEP: &str = "asleep";

/// See the module.
pub(super) struct SessionActor {
    shared: Arc<Shared>,
    core: Core,
    feed: Addr<Feed>,
    queue: Option<Addr<Queue>>,
    agent: Option<Addr<AgentActor>>,
    lifeline: Lifeline,
    readers: Arc<Readers>,
    redactor: Arc<Cover>,
    place: Option<OwnedSemaphorePermit>,
    /// Who waits for the outcome of a start.
    starters: Vec<oneshot::Sender<Result<()>>>,
    /// Answers on their way through the codec, and who waits for them.
    answering: HashMap<ApprovalId, Answering>,
    /// Changes of how the program is driven on their way through the codec, in order.
    tuning: Adjustments,
    /// The exit of the latest incarnation is not committed although its process is gone.
    unread_end: bool,
    /// Calls a start off that has not made its program yet.
    launch: Option<Arc<AtomicBool>>,
    /// The queue takes nothing any more: whoever comes wakes the session anew.
    asleep: bool,
}

type Committing = ResponseActFuture<SessionActor, Result<()>>;

impl SessionActor {
    /// Commits a step, then carries out its effects.
    fn commit(&mut self, step: Step) -> Committing {
        self.core.random = rand::random();
        if step.is_empty() {
            let effects = step.effects;
            return Box::pin(
                ready(())
                    .into_actor(self)
                    .map(|(), session: &mut Self, ctx| {
                        session.carry_out(effects, ctx);
                        Ok(())
                    }),
            );
        }
        let Step {
            events,
            progress,
            changes,
            effects,
        } = step;
        let incarnation = self.core.session.facts.incarnation;
        let publish = self.feed.send(Publish {
            incarnation,
            events,
            progress,
            changes,
        });
        Box::pin(wrap_future::<_, Self>(publish).map(|answer, session, ctx| {
            match answer
                .unwrap_or_else(|_closed| Err(Error::unavailable("restarting", "the feed is gone")))
            {
                Ok(()) => {
                    session.carry_out(effects, ctx);
                    Ok(())
                }
                Err(error) => {
                    // What is in memory is ahead of the rows: the next generation reads them.
                    session.lifeline.record(Exit::Failed(error.to_string()));
                    ctx.stop();
                    Err(error)
                }
            }
        }))
    }

    /// Commits a step while the mailbox waits; for timers.
    fn commit_now(&mut self, step: Step, ctx: &mut Context<Self>) {
        let committing = self.commit(step).map(|_committed, _, _| ());
        ctx.wait(committing);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        crash::point("session.carry_out");
        for effect in effects {
            match effect {
                Effect::Stand(stand) => self.to_queue(Stand(stand)),
                Effect::Answered(task) => self.to_queue(Answered(task)),
                Effect::Reload => self.to_queue(Reload),
                Effect::Admit => self.await_place(ctx),
                Effect::Leave => self.place = None,
                Effect::Launch {
                    incarnation,
                    resume,
                } => {
                    let nonce = self.core.nonce.clone();
                    let session = Box::new(self.core.session.clone());
                    let cancelled = Arc::new(AtomicBool::new(false));
                    self.launch = Some(Arc::clone(&cancelled));
                    self.order(Order::Launch {
                        session,
                        incarnation,
                        nonce,
                        resume,
                        cancelled,
                    });
                }
                Effect::Attach => {
                    let session = Box::new(self.core.session.clone());
                    let nonce = self.core.nonce.clone();
                    let progress = self.core.progress.clone();
                    let input = self.core.unacknowledged();
                    self.order(Order::Attach {
                        session,
                        nonce,
                        progress,
                        input,
                    });
                }
                Effect::Command(command, cause) => self.order(Order::Do { command, cause }),
                Effect::Answer(id) => {
                    crash::point("override_before_answer");
                    if let Some(decided) = self.core.decided(id) {
                        self.respond(decided, None, ctx);
                    }
                }
                Effect::End(force, by) => {
                    if let Some(launch) = &self.launch {
                        launch.store(true, Ordering::Release);
                    }
                    self.order(Order::End { force, by });
                }
                Effect::After(wait, alarm) => {
                    ctx.run_later(wait, move |session, ctx| session.ring(&alarm, ctx));
                }
                Effect::Log(line) => self.shared.ledger.write(line),
            }
        }
    }

    fn to_queue<M>(&self, message: M)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Queue: Handler<M>,
    {
        if let Some(queue) = &self.queue {
            tell(queue, message);
        }
    }

    fn order(&self, order: Order) {
        if let Some(agent) = &self.agent {
            tell(agent, order);
        }
    }

    fn ring(&mut self, alarm: &Alarm, ctx: &mut Context<Self>) {
        crash::point("session.ring");
        match alarm {
            Alarm::Backoff(incarnation) => {
                if self.core.backoff_over(*incarnation) {
                    let begin = self.begin().map(|_begun, _, _| ());
                    ctx.wait(begin);
                }
            }
            Alarm::Approval(id) => {
                let (to, by) = (ApprovalState::Expired, "expired".to_owned());
                self.respond(
                    Resolution {
                        id: *id,
                        to,
                        by,
                        response: None,
                        remember: Remember::Once,
                    },
                    None,
                    ctx,
                );
            }
            Alarm::Interrupt(_)
            | Alarm::Again(_)
            | Alarm::Start(_)
            | Alarm::Cut(..)
            | Alarm::Stall(..)
            | Alarm::Parked(_)
            | Alarm::Reset(_) => {
                let step = self.core.alarm(alarm, now());
                self.commit_now(step, ctx);
            }
        }
    }

    fn answer_starters(&mut self, outcome: &Result<()>) {
        for starter in self.starters.drain(..) {
            let _told = starter.send(outcome.clone());
        }
    }

    /// From now on whoever comes is sent away, to wake the session anew.
    pub(super) fn fall_asleep(&mut self) {
        self.asleep = true;
    }

    /// Goes to sleep when nothing runs, nothing waits and nobody reads.
    fn consider_sleep(&mut self, ctx: &mut Context<Self>) {
        crash::point("session.consider_sleep");
        tell(&self.feed, Census);
        let facts = &self.core.session.facts;
        let quiet = !self.asleep
            && self.core.may_sleep()
            && !self.unread_end
            && facts.turn.is_none()
            && self.starters.is_empty()
            && self.readers.live.load(Ordering::Acquire) == 0
            && self.readers.touched().elapsed() >= self.shared.config.agents.linger;
        if quiet && let Some(queue) = self.queue.clone() {
            super::sleep::put_to_sleep(Arc::clone(&self.shared), self.core.session.id, queue, ctx);
        }
    }
}

/// The session goes to sleep: it is woken and asked again.
fn moved() -> Error {
    Error::unavailable(ASLEEP, "the session is being woken")
}

impl Actor for SessionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crash::point("session.started");
        self.lifeline.tether().hold(ctx, |_, ctx| ctx.stop());
        let look = (self.shared.config.agents.linger / 2).max(Duration::from_millis(100));
        ctx.run_interval(look, Self::consider_sleep);
    }
}

impl Handler<Stop> for SessionActor {
    type Result = ();

    /// Lets go of everything; the process lives on below its keeper.
    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        crash::point("session.Stop");
        self.lifeline.record(Exit::Shutdown);
        ctx.stop();
    }
}
