//! The shapes of missions, for the document of the API.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

mod queue;

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::wire::Mission;
use crate::api::shared::doc::{Landed, LimitsBody};
use crate::api::shared::schema::{self, joined};
use crate::api::shared::work::wire::{Accepted, Task};
use crate::domain::{SessionId, TaskId, WorkspaceId};

pub use queue::{ClearQuery, Cleared, QueueQuery, Waiting, Withdrawn};

/// Which missions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MissionsQuery {
    /// Only those that stand so: one of the five words, or some with commas.
    status: Option<String>,
    /// Only those of this program.
    backend: Option<String>,
    /// `updated`, `created` or `oldest`.
    #[param(default = "updated")]
    sort: Option<String>,
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

/// Which events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MissionEventsQuery {
    /// Only these types, with commas.
    types: Option<String>,
    /// The size of the answer; more counts as the most, which is 200 behind a cursor.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    limit: Option<u64>,
    /// How many to leave out before it.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
    /// A cursor: a number, `<epoch>:<seq>`, `0` for the beginning or `latest`.
    after: Option<String>,
    /// The epoch of the cursor.
    epoch: Option<String>,
    /// Seconds to wait for a first event behind a cursor.
    #[param(minimum = 0, maximum = 30, default = 0)]
    wait: Option<u64>,
}

