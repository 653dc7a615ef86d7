//! What a session can be told, and what it does when its queue or people tell it.
//!
//! Never decides: each handler makes one step of the [`core`](super::core) and commits it.

use actix::fut::wrap_future;
use actix::prelude::*;
use tokio::sync::oneshot;

use crate::domain::{
    ApprovalState, Completion, Error, Incarnation, Mission, Progress, Result, Task, TaskId,
    Timestamp, Tuning,
};
use crate::drivers::Output;

use super::super::agent::AgentActor;
use super::super::clock::now;
use super::super::edge::tell;
use super::super::facade::{Answer, Force, Interrupt, Paused, Verdicts};
use super::super::queue::{Queue, Reload, Stand};
use super::SessionActor;
use super::exits::Ending;
use super::questions::Resolution;
use super::step::Cause;
use crate::crash;

macro_rules! message {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident : $type:ty),* $(,)? } -> $result:tt) => {
        $(#[$doc])*
        #[derive(Message)]
        #[rtype(result = $result)]
        pub(in crate::runtime) struct $name { $($(#[$fdoc])* pub $field: $type),* }
    };
}

message!(/// The queue offers its first task.
    Offer { task: Task, /** Tasks that wait behind it. */ depth: u32 } -> "()");
message!(/// Work waits and the session is not ready for it.
    Wanted { depth: u32, /** When the newest of it was accepted. */ newest: Option<Timestamp>,
        /** A person just asked for it. */ by_person: bool } -> "()");
message!(/// This is the queue now.
    QueueIs { queue: Addr<Queue> } -> "()");
message!(/// This is the agent's actor now. Answers when the session has settled with what it found.
    AgentIs { agent: Addr<AgentActor> } -> "Result<()>");
message!(/// Start the process. Answers when it runs, waits for a place, or failed.
    Start {} -> "Result<()>");
message!(/// Stop taking from the queue.
    Pause { interrupt: Interrupt } -> "Result<Paused>");
message!(/// Take from the queue again.
    Resume {} -> "Result<()>");
message!(/// End the running turn.
    InterruptTurn {} -> "Result<TaskId>");
message!(/// End the process. Answers once that is committed and ordered.
    Halt { force: Force, by: String } -> "Result<Halting>");
message!(/// A person says that the work is done. Answers with the record that stands.
    Complete { completion: Completion, verdicts: Verdicts } -> "Result<Completion>");
message!(/// A person says that what came to an end is open again, and is shown so.
    Reopen { shown: Mission, by: String } -> "Result<()>");
message!(/// Begin from the beginning. Answers once that is committed and ordered.
    Reset { by: String } -> "Result<()>");
message!(/// Take the session out of the lists.
    Archive {} -> "Result<()>");
message!(/// A person answers a question.
    Respond { answer: Answer } -> "Result<()>");
message!(/// Drive the program otherwise from now on. Answers once that is committed and ordered.
    Tune { tuning: Tuning, by: String } -> "Result<()>");
message!(/// The keeper runs the program.
    Launched { incarnation: Incarnation, pid: u32 } -> "Result<()>");
message!(/// The program could not be started.
    LaunchFailed { incarnation: Incarnation, code: String, text: String } -> "Result<()>");
message!(/// The log is decoded up to now.
    CaughtUp { incarnation: Incarnation, pid: u32, turn: Option<TaskId> } -> "Result<()>");
message!(/// What the codec made of bytes or a command. Answers after the commit.
    Decode { progress: Progress, outputs: Vec<Output>, cause: Option<Cause>,
        /** Pieces of messages came, which went out already. */ pieces: bool } -> "Result<()>");
message!(/// The process is gone and its log is decoded to the end.
    Exited { incarnation: Incarnation, ending: Ending, handed_over: bool } -> "Result<()>");
message!(/// The program's prompt does not come back.
    PromptLost { incarnation: Incarnation } -> "Result<()>");

/// What a [`Halt`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) struct Halting {
    /// Whether there is a process that ends now.
    pub ends: bool,
    /// Which one.
    pub incarnation: Incarnation,
}

impl Handler<Offer> for SessionActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, offer: Offer, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Offer");
        crash::point("offer_before_commit");
        let step = self.core.offer(offer.task, offer.depth, now());
        AtomicResponse::new(Box::pin(self.commit(step).map(|_committed, _, _| {
            crash::point("offer_after_commit");
        })))
    }
}

