//! How a prompt becomes a waiting task.
//!
//! Never answers before it is a row.

use std::sync::Arc;

use actix::fut::wrap_future;
use actix::prelude::*;

use super::super::facade::{AcceptRequest, Accepted};
use super::super::prompts;
use super::{Asked, Queue};
use crate::crash;
use crate::domain::{Result, Task, TaskId};
use crate::store::{self, StoreError};

/// Accept this prompt; durable when answered.
#[derive(Message)]
#[rtype(result = "Result<Enqueued>")]
pub(in crate::runtime) struct Enqueue(pub AcceptRequest);

/// The answer to [`Enqueue`].
pub(in crate::runtime) enum Enqueued {
    /// It is a row now.
    Accepted(Accepted),
    /// This queue is going to sleep: wake the session and ask again.
    Moved,
}

/// What an accepted prompt has made.
struct Written {
    accepted: store::tasks::Accepted,
    /// Its row; none of a repeated request.
    new: Option<Task>,
    /// All that waits now, in order.
    order: Vec<TaskId>,
}

impl Handler<Enqueue> for Queue {
    type Result = AtomicResponse<Self, Result<Enqueued>>;

    fn handle(&mut self, message: Enqueue, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("queue.Enqueue");
        if self.line.is_asleep() {
            return AtomicResponse::new(Box::pin(async { Ok(Enqueued::Moved) }.into_actor(self)));
        }
        let written = wrap_future::<_, Self>(self.write(message.0));
        AtomicResponse::new(Box::pin(written.then(
            |written, queue, ctx| -> ResponseActFuture<Self, Result<Enqueued>> {
                match written {
                    Ok(written) => queue.join(written, ctx),
                    Err(error) => Box::pin(async move { Err(error) }.into_actor(queue)),
                }
            },
        )))
    }
}

impl Queue {
    /// Makes a prompt a row, or finds what was made of it.
    fn write(&self, request: AcceptRequest) -> impl Future<Output = Result<Written>> + 'static {
        let AcceptRequest {
            prompt,
            key,
            when_busy,
        } = request;
        let (busy, refused) = (self.line.is_busy(), self.line.refusal(when_busy));
        let (shared, redactor) = (Arc::clone(&self.shared), self.redactor.now());
        let limit = shared.config.limits.waiting_tasks;
        let (id, owner, offered) = (self.id, self.owner, self.line.offered());
        async move {
            crash::point("queue_before_accept");
            let task = TaskId::generate();
            let (prompt, said) = prompts::kept(&shared, &redactor, task, prompt)?;
            let write = move |conn: &mut store::Connection| {
                let new = store::tasks::NewTask {
                    id: task,
                    session: id,
                    owner,
                    prompt: &prompt,
                    said: said.as_deref(),
                    created_at: super::super::clock::now(),
                    busy,
                    offered,
                    refused,
                };
                Ok::<_, StoreError>(Written {
                    accepted: store::tasks::accept(conn, &new, limit, key.as_ref())?,
                    new: store::tasks::by_id(conn, task)?,
                    order: store::waiting::order(conn, id)?,
                })
            };
            let written = shared.store.write(write).await?;
            crash::point("queue_after_accept");
            Ok(written)
        }
    }

    /// The new task takes its place behind the others.
    fn join(
        &mut self,
        Written {
            accepted,
            new,
            order,
        }: Written,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<Enqueued>> {
        let answer = Ok(Enqueued::Accepted(Accepted {
            placement: accepted.placement,
            replayed: accepted.replayed,
        }));
        let is_new = new.is_some();
        if new.is_some_and(|task| !self.line.join(task, &order)) {
            // Other rows than those that are known; what was accepted stands all the same.
            let read = self.reload(Asked::ByPerson).map(Self::or_fail);
            return Box::pin(read.map(|(), _, _| answer));
        }
        if is_new {
            self.offer(Asked::ByPerson, ctx);
        } else if !self.line.is_empty() {
            self.offer(Asked::ByItself, ctx);
        }
        Box::pin(async { answer }.into_actor(self))
    }
}
