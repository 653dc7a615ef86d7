//! The door's JSON, with the spellings of both kinds of its clients (contract/hammurabi.md 2).
//!
//! Never a value that is not known: what the rows do not say is null or absent.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::api::shared::work::options;
use crate::app::{App, EventPage, Overview, Piece, Published};
use crate::domain::limit::usd;
use crate::domain::{Completion, EventKind, Outcome, Principal, Session, Status, Timestamp};

/// The name by which `who` finds a session: the owner's, else its id.
pub fn name<'a>(who: &Principal, session: &'a Session) -> Cow<'a, str> {
    match &session.name {
        Some(name) if who.user == session.owner => Cow::Borrowed(name),
        Some(_) | None => Cow::Owned(session.id.to_string()),
    }
}

/// The word of this door for where a session stands (decisions.md 3).
pub fn status(session: &Session) -> &'static str {
    match session.status {
        Status::Created | Status::Waiting | Status::Idle | Status::Paused => "idle",
        Status::Starting
        | Status::Busy
        | Status::AwaitingApproval
        | Status::Stopping
        | Status::Unattached => "active",
        Status::Quiet | Status::Stalled | Status::Backoff | Status::RateLimited => "stale",
        Status::Interrupted
        | Status::Uncertain
        | Status::Stopped
        | Status::CrashLoop
        | Status::Failed => "exited",
        Status::Completed => "completed",
    }
}

/// What it does, as far as that follows from the rows; `None` while only its words would say.
fn phase(session: &Session, terminal: bool) -> Option<&'static str> {
    match session.status {
        Status::AwaitingApproval => Some("blocked"),
        Status::Starting => Some("starting"),
        Status::Completed => Some("completed"),
        Status::Idle if session.facts.last_outcome == Some(Outcome::Completed) => Some("completed"),
        Status::Busy if terminal => Some("tool_use"),
        Status::Busy | Status::Stopping | Status::Unattached => None,
        Status::Created | Status::Waiting | Status::Idle | Status::Paused => Some("idle"),
        Status::Quiet | Status::Stalled | Status::Backoff | Status::RateLimited => Some("stale"),
        Status::Interrupted
        | Status::Uncertain
        | Status::Stopped
        | Status::CrashLoop
        | Status::Failed => Some("exited"),
    }
}

/// A session in a list.
pub fn entry(app: &App, who: &Principal, row: &Overview) -> Value {
    let session = &row.session;
    let facts = &session.facts;
    let terminal = app.has_terminal(session.kind);
    let name = name(who, session);
    let pid = facts.process.pid();
    let mut entry = json!({
        "name": name,
        "sessionName": name,
        "id": session.id,
        "created": session.created_at.rfc3339(),
        "lastUpdatedAt": session.updated_at.rfc3339(),
        "pid": pid.unwrap_or(0),
        "incarnation": facts.incarnation,
        "processAlive": pid.is_some(),
        "sessionType": if terminal { "pty" } else { "stream" },
        "agentType": session.kind.name(),
        "model": session.model,
        "workingDirectory": session.cwd,
        "cwd": session.cwd,
        "workspaceId": session.workspace,
        "host": null,
        "permissionMode": session.permission_mode.name(),
        "mode": session.permission_mode.name(),
        "status": status(session),
        "detail": session.status.name(),
        "phase": phase(session, terminal),
        "hadResult": facts.turns > 0,
        "resumeAvailable": facts.incarnation.0 > 0 && pid.is_none(),
        "queueDepth": row.queue_depth,
        "currentTaskId": row.turn_task,
        "pendingApprovals": row.pending_approvals,
        "lastSeq": row.last_seq,
        "completed": facts.completed.is_some(),
        "retryAt": facts.retry_at().map(Timestamp::rfc3339),
        "turns": facts.turns,
        "spentUsd": usd(facts.spent_micro_usd),
        "limitReached": facts.limit,
    });
    if let Some(map) = entry.as_object_mut() {
        map.extend(options::shown(&session.options));
        let topic = session.topic.as_ref();
        map.extend(topic.map(|topic| ("label".to_owned(), topic.clone().into())));
    }
    entry
}

/// The account of a completed session.
pub fn result(record: &Completion) -> Value {
    json!({
        "status": record.status,
        "finalComment": record.comment,
        "costUsd": record.cost_usd,
        "completedAt": record.at.rfc3339(),
        "by": record.by,
    })
}

/// One session, with its ring.
pub fn detail(app: &App, who: &Principal, (row, page): (&Overview, &EventPage)) -> Value {
    let mut all = entry(app, who, row);
    let facts = &row.session.facts;
    let more = json!({
        "events": page.events.iter().map(|one| event(one)).collect::<Vec<_>>(),
        "oldestSeq": page.events.first().map_or(0, |event| event.event.seq),
        "lastSeq": page.latest,
        "nextCursor": page.next,
        "epoch": app.epoch(),
        "lastExit": facts.last_exit,
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
        if let Some(record) = &facts.completed {
            all.insert("status".into(), record.status.clone().into());
            all.insert("result".into(), result(record));
        }
    }
    all
}

/// An event as this door has it: its number, its time, and its data with their type.
pub fn event(event: &Published) -> Value {
    serde_json::from_str(&framed(event, "")).unwrap_or(Value::Null)
}

/// The JSON object of an event, with `head` (members with their commas) before it.
pub fn framed(event: &Published, head: &str) -> String {
    let event = &event.event;
    format!(
        "{{{head}\"seq\":{},\"pos\":{},\"ts\":\"{}\",\"event\":{}}}",
        event.seq,
        event.pos,
        event.at.rfc3339(),
        typed(event.kind.name(), &event.data),
    )
}

/// A piece of a message that is being written: a frame of this session, or a bare one.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delta<'a> {
    #[serde(rename = "type")]
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    message_id: &'a str,
    kind: &'static str,
    role: &'static str,
    offset: u64,
    text: &'a str,
}

impl<'a> Delta<'a> {
    /// Of this piece.
    pub fn new(piece: &'a Piece, session: Option<&'a str>) -> Self {
        let thinks = piece.kind == EventKind::Thinking;
        Self {
            name: "delta",
            session,
            message_id: &piece.message,
            kind: if thinks { "thinking" } else { "assistant" },
            role: "assistant",
            offset: piece.offset,
            text: &piece.text,
        }
    }
}

/// An event's data with its type in front.
pub fn typed(kind: &str, data: &str) -> String {
    let rest = data.trim_start().strip_prefix('{').unwrap_or("}");
    let comma = if rest.trim_start().starts_with('}') {
        ""
    } else {
        ","
    };
    format!("{{\"type\":\"{kind}\"{comma}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_stands_before_any_data() {
        for (data, count) in [("{}", 1), ("{ }", 1), ("{\"a\":{\"b\":1}}", 2)] {
            let text = typed("status", data);
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value.as_object().unwrap().len(), count, "{text}");
            assert_eq!(value["type"], "status");
        }
    }
}
