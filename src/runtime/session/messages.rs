//! What a session is told: by its queue, by its agent's actor, and by people through the facade.
//!
//! Never decides: each handler makes one step of the [`core`](super::core) and commits it.

use actix::fut::wrap_future;
use actix::prelude::*;
use tokio::sync::oneshot;

use crate::domain::{
    ApprovalId, ApprovalState, Error, Incarnation, Progress, Result, Task, TaskId,
};
use crate::drivers::Output;

use super::super::agent::AgentActor;
use super::super::clock::now;
use super::super::crash;
use super::super::edge::tell;
use super::super::facade::{Answer, Force, Interrupt, Paused};
use super::super::queue::{Queue, Stand};
use super::process::Ending;
use super::questions::Resolution;
use super::turn::Decoded;
use super::{Answering, SessionActor};

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
    Wanted { depth: u32, /** A person just asked for it. */ by_person: bool } -> "()");
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
    Halt { force: Force, by: String } -> "Result<bool>");
message!(/// Take the session out of the lists.
    Archive {} -> "Result<()>");
message!(/// A person answers a question.
    Respond { answer: Answer } -> "Result<()>");
message!(/// The keeper runs the program.
    Launched { incarnation: Incarnation, pid: u32 } -> "Result<()>");
message!(/// The program could not be started.
    LaunchFailed { incarnation: Incarnation, code: String, text: String } -> "Result<()>");
message!(/// The log is decoded up to now.
    CaughtUp { incarnation: Incarnation, pid: u32, turn: Option<TaskId> } -> "Result<()>");
message!(/// What the codec made of bytes or a command. Answers after the commit.
    Decode { progress: Progress, outputs: Vec<Output>, approval: Option<ApprovalId> } -> "Result<()>");
message!(/// The process is gone and its log is decoded to the end.
    Exited { incarnation: Incarnation, ending: Ending, handed_over: bool } -> "Result<()>");
message!(/// The program's prompt does not come back.
    PromptLost { incarnation: Incarnation } -> "Result<()>");

impl Handler<Offer> for SessionActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, offer: Offer, _ctx: &mut Self::Context) -> Self::Result {
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
        self.core.session.facts.queued = wanted.depth;
        let committing = if self.agent.is_some()
            && self.core.may_start(wanted.by_person)
            && !self.core.session.facts.paused
        {
            if wanted.by_person {
                self.core.forgive();
            }
            self.begin()
        } else {
            self.commit(super::Step::default())
        };
        AtomicResponse::new(Box::pin(committing.map(|_committed, _, _| ())))
    }
}

impl Handler<QueueIs> for SessionActor {
    type Result = ();

    fn handle(&mut self, message: QueueIs, _ctx: &mut Self::Context) {
        tell(&message.queue, Stand(self.core.readiness()));
        self.queue = Some(message.queue);
    }
}

impl Handler<AgentIs> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, message: AgentIs, ctx: &mut Self::Context) -> Self::Result {
        self.agent = Some(message.agent);
        // Answers that were on their way through the old codec are asked for anew.
        self.answering.clear();
        AtomicResponse::new(self.settle(ctx))
    }
}

impl Handler<Start> for SessionActor {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _start: Start, ctx: &mut Self::Context) -> Self::Result {
        if !self.core.may_start(true) {
            self.core.session.facts.intent = crate::domain::status::Intent::Run;
            return Box::pin(async { Ok(()) });
        }
        let (told, heard) = oneshot::channel();
        self.starters.push(told);
        self.core.forgive();
        let begin = self.begin().map(|begun, session: &mut Self, _| {
            if let Err(error) = begun {
                session.answer_starters(&Err(error));
            }
        });
        ctx.wait(begin);
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
        let step = self.core.resume(now());
        AtomicResponse::new(self.commit(step))
    }
}

impl Handler<InterruptTurn> for SessionActor {
    type Result = AtomicResponse<Self, Result<TaskId>>;

    fn handle(&mut self, _message: InterruptTurn, _ctx: &mut Self::Context) -> Self::Result {
        let (step, task) = self.core.interrupt(now());
        let committing = self.commit(step);
        AtomicResponse::new(Box::pin(committing.map(move |committed, _, _| {
            committed?;
            task.ok_or_else(|| Error::conflict("no_turn", "no turn is running"))
        })))
    }
}

impl Handler<Halt> for SessionActor {
    type Result = AtomicResponse<Self, Result<bool>>;

