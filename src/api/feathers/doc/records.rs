//! The records of the services, and what is asked of them.
//!
//! Never built: what is sent is written by the services; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::api::shared::schema;
use crate::domain::{SessionId, TaskId, UserId, WorkspaceId};

/// What is found, and how much of it. Every other name is a field of the record: an equality, or
/// operators in brackets.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FindQuery {
    /// The size of the page; more counts as the most.
    #[param(rename = "$limit", minimum = 0, maximum = 10_000)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(rename = "$skip", minimum = 0, maximum = 10_000)]
    skip: Option<u64>,
    /// Only those of this status.
    status: Option<String>,
}

/// A page of sessions.
#[derive(ToSchema)]
pub struct SessionPage {
    /// How many match.
    total: u64,
    limit: u64,
    skip: u64,
    data: Vec<SessionRecord>,
}

/// A session. With `$select` in the query only some of these, and the id.
#[derive(ToSchema)]
pub struct SessionRecord {
    session_id: SessionId,
    /// The program: `claude-code`, `shell` or `script`.
    agentic_tool: Option<String>,
    /// `idle`, `running`, `stopping`, `awaiting_permission`, `completed` or `failed`.
    status: Option<String>,
    /// What it does, exactly.
    #[schema(schema_with = schema::status, required = false)]
    detail: String,
    created_at: Option<String>,
    last_updated: Option<String>,
    created_by: Option<UserId>,
    /// Always null.
    unix_username: Option<String>,
    /// Always null today.
    worktree_id: Option<String>,
    workspace_id: Option<WorkspaceId>,
    cwd: Option<String>,
    git_state: Option<Value>,
    #[schema(rename = "contextFiles")]
    context_files: Option<Vec<String>>,
    genealogy: Option<Links>,
    name: Option<String>,
    title: Option<String>,
    permission_config: Option<PermissionConfig>,
    #[schema(nullable = false)]
    model_config: Option<ModelConfig>,
    custom_context: Option<Value>,
    scheduled_from_worktree: Option<bool>,
    /// Whether it has ended a turn and waits for somebody.
    ready_for_prompt: Option<bool>,
    /// How many prompts wait.
    queue_depth: Option<u64>,
    pending_approvals: Option<u64>,
    current_task_id: Option<TaskId>,
    archived: Option<bool>,
    retry_at: Option<String>,
}

/// Where a session comes from, by ids.
#[derive(ToSchema)]
pub struct Links {
    #[schema(nullable = false)]
    forked_from_session_id: Option<SessionId>,
    #[schema(nullable = false)]
    parent_session_id: Option<SessionId>,
    /// Those that come from it.
    children: Vec<SessionId>,
}

/// How far it may go without asking.
#[derive(ToSchema)]
pub struct PermissionConfig {
    /// `default`, `acceptEdits`, `bypassPermissions`, `plan`, `dontAsk`, or an alias of one.
    mode: Option<String>,
}

/// The model.
#[derive(ToSchema)]
pub struct ModelConfig {
    /// Always `exact` in answers.
    mode: Option<String>,
    model: Option<String>,
    effort: Option<String>,
    updated_at: Option<String>,
}

/// A session to make; all of it may be left out.
#[derive(ToSchema)]
pub struct SessionToMake {
    /// The program, by any of its names.
    agentic_tool: Option<String>,
    title: Option<String>,
    /// Unique among your own.
    name: Option<String>,
    cwd: Option<String>,
    workspace_id: Option<WorkspaceId>,
    /// Adds it to the group of this session.
    parent_session_id: Option<SessionId>,
    permission_config: Option<PermissionConfig>,
    model_config: Option<ModelConfig>,
    /// Your own data.
    custom_context: Option<Value>,
    /// Its first prompt.
    initial_prompt: Option<String>,
    /// For `script`.
    scenario: Option<String>,
}

/// A session, or several.
pub struct SessionsMade;

