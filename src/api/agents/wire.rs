//! The door's JSON: agents, questions, people.
//!
//! Never a value that is not in a row: what is not known is null or absent.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::shared::schema;
use crate::api::shared::work::options;
use crate::app::Overview;
use crate::domain::limit::usd;
use crate::domain::overrides::may_remember;
use crate::domain::{
    Approval, ExitReport, Invite, Lifecycle, LimitKind, Matcher, ParentReason, Process, Session,
    SessionId, TaskId, Timestamp, User, WorkspaceId,
};

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent<'a> {
    id: SessionId,
    /// The group that it belongs to.
    session_id: SessionId,
    /// Whose it is.
    user_id: crate::domain::UserId,
    #[schema(required)]
    name: Option<&'a str>,
    #[schema(schema_with = schema::kind)]
    agent_type: &'static str,
    #[schema(required)]
    topic: Option<&'a str>,
    #[schema(required)]
    model: Option<&'a str>,
    /// Always null today.
    #[schema(required)]
    role: Option<&'static str>,
    /// What it does, in few words.
    #[schema(schema_with = schema::lifecycle)]
    status: &'static str,
    /// What it does, exactly.
    #[schema(schema_with = schema::status)]
    detail: &'static str,
    /// Whether it takes nothing from its queue.
    paused: bool,
    /// Its process on the machine.
    #[schema(required)]
    pid: Option<u32>,
    /// Which process it is, from 1; 0 before the first.
    incarnation: u64,
    cwd: &'a str,
    /// The workspace that it works in, if it is not the one that everybody has.
    #[schema(required)]
    workspace_id: Option<WorkspaceId>,
    #[schema(schema_with = schema::permission_mode)]
    permission_mode: &'static str,
    #[schema(required)]
    scenario: Option<&'a str>,
    /// `effort`, `mcpServers`, `forkOf`, `limits`: those that it has.
    #[serde(flatten)]
    #[schema(value_type = crate::api::shared::doc::Options)]
    options: Map<String, Value>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    duration_ms: i64,
    /// Always null today.
    #[schema(required)]
    total_tokens: Option<u64>,
    /// Turns so far.
    iteration: u64,
    /// Dollars so far, where the program tells them.
    spent_usd: f64,
    /// Milliseconds of all turns.
    busy_ms: u64,
    /// Which limit is used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_reached: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The number of its last event.
    last_seq: u64,
    /// How many prompts wait.
    queue_depth: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_task_id: Option<TaskId>,
    pending_approvals: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::api::shared::doc::Exit>)]
    last_exit: Option<Value>,
    /// The agent whose group it was added to.
    #[schema(required)]
    parent_agent_id: Option<SessionId>,
    /// As it was given: an object or null.
    metadata: &'a Value,
}

/// Words an agent as of `now`.
pub fn agent(row: &Overview, now: Timestamp) -> Agent<'_> {
    let session = &row.session;
    let facts = &session.facts;
    let status = session.status.lifecycle(facts);
    let ended = over(status).then_some(session.updated_at);
    Agent {
        id: session.id,
        session_id: session.group,
        user_id: session.owner,
        name: session.name.as_deref(),
        agent_type: session.kind.name(),
        topic: session.topic.as_deref(),
        model: session.model.as_deref(),
        role: None,
        status: status.name(),
        detail: session.status.name(),
        paused: facts.paused,
        pid: facts.process.pid(),
        incarnation: facts.incarnation.0,
        cwd: &session.cwd,
        workspace_id: session.workspace,
        permission_mode: session.permission_mode.name(),
        scenario: session.scenario.as_deref(),
        options: options::shown(&session.options),
        created_at: session.created_at.rfc3339(),
        updated_at: session.updated_at.rfc3339(),
        completed_at: ended.map(Timestamp::rfc3339),
        duration_ms: duration(session, status, now),
        total_tokens: None,
        iteration: facts.turns,
        spent_usd: usd(facts.spent_micro_usd),
        busy_ms: facts.busy_ms,
        limit_reached: facts.limit.map(LimitKind::name),
        completion_reason: completion(session, status),
        error: trouble(session),
        last_seq: row.last_seq,
        queue_depth: row.queue_depth,
        current_task_id: row.turn_task,
        pending_approvals: row.pending_approvals,
        retry_at: facts.retry_at().map(Timestamp::rfc3339),
        last_exit: facts.last_exit.as_ref().map(exit),
        parent_agent_id: above(session),
        metadata: &session.metadata,
    }
}

fn above(session: &Session) -> Option<SessionId> {
    let up = session.parent?;
    (up.reason == ParentReason::Agent).then_some(up.session)
}

