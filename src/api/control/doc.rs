//! The control door's shapes, for the document of the API.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// That the server is there.
#[derive(ToSchema)]
#[schema(as = ControlHealth)]
pub struct Health {
    /// `ok`
    status: String,
    version: String,
    dev_mode: bool,
    auth_required: bool,
    /// `single_tenant` or `multi_user`.
    auth_mode: String,
}

/// What is kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Stats {
    /// `server`, or `own` for who is no admin.
    scope: String,
    /// When the figures were read.
    at: String,
    sessions: SessionStats,
    tasks: TaskStats,
    events: EventStats,
    approvals: ApprovalStats,
    incarnations: IncarnationStats,
    retention: RetentionStats,
    /// For admins.
    #[schema(nullable = false)]
    database: Option<DatabaseStats>,
    /// For admins.
    #[schema(nullable = false)]
    audit: Option<AuditStats>,
    /// For admins.
    #[schema(nullable = false)]
    supervisor_log: Option<SupervisorLogStats>,
    /// For admins; null before the first count.
    logs: Option<LogStats>,
    disk: DiskStats,
    #[schema(required)]
    cpu: Option<CpuStats>,
    #[schema(required)]
    memory: Option<MemoryStats>,
    #[schema(required)]
    network: Option<NetworkStats>,
    missions: MissionStats,
    cost: CostStats,
    /// `missions.total`
    #[schema(rename = "total_tasks")]
    total_tasks: u64,
    /// `missions.active`
    #[schema(rename = "active_tasks")]
    active_tasks: u64,
    /// `missions.completed`
    #[schema(rename = "completed_tasks")]
    completed_tasks: u64,
    /// `missions.failed`
    #[schema(rename = "failed_tasks")]
    failed_tasks: u64,
    /// `cost.usd`, rounded up.
    #[schema(rename = "total_cost_cents")]
    total_cost_cents: u64,
    /// Completed ones among those that completed or failed, 0 to 1; null while there are none.
    #[schema(rename = "success_rate", required)]
    success_rate: Option<f64>,
    /// `cpu.percent`
    #[schema(rename = "cpu_percent", required)]
    cpu_percent: Option<f64>,
    /// `memory.usedBytes`
    #[schema(rename = "memory_used", required)]
    memory_used: Option<u64>,
    /// `memory.totalBytes`
    #[schema(rename = "memory_total", required)]
    memory_total: Option<u64>,
    /// `memory.percent`
    #[schema(rename = "memory_percent", required)]
    memory_percent: Option<f64>,
}

/// The processors of the machine.
#[derive(ToSchema)]
pub struct CpuStats {
    /// How much they worked in the last second.
    #[schema(required)]
    percent: Option<f64>,
    /// Each.
    #[schema(required)]
    cores: Option<Vec<f64>>,
    /// Processes that wanted to run, on the average of a minute.
    #[schema(required)]
    load1: Option<f64>,
    /// Of five minutes.
    #[schema(required)]
    load5: Option<f64>,
    /// Of fifteen minutes.
    #[schema(required)]
    load15: Option<f64>,
}

/// The memory of the machine.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct MemoryStats {
    total_bytes: u64,
    /// What cannot be had any more.
    used_bytes: u64,
    #[schema(required)]
    percent: Option<f64>,
    /// What the server's own process takes.
    #[schema(required)]
    server_bytes: Option<u64>,
}

/// The networks of the machine, without the loopback.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct NetworkStats {
    #[schema(required)]
    rx_bytes_per_second: Option<u64>,
    #[schema(required)]
    tx_bytes_per_second: Option<u64>,
    /// Since the machine began.
    rx_bytes: u64,
    /// Since the machine began.
    tx_bytes: u64,
}

/// Missions by their status.
#[derive(ToSchema)]
pub struct MissionStats {
    total: u64,
    pending: u64,
    active: u64,
    completed: u64,
    failed: u64,
    interrupted: u64,
}

/// What the turns of the sessions cost that are there.
#[derive(ToSchema)]
pub struct CostStats {
    /// US dollars, as far as the programs told.
    usd: f64,
    tokens: u64,
}

/// Sessions that are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SessionStats {
    total: u64,
    by_status: BTreeMap<String, u64>,
    /// Those that are deleted, but whose rows are kept.
    deleted: u64,
}

/// Tasks that are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct TaskStats {
    total: u64,
    by_state: BTreeMap<String, u64>,
}

/// Events that are kept.
#[derive(ToSchema)]
pub struct EventStats {
    /// Null before the first count.
    #[schema(required)]
    total: Option<u64>,
    /// When the oldest was.
    #[schema(required)]
    oldest: Option<String>,
}

/// Questions that are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ApprovalStats {
    total: u64,
    by_state: BTreeMap<String, u64>,
}

/// Processes of agents of which a row is kept.
#[derive(ToSchema)]
pub struct IncarnationStats {
    total: u64,
}

/// The record of who did what.
#[derive(ToSchema)]
pub struct AuditStats {
    /// Rows.
    total: u64,
}

/// The supervisors' log.
#[derive(ToSchema)]
pub struct SupervisorLogStats {
    /// Lines.
    total: u64,
}

/// How long things are kept, and what was removed.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RetentionStats {
    settings: RetentionSettings,
    /// For admins; null before the first.
    last_sweep: Option<Sweep>,
}

/// The settings in force; 0 is for ever.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RetentionSettings {
    /// Time from one go to the next.
    every_seconds: u64,
    events_age_seconds: u64,
    events_per_agent: u64,
    /// Of ended tasks, answered questions and processes that are gone.
    tasks_age_seconds: u64,
    /// So many of each.
    tasks_per_agent: u64,
    logs_age_seconds: u64,
    logs_per_agent: u64,
    rest_age_seconds: u64,
    deleted_age_seconds: u64,
    supervisor_age_seconds: u64,
    supervisor_lines: u64,
    audit_age_seconds: u64,
}

/// What was removed last.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Sweep {
    at: String,
    duration_ms: u64,
    removed: Swept,
    /// The clock was off by more than a day, so nothing was removed by its age.
    clock_doubted: bool,
    /// Parts that failed and are tried again soon.
    failed: u64,
}

/// How much of each was removed.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Swept {
    events: u64,
    /// Ended ones.
    tasks: u64,
    /// Answered ones.
    approvals: u64,
    /// What was noted of earlier processes.
    incarnations: u64,
    /// They are deleted now.
    resting_sessions: u64,
    /// Deleted ones, whose rows are gone now.
    sessions: u64,
    logs: u64,
    log_bytes: u64,
    supervisor_lines: u64,
    audit_rows: u64,
}

/// The database.
#[derive(ToSchema)]
pub struct DatabaseStats {
    bytes: u64,
}

/// Output logs.
#[derive(ToSchema)]
pub struct LogStats {
    total: u64,
    bytes: u64,
}

/// The disk.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct DiskStats {
    /// `ok`, `low` or `full`.
    state: String,
    #[schema(required)]
    free_bytes: Option<u64>,
    #[schema(required)]
    total_bytes: Option<u64>,
    /// For admins: below this it is low: bytes, or a part of the whole.
    #[schema(nullable = false)]
    warn_free: Option<String>,
    /// For admins: below this new work is refused.
    #[schema(nullable = false)]
    refuse_free: Option<String>,
}
