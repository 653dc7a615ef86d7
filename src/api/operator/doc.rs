//! The operator's shapes, for the document of the API.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use utoipa::{IntoParams, ToSchema};

use crate::domain::SessionId;

/// A supervisor or a worker.
#[derive(ToSchema)]
pub struct Node {
    /// Unique among its siblings; the last part of `path`.
    id: String,
    path: String,
    /// `supervisor` or `worker`.
    kind: String,
    /// As its parent sees it.
    state: String,
    /// When it is started again; absent at the root.
    #[schema(nullable = false)]
    restart: Option<String>,
    /// Supervisors only, and only when they answered.
    #[schema(nullable = false)]
    strategy: Option<String>,
    /// Attempts to start so far.
    generation: u64,
    /// Those that its supervisor decided on its own.
    restarts: u64,
    /// Milliseconds that it is up.
    #[schema(nullable = false)]
    uptime_ms: Option<u64>,
    /// Milliseconds until its restart.
    #[schema(nullable = false)]
    next_in_ms: Option<u64>,
    /// In the order of their start; absent for workers.
    #[schema(no_recursion, nullable = false)]
    children: Option<Vec<Node>>,
}

/// A page of decisions of the supervisors.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Decisions {
    events: Vec<Decision>,
    /// Where the next page goes on: the next `after`.
    next_cursor: u64,
    has_more: bool,
}

/// A decision of a supervisor.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Decision {
    id: u64,
    at: String,
    /// Of which part.
    path: String,
    /// Which life of the part.
    generation: u64,
    /// Which process of the agent.
    #[schema(required)]
    incarnation: Option<u64>,
    /// What happened.
    event: String,
    /// Why.
    reason: String,
    /// What the supervisor did.
    decision: String,
    /// When the part is started again.
    #[schema(required)]
    next_at: Option<String>,
    #[schema(required)]
    agent_id: Option<SessionId>,
    /// How often the same happened in a row.
    count: u64,
}

/// Which decisions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct DecisionsQuery {
    /// Behind this id.
    #[param(minimum = 0, default = 0)]
    after: Option<u64>,
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u64>,
    /// Only those about this agent.
    agent_id: Option<SessionId>,
}

/// A page of the record of who did what.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AuditPage {
    entries: Vec<AuditEntry>,
    /// Where the next page goes on: the next `after`.
    next_cursor: u64,
    has_more: bool,
}

/// One thing that was done.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its number, from 1 without holes.
    n: u64,
    at: String,
    /// Who: the id of a person, the name that somebody tried, or `server`.
    actor: String,
    /// With what: `token:` or `key:` and an id; empty where there was none.
    credential: String,
    /// From which address; empty where there was none.
    address: String,
    /// In which request; empty outside of one.
    request_id: String,
    action: String,
    /// To what.
    object: String,
    /// How it ended.
    result: String,
    /// The hash of the row before it.
    prev_hash: String,
    /// Its own.
    hash: String,
}

/// Which part of the record.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Behind this number.
    #[param(minimum = 0, default = 0)]
    after: Option<u64>,
    /// The size of the page; more counts as the most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u64>,
    /// Only what they did.
    actor: Option<String>,
    /// Only this.
    action: Option<String>,
}