impl PartialSchema for SessionsMade {
    fn schema() -> RefOr<Schema> {
        let one = || Ref::from_schema_name(SessionRecord::name());
        OneOfBuilder::new()
            .item(one())
            .item(ArrayBuilder::new().items(one()))
            .into()
    }
}

impl ToSchema for SessionsMade {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SessionRecord::name().into_owned(), SessionRecord::schema()));
        SessionRecord::schemas(schemas);
    }
}

/// What is changed of a session.
#[derive(ToSchema)]
pub struct SessionPatch {
    permission_config: Option<PermissionConfig>,
    model_config: Option<ModelConfig>,
}

/// A prompt for a session.
#[derive(ToSchema)]
pub struct SessionPrompt {
    prompt: String,
    /// Changes the mode before it.
    #[schema(rename = "permissionMode")]
    permission_mode: Option<String>,
    /// Whether pieces of answers are told; true without it.
    stream: Option<bool>,
    /// Your own data.
    metadata: Option<Value>,
}

/// A task. With `$select` in the query only some of these, and the id.
#[derive(ToSchema)]
pub struct TaskRecord {
    task_id: TaskId,
    session_id: Option<SessionId>,
    created_by: Option<UserId>,
    full_prompt: Option<String>,
    /// Its beginning.
    description: Option<String>,
    /// `created`, `queued`, `running`, `stopping`, `awaiting_permission`, `completed`, `failed`,
    /// `stopped` or `timed_out`.
    status: Option<String>,
    /// What it does, exactly.
    #[schema(schema_with = schema::task_state, required = false)]
    detail: String,
    /// Its place among those that wait, from 1.
    queue_position: Option<u64>,
    /// Your own data, and `reason` where it ended for one.
    metadata: Option<Value>,
    git_state: Option<Value>,
    created_at: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
    duration_ms: Option<i64>,
    model: Option<String>,
    error_message: Option<String>,
    normalized_sdk_response: Option<Value>,
    /// Only the beginning of its words is here.
    #[schema(nullable = false)]
    truncated: Option<bool>,
    /// Of a prompt: always true.
    #[schema(nullable = false)]
    success: Option<bool>,
    /// Of a prompt: the task once more.
    #[schema(rename = "taskId", nullable = false)]
    task_id_camel: Option<TaskId>,
    /// Of a prompt that runs: whether pieces of answers are told.
    #[schema(nullable = false)]
    streaming: Option<bool>,
    /// Of a prompt that waits: true.
    #[schema(nullable = false)]
    queued: Option<bool>,
    /// Of a prompt that waits: the same in another shape.
    #[schema(nullable = false)]
    message: Option<Value>,
}

/// A page of tasks.
#[derive(ToSchema)]
pub struct TaskRecordPage {
    /// How many match.
    total: u64,
    limit: u64,
    skip: u64,
    data: Vec<TaskRecord>,
}

/// What waits.
#[derive(ToSchema)]
pub struct TaskQueue {
    total: u64,
    data: Vec<TaskRecord>,
}

/// What is changed of a task that waits.
#[derive(ToSchema)]
pub struct TaskPatch {
    full_prompt: String,
}

/// Why a turn is ended.
#[derive(ToSchema)]
pub struct StopBody {
    reason: Option<String>,
}

/// What became of it.
#[derive(ToSchema)]
pub struct StopTold {
    /// False when nothing ran.
    success: bool,
    #[schema(nullable = false)]
    status: Option<String>,
    #[schema(nullable = false)]
    reason: Option<String>,
    /// The task whose turn is ended.
    #[schema(rename = "taskId", nullable = false)]
    task_id: Option<TaskId>,
}

/// Where a session comes from, and what comes from it.
#[derive(ToSchema)]
pub struct Genealogy {
    session: SessionRecord,
    /// The nearest first.
    ancestors: Vec<SessionRecord>,
    /// The oldest first.
    children: Vec<SessionRecord>,
}
