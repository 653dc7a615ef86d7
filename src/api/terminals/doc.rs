//! The terminals' door's shapes, for the document of the API.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::api::shared::doc::{Exit, Landed, LimitsBody, Options};
use crate::api::shared::schema::{self, joined};
use crate::domain::{SessionId, TaskId, WorkspaceId};

/// A new session. Every member but `name` may be left out or null.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SessionBody {
    /// By which you find it again; spaces around it are cut.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]+$")]
    name: String,
    /// `claude`, `shell` or `script`, or another name of one of these; `shell` without it.
    agent_type: Option<String>,
    /// Another spelling of `agentType`.
    agent: Option<String>,
    /// `local` or nothing: there is one machine.
    host: Option<String>,
    /// Another spelling of `host`.
    machine: Option<String>,
    /// What it is about.
    #[schema(max_length = 512)]
    label: Option<String>,
    /// Another spelling of `label`.
    topic: Option<String>,
    /// Which model, for kinds that have one.
    model: Option<String>,
    /// Its first prompt.
    prompt: Option<String>,
    /// Another spelling of `prompt`.
    task: Option<String>,
    /// An existing directory, absolute or below the home of the server's user.
    working_directory: Option<String>,
    /// Another spelling of `workingDirectory`.
    cwd: Option<String>,
    /// The workspace that it works in: its directory, or one in it, and its variables.
    workspace_id: Option<WorkspaceId>,
    /// Another spelling of `workspaceId`.
    #[schema(rename = "workspace_id")]
    workspace_id_snake: Option<WorkspaceId>,
    /// `default`, `dontAsk`, `acceptEdits`, `bypassPermissions` or `plan`.
    permission_mode: Option<String>,
    /// Another spelling of `permissionMode`.
    mode: Option<String>,
    /// What a session of the kind `script` plays.
    scenario: Option<String>,
    /// `low`, `medium`, `high`, `xhigh` or `max`, for kinds that have a model.
    effort: Option<String>,
    /// Servers of tools by name: each has a `command` or a `url`.
    #[schema(value_type = Option<Object>)]
    mcp_servers: Option<Value>,
    /// The id or the name of a session of yours whose conversation it branches off.
    fork_of: Option<String>,
    /// What it may use up.
    limits: Option<LimitsBody>,
    /// Variables for its process: texts by name, at most 64 KiB.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    env: Option<Value>,
    /// Kept with it: an object of at most 64 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

/// What a session is and does.
#[derive(ToSchema)]
#[schema(as = SessionFacts, rename_all = "camelCase")]
pub struct Facts {
    /// The owner's name for it, else its id.
    name: String,
    /// The same.
    session_name: String,
    id: SessionId,
    created: String,
    last_updated_at: String,
    /// Its process on the machine; 0 without one.
    pid: u32,
    /// Which process it is, from 1; 0 before the first.
    incarnation: u64,
    process_alive: bool,
    /// `pty` or `stream`.
    session_type: String,
    #[schema(schema_with = schema::kind)]
    agent_type: String,
    #[schema(required)]
    model: Option<String>,
    working_directory: String,
    /// The same.
    cwd: String,
    /// The workspace that it works in, if it is not the one that everybody has.
    #[schema(required)]
    workspace_id: Option<WorkspaceId>,
    /// Always null: there is one machine.
    host: Value,
    #[schema(schema_with = schema::permission_mode)]
    permission_mode: String,
    /// The same.
    #[schema(schema_with = schema::permission_mode)]
    mode: String,
    #[schema(schema_with = schema::place)]
    status: String,
    /// What it does, exactly.
    #[schema(schema_with = schema::status)]
    detail: String,
    #[schema(schema_with = schema::phase)]
    phase: String,
    had_result: bool,
    resume_available: bool,
    queue_depth: u64,
    #[schema(required)]
    current_task_id: Option<TaskId>,
    pending_approvals: u64,
    last_seq: u64,
    completed: bool,
    #[schema(required)]
    retry_at: Option<String>,
    turns: u64,
    spent_usd: f64,
    #[schema(schema_with = schema::limit)]
    limit_reached: String,
    /// What it is about.
    #[schema(nullable = false)]
    label: Option<String>,
}