/// A new mission. Every member may be left out or null.
#[derive(ToSchema)]
pub struct MissionBody {
    /// What it is about.
    #[schema(max_length = 512)]
    title: Option<String>,
    /// A name of your own, by which the terminals' door finds it.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]+$")]
    name: Option<String>,
    /// An agent of the library, or a kind of program. A name that nobody knows is kept and shown as
    /// `agent_missing`.
    #[schema(min_length = 1, max_length = 128)]
    agent: Option<String>,
    /// Which program: `claude`, `shell` or `script`, or another name of one of these. Without it the
    /// server's settings decide.
    backend: Option<String>,
    /// Which model, for programs that have one.
    #[schema(min_length = 1, max_length = 512)]
    model_override: Option<String>,
    /// `low`, `medium`, `high`, `xhigh` or `max`, for programs that have a model.
    model_effort: Option<String>,
    /// What it asks before it acts: `default`, `dontAsk`, `acceptEdits`, `bypassPermissions` or
    /// `plan`. Without it the server's settings decide.
    permission_mode: Option<String>,
    /// What it may use up.
    limits: Option<LimitsBody>,
    /// Its first prompt.
    message: Option<String>,
    /// The workspace that it works in: its directory, or one in it, and its variables.
    workspace_id: Option<WorkspaceId>,
    /// An existing directory, absolute or below the home of the server's user.
    cwd: Option<String>,
    /// The mission that it works for.
    parent_id: Option<SessionId>,
    /// Variables for its process: texts by name, at most 64 KiB.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    env: Option<Value>,
    /// Servers of tools by name: each has a `command` or a `url`.
    #[schema(rename = "mcpServers", value_type = Option<Object>)]
    mcp_servers: Option<Value>,
    /// The id or the name of a session of yours whose conversation it branches off.
    #[schema(rename = "forkOf")]
    fork_of: Option<String>,
    /// What a mission of the program `script` plays.
    scenario: Option<String>,
    /// Kept with it: an object of at most 64 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

joined! {
    /// A mission, and where a prompt of the request landed.
    MissionMade as "MissionMade": Mission<'static>, Landed;
}

/// How a mission is to stand.
#[derive(ToSchema)]
pub struct StatusBody {
    #[schema(schema_with = schema::mission)]
    status: String,
}

/// A mission stands as it was said, or is about to.
#[derive(ToSchema)]
pub struct Judged {
    ok: bool,
    mission: Mission<'static>,
}

/// Which mission.
#[derive(ToSchema)]
pub struct WhichBody {
    /// Without it the loaded one.
    mission_id: Option<SessionId>,
}

/// What was ended.
#[derive(ToSchema)]
pub struct CancelledOnes {
    ok: bool,
    /// The mission.
    cancelled: SessionId,
    /// It and those below it of which something ran or was about to.
    ended: Vec<SessionId>,
}

/// How a mission goes on.
#[derive(ToSchema)]
pub struct ResumeBody {
    /// What its program is told, in the place of the usual words.
    content: Option<String>,
    /// Whether it is only started.
    skip_message: Option<bool>,
    /// Not supported: refused when it is true.
    clean_workspace: Option<bool>,
}

/// A prompt for a mission.
#[derive(ToSchema)]
pub struct MessageBody {
    /// The words.
    content: String,
    /// Without it the loaded one.
    mission_id: Option<SessionId>,
    /// An agent of the library, for this prompt alone.
    #[schema(min_length = 1, max_length = 128)]
    agent: Option<String>,
    /// What becomes of it when nobody knows whether the program received it; `ask` by default.
    #[schema(schema_with = schema::on_uncertain_asked, required = false)]
    on_uncertain: String,
    /// Kept with it: an object of at most 64 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

/// Where a prompt went.
#[derive(ToSchema)]
pub struct Destination {
    mission_id: SessionId,
    /// The agent that was asked for.
    #[schema(required)]
    agent: Option<String>,
    /// Whether nobody knows an agent of this name.
    agent_missing: bool,
}

joined! {
    /// An accepted prompt.
    SentNow as "MessageSent": Accepted, Destination;
    /// A prompt that was waited for: its task.
    SentAndDone as "MessageDone": Accepted, Task<'static>, Destination;
}

/// An accepted prompt; with `wait` its task.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = MessageAnswer)]
pub enum Sent {
    /// It runs or waits.
    Now(SentNow),
    /// It was waited for.
    Done(SentAndDone),
}

/// A mission is gone.
#[derive(ToSchema)]
#[schema(as = MissionDeleted)]
pub struct Deleted {
    ok: bool,
    deleted: SessionId,
}

/// A stored event.
#[derive(ToSchema)]
pub struct StoredEvent {
    /// Its number within the server.
    id: u64,
    mission_id: SessionId,
    /// Its number within the mission, from 1, without holes.
    sequence: u64,
    /// Another spelling of `sequence`.
    seq: u64,
    /// Another spelling of `id`.
    pos: u64,
    #[schema(schema_with = schema::event)]
    event_type: String,
    timestamp: String,
    /// The message, question or task that it is about.
    #[schema(required)]
    event_id: Option<String>,
    #[schema(required)]
    tool_call_id: Option<String>,
    #[schema(required)]
    tool_name: Option<String>,
    /// What it says, as text; arguments of tools as JSON.
    content: String,
    /// All of it.
    #[schema(value_type = Object)]
    metadata: Value,
}

/// Events behind a cursor.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct StoredPage {
    epoch: String,
    /// `live` or `persisted`.
    source: String,
    #[schema(rename = "mission_id")]
    mission_id: SessionId,
    events: Vec<StoredEvent>,
    /// The cursor to go on from.
    next_cursor: u64,
    has_more: bool,
    oldest_seq: u64,
    latest_seq: u64,
    /// What retention removed before the first of them.
    #[schema(required)]
    gap: Option<MissingEvents>,
}

/// Numbers that are gone.
#[derive(ToSchema)]
pub struct MissingEvents {
    from: u64,
    to: u64,
    /// `retention`
    reason: String,
}

/// A list, or with `after` a page.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = MissionEvents)]
pub enum EventsAnswer {
    /// By place.
    List(Vec<StoredEvent>),
    /// Behind a cursor.
    Page(StoredPage),
}

/// A session and what comes from it.
#[derive(ToSchema)]
pub struct TreeNode {
    /// Of a session, or `root`.
    id: String,
    /// `root`, `mission`, `agent` or `fork`.
    #[schema(rename = "type")]
    kind: String,
    #[schema(required)]
    name: Option<String>,
    /// The agent of the library that it was asked for.
    agent: Option<String>,
    #[schema(nullable = false)]
    backend: Option<String>,
    status: String,
    /// What its agent does, exactly.
    #[schema(nullable = false)]
    phase: Option<String>,
    /// When its last event was.
    #[schema(rename = "activeAt")]
    active_at: Option<String>,
    #[schema(nullable = false)]
    queue_len: Option<u64>,
    #[schema(nullable = false)]
    usage: Option<Used>,
    /// Of the top: whether there are more sessions than are shown.
    #[schema(nullable = false)]
    truncated: Option<bool>,
    #[schema(no_recursion)]
    children: Vec<TreeNode>,
}

/// What a session has used.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Used {
    tokens: u64,
    cost_usd: f64,
    turns: u64,
    busy_ms: u64,
}

/// A mission that is under way.
#[derive(ToSchema)]
pub struct Running {
    mission_id: SessionId,
    #[schema(required)]
    title: Option<String>,
    /// `queued`, `running`, `waiting_for_tool`, `paused` or `finished`.
    state: String,
    #[schema(schema_with = schema::status)]
    detail: String,
    queue_len: u64,
    #[schema(required)]
    current_task_id: Option<TaskId>,
    pending_approvals: u64,
    seconds_since_activity: u64,
    health: MissionHealth,
    #[schema(required)]
    retry_at: Option<String>,
}

/// What the watch over a turn has seen.
#[derive(ToSchema)]
pub struct MissionHealth {
    /// `healthy` or `stalled`.
    status: String,
    #[schema(nullable = false)]
    seconds_since_activity: Option<u64>,
    #[schema(nullable = false)]
    last_state: Option<String>,
    /// `warning` or `severe`.
    #[schema(nullable = false)]
    severity: Option<String>,
}
