//! Accounts, tokens, questions and their answers, as the agents' door words them.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use serde_json::Value;
use utoipa::ToSchema;

use crate::api::shared::doc::Override;
use crate::api::shared::schema;
use crate::domain::{ApprovalId, SessionId, TaskId, UserId};

/// A name and a password.
#[derive(ToSchema)]
pub struct LoginBody {
    /// The name; or `email`. A server for one person takes the password alone.
    username: Option<String>,
    /// The address of the account, or its name.
    email: Option<String>,
    password: String,
}

/// A token.
#[derive(ToSchema)]
pub struct SignedIn {
    /// For `Authorization: Bearer TOKEN` or `X-API-Key`.
    token: String,
    expires_at: String,
    /// The same.
    #[schema(rename = "expiresAt")]
    expires_at_camel: String,
    /// The same in seconds since 1970.
    exp: i64,
    user: User,
}

/// A person.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct User {
    id: UserId,
    username: String,
    email: String,
    #[schema(schema_with = schema::role)]
    role: String,
    is_admin: bool,
}

/// An account.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Account {
    id: UserId,
    username: String,
    email: String,
    #[schema(schema_with = schema::role)]
    role: String,
    is_admin: bool,
    /// Whether they are shut out.
    disabled: bool,
    /// Always false today.
    totp_enabled: bool,
    /// Always empty today.
    #[schema(value_type = Object)]
    preferences: Value,
    /// Always empty today.
    channel_bindings: Vec<Value>,
    created_at: String,
}

/// A token that holds.
#[derive(ToSchema)]
pub struct Verified {
    /// Always true.
    valid: bool,
    user: User,
    expires_at: String,
    /// The same in seconds since 1970.
    exp: i64,
}

/// A ticket for one WebSocket.
#[derive(ToSchema)]
#[schema(as = Ticket, rename_all = "camelCase")]
pub struct TicketMade {
    /// For the query of the handshake: `ticket=`.
    token: String,
    expires_at: String,
}

/// It is done.
#[derive(ToSchema)]
pub struct Done {
    /// Always true.
    success: bool,
}

/// It is deleted.
#[derive(ToSchema)]
pub struct Deleted {
    /// Always true.
    deleted: bool,
}

/// Questions that wait for an answer.
#[derive(ToSchema)]
pub struct Pending {
    approvals: Vec<Approval>,
}

/// A question of an agent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Approval {
    request_id: ApprovalId,
    /// Whether it asks for a tool or for an answer.
    kind: String,
    agent_id: SessionId,
    /// The group of the agent.
    session_id: SessionId,
    #[schema(required)]
    task_id: Option<TaskId>,
    /// Which process of the agent asks.
    incarnation: u64,
    tool_name: String,
    /// What the tool is called with.
    args: Value,
    summary: String,
    question: String,
    /// Answers to choose from.
    options: Vec<String>,
    /// How much it may destroy.
    risk: String,
    /// Which requests an answer would be remembered for; null: it cannot be.
    #[schema(required)]
    remembers: Option<String>,
    status: String,
    created_at: String,
    #[schema(required)]
    expires_at: Option<String>,
}

/// An answer.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ApproveBody {
    /// Which question.
    request_id: String,
    /// Whether it is allowed.
    approved: bool,
    /// What is said to the agent.
    response: Option<String>,
    /// For how long the answer holds: `once`, `session` or `always`.
    #[schema(schema_with = schema::remember_asked, required = false)]
    remember: Value,
}

/// A question is answered.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Resolved {
    /// Always true.
    resolved: bool,
    request_id: ApprovalId,
    status: String,
    /// For how long it holds.
    #[schema(schema_with = schema::remember)]
    remember: String,
    /// What is remembered.
    #[schema(required)]
    remembered: Option<Override>,
    /// What to know about it.
    #[schema(nullable = false)]
    note: Option<String>,
}

/// A page of answers that are remembered.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Overrides {
    overrides: Vec<Override>,
    total: u64,
    limit: u64,
    offset: u64,
    has_more: bool,
}
