//! Missions as JSON (contract/sandboxed.md 2), with what ours has beside them.
//!
//! Never a value that is not in a row: what is not known is null or absent.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::shared::schema;
use crate::api::shared::work::options;
use crate::app::{App, Overview};
use crate::domain::limit::usd;
use crate::domain::workspace::HOST;
use crate::domain::{
    Event, EventKind, Mission as Word, Session, SessionId, Status, TaskId, Timestamp, WorkspaceId,
};

/// A mission.
#[derive(Debug, Serialize, ToSchema)]
pub struct Mission<'a> {
    id: SessionId,
    #[schema(schema_with = schema::mission)]
    status: &'static str,
    /// What its agent does, exactly.
    #[schema(schema_with = schema::status)]
    detail: &'static str,
    #[schema(required)]
    title: Option<&'a str>,
    /// A name of its owner's choice, by which the terminals' door finds it.
    #[schema(required)]
    name: Option<&'a str>,
    /// The agent that it was asked for.
    #[schema(required)]
    agent: Option<&'a str>,
    /// Whether nobody knows an agent of this name; then the program itself answers.
    agent_missing: bool,
    /// Its program.
    #[schema(schema_with = schema::kind)]
    backend: &'static str,
    #[schema(required)]
    model_override: Option<&'a str>,
    #[schema(required)]
    model_effort: Option<&'a str>,
    #[schema(schema_with = schema::permission_mode)]
    permission_mode: &'static str,
    /// The workspace that it works in; everybody has the one of zeros.
    workspace_id: WorkspaceId,
    /// Null where the workspace was deleted: then nothing of the mission is started any more.
    #[schema(required)]
    workspace_name: Option<&'a str>,
    /// Its working directory.
    cwd: &'a str,
    /// What it may use up; absent without limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<crate::api::shared::doc::Limits>)]
    limits: Option<Value>,
    created_at: String,
    /// When its status changed last.
    updated_at: String,
    /// When it was interrupted, while it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupted_at: Option<String>,
    /// Whether `resume` takes it up again.
    resumable: bool,
    /// The program's own id of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    /// Why it came to an end: `completed`, `cancelled`, `failed`, `timed_out`, `stopped`, `crashed`,
    /// `crash_loop`, `uncertain`, or a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal_reason: Option<&'static str>,
    /// How many prompts wait.
    queue_len: u64,
    /// The prompt that it works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_task_id: Option<TaskId>,
    pending_approvals: u64,
    /// Ended turns.
    turns: u64,
    /// Hundredths of a dollar so far, where the program tells its cost.
    cost_cents: f64,
    /// Tokens so far, where the program tells them.
    tokens: u64,
    /// The number of its last event.
    last_seq: u64,
    /// The mission that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<SessionId>,
    /// How: `agent` or `fork`.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_reason: Option<&'static str>,
    /// When it goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<String>,
    /// As it was given: an object or null.
    metadata: &'a Value,
    /// Its messages: the last 200 in its own reply, none in a list.
    history: Vec<Said>,
}

/// One of a mission's messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct Said {
    /// `user` or `assistant`.
    role: &'static str,
    content: String,
    /// Its id, as events name it.
    #[schema(required)]
    id: Option<String>,
    /// The number of its event.
    seq: u64,
    timestamp: String,
}

/// Words a mission without its messages.
pub fn mission(row: &Overview) -> Mission<'_> {
    let session = &row.session;
    let facts = &session.facts;
    let word = Word::of(facts);
    let limits = options::shown(&session.options).remove("limits");
    Mission {
        id: session.id,
        status: word.name(),
        detail: session.status.name(),
        title: session.topic.as_deref(),
        name: session.name.as_deref(),
        agent: session.options.agent.as_deref(),
        agent_missing: missing(session.options.agent.as_deref()),
        backend: session.kind.name(),
        model_override: session.model.as_deref(),
        model_effort: session.options.effort.as_deref(),
        permission_mode: session.permission_mode.name(),
        workspace_id: session.workspace.unwrap_or(WorkspaceId::HOST),
        workspace_name: match session.workspace.filter(|id| *id != WorkspaceId::HOST) {
            Some(_) => row.workspace_name.as_deref(),
            None => Some(HOST),
        },
        cwd: &session.cwd,
        limits,
        created_at: session.created_at.rfc3339(),
        updated_at: session.updated_at.rfc3339(),
        interrupted_at: (word == Word::Interrupted).then(|| session.updated_at.rfc3339()),
        resumable: Word::resumable(session),
        session_id: facts.conversation.as_deref(),
        terminal_reason: reason(session, word),
        queue_len: row.queue_depth,
        current_task_id: row.turn_task,
        pending_approvals: row.pending_approvals,
        turns: facts.turns,
        cost_cents: usd(facts.spent_micro_usd) * 100.0,
        tokens: facts.tokens,
        last_seq: row.last_seq,
        parent_id: session.parent.map(|up| up.session),
        parent_reason: session.parent.map(|up| up.reason.name()),
        retry_at: facts.retry_at().map(Timestamp::rfc3339),
        metadata: &session.metadata,
        history: Vec::new(),
    }
}

