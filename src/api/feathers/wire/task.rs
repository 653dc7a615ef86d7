//! A task's record, and what a prompt is answered with.
//!
//! Never the exact words of a prompt that holds a secret.

use serde_json::{Map, Value, json};

use crate::app::TaskView;
use crate::domain::{Task, TaskState, Timestamp};

/// Characters of a prompt that describe it (contract/agor.md 4).
const DESCRIPTION: usize = 120;
/// What stands where nobody knows a commit.
const UNKNOWN: &str = "unknown";

/// Words a task.
#[must_use]
pub fn task(view: &TaskView) -> Value {
    let task = &view.task;
    let description: String = task.prompt.chars().take(DESCRIPTION).collect();
    let mut all = json!({
        "task_id": task.id,
        "session_id": task.session,
        "created_by": task.owner,
        "full_prompt": task.prompt,
        "description": description,
        "status": status(task.state),
        "detail": task.state.name(),
        "queue_position": view.position,
        "metadata": metadata(task),
        "git_state": {"ref_at_start": UNKNOWN, "sha_at_start": UNKNOWN},
        "created_at": task.created_at.rfc3339(),
        "started_at": task.started_at.map(Timestamp::rfc3339),
        "completed_at": task.ended_at.map(Timestamp::rfc3339),
        "duration_ms": duration(task),
        "model": view.session.model,
        "error_message": failure(task),
        "normalized_sdk_response": task.usage.as_ref().map(|usage| json!({"tokenUsage": usage})),
    });
    if let (true, Value::Object(all)) = (view.cut, &mut all) {
        all.insert("truncated".into(), true.into());
    }
    all
}

/// What a prompt is answered with: the task, and both spellings of where it landed (decisions.md 2);
/// `queued`: whether other work is before it.
#[must_use]
pub fn prompted(view: &TaskView, queued: bool, streaming: bool) -> Value {
    let mut all = task(view);
    let Value::Object(map) = &mut all else {
        return all;
    };
    map.insert("success".into(), true.into());
    map.insert("taskId".into(), json!(view.task.id));
    if queued {
        let message = json!({
            "message_id": view.task.id,
            "status": "queued",
            "session_id": view.task.session,
            "queue_position": view.position,
        });
        map.insert("queued".into(), true.into());
        map.insert("message".into(), message);
    } else {
        map.insert("streaming".into(), streaming.into());
    }
    all
}

/// The state in the words of the clients (decisions.md 3).
#[must_use]
pub fn status(state: TaskState) -> &'static str {
    match state {
        TaskState::Dispatching | TaskState::Running => "running",
        TaskState::AwaitingApproval => "awaiting_permission",
        TaskState::Interrupted | TaskState::Uncertain => "stopped",
        TaskState::Created
        | TaskState::Queued
        | TaskState::Stopping
        | TaskState::Completed
        | TaskState::Failed
        | TaskState::Stopped
        | TaskState::TimedOut => state.name(),
    }
}

/// The states that a word stands for.
#[must_use]
pub fn states(word: &str) -> Option<Vec<&'static str>> {
    let all = TaskState::ALL.into_iter();
    let all: Vec<_> = all.filter(|one| status(*one) == word).collect();
    (!all.is_empty()).then(|| all.into_iter().map(TaskState::name).collect())
}

/// The client's own data, and why it ended.
fn metadata(task: &Task) -> Value {
    let mut all = match &task.metadata {
        Value::Object(own) => own.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    if let Some(reason) = &task.reason {
        all.insert("reason".into(), reason.clone().into());
    }
    Value::Object(all)
}

fn duration(task: &Task) -> Option<i64> {
    let (started, ended) = (task.started_at?, task.ended_at?);
    Some(ended.0.saturating_sub(started.0))
}

fn failure(task: &Task) -> Option<&str> {
    let failed = matches!(task.state, TaskState::Failed | TaskState::TimedOut);
    failed.then_some(task.reason.as_deref()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_word_that_finds_it() {
        for one in TaskState::ALL {
            assert!(
                states(status(one)).unwrap().contains(&one.name()),
                "{one:?}"
            );
        }
        assert_eq!(states("asleep"), None);
    }
}
