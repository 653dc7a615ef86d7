//! What is answered to a client's frames.
//!
//! Never an answer to what another connection asked.

use serde_json::{Map, Value, json};

use super::Words;
use crate::api::live::dialect::{Refusal, Reply};
use crate::api::shared::answer::add_remembered;

pub(super) fn said(words: &Words, reply: &Reply) -> Value {
    let (mut frame, id) = match reply {
        // What clients of the bare format first see is the replay.
        Reply::Opened(_) if words.raw() => return Value::Null,
        Reply::Opened(opened) => (words.hello(opened), &None),
        Reply::Accepted {
            id,
            task,
            queued,
            position,
            depth,
            ..
        } => (
            json!({
                "type": "accepted", "taskId": task, "queued": queued, "sent": !queued,
                "position": position, "queueDepth": depth,
            }),
            id,
        ),
        Reply::Resolved {
            id,
            request,
            answered,
        } => {
            let mut frame = json!({
                "type": "resolved", "requestId": request, "toolId": request,
                "status": answered.state.name(),
            });
            add_remembered(&mut frame, answered);
            (frame, id)
        }
        Reply::Interrupted { id, task } => (json!({"type": "interrupting", "taskId": task}), id),
        Reply::Pong { id, at } => (json!({"type": "pong", "ts": at}), id),
        Reply::Error(refusal) => (error(refusal), &refusal.id),
        // A connection to one session has nothing else to follow.
        Reply::Subscribed { .. }
        | Reply::Unsubscribed { .. }
        | Reply::HelloAgent { .. }
        | Reply::HelloAll { .. } => return Value::Null,
    };
    if let (Some(frame), Some(id)) = (frame.as_object_mut(), id) {
        frame.insert("id".into(), id.clone());
    }
    frame
}

fn error(refusal: &Refusal) -> Value {
    let mut all = Map::new();
    all.insert("type".into(), "error".into());
    all.insert("code".into(), refusal.code.clone().into());
    all.insert("message".into(), refusal.message.clone().into());
    all.extend(refusal.more.clone());
    Value::Object(all)
}
