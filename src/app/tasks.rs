//! Prompts and the tasks that are made of them.
//!
//! Never waits longer than a client may ask for.

use std::time::Duration;

use serde_json::Value;

use super::creation::metadata;
use super::{App, Page, PollPermit, WhenBusy, options};
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{
    Error, OnUncertain, Placement, Principal, Prompt, Result, Session, SessionId, Task, TaskId,
    TaskState,
};
use crate::runtime::AcceptRequest;
use crate::store::listed::{self, Listed};
use crate::store::{tasks, waiting};

/// A prompt as a client hands it in.
#[derive(Debug, Clone)]
pub struct MessageRequest {
    /// The words.
    pub text: String,
    /// What to do when nobody knows whether it was received.
    pub on_uncertain: OnUncertain,
    /// The client's own data.
    pub metadata: Value,
    /// The agent of the library that it is meant for; kept with the client's data.
    pub agent: Option<String>,
    /// What to do behind other work.
    pub when_busy: WhenBusy,
    /// The client's key.
    pub key: Option<IdempotencyKey>,
}

impl MessageRequest {
    /// A prompt with defaults.
    #[must_use]
    pub fn new(text: String, when_busy: WhenBusy) -> Self {
        Self {
            text,
            on_uncertain: OnUncertain::default(),
            metadata: Value::Null,
            agent: None,
            when_busy,
            key: None,
        }
    }
}

/// Which tasks to list.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Only with this status: a coarse or a core word.
    pub status: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// After so many.
    pub offset: usize,
}

/// A task as its session's readers see it.
#[derive(Debug, Clone)]
pub struct TaskView {
    /// Whose queue it is in.
    pub session: Session,
    /// The task.
    pub task: Task,
    /// Its place among the waiting ones, from 1, when it waits.
    pub position: Option<usize>,
    /// Whether only the beginning of its words is here: a list has room for so many.
    pub cut: bool,
}

/// The queue of an agent.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Whose.
    pub session: Session,
    /// The task that holds the running place.
    pub current: Option<Task>,
    /// The waiting ones in order.
    pub waiting: Listed,
}

impl App {
    /// Accepts a prompt; it is durable when this returns.
    ///
    /// # Errors
    /// `queue_full`, `too_large`, `idempotency_key_reused`, `agent_busy`, `draining`.
    pub async fn message(
        &self,
        who: &Principal,
        id: SessionId,
        request: MessageRequest,
    ) -> Result<Placement> {
        let session = self.writable(who, id).await?;
        self.refuse_new_work()?;
        let mut prompt = Prompt::new(request.text)?;
        prompt.on_uncertain = request.on_uncertain;
        prompt.metadata = with_agent(request.metadata, request.agent.as_deref())?;
        metadata(&prompt.metadata)?;
        let request = AcceptRequest {
            prompt,
            key: request.key,
            when_busy: request.when_busy,
        };
        let accepted = self.runtime().accept(&session, request).await?;
        Ok(accepted.placement)
    }

    /// One task.
    ///
    /// # Errors
    /// `not_found`; also for an ended one that retention has forgotten.
    pub async fn task(&self, who: &Principal, id: SessionId, task: TaskId) -> Result<TaskView> {
        let session = self.readable(who, id).await?;
        let found = self
            .store()
            .read(move |conn| {
                let Some(task) = tasks::by_id(conn, task)?.filter(|task| task.session == id) else {
                    return Ok(None);
                };
                let waiting = if task.state == TaskState::Queued {
                    waiting::order(conn, id)?
                } else {
                    Vec::new()
                };
                Ok(Some((place(&waiting, task.id), task)))
            })
            .await?;
        let (position, task) = found.ok_or_else(|| Error::not_found("task", task))?;
        Ok(TaskView {
            session,
            task,
            position,
            cut: false,
        })
    }

    /// One task, after waiting for its end; it may go on still.
    ///
    /// # Errors
    /// `not_found`, `too_many_polls`.
    pub async fn await_task(
        &self,
        who: &Principal,
        id: SessionId,
        task: TaskId,
        within: Duration,
    ) -> Result<TaskView> {
        let found = self.task(who, id, task).await?;
        if within.is_zero() || found.task.state.ended() {
            return Ok(found);
        }
        let permit = self.may_wait(who)?;
        self.await_end(who, (id, task), within, permit).await
    }

    /// The same with a permit that was taken before: what was accepted is not refused afterwards.
    ///
    /// # Errors
    /// `not_found`; `token_revoked` in the middle of the wait.
    pub async fn await_end(
        &self,
        who: &Principal,
        of: (SessionId, TaskId),
        within: Duration,
        _permit: PollPermit,
    ) -> Result<TaskView> {
        let (id, task) = of;
        let session = self.readable(who, id).await?;
        let mut drain = self.drain_signal();
        tokio::select! {
            ended = self.runtime().wait_task(&session, task, within) => {
                ended?;
            }
            gone = self.shut_out(who, id) => return Err(gone),
            _ = drain.wait_for(|draining| *draining) => {}
        }
        self.task(who, id, task).await
    }