impl Handler<Wanted> for SessionActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, wanted: Wanted, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Wanted");
        let news = wanted.by_person || self.core.is_news(wanted.newest);
        let starts = wanted.depth > 0
            && self.stands()
            && self.core.may_start(news)
            && self.core.session.facts.limited_until.is_none()
            && !self.core.session.facts.paused;
        let committing = if starts {
            if news {
                self.core.forgive();
            }
            self.core.session.facts.queued = wanted.depth;
            self.begin()
        } else {
            let step = self.core.count_waiting(wanted.depth, now());
            self.commit(step)
        };
        AtomicResponse::new(Box::pin(committing.map(|_committed, _, _| ())))
    }
}

impl Handler<QueueIs> for SessionActor {
    type Result = ();

    fn handle(&mut self, message: QueueIs, _ctx: &mut Self::Context) {
        crash::point("session.QueueIs");
        if self.queue.is_some() {
            // What the one before it had offered may have been taken since this one read its rows.
            tell(&message.queue, Reload);
        }
        tell(&message.queue, Stand(self.core.readiness()));
        self.queue = Some(message.queue);
    }
}

impl Handler<AgentIs> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, message: AgentIs, ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.AgentIs");
        self.agent = Some(message.agent);
        // What was on its way through the old codec is asked for anew.
        self.answering.clear();
        self.tuning.clear();
        let settling = self.settle(ctx);
        AtomicResponse::new(Box::pin(settling.map(|settled, session: &mut Self, _| {
            // Tasks that wait from before ask for a process now that one can be started.
            session.to_queue(Reload);
            settled
        })))
    }
}

impl Handler<Start> for SessionActor {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _start: Start, ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Start");
        if self.asleep {
            return Box::pin(async { Err(super::moved()) });
        }
        if let Some(limit) = self.core.spent() {
            return Box::pin(async move { Err(limit.refusal()) });
        }
        let (told, heard) = oneshot::channel();
        let free = self.stands() && self.core.may_start(true);
        if free || self.core.waits_to_restart() {
            self.starters.push(told);
            self.core.forgive();
            let begin = self.begin().map(|begun, session: &mut Self, _| {
                if let Err(error) = begun {
                    session.answer_starters(&Err(error));
                }
            });
            ctx.wait(begin);
        } else {
            let ends = self.core.is_ending() || self.unread_end;
            let step = if ends {
                self.core.start_after_the_end(now())
            } else {
                self.core.start_earlier(now())
            };
            let committing = self.commit(step).map(|committed, _, _| {
                let _told = told.send(committed);
            });
            ctx.wait(committing);
        }
        Box::pin(async move {
            heard.await.unwrap_or_else(|_gone| {
                Err(Error::unavailable(
                    "restarting",
                    "the session is being restarted",
                ))
            })
        })
    }
}

impl Handler<Pause> for SessionActor {
    type Result = AtomicResponse<Self, Result<Paused>>;

    fn handle(&mut self, pause: Pause, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Pause");
        if self.asleep {
            let away = async { Err(super::moved()) };
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(away)));
        }
        let mut step = self.core.pause(now());
        let running = self.core.session.facts.turn.is_some();
        if pause.interrupt == Interrupt::Now && running {
            let (more, _task) = self.core.interrupt(now());
            step.events.extend(more.events);
            step.changes.extend(more.changes);
            step.effects.extend(more.effects);
        }
        let how = if running {
            Paused::AfterTurn
        } else {
            Paused::Now
        };
        AtomicResponse::new(Box::pin(
            self.commit(step)
                .map(move |committed, _, _| committed.map(|()| how)),
        ))
    }
}

