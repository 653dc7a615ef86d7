//! The queue of one session: accepts prompts durably, keeps their order, and offers the next one
//! when the session is ready.
//!
//! Never holds a task that is not a row, and never offers two at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::prelude::*;

use crate::domain::{Error, LimitKind, Result, SessionId, Task, TaskId, UserId};
use crate::secrets::Redactor;
use crate::store::{self, StoreError};
use crate::supervision::{Exit, Lifeline, Stop};

use super::context::Shared;
use super::edge::tell;
use super::facade::{AcceptRequest, Accepted, WhenBusy};
use super::session::{Offer, SessionActor, Wanted};
use super::{prompts, redaction};
use crate::crash;

/// While the rows cannot be read: how often they are tried, and the pause before each.
const TRIES: u32 = 60;
const AGAIN: Duration = Duration::from_millis(500);

/// Accept this prompt; durable when answered.
#[derive(Message)]
#[rtype(result = "Result<Enqueued>")]
pub(super) struct Enqueue(pub AcceptRequest);

/// The answer to [`Enqueue`].
pub(super) enum Enqueued {
    /// It is a row now.
    Accepted(Accepted),
    /// This queue is going to sleep: wake the session and ask again.
    Moved,
}

/// Whether the session can take a turn now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It can.
    Ready,
    /// A turn runs.
    InTurn,
    /// Something else holds it: no process, a pause, an open question.
    Held,
    /// The session has reached a hard stop: nothing new is accepted.
    Spent(LimitKind),
}

/// How the session stands now; what was on offer is taken or refused with it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stand(pub Readiness);

/// The rows changed under the queue: read them again.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Reload;

/// May the session sleep? Answers no while a task waits; after a yes nothing is accepted.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct Quiesce;

/// A change to the waiting tasks.
#[derive(Message)]
#[rtype(result = "Result<()>")]
pub(super) enum Edit {
    /// New words for a waiting task.
    Text(TaskId, String),
    /// Withdraw a waiting task.
    Cancel(TaskId),
    /// A new order; must be a permutation of the waiting ones.
    Order(Vec<TaskId>),
    /// Withdraw all of them.
    Clear,
}

