//! What people do about what waits: tasks in a queue, and open questions.
//!
//! Never touches a task that has left the queue.

use crate::domain::{Result, SessionId, TaskId};

use super::super::facade::Answer;
use super::super::queue::Edit;
use super::super::session::Respond;
use super::{Runtime, ask};

impl Runtime {
    /// Answers a question. The answer is committed before the agent gets it.
    ///
    /// # Errors
    /// `already_resolved` when another answer, its expiry or the end of its process came first.
    pub async fn answer(&self, id: SessionId, answer: Answer) -> Result<()> {
        let respond = || Respond {
            answer: answer.clone(),
        };
        self.ask_session(id, respond).await
    }

    /// Changes the words of a waiting task.
    ///
    /// # Errors
    /// `invalid_state` when it does not wait any more.
    pub async fn edit_task(&self, id: SessionId, task: TaskId, text: String) -> Result<()> {
        let handles = self.wake(id).await?;
        ask(&handles.queue, Edit::Text(task, text)).await?
    }

    /// Withdraws a waiting task.
    ///
    /// # Errors
    /// `invalid_state` when it does not wait any more.
    pub async fn cancel_task(&self, id: SessionId, task: TaskId) -> Result<()> {
        let handles = self.wake(id).await?;
        ask(&handles.queue, Edit::Cancel(task)).await?
    }

    /// Puts the waiting tasks into this order.
    ///
    /// # Errors
    /// `bad_order` when it is no permutation of the waiting tasks.
    pub async fn reorder(&self, id: SessionId, order: Vec<TaskId>) -> Result<()> {
        let handles = self.wake(id).await?;
        ask(&handles.queue, Edit::Order(order)).await?
    }
}
