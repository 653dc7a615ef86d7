//! Shapes that several doors answer or take, for the document of the API.
//!
//! Never built: what is sent is written by the doors; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::schema;
use crate::domain::{OverrideId, SessionId, TaskId, UserId};

/// A refusal or a failure.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Error {
    /// What is wrong, for people.
    error: String,
    /// What is wrong, for programs: stable.
    code: String,
    /// The request's id, as in `X-Request-Id` and in the server's log.
    request_id: String,
    /// The field, parameter or header at fault.
    #[schema(nullable = false)]
    field: Option<String>,
    /// What would have been accepted.
    #[schema(nullable = false)]
    expected: Option<String>,
    /// Seconds to wait before the next try, as in `Retry-After`.
    #[schema(nullable = false)]
    retry_after: Option<u32>,
    /// The scope that the API key lacks (`missing_scope`).
    #[schema(schema_with = schema::scope, required = false)]
    scope: String,
    /// The epoch of the numbers now (`epoch_changed`).
    #[schema(nullable = false)]
    epoch: Option<String>,
    /// The last number now (`epoch_changed`).
    #[schema(nullable = false)]
    latest_seq: Option<u64>,
}

/// A prompt. One of its four spellings has to be there; the first of them counts.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PromptBody {
    /// The words.
    message: Option<String>,
    /// Another spelling of `message`.
    content: Option<String>,
    /// Another spelling of `message`.
    prompt: Option<String>,
    /// Another spelling of `message`.
    text: Option<String>,
    /// What becomes of it when nobody knows whether the agent received it; `ask` by default.
    #[schema(schema_with = schema::on_uncertain_asked, required = false)]
    on_uncertain: String,
    /// Another spelling of `onUncertain`.
    #[schema(rename = "on_uncertain", schema_with = schema::on_uncertain_asked, required = false)]
    on_uncertain_snake: String,
    /// Kept with the task: an object of at most 64 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

/// Another text for a prompt that waits. One of its four spellings has to be there.
#[derive(ToSchema)]
pub struct TextBody {
    /// The words.
    message: Option<String>,
    /// Another spelling of `message`.
    content: Option<String>,
    /// Another spelling of `message`.
    prompt: Option<String>,
    /// Another spelling of `message`.
    text: Option<String>,
}

/// The order of the tasks that wait.
#[derive(ToSchema)]
pub struct OrderBody {
    /// Every waiting task once.
    order: Vec<TaskId>,
}

/// What an agent may use up. Other members are refused.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct LimitsBody {
    /// Dollars, for kinds that tell their cost.
    #[schema(exclusive_minimum = 0, maximum = 1_000_000)]
    spend_usd: Option<f64>,
    /// Turns.
    #[schema(minimum = 1)]
    turns: Option<u64>,
    /// Seconds that all turns may take.
    #[schema(exclusive_minimum = 0, maximum = 315_360_000)]
    busy_seconds: Option<f64>,
    /// Seconds that one turn may take.
    #[schema(exclusive_minimum = 0, maximum = 315_360_000)]
    turn_seconds: Option<f64>,
}

/// What an agent was made with beside program, place and prompt; only what it has.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Options {
    /// How hard the model thinks.
    #[schema(nullable = false)]
    effort: Option<String>,
    /// Names of its servers of tools.
    #[schema(nullable = false)]
    mcp_servers: Option<Vec<String>>,
    /// The session whose conversation it branched off.
    #[schema(nullable = false)]
    fork_of: Option<SessionId>,
    /// What it may use up.
    #[schema(nullable = false)]
    limits: Option<Limits>,
}

/// What an agent may use up.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Limits {
    /// Dollars.
    #[schema(nullable = false)]
    spend_usd: Option<f64>,
    /// Turns.
    #[schema(nullable = false)]
    turns: Option<u64>,
    /// Seconds that all turns may take.
    #[schema(nullable = false)]
    busy_seconds: Option<f64>,
    /// Seconds that one turn may take.
    #[schema(nullable = false)]
    turn_seconds: Option<f64>,
}

/// Where the first prompt of a creation landed; absent when it had none.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Landed {
    /// Its task.
    #[schema(nullable = false)]
    task_id: Option<TaskId>,
    /// Whether it waits.
    #[schema(nullable = false)]
    queued: Option<bool>,
    /// Its place, from 1; 0 when it does not wait.
    #[schema(nullable = false)]
    position: Option<u32>,
    /// How many wait.
    #[schema(nullable = false)]
    queue_depth: Option<u32>,
}