impl Handler<Resume> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, _resume: Resume, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Resume");
        if self.asleep {
            let away = async { Err(super::moved()) };
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(away)));
        }
        let step = self.core.resume(now());
        AtomicResponse::new(self.commit(step))
    }
}

impl Handler<InterruptTurn> for SessionActor {
    type Result = AtomicResponse<Self, Result<TaskId>>;

    fn handle(&mut self, _message: InterruptTurn, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.InterruptTurn");
        let (step, task) = self.core.interrupt(now());
        let committing = self.commit(step);
        AtomicResponse::new(Box::pin(committing.map(move |committed, _, _| {
            committed?;
            task.ok_or_else(|| Error::conflict("no_turn", "no turn is running"))
        })))
    }
}

impl Handler<Halt> for SessionActor {
    type Result = AtomicResponse<Self, Result<Halting>>;

    fn handle(&mut self, halt: Halt, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Halt");
        crash::point("session_wedge");
        let (step, ends) = self.core.halt(halt.force, &halt.by, now());
        let halting = Halting {
            ends,
            incarnation: self.core.session.facts.incarnation,
        };
        AtomicResponse::new(Box::pin(
            self.commit(step)
                .map(move |committed, _, _| committed.map(|()| halting)),
        ))
    }
}

impl Handler<Complete> for SessionActor {
    type Result = AtomicResponse<Self, Result<Completion>>;

    fn handle(&mut self, complete: Complete, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Complete");
        if self.asleep {
            let away = async { Err(super::moved()) };
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(away)));
        }
        let step = self
            .core
            .complete(complete.completion, complete.verdicts, now());
        let committing = self.commit(step);
        AtomicResponse::new(Box::pin(committing.map(
            |committed, session: &mut Self, _| {
                committed?;
                let stands = session.core.session.facts.completed.clone();
                // A prompt may have reopened it meanwhile.
                stands.ok_or_else(|| Error::conflict("reopened", "the session goes on"))
            },
        )))
    }
}

impl Handler<Reopen> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, reopen: Reopen, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Reopen");
        if self.asleep {
            let away = async { Err(super::moved()) };
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(away)));
        }
        let (step, open) = self.core.reopen(reopen.shown, &reopen.by, now());
        let committing = self.commit(step);
        AtomicResponse::new(Box::pin(committing.map(move |committed, _, _| {
            committed?;
            let text = "only a mission that has come to an end can be opened again";
            open.then_some(())
                .ok_or_else(|| Error::conflict("invalid_state", text))
        })))
    }
}

impl Handler<Reset> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, reset: Reset, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Reset");
        if self.asleep {
            let away = async { Err(super::moved()) };
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(away)));
        }
        let step = self.core.reset(&reset.by, now());
        AtomicResponse::new(self.commit(step))
    }
}

impl Handler<Archive> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, _archive: Archive, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Archive");
        self.readers.close();
        let step = self.core.archive(now());
        let committing = self.commit(step);
        AtomicResponse::new(Box::pin(committing.map(
            |committed, session: &mut Self, _| {
                session.settle_answers();
                committed
            },
        )))
    }
}

impl Handler<Respond> for SessionActor {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, respond: Respond, ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Respond");
        if self.asleep {
            return Box::pin(async { Err(super::moved()) });
        }
        let Answer {
            approval,
            approved,
            response,
            remember,
            by,
        } = respond.answer;
        let to = if approved {
            ApprovalState::Approved
        } else {
            ApprovalState::Denied
        };
        let (told, heard) = oneshot::channel();
        self.respond(
            Resolution {
                id: approval,
                to,
                by,
                response,
                remember,
            },
            Some(told),
            ctx,
        );
        Box::pin(async move {
            heard.await.unwrap_or_else(|_gone| {
                Err(Error::unavailable(
                    "restarting",
                    "the session is being restarted",
                ))
            })
        })
    }
}