    fn handle(&mut self, halt: Halt, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session_wedge");
        let (step, ends) = self.core.halt(halt.force, &halt.by, now());
        AtomicResponse::new(Box::pin(
            self.commit(step)
                .map(move |committed, _, _| committed.map(|()| ends)),
        ))
    }
}

impl Handler<Archive> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, _archive: Archive, _ctx: &mut Self::Context) -> Self::Result {
        let step = self.core.archive(now());
        AtomicResponse::new(self.commit(step))
    }
}

impl Handler<Respond> for SessionActor {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, respond: Respond, ctx: &mut Self::Context) -> Self::Result {
        let Answer {
            approval,
            approved,
            response,
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

impl Handler<Launched> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, launched: Launched, _ctx: &mut Self::Context) -> Self::Result {
        let step = self
            .core
            .launched(launched.incarnation, launched.pid, now());
        AtomicResponse::new(Box::pin(self.commit(step).map(
            |committed, session: &mut Self, _| {
                session.answer_starters(&committed);
                committed
            },
        )))
    }
}

impl Handler<LaunchFailed> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, failed: LaunchFailed, _ctx: &mut Self::Context) -> Self::Result {
        if failed.incarnation != self.core.session.facts.incarnation {
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(async { Ok(()) })));
        }
        let step = self.core.launch_failed(&failed.code, &failed.text, now());
        AtomicResponse::new(Box::pin(self.commit(step).map(
            move |committed, session: &mut Self, _| {
                session.answer_starters(&Err(refusal(&failed.code, failed.text)));
                committed
            },
        )))
    }
}

impl Handler<CaughtUp> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, message: CaughtUp, _ctx: &mut Self::Context) -> Self::Result {
        if message.incarnation != self.core.session.facts.incarnation {
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(async { Ok(()) })));
        }
        let step = self.core.caught_up(message.pid, message.turn, now());
        AtomicResponse::new(self.commit(step))
    }
}

impl Handler<Decode> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, decode: Decode, _ctx: &mut Self::Context) -> Self::Result {
        if decode.progress.incarnation != self.core.session.facts.incarnation {
            let stale = Error::conflict("stale", "the output is of an earlier process");
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(async { Err(stale) })));
        }
        let answering = decode.approval.and_then(|id| self.answering.remove(&id));
        let (answer, done) = match answering {
            Some(Answering { resolution, done }) => (Some(resolution), done),
            None => (None, None),
        };
        let Decode {
            progress, outputs, ..
        } = decode;
        let step = self.core.output(
            Decoded {
                progress,
                outputs,
                answer,
            },
            now(),
        );
        AtomicResponse::new(Box::pin(self.commit(step).map(
            |committed, session: &mut Self, _| {
                if let Some(done) = done {
                    let _told = done.send(committed.clone());
                }
                session.settle_answers();
                committed
            },
        )))
    }
}

impl Handler<Exited> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, exited: Exited, _ctx: &mut Self::Context) -> Self::Result {
        if exited.incarnation != self.core.session.facts.incarnation {
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(async { Ok(()) })));
        }
        self.unread_end = false;
        let step = self.core.exited(exited.ending, exited.handed_over, now());
        AtomicResponse::new(Box::pin(self.commit(step).map(
            |committed, session: &mut Self, _| {
                session.settle_answers();
                let gone =
                    Error::unavailable("process_ended", "the process ended while it was starting");
                session.answer_starters(&Err(gone));
                committed
            },
        )))
    }
}

impl Handler<PromptLost> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, lost: PromptLost, _ctx: &mut Self::Context) -> Self::Result {
        if lost.incarnation != self.core.session.facts.incarnation {
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(async { Ok(()) })));
        }
        let step = self.core.prompt_lost(now());
        AtomicResponse::new(self.commit(step))
    }
}

/// The refusal of a start as a person sees it.
fn refusal(code: &str, text: String) -> Error {
    let (code, field) = match code {
        "program_not_found" => ("program_not_found", "agentType"),
        "not_executable" => ("not_executable", "agentType"),
        "cwd_missing" => ("cwd_missing", "cwd"),
        "cwd_denied" => ("cwd_denied", "cwd"),
        _ => return Error::unavailable("spawn_failed", text),
    };
    Error::invalid(
        code,
        field,
        text,
        "a program that is installed, and a directory that exists",
    )
}