    /// Tasks of an agent, newest first.
    ///
    /// # Errors
    /// `not_found`, `bad_field` for an unknown status.
    pub async fn tasks(
        &self,
        who: &Principal,
        id: SessionId,
        filter: TaskFilter,
    ) -> Result<Page<TaskView>> {
        let session = self.readable(who, id).await?;
        let states = match filter.status.as_deref() {
            Some(word) => states(word)?,
            None => Vec::new(),
        };
        let (limit, offset) = (filter.limit, filter.offset);
        let (rows, total, waiting) = self
            .store()
            .read(move |conn| {
                let (rows, total) = tasks::of_session(conn, id, &states, offset, limit)?;
                Ok((rows, total, waiting::order(conn, id)?))
            })
            .await?;
        let view = |task: Task| TaskView {
            session: session.clone(),
            position: place(&waiting, task.id),
            cut: rows.cut.contains(&task.id),
            task,
        };
        let items = rows.tasks.into_iter().map(view).collect();
        Ok(Page { items, total })
    }

    /// The queue of an agent.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn queue(&self, who: &Principal, id: SessionId) -> Result<Queue> {
        let session = self.readable(who, id).await?;
        let (current, waiting) = self
            .store()
            .read(move |conn| {
                let order = waiting::order(conn, id)?;
                Ok((tasks::current(conn, id)?, listed::read(conn, &order)?))
            })
            .await?;
        Ok(Queue {
            session,
            current,
            waiting,
        })
    }

    /// Changes the words of a waiting task.
    ///
    /// # Errors
    /// `not_found`, `invalid_state` when it does not wait any more, `too_large`.
    pub async fn edit_task(
        &self,
        who: &Principal,
        id: SessionId,
        task: TaskId,
        text: String,
    ) -> Result<TaskView> {
        self.own_task(who, id, task).await?;
        let prompt = Prompt::new(text)?;
        self.runtime().edit_task(id, task, prompt.text).await?;
        self.task(who, id, task).await
    }

    /// Withdraws a waiting task.
    ///
    /// # Errors
    /// `not_found`, `invalid_state` when it does not wait any more.
    pub async fn cancel_task(&self, who: &Principal, id: SessionId, task: TaskId) -> Result<()> {
        self.own_task(who, id, task).await?;
        self.runtime().cancel_task(id, task).await
    }

    /// Puts the waiting tasks into another order.
    ///
    /// # Errors
    /// `bad_order`.
    pub async fn reorder(
        &self,
        who: &Principal,
        id: SessionId,
        order: Vec<TaskId>,
    ) -> Result<Queue> {
        self.writable(who, id).await?;
        self.runtime().reorder(id, order).await?;
        self.queue(who, id).await
    }

    async fn own_task(&self, who: &Principal, id: SessionId, task: TaskId) -> Result<()> {
        self.writable(who, id).await?;
        self.task(who, id, task).await.map(drop)
    }
}

/// The client's data with the agent that a prompt is meant for.
fn with_agent(metadata: Value, agent: Option<&str>) -> Result<Value> {
    let Some(name) = agent else {
        return Ok(metadata);
    };
    let name = options::agent(name)?;
    match metadata {
        Value::Object(mut own) => {
            own.insert("agent".into(), name.into());
            Ok(Value::Object(own))
        }
        Value::Null => Ok(serde_json::json!({"agent": name})),
        // Refused behind this.
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Ok(metadata),
    }
}

fn place(waiting: &[TaskId], id: TaskId) -> Option<usize> {
    let index = waiting.iter().position(|other| *other == id)?;
    index.checked_add(1)
}

/// `queued`, `running` and `failed` are coarse words; the rest name one state.
fn states(word: &str) -> Result<Vec<TaskState>> {
    let coarse = TaskState::ALL.into_iter().filter(|s| s.coarse() == word);
    let mut found: Vec<TaskState> = coarse.collect();
    if found.is_empty() {
        found.extend(TaskState::parse(word));
    }
    if found.is_empty() {
        return Err(Error::invalid(
            "bad_field",
            "status",
            "the status is not known",
            "queued, running, completed, failed, stopped, interrupted or uncertain",
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_of_tasks_are_coarse_first() {
        assert_eq!(states("running").unwrap().len(), 4);
        assert_eq!(
            states("failed").unwrap(),
            [TaskState::Failed, TaskState::TimedOut]
        );
        assert_eq!(states("timed_out").unwrap(), [TaskState::TimedOut]);
        assert!(states("lost").is_err());
    }
}
