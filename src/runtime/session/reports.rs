//! What a session is told by its agent's actor: a program that runs, what it says, its end.
//!
//! Never asks back: a report is taken as it is, or belongs to an earlier process and is dropped.

use actix::fut::wrap_future;
use actix::prelude::*;

use crate::crash;
use crate::domain::Error;
use crate::drivers::driver;

use super::super::clock::now;
use super::messages::{CaughtUp, Decode, Exited, LaunchFailed, Launched, PromptLost};
use super::turn::Decoded;
use super::{Answering, Result, SessionActor};

impl Handler<Launched> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, launched: Launched, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Launched");
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
        crash::point("session.LaunchFailed");
        self.launch = None;
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
        crash::point("session.CaughtUp");
        if message.incarnation != self.core.session.facts.incarnation {
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(async { Ok(()) })));
        }
        let step = self.core.caught_up(message.pid, message.turn, now());
        AtomicResponse::new(Box::pin(self.commit(step).map(
            |committed, session: &mut Self, _| {
                // The agent's actor that began the start may have died before it could say so.
                session.answer_starters(&committed);
                committed
            },
        )))
    }
}

impl Handler<Decode> for SessionActor {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, decode: Decode, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Decode");
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
            progress,
            outputs,
            pieces,
            ..
        } = decode;
        let step = self.core.output(
            Decoded {
                progress,
                outputs,
                pieces,
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
        crash::point("session.Exited");
        if exited.incarnation != self.core.session.facts.incarnation {
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(async { Ok(()) })));
        }
        self.unread_end = false;
        let mut ending = exited.ending;
        let driver = driver(self.core.session.kind);
        ending.told = driver.exit_reason(ending.code, &ending.stderr_tail);
        let step = self.core.exited(ending, exited.handed_over, now());
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
        crash::point("session.PromptLost");
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