/// See the module.
pub(super) struct Queue {
    shared: Arc<Shared>,
    id: SessionId,
    owner: UserId,
    session: Addr<SessionActor>,
    lifeline: Lifeline,
    redactor: Arc<Redactor>,
    waiting: VecDeque<Task>,
    stand: Readiness,
    /// A task that was offered and of which the session has not said yet what became of it. Its
    /// row still says `queued`.
    offered: Option<TaskId>,
    asleep: bool,
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
            waiting: waiting.into(),
            stand: Readiness::Held,
            offered: None,
            asleep: false,
        })
    }

    /// Takes the rows as the order, without the task that is on offer.
    fn take(&mut self, rows: Vec<Task>) {
        self.waiting = rows
            .into_iter()
            .filter(|task| Some(task.id) != self.offered)
            .collect();
    }

    /// Whether an edit names the task that is on offer: it is as good as running.
    fn touches_offer(&self, edit: &Edit) -> bool {
        match edit {
            Edit::Text(task, _) | Edit::Cancel(task) => self.offered == Some(*task),
            Edit::Order(_) | Edit::Clear => false,
        }
    }

    /// Why a new prompt is not taken now: a hard stop, or its sender does not want it to wait.
    fn refusal(&self, when_busy: WhenBusy) -> Option<Error> {
        if let Readiness::Spent(limit) = self.stand {
            return Some(limit.refusal());
        }
        let working = self.stand == Readiness::InTurn || self.offered.is_some();
        let refuses = when_busy == WhenBusy::Refuse && (working || !self.waiting.is_empty());
        refuses.then(|| {
            let words = "the agent is busy; it takes queued messages with ?queue=true";
            Error::conflict("agent_busy", words)
        })
    }

    fn busy(&self) -> bool {
        self.stand != Readiness::Ready || self.offered.is_some() || !self.waiting.is_empty()
    }

    /// Hands the first waiting task to a ready session; asks one that is not ready to become so.
    fn offer(&mut self, person: Asked) {
        let depth = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let newest = self.waiting.iter().map(|task| task.created_at).max();
        if self.stand != Readiness::Ready || self.offered.is_some() {
            let by_person = person == Asked::ByPerson;
            tell(
                &self.session,
                Wanted {
                    depth,
                    newest,
                    by_person,
                },
            );
            return;
        }
        if let Some(task) = self.waiting.pop_front() {
            self.offered = Some(task.id);
            let depth = depth.saturating_sub(1);
            tell(&self.session, Offer { task, depth });
        }
    }

    fn reload(&mut self, then: Asked) -> ResponseActFuture<Self, Result<()>> {
        let shared = Arc::clone(&self.shared);
        let id = self.id;
        let read = async move { waiting_in_time(&shared, id).await };
        Box::pin(wrap_future::<_, Self>(read).map(move |rows, queue, _ctx| {
            queue.take(rows?);
            queue.offer(then);
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
    let rows = shared
        .store
        .read(move |conn| store::tasks::waiting(conn, id))
        .await?;
    prompts::sendable(shared, rows).await
}

/// The same, over a while in which the rows cannot be read: what waits is known for sure, or the
/// queue must start again.
async fn waiting_in_time(shared: &Shared, id: SessionId) -> Result<Vec<Task>> {
    for _try in 0..TRIES {
        match waiting(shared, id).await {
            Err(Error::Unavailable { .. }) => tokio::time::sleep(AGAIN).await,
            known => return known,
        }
    }
    waiting(shared, id).await
}

impl Actor for Queue {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crash::point("queue.started");
        self.lifeline.tether().hold(ctx, |_, ctx| ctx.stop());
        if !self.waiting.is_empty() {
            self.offer(Asked::ByItself);
        }
    }
}

impl Handler<Enqueue> for Queue {
    type Result = AtomicResponse<Self, Result<Enqueued>>;

    fn handle(&mut self, message: Enqueue, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("queue.Enqueue");
        if self.asleep {
            return AtomicResponse::new(Box::pin(async { Ok(Enqueued::Moved) }.into_actor(self)));
        }
        let AcceptRequest {
            prompt,
            key,
            when_busy,
        } = message.0;
        let busy = self.busy();
        let refused = self.refusal(when_busy);
        let (shared, limit) = (
            Arc::clone(&self.shared),
            self.shared.config.limits.waiting_tasks,
        );
        let (id, owner, offered) = (self.id, self.owner, self.offered);
        let redactor = Arc::clone(&self.redactor);
        let write = async move {
            crash::point("queue_before_accept");
            let task = TaskId::generate();
            let (prompt, said) = prompts::kept(&shared, &redactor, task, prompt)?;
            let (accepted, waiting) = shared
                .store
                .write(move |conn| {
                    let new = store::tasks::NewTask {
                        id: task,
                        session: id,
                        owner,
                        prompt: &prompt,
                        said: said.as_deref(),
                        created_at: super::clock::now(),
                        busy,
                        offered,
                        refused,
                    };
                    let accepted = store::tasks::accept(conn, &new, limit, key.as_ref())?;
                    let waiting = store::tasks::waiting(conn, id)?;
                    Ok::<_, StoreError>((accepted, waiting))
                })
                .await?;
            crash::point("queue_after_accept");
            Ok((accepted, prompts::sendable(&shared, waiting).await?))
        };
        AtomicResponse::new(Box::pin(wrap_future::<_, Self>(write).map(
            |written: Result<_>, queue, _ctx| {
                let (accepted, waiting) = written?;
                if !accepted.replayed {
                    queue.take(waiting);
                    queue.offer(Asked::ByPerson);
                } else if !queue.waiting.is_empty() {
                    queue.offer(Asked::ByItself);
                }
                Ok(Enqueued::Accepted(Accepted {
                    placement: accepted.placement,
                    replayed: accepted.replayed,
                }))
            },
        )))
    }
}

impl Handler<Stand> for Queue {
    type Result = ();

    fn handle(&mut self, message: Stand, _ctx: &mut Self::Context) {
        crash::point("queue.Stand");
        self.stand = message.0;
        self.offered = None;
        if self.stand == Readiness::Ready && !self.waiting.is_empty() {
            self.offer(Asked::ByItself);
        }
    }
}

impl Handler<Reload> for Queue {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _message: Reload, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("queue.Reload");
        let read = self.reload(Asked::ByItself);
        AtomicResponse::new(Box::pin(read.map(|result, queue: &mut Self, ctx| {
            if let Err(error) = result {
                queue.lifeline.record(Exit::Failed(error.to_string()));
                ctx.stop();
            }
        })))
    }
}

impl Handler<Quiesce> for Queue {
    type Result = bool;

    fn handle(&mut self, _message: Quiesce, _ctx: &mut Self::Context) -> bool {
        crash::point("queue.Quiesce");
        self.asleep = self.waiting.is_empty() && self.offered.is_none();
        self.asleep
    }
}

impl Handler<Edit> for Queue {
    type Result = AtomicResponse<Self, Result<()>>;

    fn handle(&mut self, edit: Edit, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("queue.Edit");
        if self.touches_offer(&edit) {
            let refusal = Error::conflict("invalid_state", "the task does not wait any more");
            return AtomicResponse::new(Box::pin(async { Err(refusal) }.into_actor(self)));
        }
        let (shared, id, at) = (Arc::clone(&self.shared), self.id, super::clock::now());
        let offered = self.offered;
        let redactor = Arc::clone(&self.redactor);
        let write = async move {
            let (edit, said) = prompts::edited(&shared, &redactor, edit)?;
            shared
                .store
                .write(move |conn| match edit {
                    Edit::Text(task, text) => {
                        store::tasks::edit(conn, task, &text, said.as_deref()).map(drop)
                    }
                    Edit::Cancel(task) => store::tasks::cancel(conn, task, at).map(|_| ()),
                    Edit::Order(order) => store::tasks::reorder(conn, id, &order),
                    Edit::Clear => {
                        for task in store::tasks::waiting(conn, id)? {
                            if Some(task.id) != offered {
                                store::tasks::cancel(conn, task.id, at)?;
                            }
                        }
                        Ok(())
                    }
                })
                .await?;
            Ok(())
        };
        AtomicResponse::new(Box::pin(wrap_future::<_, Self>(write).then(
            |written: Result<()>, queue, _ctx| match written {
                Ok(()) => queue.reload(Asked::ByItself),
                Err(error) => Box::pin(async move { Err(error) }.into_actor(queue)),
            },
        )))
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
