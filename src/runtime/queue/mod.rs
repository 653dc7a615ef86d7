//! The queue of one session: accepts prompts durably, keeps their order, and offers the next one
//! when the session is ready.
//!
//! Never holds a task that is not a row, and holds the words of a prompt sealed until it is offered.

mod accept;
mod edits;
mod line;

use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::prelude::*;

use crate::domain::{Error, Result, SessionId, Task, TaskId, Timestamp, UserId};
use crate::store::{self, StoreError};
use crate::supervision::{Exit, Lifeline, Stop};

use super::context::Shared;
use super::edge::tell;
use super::session::{Offer, SessionActor, Wanted};
use super::{prompts, redaction};
use crate::crash;
pub(super) use accept::{Enqueue, Enqueued};
pub(super) use edits::Edit;
use line::Line;
pub(super) use line::Readiness;

/// Reason of a waiting task whose words cannot be opened: it is withdrawn.
pub(super) const WORDS_LOST: &str = "words_lost";

/// While the rows cannot be read: how often they are tried, and the pause before each.
const TRIES: u32 = 60;
const AGAIN: Duration = Duration::from_millis(500);

/// How the session stands now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stand(pub Readiness);

/// The session has taken this task, which was offered, or gives it back.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Answered(pub TaskId);

/// The rows changed under the queue: read them again.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Reload;

/// May the session sleep? Answers no while a task waits; after a yes nothing is accepted.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct Quiesce;

/// See the module.
pub(super) struct Queue {
    shared: Arc<Shared>,
    id: SessionId,
    owner: UserId,
    session: Addr<SessionActor>,
    lifeline: Lifeline,
    redactor: Arc<redaction::Cover>,
    line: Line,
}

impl Queue {
    pub(super) async fn load(
        shared: Arc<Shared>,
        (id, owner): (SessionId, UserId),
        session: Addr<SessionActor>,
        lifeline: Lifeline,
    ) -> Result<Self> {
        let redactor = redaction::of_session(&shared, id).await?;
        let waiting = waiting(&shared, id).await?;
        Ok(Self {
            redactor,
            shared,
            id,
            owner,
            session,
            lifeline,
            line: Line::new(waiting),
        })
    }

    /// Hands the first waiting task to a ready session; asks one that is not ready to become so.
    fn offer(&mut self, person: Asked, ctx: &mut Context<Self>) {
        if !self.line.is_free() {
            let wanted = Wanted {
                depth: self.line.depth(),
                newest: self.line.newest(),
                by_person: person == Asked::ByPerson,
            };
            tell(&self.session, wanted);
            return;
        }
        let mut lost = false;
        while let Some(mut task) = self.line.next() {
            if prompts::open(&self.shared, &mut task) {
                let depth = self.line.depth();
                tell(&self.session, Offer { task, depth });
                return;
            }
            self.line.answered(task.id);
            self.withdraw(task.id, ctx);
            lost = true;
        }
        if lost {
            // None is left: nothing goes out that would say so.
            let nothing = Wanted {
                depth: 0,
                newest: None,
                by_person: false,
            };
            tell(&self.session, nothing);
        }
    }

    /// Offers the next task, if one waits for just that.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if self.line.is_free() && !self.line.is_empty() {
            self.offer(Asked::ByItself, ctx);
        }
    }

    /// Ends a task whose words nothing opens: what is shown of them is not what was said.
    fn withdraw(&mut self, task: TaskId, ctx: &mut Context<Self>) {
        let (shared, at) = (Arc::clone(&self.shared), super::clock::now());
        let write = async move { in_time(|| ended(&shared, task, at)).await };
        ctx.wait(wrap_future::<_, Self>(write).map(Self::or_fail));
    }

    /// Who does not know what waits must start again.
    fn or_fail(result: Result<()>, queue: &mut Self, ctx: &mut Context<Self>) {
        if let Err(error) = result {
            queue.lifeline.record(Exit::Failed(error.to_string()));
            ctx.stop();
        }
    }

    fn reload(&mut self, then: Asked) -> ResponseActFuture<Self, Result<()>> {
        let shared = Arc::clone(&self.shared);
        let id = self.id;
        let read = async move { in_time(|| waiting(&shared, id)).await };
        Box::pin(wrap_future::<_, Self>(read).map(move |rows, queue, ctx| {
            queue.line.take(rows?);
            queue.offer(then, ctx);
            Ok(())
        }))
    }
}

/// Whether a person asked for it or the machinery goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByPerson,
    ByItself,
}

async fn waiting(shared: &Shared, id: SessionId) -> Result<Vec<Task>> {
    let rows = move |conn: &mut store::Connection| store::tasks::waiting(conn, id);
    Ok(shared.store.read(rows).await?)
}

async fn ended(shared: &Shared, task: TaskId, at: Timestamp) -> Result<()> {
    let end = move |conn: &mut store::Connection| {
        match store::tasks::withdraw(conn, task, WORDS_LOST, at) {
            // Somebody else was quicker.
            Err(StoreError::NotFound | StoreError::Domain(Error::Conflict { .. })) => Ok(()),
            done => done.map(drop),
        }
    };
    Ok(shared.store.write(end).await?)
}

/// Tries over a while in which there are no rows to be had: what waits is known for sure, or the
/// queue must start again.
async fn in_time<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> Result<T> {
    for _try in 0..TRIES {
        match ask().await {
            Err(Error::Unavailable { .. }) => tokio::time::sleep(AGAIN).await,
            known => return known,
        }
    }
    ask().await
}

impl Actor for Queue {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crash::point("queue.started");
        self.lifeline.tether().hold(ctx, |_, ctx| ctx.stop());
        if !self.line.is_empty() {
            self.offer(Asked::ByItself, ctx);
        }
    }
}

impl Handler<Stand> for Queue {
    type Result = ();

    fn handle(&mut self, message: Stand, ctx: &mut Self::Context) {
        crash::point("queue.Stand");
        self.line.stands(message.0);
        self.go_on(ctx);
    }
}

impl Handler<Answered> for Queue {
    type Result = ();

    fn handle(&mut self, message: Answered, ctx: &mut Self::Context) {
        crash::point("queue.Answered");
        self.line.answered(message.0);
        self.go_on(ctx);
    }
}

impl Handler<Reload> for Queue {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _message: Reload, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("queue.Reload");
        let read = self.reload(Asked::ByItself);
        AtomicResponse::new(Box::pin(read.map(Self::or_fail)))
    }
}

impl Handler<Quiesce> for Queue {
    type Result = bool;

    fn handle(&mut self, _message: Quiesce, _ctx: &mut Self::Context) -> bool {
        crash::point("queue.Quiesce");
        self.line.sleep()
    }
}

impl Handler<Stop> for Queue {
    type Result = ();

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        crash::point("queue.Stop");
        self.lifeline.record(Exit::Shutdown);
        ctx.stop();
    }
}
