//! The agents' door's shapes, for the document of the API.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

mod accounts;
mod people;
mod query;
mod service;

use serde_json::Value;
use utoipa::ToSchema;

pub use accounts::{
    AccountBody, AccountPage, AccountPatch, InviteBody, InviteMade, Invites, PasswordBody,
    RegisterBody, Registered,
};
pub use people::{
    Account, ApproveBody, Deleted, Done, LoginBody, Overrides, Pending, Resolved, SignedIn,
    TicketMade, Verified,
};
pub use query::{
    AccountsQuery, AgentsQuery, EventsQuery, LogQuery, OverridesQuery, PauseQuery, ProgramsQuery,
};
pub use service::{Detailed, Health, Live, Programs, Ready, Unready};

use super::wire::Agent;
use crate::api::shared::doc::{Landed, LimitsBody};
use crate::api::shared::schema::{self, joined};
use crate::domain::{SessionId, TaskId, WorkspaceId};

/// A new agent. Every member may be left out or null.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AgentBody {
    /// Which program: `claude`, `shell` or `script`, or another name of one of these; `shell`
    /// without it, and the kind of its origin for a fork.
    agent_type: Option<String>,
    /// Another spelling of `agentType`.
    agent: Option<String>,
    /// Another spelling of `agentType`.
    kind: Option<String>,
    /// Another spelling of `agentType`.
    backend: Option<String>,
    /// An agent whose group it joins.
    session_id: Option<SessionId>,
    /// A name of your own, by which the terminals' door finds it.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]+$")]
    name: Option<String>,
    /// What it is about.
    #[schema(max_length = 512)]
    topic: Option<String>,
    /// Which model, for kinds that have one.
    #[schema(min_length = 1, max_length = 512)]
    model: Option<String>,
    /// Its first prompt.
    message: Option<String>,
    /// An existing directory, absolute or below the home of the server's user.
    working_directory: Option<String>,
    /// Another spelling of `workingDirectory`.
    cwd: Option<String>,
    /// The workspace that it works in: its directory, or one in it, and its variables.
    workspace_id: Option<WorkspaceId>,
    /// Another spelling of `workspaceId`.
    #[schema(rename = "workspace_id")]
    workspace_id_snake: Option<WorkspaceId>,
    /// What it asks before it acts: `default`, `dontAsk`, `acceptEdits`, `bypassPermissions` or
    /// `plan`.
    permission_mode: Option<String>,
    /// What an agent of the kind `script` plays.
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
    /// What becomes of its first prompt when nobody knows whether it was received.
    #[schema(schema_with = schema::on_uncertain_asked, required = false)]
    on_uncertain: String,
    /// Another spelling of `onUncertain`.
    #[schema(rename = "on_uncertain", schema_with = schema::on_uncertain_asked, required = false)]
    on_uncertain_snake: String,
    /// Whether its process is started at once.
    #[schema(default = true)]
    start: Option<bool>,
}

joined! {
    /// A new agent, and where its first prompt landed.
    AgentMade as "AgentMade": Agent<'static>, Landed;
}

/// Changes of a running agent. One of the two has to be there; fixed members are refused.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct TuneBody {
    /// What it asks before it acts.
    permission_mode: Option<String>,
    /// Which model; null, an empty text or `default` is the program's own choice.
    model: Option<String>,
}

/// What an agent does now.
#[derive(ToSchema)]
pub struct StatusWord {
    /// `paused` or `pausing`.
    status: String,
}

/// What an agent does behind a resumption.
#[derive(ToSchema)]
pub struct Resumed {
    #[schema(schema_with = schema::lifecycle)]
    status: String,
    #[schema(schema_with = schema::status)]
    detail: String,
}

/// A turn is being ended.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Interrupted {
    /// `stopping`
    status: String,
    task_id: TaskId,
}

/// A process was ended.
#[derive(ToSchema)]
pub struct Stopped {
    /// Whether there was one.
    stopped: bool,
    agent: Agent<'static>,
}

/// The facts behind a status.
#[derive(ToSchema)]
pub struct Why {
    id: SessionId,
    #[schema(schema_with = schema::lifecycle)]
    status: String,
    #[schema(schema_with = schema::status)]
    detail: String,
    /// The facts, in the order in which they decide.
    because: Vec<Because>,
    /// The last decisions of its supervisor, a line each.
    supervisor: Vec<String>,
}

/// A fact.
#[derive(ToSchema)]
pub struct Because {
    /// Which.
    fact: String,
    /// What it is.
    value: Value,
    /// Since when, or when.
    #[schema(nullable = false)]
    at: Option<String>,
}

/// Events in the order of their numbers.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct EventsPage {
    /// Of which life of the database the numbers are.
    epoch: String,
    /// `live` or `persisted`.
    source: String,
    agent_id: SessionId,
    events: Vec<Event>,
    /// The next `after`.
    next_cursor: u64,
    has_more: bool,
    /// The first number that is kept.
    oldest_seq: u64,
    /// The last number.
    latest_seq: u64,
    /// What retention took away before the first.
    #[schema(required)]
    gap: Option<Gap>,
}

/// Numbers that are not kept any more.
#[derive(ToSchema)]
#[schema(as = EventGap)]
pub struct Gap {
    from: u64,
    to: u64,
    /// `retention`
    reason: String,
}

/// A numbered fact about an agent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Event {
    #[schema(rename = "type", schema_with = schema::event)]
    kind: String,
    /// Its number within the agent, from 1, without holes.
    seq: u64,
    /// Its number within the server.
    pos: u64,
    agent_id: SessionId,
    /// The group of the agent.
    session_id: SessionId,
    timestamp: String,
    /// What happened, by `type`.
    #[schema(value_type = Object)]
    data: Value,
}