/// A page of tasks, the newest first.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct TaskPage {
    tasks: Vec<super::work::wire::Task<'static>>,
    /// How many there are in all.
    total: u64,
    /// The size of the page.
    limit: u64,
    /// How many were left out before it.
    offset: u64,
    /// Whether the list goes on.
    has_more: bool,
}

/// What runs and what waits.
#[derive(ToSchema)]
pub struct Queue {
    /// The task that runs.
    #[schema(required)]
    current: Option<super::work::wire::Task<'static>>,
    /// Those that wait, in their order.
    queue: Vec<super::work::wire::Task<'static>>,
    /// How many wait.
    depth: u64,
    /// Whether the agent takes from the queue.
    paused: bool,
}

/// A thing is gone.
#[derive(ToSchema)]
pub struct Removed {
    /// Always true.
    removed: bool,
}

/// How a process ended.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Exit {
    /// Which process of the session, from 1.
    incarnation: u64,
    /// Its number on the machine.
    #[schema(required)]
    pid: Option<u32>,
    /// Its exit code; null when a signal ended it.
    #[schema(required)]
    exit_code: Option<i32>,
    /// The signal that ended it.
    #[schema(required)]
    signal: Option<i32>,
    /// Whether it left a core.
    core: bool,
    /// Whether the kernel ended it for want of memory.
    oom: bool,
    /// Why: `completed`, `failed`, `crashed`, `killed_by_user`, ...
    reason: String,
    /// Who or what ended it.
    #[schema(required)]
    by: Option<String>,
    /// When it began: RFC 3339, or milliseconds since 1970 at the terminals' door.
    started_at: Value,
    /// When it ended, in the same form.
    ended_at: Value,
    /// How long it lived.
    #[schema(nullable = false)]
    lifetime_ms: Option<i64>,
    /// How many bytes its log has.
    #[schema(nullable = false)]
    log_len: Option<u64>,
    /// The last lines of its standard error.
    stderr_tail: Vec<String>,
}

/// An answer that is remembered.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Override {
    id: OverrideId,
    /// For how long.
    #[schema(schema_with = schema::remember)]
    scope: String,
    /// Whose.
    user_id: UserId,
    /// For which agent; null for all of this person.
    #[schema(required)]
    agent_id: Option<SessionId>,
    /// For agents of which kind.
    #[schema(schema_with = schema::kind)]
    agent_type: String,
    /// For which tool.
    tool_name: String,
    /// Which requests of the tool it answers.
    matcher: Matcher,
    /// The same in words.
    matches: String,
    /// Whether it allows.
    approved: bool,
    /// `allow` or `deny`.
    decision: String,
    /// Who answered.
    by: String,
    /// When.
    created_at: String,
}

/// What a request is remembered by.
#[derive(ToSchema)]
pub struct Matcher {
    /// `command`, `path` or `tool`.
    by: String,
    /// The command or the path.
    text: String,
}

/// The part of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

/// The part of a list of tasks.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TasksQuery {
    /// Only tasks with this `status` or `state`.
    status: Option<String>,
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

/// How long to wait for the end of a task.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Seconds to wait for the end; more counts as the most.
    #[param(minimum = 0, maximum = 600, default = 0)]
    wait: Option<u64>,
}

/// How a prompt is taken.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PromptQuery {
    /// Seconds to wait for the end of the task; more counts as the most.
    #[param(minimum = 0, maximum = 600, default = 0)]
    wait: Option<u64>,
    /// Whether it may wait for its turn; `false` refuses it when the agent is busy (`agent_busy`).
    #[param(default = true)]
    queue: Option<bool>,
}

/// The key of a request that may be sent again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Idempotent {
    /// The same key with the same request is done once; with another one it is refused.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$"
    )]
    key: Option<String>,
}

/// What the client has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Conditional {
    /// `ETag`s of earlier answers.
    #[param(rename = "If-None-Match")]
    known: Option<String>,
}

/// One event of a stream (SSE), as a browser's `EventSource` reads it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "shapes are described, not built")]
pub struct StreamPart {
    /// Its name.
    event: String,
    /// A JSON object whose `type` is the name.
    data: String,
    /// What to come back with in `Last-Event-ID`, where the stream can be taken up again.
    id: Option<String>,
    /// After how many milliseconds a browser comes back.
    retry: Option<u32>,
}