/// Whether what is shown of an agent changes with the clock.
pub fn at_work(row: &Overview) -> bool {
    row.session.status.lifecycle(&row.session.facts) == Lifecycle::Running
}

fn over(status: Lifecycle) -> bool {
    match status {
        Lifecycle::Completed | Lifecycle::Failed | Lifecycle::Stopped => true,
        Lifecycle::Idle | Lifecycle::Running | Lifecycle::Paused => false,
    }
}

/// Runs while the agent works and stands still otherwise.
fn duration(session: &Session, status: Lifecycle, now: Timestamp) -> i64 {
    let end = match status {
        Lifecycle::Running => now,
        Lifecycle::Idle
        | Lifecycle::Paused
        | Lifecycle::Stopped
        | Lifecycle::Completed
        | Lifecycle::Failed => session.updated_at,
    };
    end.0.saturating_sub(session.created_at.0).max(0)
}

fn completion(session: &Session, status: Lifecycle) -> Option<&'static str> {
    let facts = &session.facts;
    match status {
        Lifecycle::Completed => facts.last_outcome.map(|outcome| outcome.name()),
        Lifecycle::Failed if facts.process.held() => facts.last_outcome.map(|o| o.name()),
        Lifecycle::Failed | Lifecycle::Stopped => {
            facts.last_exit.as_ref().map(|exit| exit.reason.name())
        }
        Lifecycle::Idle | Lifecycle::Running | Lifecycle::Paused => None,
    }
}

fn trouble(session: &Session) -> Option<String> {
    let facts = &session.facts;
    match &facts.process {
        Process::Failed { code, text } => Some(format!("{code}: {text}")),
        Process::CrashLoop => Some(format!(
            "crash_loop: {} short lives in a row",
            facts.short_lives
        )),
        Process::None
        | Process::Waiting { .. }
        | Process::Starting { .. }
        | Process::Live { .. }
        | Process::Unattached { .. }
        | Process::Backoff { .. } => {
            let limit = facts.limit?;
            Some(format!("limit_reached: {}", limit.refusal()))
        }
    }
}

fn exit(exit: &ExitReport) -> Value {
    json!({
        "incarnation": exit.incarnation,
        "pid": exit.pid,
        "exitCode": exit.exit_code,
        "signal": exit.signal,
        "core": exit.core,
        "oom": exit.oom,
        "reason": exit.reason.name(),
        "by": exit.by,
        "startedAt": exit.started_at.rfc3339(),
        "endedAt": exit.ended_at.rfc3339(),
        "lifetimeMs": exit.lifetime_ms(),
        "stderrTail": exit.stderr_tail,
    })
}

/// Words a question, of a session that may be gone.
pub fn approval(approval: &Approval, session: Option<&Session>) -> Value {
    let matches = session.and_then(|session| {
        let matcher = Matcher::of(&approval.args, &session.cwd);
        may_remember(approval, &matcher).ok()?;
        Some(matcher.words(&approval.tool))
    });
    json!({
        "requestId": approval.id,
        "kind": approval.kind.name(),
        "agentId": approval.session,
        "sessionId": session.map_or(approval.session, |session| session.group),
        "taskId": approval.task,
        "incarnation": approval.incarnation,
        "toolName": approval.tool,
        "args": approval.args,
        "summary": approval.summary,
        "question": approval.question,
        "options": approval.options,
        "risk": approval.risk.name(),
        "remembers": matches,
        "status": approval.state.name(),
        "createdAt": approval.created_at.rfc3339(),
        "expiresAt": approval.expires_at.map(Timestamp::rfc3339),
    })
}

/// Words a person.
pub fn user(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "role": user.role.name(),
        "isAdmin": user.role >= crate::domain::Role::Admin,
    })
}

/// A person as their own page and the lists of admins show them.
pub fn account(user: &User) -> Value {
    let mut account = self::user(user);
    if let Some(account) = account.as_object_mut() {
        account.insert("disabled".into(), user.disabled.into());
        account.insert("totpEnabled".into(), false.into());
        account.insert("preferences".into(), json!({}));
        account.insert("channelBindings".into(), json!([]));
        account.insert("createdAt".into(), user.created_at.rfc3339().into());
    }
    account
}

/// An invitation as of `now`; never its code.
pub fn invite(invite: &Invite, now: Timestamp) -> Value {
    json!({
        "id": invite.id,
        "role": invite.role.name(),
        "status": invite.state(now).name(),
        "createdBy": invite.created_by,
        "createdAt": invite.created_at.rfc3339(),
        "expiresAt": invite.expires_at.rfc3339(),
        "usedBy": invite.used_by,
        "usedAt": invite.used_at.map(Timestamp::rfc3339),
    })
}