/// Words a mission with its last messages.
pub fn whole<'a>(row: &'a Overview, events: &[Event]) -> Mission<'a> {
    Mission {
        history: events.iter().map(said).collect(),
        ..mission(row)
    }
}

fn said(event: &Event) -> Said {
    let data: Map<String, Value> = serde_json::from_str(&event.data).unwrap_or_default();
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    Said {
        role: if event.kind == EventKind::UserMessage {
            "user"
        } else {
            "assistant"
        },
        content: text("content").unwrap_or_default().to_owned(),
        id: text("messageId").map(str::to_owned),
        seq: event.seq,
        timestamp: event.at.rfc3339(),
    }
}

/// Whether an agent was asked for that nobody knows.
pub fn missing(agent: Option<&str>) -> bool {
    agent.is_some_and(App::agent_missing)
}

/// Why it came to an end, if it has.
fn reason(session: &Session, word: Word) -> Option<&'static str> {
    if !word.ended() {
        return None;
    }
    let facts = &session.facts;
    if let Some(limit) = facts.limit {
        return Some(limit.name());
    }
    match session.status {
        Status::Completed => Some(word.name()),
        Status::CrashLoop => Some("crash_loop"),
        Status::Uncertain => Some("uncertain"),
        Status::Interrupted => Some("crashed"),
        Status::Stopped => Some("cancelled"),
        Status::Failed => Some("failed"),
        Status::Created
        | Status::Waiting
        | Status::Starting
        | Status::Idle
        | Status::Busy
        | Status::AwaitingApproval
        | Status::Quiet
        | Status::Stalled
        | Status::Stopping
        | Status::Unattached
        | Status::Paused
        | Status::Backoff
        | Status::RateLimited => facts.last_outcome.map(|outcome| outcome.name()),
    }
}

/// A stored event as this door's clients know it, with the numbers of ours.
pub fn stored(event: &Event) -> Value {
    let data: Map<String, Value> = serde_json::from_str(&event.data).unwrap_or_default();
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| data.get(*name));
        found.and_then(Value::as_str).map(str::to_owned)
    };
    let content = match event.kind {
        EventKind::ToolCall => data.get("args").map(Value::to_string),
        EventKind::ToolResult => data.get("result").map(words),
        EventKind::Error => text(&["message"]),
        EventKind::Status => text(&["mission"]),
        EventKind::TurnStarted
        | EventKind::UserMessage
        | EventKind::AssistantMessage
        | EventKind::Thinking
        | EventKind::Plan
        | EventKind::ApprovalRequested
        | EventKind::ApprovalResolved
        | EventKind::Usage
        | EventKind::RateLimited
        | EventKind::TurnEnded
        | EventKind::Session
        | EventKind::Exit => text(&["content", "text", "message"]),
    };
    json!({
        "id": event.pos,
        "mission_id": event.agent,
        "sequence": event.seq,
        "seq": event.seq,
        "pos": event.pos,
        "event_type": event.kind.name(),
        "timestamp": event.at.rfc3339(),
        "event_id": text(&["messageId", "requestId", "taskId"]),
        "tool_call_id": text(&["toolCallId"]),
        "tool_name": text(&["toolName"]),
        "content": content.unwrap_or_default(),
        "metadata": data,
    })
}

/// A result as text: what is text as it is, the rest as JSON.
fn words(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
