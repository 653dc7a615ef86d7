//! What a session is told by its agent's actor: a program that runs, what it says, its end.
//!
//! Never asks back: a report is taken as it is, or belongs to an earlier process and is dropped.

use actix::fut::wrap_future;
use actix::prelude::*;

use crate::crash;
use crate::domain::{Error, Override};
use crate::drivers::driver;
use crate::store::overrides::Request;
use crate::store::{self, Store};

use super::super::clock::now;
use super::super::redaction;
use super::answering::Answering;
use super::exits::{OWNER_DELETED, WORKSPACE_GONE};
use super::messages::{CaughtUp, Decode, Exited, LaunchFailed, Launched, PromptLost};
use super::step::Cause;
use super::turn::Decoded;
use super::{Committing, Result, SessionActor};

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
                session.settle_answers();
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

    fn handle(&mut self, mut decode: Decode, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("session.Decode");
        if decode.progress.incarnation != self.core.session.facts.incarnation {
            let stale = Error::conflict("stale", "the output is of an earlier process");
            return AtomicResponse::new(Box::pin(wrap_future::<_, Self>(async { Err(stale) })));
        }
        redaction::of_outputs(&self.redactor.now(), &mut decode.outputs);
        let asked = self.core.requests(&decode.outputs);
        if asked.is_empty() {
            return AtomicResponse::new(self.take_in(decode));
        }
        // Read anew for every question: what another session or the list of overrides has changed
        // since holds here too.
        let read = overrides(self.shared.store.clone(), asked);
        AtomicResponse::new(Box::pin(wrap_future::<_, Self>(read).then(
            |found, session, _ctx| {
                session.core.overrides = found;
                session.take_in(decode)
            },
        )))
    }
}

impl SessionActor {
    /// Commits what the codec made of bytes or a command.
    fn take_in(&mut self, decode: Decode) -> Committing {
        let Decode {
            progress,
            outputs,
            cause,
            pieces,
        } = decode;
        let answering = match cause {
            Some(Cause::Answer(id)) => self.answering.remove(&id),
            Some(Cause::Tuning(_)) | None => None,
        };
        let (answer, mut done) = match answering {
            Some(Answering { resolution, done }) => (Some(resolution), done),
            None => (None, None),
        };
        let mut step = self.core.output(
            Decoded {
                progress,
                outputs,
                pieces,
                answer,
            },
            now(),
        );
        if let Some(Cause::Tuning(number)) = cause {
            done = self.adjusted(number, &mut step);
        }
        Box::pin(self.commit(step).map(|committed, session: &mut Self, _| {
            if let Some(done) = done {
                let _told = done.send(committed.clone());
            }
            session.settle_answers();
            committed
        }))
    }
}

/// The overrides for these requests. When they cannot be read, people are asked.
async fn overrides(store: Store, asked: Vec<Request>) -> Vec<Override> {
    let read = store.read(move |conn| {
        let mut found = Vec::new();
        for request in &asked {
            found.extend(store::overrides::matching(conn, request)?);
        }
        Ok(found)
    });
    read.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "remembered answers cannot be read; a person is asked");
        Vec::new()
    })
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
        OWNER_DELETED => return Error::conflict(OWNER_DELETED, text),
        WORKSPACE_GONE => return Error::conflict(WORKSPACE_GONE, text),
        _ => return Error::unavailable("spawn_failed", text),
    };
    Error::invalid(
        code,
        field,
        text,
        "a program that is installed, and a directory that exists",
    )
}
