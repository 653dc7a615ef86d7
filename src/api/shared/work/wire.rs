//! Tasks, queues and accepted prompts as JSON, the same on every door.
//!
//! Never a value that is not in a row: what is not known is null or absent.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::shared::schema;
use crate::app::TaskView;
use crate::domain::{Placement, Session, SessionId, TaskId, Timestamp};

/// A task, with every door's spelling.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task<'a> {
    task_id: TaskId,
    id: TaskId,
    agent_id: SessionId,
    /// The group of the agent.
    session_id: SessionId,
    /// In few words.
    #[schema(schema_with = schema::task_status)]
    status: &'static str,
    /// Exactly.
    #[schema(schema_with = schema::task_state)]
    state: &'static str,
    /// The prompt.
    message: &'a str,
    /// Whether a list shows only the beginning of `message` and `text`; the task itself has all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    truncated: bool,
    /// How it ended: a word of `state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// What the agent answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// What the program says that it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a Value>,
    /// Its place among those that wait, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
    /// How often it was given to the agent.
    attempt: u32,
    /// Which process of the agent has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    incarnation: Option<u64>,
    #[schema(schema_with = schema::on_uncertain)]
    on_uncertain: &'static str,
    /// As it was sent, with known secrets in it covered: an object or null.
    metadata: &'a Value,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
}

/// Words a task.
pub fn task(view: &TaskView) -> Task<'_> {
    let mut worded = bare_task(&view.session, &view.task);
    worded.position = view.position;
    worded.truncated = view.cut;
    worded
}

/// Words a task without a place.
pub fn bare_task<'a>(session: &Session, task: &'a crate::domain::Task) -> Task<'a> {
    Task {
        task_id: task.id,
        id: task.id,
        agent_id: task.session,
        session_id: session.group,
        status: task.state.coarse(),
        state: task.state.name(),
        message: &task.prompt,
        truncated: false,
        outcome: task.state.ended().then(|| task.state.name()),
        reason: task.reason.as_deref(),
        text: task.text.as_deref(),
        usage: task.usage.as_ref(),
        position: None,
        attempt: task.attempt,
        incarnation: task.incarnation.map(|n| n.0),
        on_uncertain: task.on_uncertain.name(),
        metadata: &task.metadata,
        created_at: task.created_at.rfc3339(),
        started_at: task.started_at.map(Timestamp::rfc3339),
        ended_at: task.ended_at.map(Timestamp::rfc3339),
    }
}

/// Words a queue.
pub fn queue(queue: &crate::app::Queue) -> Value {
    let session = &queue.session;
    let place = |(index, task): (usize, _)| {
        let mut worded = bare_task(session, task);
        worded.truncated = queue.waiting.cut.contains(&worded.id);
        worded.position = index.checked_add(1);
        worded
    };
    let waiting: Vec<Task<'_>> = queue.waiting.tasks.iter().enumerate().map(place).collect();
    json!({
        "current": queue.current.as_ref().map(|task| bare_task(session, task)),
        "queue": waiting,
        "depth": queue.waiting.tasks.len(),
        "paused": session.facts.paused,
    })
}

/// The answer to an accepted prompt: a function of the placement alone, so that a repeated key
/// gets the same bytes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    task_id: TaskId,
    id: TaskId,
    /// `queued` or `running`.
    status: &'static str,
    queued: bool,
    /// The terminals' clients ask whether it went out at once.
    sent: bool,
    /// Its place among those that wait, from 1; 0 when it does not wait.
    position: u32,
    queue_depth: u32,
}

/// Words a placement.
pub fn accepted(placement: &Placement) -> Accepted {
    Accepted {
        task_id: placement.task,
        id: placement.task,
        status: if placement.queued {
            "queued"
        } else {
            "running"
        },
        queued: placement.queued,
        sent: !placement.queued,
        position: placement.position,
        queue_depth: placement.depth,
    }
}

/// What a creation answers: what was made, and where its first prompt landed.
pub fn created(mut made: Value, placement: Option<&Placement>) -> Value {
    if let (Some(all), Some(placement)) = (made.as_object_mut(), placement) {
        all.insert("taskId".into(), placement.task.to_string().into());
        all.insert("queued".into(), placement.queued.into());
        all.insert("position".into(), placement.position.into());
        all.insert("queueDepth".into(), placement.depth.into());
    }
    made
}
