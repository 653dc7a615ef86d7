//! How the server and its machine are, as the agents' door words it.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use utoipa::ToSchema;

use crate::api::shared::schema;

/// That the server is there.
#[derive(ToSchema)]
pub struct Health {
    /// `ok`
    status: String,
    timestamp: String,
}

/// Whether the server takes work.
#[derive(ToSchema)]
pub struct Ready {
    /// Always true.
    ready: bool,
}

/// Why the server takes no work.
#[derive(ToSchema)]
pub struct Unready {
    /// Always false.
    ready: bool,
    /// `draining`, `database` or `database_writes`.
    reason: String,
}

/// That the process lives.
#[derive(ToSchema)]
pub struct Live {
    /// Always true.
    live: bool,
}

/// How the parts of the server are.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Detailed {
    /// The whole in a word.
    status: String,
    version: String,
    /// Seconds since the start.
    uptime: u64,
    started_at: String,
    agents: AgentCounts,
    services: Services,
    isolation: Isolation,
    restart: Restart,
}

/// How many agents there are.
#[derive(ToSchema)]
pub struct AgentCounts {
    total: u64,
    /// With a process.
    running: u64,
    /// For a place.
    waiting: u64,
}

/// The parts.
#[derive(ToSchema)]
pub struct Services {
    database: Service,
    /// Whether rows can be written.
    writes: Service,
    /// The writer of events.
    journal: Service,
    /// The server's own threads.
    threads: Service,
    /// Descriptors for connections and agents.
    files: Service,
    /// The wall clock: a jump is told for ten minutes.
    clock: Service,
    /// The file of the log: that it was made again is told for ten minutes.
    log: Service,
    supervisor: Service,
    /// The room on the disk.
    disk: Service,
    keeper: Keeper,
}

/// A part.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Service {
    /// `healthy` or `unhealthy`.
    status: String,
    #[schema(nullable = false)]
    latency_ms: Option<u64>,
    /// What is wrong, or of note.
    #[schema(nullable = false)]
    message: Option<String>,
    /// What is not committed yet: the journal alone.
    #[schema(nullable = false)]
    pending: Option<u64>,
}

/// The keeper's program.
#[derive(ToSchema)]
pub struct Keeper {
    /// `healthy` or `unhealthy`.
    status: String,
    /// Its file name.
    #[schema(required)]
    binary: Option<String>,
}

/// What holds agents on this machine.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Isolation {
    /// By which means.
    means: serde_json::Value,
    /// How the machine is made to give better ones.
    #[schema(required)]
    mend: Option<String>,
    /// In which cgroups.
    cgroup: serde_json::Value,
    #[schema(required)]
    cgroup_mend: Option<String>,
    /// Which limits hold.
    limits: serde_json::Value,
    /// Which do not.
    limits_missing: serde_json::Value,
    #[schema(required)]
    limits_mend: Option<String>,
}

/// What becomes of agents when the server is started again.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Restart {
    /// Whether they live on; null: not known.
    agents_survive: serde_json::Value,
    /// What to do that they do.
    mend: serde_json::Value,
}

/// Which agent programs the machine has.
#[derive(ToSchema)]
pub struct Programs {
    tools: Vec<Program>,
    choice: Choice,
}

/// An agent program.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Program {
    name: String,
    #[schema(schema_with = schema::kind)]
    agent_type: String,
    /// Whether a session of it would start.
    available: bool,
    /// Whether it was found.
    installed: bool,
    #[schema(required)]
    version: Option<String>,
    #[schema(required)]
    path: Option<String>,
    /// Null: it needs no signing in.
    #[schema(required)]
    signed_in: Option<bool>,
    /// By what.
    #[schema(required)]
    signed_in_by: Option<String>,
    /// What is missing.
    #[schema(required)]
    missing: Option<String>,
    /// How that is mended.
    #[schema(required)]
    mend: Option<String>,
    /// Names of models that are its own.
    model_patterns: Vec<String>,
    /// Always null today.
    quota: serde_json::Value,
}

/// Which program a prompt goes to by itself.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Choice {
    #[schema(schema_with = schema::kind)]
    agent_type: String,
    /// Why.
    says: String,
}
