//! Changes to tasks that wait.
//!
//! Never touches a task that is on offer.

use std::sync::Arc;

use actix::fut::wrap_future;
use actix::prelude::*;

use super::super::prompts;
use super::{Asked, Queue};
use crate::crash;
use crate::domain::{Error, Result, TaskId};
use crate::store;

/// A change to the waiting tasks.
#[derive(Message)]
#[rtype(result = "Result<()>")]
pub(in crate::runtime) enum Edit {
    /// New words for a waiting task.
    Text(TaskId, String),
    /// Withdraw a waiting task.
    Cancel(TaskId),
    /// A new order; must be a permutation of the waiting ones.
    Order(Vec<TaskId>),
    /// Withdraw all of them.
    Clear,
}

impl Queue {
    /// Whether an edit names the task that is on offer: it is as good as running.
    fn touches_offer(&self, edit: &Edit) -> bool {
        match edit {
            Edit::Text(task, _) | Edit::Cancel(task) => self.line.offered() == Some(*task),
            Edit::Order(_) | Edit::Clear => false,
        }
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
        let (shared, id, at) = (
            Arc::clone(&self.shared),
            self.id,
            super::super::clock::now(),
        );
        let offered = self.line.offered();
        let redactor = self.redactor.now();
        let write = async move {
            let (edit, exact) = prompts::edited(&shared, &redactor, edit)?;
            shared
                .store
                .write(move |conn| match edit {
                    Edit::Text(task, text) => {
                        store::tasks::edit(conn, task, &text, &exact).map(drop)
                    }
                    Edit::Cancel(task) => store::tasks::cancel(conn, task, at).map(|_| ()),
                    Edit::Order(order) => store::tasks::reorder(conn, id, &order),
                    Edit::Clear => {
                        for task in store::waiting::order(conn, id)? {
                            if Some(task) != offered {
                                store::tasks::cancel(conn, task, at)?;
                            }
                        }
                        Ok(())
                    }
                })
                .await?;
            Ok(())
        };
        AtomicResponse::new(Box::pin(wrap_future::<_, Self>(write).then(
            |written: Result<()>, queue, _ctx| -> ResponseActFuture<Self, Result<()>> {
                match written {
                    Ok(()) => {
                        let read = queue.reload(Asked::ByItself);
                        Box::pin(read.map(|read: Result<()>, queue: &mut Self, ctx| {
                            // What it knows is not what was written.
                            Self::or_fail(read.clone(), queue, ctx);
                            read
                        }))
                    }
                    Err(error) => Box::pin(async move { Err(error) }.into_actor(queue)),
                }
            },
        )))
    }
}
