//! Prompting a session, ending its turn, and its queue.
//!
//! Never an answer before the prompt is durable.

use serde_json::{Value, json};

use super::sessions::which;
use crate::api::feathers::call::Call;
use crate::api::feathers::wire::task as wire;
use crate::api::shared::Fields;
use crate::app::{App, MessageRequest, TaskView, WhenBusy};
use crate::domain::{
    Error, PermissionMode, Principal, Result, SessionId, Status, TaskState, Tuning,
};

/// Gives a prompt to a session: it runs, or waits for its turn.
///
/// # Errors
/// Those of a message.
pub async fn prompt(app: &App, who: &Principal, id: &str, call: &Call) -> Result<Value> {
    let id = which(app, who, id).await?;
    let body = Fields::of(&call.data)?;
    let words = body.required_text(&["prompt"])?;
    let streaming = body.flag("stream")?.unwrap_or(true);
    let mode = body.text(&["permissionMode", "permission_mode"])?;
    if let Some(mode) = mode {
        let tuning = Tuning {
            permission_mode: Some(PermissionMode::parse(&mode)?),
            model: None,
        };
        app.tune(who, id, tuning).await?;
    }
    let message = MessageRequest {
        metadata: body.object("metadata")?,
        key: call.key.clone(),
        ..MessageRequest::new(words, WhenBusy::Queue)
    };
    let placed = app.message(who, id, message).await;
    let placed = placed.map_err(|error| error.in_words(&[("message", "prompt")]))?;
    let mut view = app.task(who, id, placed.task).await?;
    let queued = placed.queued && waits(app, who, id, &view).await?;
    if !queued {
        // It is on its way; its row says so a moment later.
        view.position = None;
    }
    Ok(wire::prompted(&view, queued, streaming))
}

/// Whether something is before the prompt: other work, or what holds the session. That its program
/// still starts is neither.
async fn waits(app: &App, who: &Principal, id: SessionId, view: &TaskView) -> Result<bool> {
    if view.task.state != TaskState::Queued {
        return Ok(false);
    }
    let queue = app.queue(who, id).await?;
    if let Some(current) = &queue.current {
        return Ok(current.id != view.task.id);
    }
    let behind = view.position.is_some_and(|place| place > 1);
    let free = matches!(
        queue.session.status,
        Status::Created | Status::Starting | Status::Idle | Status::Stopped | Status::Completed
    );
    Ok(behind || !free)
}

/// Ends the running turn; what waits runs behind it.
///
/// # Errors
/// `not_found`, `forbidden`.
pub async fn stop(app: &App, who: &Principal, id: &str, call: &Call) -> Result<Value> {
    let id = which(app, who, id).await?;
    Fields::of(&call.data)?.text(&["reason"])?;
    match app.interrupt(who, id).await {
        Ok(task) => Ok(json!({"success": true, "status": "idle", "taskId": task})),
        Err(Error::Conflict {
            code: "no_turn",
            message,
        }) => Ok(json!({"success": false, "reason": message})),
        Err(error) => Err(error),
    }
}

/// What waits, in its order.
///
/// # Errors
/// `not_found`.
pub async fn queue(app: &App, who: &Principal, id: &str, _: &Call) -> Result<Value> {
    let id = which(app, who, id).await?;
    let queue = app.queue(who, id).await?;
    let cut = &queue.waiting.cut;
    let waiting = queue.waiting.tasks.iter().zip(1_usize..);
    let data: Vec<Value> = waiting
        .map(|(task, place)| {
            wire::task(&TaskView {
                session: queue.session.clone(),
                task: task.clone(),
                position: Some(place),
                cut: cut.contains(&task.id),
            })
        })
        .collect();
    Ok(json!({"total": data.len(), "data": data}))
}