/// What is told of one session beside.
#[derive(ToSchema)]
#[schema(as = SessionHistory, rename_all = "camelCase")]
pub struct History {
    /// The last ones.
    events: Vec<RingEvent>,
    /// The first of them; 0 without any.
    oldest_seq: u64,
    next_cursor: u64,
    /// Of which life of the database the numbers are.
    epoch: String,
    #[schema(required)]
    last_exit: Option<Exit>,
    /// How it went: of a completed session alone.
    #[schema(nullable = false)]
    result: Option<Account>,
}

/// An event of a session.
#[derive(ToSchema)]
#[schema(as = SessionEvent)]
pub struct RingEvent {
    seq: u64,
    pos: u64,
    ts: String,
    /// What happened, with its `type`.
    #[schema(value_type = Object)]
    event: Value,
}

/// How a session went.
#[derive(ToSchema)]
#[schema(as = SessionAccount, rename_all = "camelCase")]
pub struct Account {
    status: String,
    #[schema(required)]
    final_comment: Option<String>,
    #[schema(required)]
    cost_usd: Option<f64>,
    completed_at: String,
    by: String,
}

joined! {
    /// A session in a list.
    Entry as "Session": Facts, Options;
    /// A new session, and where its first prompt landed.
    EntryMade as "SessionMade": Facts, Options, Landed;
    /// One session.
    Detail as "SessionDetail": Facts, Options, History;
}

/// A session is gone.
#[derive(ToSchema)]
pub struct Killed {
    /// Always true.
    killed: bool,
}

/// A session has a fresh process.
#[derive(ToSchema)]
#[schema(as = SessionReset, rename_all = "camelCase")]
pub struct Reset {
    /// Always true.
    reset: bool,
    name: String,
    session_name: String,
    /// 0 without a process.
    pid: u32,
    #[schema(schema_with = schema::place)]
    status: String,
    last_seq: u64,
}

/// How a session went, in a request.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct CompleteBody {
    /// `success` (the default), `failed`, `cancelled`, `partial`, or a short word of your own.
    #[schema(max_length = 128)]
    status: Option<String>,
    /// At most 64 KiB.
    comment: Option<String>,
    /// Another spelling of `comment`.
    final_comment: Option<String>,
    /// What it cost.
    #[schema(minimum = 0)]
    cost_usd: Option<f64>,
    /// Another spelling of `costUsd`.
    #[schema(rename = "cost_usd", minimum = 0)]
    cost_usd_snake: Option<f64>,
}

/// A session is completed.
#[derive(ToSchema)]
#[schema(as = SessionCompleted)]
pub struct Completed {
    name: String,
    /// Always true.
    completed: bool,
    status: String,
    result: Account,
}

/// Which sessions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListQuery {
    /// Only those of this kind, under any of its names.
    agent_type: Option<String>,
    /// The size of the list; more counts as the most.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

/// What the WebSocket of a session shows.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TerminalQuery {
    /// `envelope` or `raw`.
    format: Option<String>,
    /// The terminal: `base64`, `binary` or `none`.
    tty: Option<String>,
    /// `all` or `none`.
    events: Option<String>,
    /// Messages while they are written: `all` or `none`.
    deltas: Option<String>,
    /// Events behind which number: a number, `EPOCH:NUMBER`, or `latest`.
    after: Option<String>,
    /// Of which life of the database the number is.
    epoch: Option<String>,
    /// The terminal of which process.
    incarnation: Option<String>,
    /// The terminal from which byte: a number, or `latest`.
    offset: Option<String>,
}
