//! What a stored event is in the words of this door's stream (contract/sandboxed.md 1.4): one event
//! of ours may be several of theirs.
//!
//! Never a text that was said so far: deltas carry what is new and where it stands.

use serde_json::{Map, Value, json};

use crate::app::{Overview, Piece, Published};
use crate::domain::{EventKind, Mission as Word, Status};

/// An event of the stream: its name, and its data without what all have.
pub type Block = (&'static str, Map<String, Value>);

/// Longest label of an activity.
const LABEL: usize = 120;

/// The blocks of a stored event, in order; one at least.
pub fn of(event: &Published) -> Vec<Block> {
    let data: Map<String, Value> = serde_json::from_str(&event.event.data).unwrap_or_default();
    match event.event.kind {
        EventKind::Status => status(&data),
        EventKind::UserMessage => vec![message("user_message", &data, &[("queued", false.into())])],
        EventKind::AssistantMessage => vec![assistant(&data)],
        EventKind::Thinking => vec![message("thinking", &data, &[("done", true.into())])],
        EventKind::ToolCall => call(&data),
        EventKind::ToolResult => vec![result(&data)],
        EventKind::Error => vec![("error", data)],
        EventKind::Plan => plan(data),
        EventKind::TurnStarted
        | EventKind::TurnEnded
        | EventKind::ApprovalRequested
        | EventKind::ApprovalResolved
        | EventKind::Usage
        | EventKind::RateLimited
        | EventKind::Session
        | EventKind::Exit => vec![(event.event.kind.name(), data)],
    }
}

/// The blocks of a change: first what the seed's clients know, then what is new.
fn status(data: &Map<String, Value>) -> Vec<Block> {
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let detail = text("detail");
    let mut blocks = vec![("status", shown(detail, text("mission"), data.get("queued")))];
    if let Some(all) = blocks.first_mut() {
        for name in ["pid", "retryAt", "reason", "message", "incarnation"] {
            if let Some(value) = data.get(name).filter(|value| !value.is_null()) {
                all.1.insert(name.to_owned(), value.clone());
            }
        }
    }
    if text("mission") != text("previousMission") {
        let mut changed = Map::new();
        changed.insert("status".into(), text("mission").into());
        changed.insert("previous".into(), text("previousMission").into());
        changed.insert("summary".into(), Value::Null);
        blocks.push(("mission_status_changed", changed));
    }
    blocks
}

fn shown(detail: &str, mission: &str, queued: Option<&Value>) -> Map<String, Value> {
    let state = match Status::parse(detail) {
        Some(Status::AwaitingApproval) => "waiting_for_tool",
        Some(
            Status::Busy
            | Status::Quiet
            | Status::Stalled
            | Status::Stopping
            | Status::Starting
            | Status::Unattached,
        ) => "running",
        _ => "idle",
    };
    let mut all = Map::new();
    all.insert("state".into(), state.into());
    all.insert("queue_len".into(), queued.cloned().unwrap_or(0.into()));
    all.insert("detail".into(), detail.into());
    all.insert("status".into(), mission.into());
    all
}

/// How a mission stands, as the first `status` of a stream.
pub fn standing(row: &Overview) -> Value {
    let session = &row.session;
    let word = Word::of(&session.facts).name();
    let mut all = shown(session.status.name(), word, Some(&row.queue_depth.into()));
    all.insert("type".into(), "status".into());
    all.insert("mission_id".into(), json!(session.id));
    Value::Object(all)
}

fn message(name: &'static str, data: &Map<String, Value>, more: &[(&str, Value)]) -> Block {
    let mut all = Map::new();
    for (theirs, ours) in [
        ("id", "messageId"),
        ("content", "content"),
        ("task_id", "taskId"),
        ("parent_tool_use_id", "parentToolUseId"),
        ("truncated", "truncated"),
    ] {
        if let Some(value) = data.get(ours) {
            all.insert(theirs.to_owned(), value.clone());
        }
    }
    for (name, value) in more {
        all.insert((*name).to_owned(), value.clone());
    }
    (name, all)
}

fn assistant(data: &Map<String, Value>) -> Block {
    let failed = data.get("error").is_some_and(|error| !error.is_null());
    let model = data.get("model").cloned().unwrap_or(Value::Null);
    message(
        "assistant_message",
        data,
        &[("success", (!failed).into()), ("model", model)],
    )
}

fn call(data: &Map<String, Value>) -> Vec<Block> {
    let name = data.get("toolName").and_then(Value::as_str).unwrap_or("");
    let args = data.get("args").unwrap_or(&Value::Null);
    let mut all = Map::new();
    all.insert("tool_call_id".into(), of_call(data));
    all.insert("name".into(), name.into());
    all.insert("args".into(), args.clone());
    let mut activity = Map::new();
    activity.insert("label".into(), label(name, args).into());
    activity.insert("tool_name".into(), name.into());
    vec![("tool_call", all), ("mission_activity", activity)]
}

fn of_call(data: &Map<String, Value>) -> Value {
    data.get("toolCallId").cloned().unwrap_or(Value::Null)
}

/// What a tool does, in a few words.
fn label(name: &str, args: &Value) -> String {
    let named = ["command", "file_path", "path", "pattern", "url", "query"];
    let what = named.iter().find_map(|name| args.get(*name)?.as_str());
    let Some(what) = what else {
        return name.to_owned();
    };
    let line = what.lines().next().unwrap_or_default();
    let short: String = line.chars().take(LABEL).collect();
    format!("{name}: {short}")
}

fn result(data: &Map<String, Value>) -> Block {
    let name = data.get("toolName").cloned().unwrap_or(Value::Null);
    let text = data.get("result").cloned().unwrap_or(Value::Null);
    let failed = data.get("isError").cloned().unwrap_or(false.into());
    let mut all = Map::new();
    all.insert("tool_call_id".into(), of_call(data));
    all.insert("name".into(), name);
    all.insert("is_error".into(), failed);
    all.insert("result".into(), text);
    for more in ["exitCode", "truncated", "denied"] {
        if let Some(value) = data.get(more) {
            all.insert(more.to_owned(), value.clone());
        }
    }
    ("tool_result", all)
}

fn plan(data: Map<String, Value>) -> Vec<Block> {
    let entries = data.get("entries").and_then(Value::as_array);
    let progress = entries.map(|entries| {
        let at = |status: &'static str| entries.iter().filter(move |one| is(one, status));
        let current = at("in_progress").next().and_then(|one| one.get("content"));
        let mut all = Map::new();
        all.insert("total_subtasks".into(), entries.len().into());
        all.insert("completed_subtasks".into(), at("completed").count().into());
        all.insert(
            "current_subtask".into(),
            current.cloned().unwrap_or(Value::Null),
        );
        ("progress", all)
    });
    let plan = [("plan", data)];
    plan.into_iter().chain(progress).collect()
}

fn is(entry: &Value, status: &str) -> bool {
    entry.get("status").and_then(Value::as_str) == Some(status)
}

/// A piece of a message that is being written.
pub fn delta(piece: &Piece) -> Block {
    let name = delta_name(piece);
    let mut all = Map::new();
    all.insert("id".into(), piece.message.clone().into());
    all.insert("offset".into(), piece.offset.into());
    all.insert("content".into(), piece.text.clone().into());
    (name, all)
}

/// Its name.
pub fn delta_name(piece: &Piece) -> &'static str {
    if piece.kind == EventKind::Thinking {
        "thinking_delta"
    } else {
        "text_delta"
    }
}
