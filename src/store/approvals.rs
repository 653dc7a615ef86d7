//! Questions of agents to people.
//!
//! Never answered here: the journal's commit applies answers, to pending ones only.

use diesel::prelude::*;

use super::convert::{from_json, parse, plain, signed, to_json, unsigned, word};
use super::schema::approvals;
use super::{Connection, StoreError};
use crate::domain::{
    Approval, ApprovalId, ApprovalKind, ApprovalState, Incarnation, Risk, SessionId, Timestamp,
    UserId,
};

/// Stores a question.
///
/// # Errors
/// [`StoreError::Conflict`] when the id is known.
pub fn insert(conn: &mut Connection, approval: &Approval) -> Result<(), StoreError> {
    diesel::insert_into(approvals::table)
        .values((
            approvals::id.eq(approval.id.to_string()),
            approvals::session_id.eq(approval.session.to_string()),
            approvals::owner_id.eq(approval.owner.to_string()),
            approvals::incarnation.eq(signed(approval.incarnation.0)?),
            approvals::kind.eq(approval.kind.name()),
            approvals::request.eq(plain(&approval.request)),
            approvals::task_id.eq(approval.task.map(|id| id.to_string())),
            approvals::tool.eq(plain(&approval.tool)),
            approvals::args.eq(approval.args.to_string()),
            approvals::summary.eq(plain(&approval.summary)),
            approvals::question.eq(plain(&approval.question)),
            approvals::options.eq(to_json(&approval.options)?),
            approvals::risk.eq(approval.risk.name()),
            approvals::state.eq(approval.state.name()),
            approvals::created_at.eq(approval.created_at.0),
            approvals::expires_at.eq(approval.expires_at.map(|at| at.0)),
            approvals::resolved_at.eq(approval.resolved_at.map(|at| at.0)),
            approvals::resolved_by.eq(&approval.resolved_by),
            approvals::response.eq(&approval.response),
        ))
        .execute(conn)?;
    Ok(())
}

/// One question, answered or not.
///
/// # Errors
/// When the database fails.
pub fn by_id(conn: &mut Connection, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
    let row = approvals::table.find(id.to_string()).first::<Row>(conn);
    row.optional()?.map(approval).transpose()
}

/// Unanswered questions, oldest first; `None`: of everybody.
///
/// # Errors
/// When the database fails.
pub fn pending(conn: &mut Connection, owner: Option<UserId>) -> Result<Vec<Approval>, StoreError> {
    let mut query = approvals::table
        .filter(approvals::state.eq(ApprovalState::Pending.name()))
        .filter(approvals::resolved_at.is_null())
        .order((approvals::created_at.asc(), approvals::id.asc()))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(approvals::owner_id.eq(owner.to_string()));
    }
    let rows: Vec<Row> = query.load(conn)?;
    rows.into_iter().map(approval).collect()
}

/// A session's questions whose answer its program has not got, oldest first: unanswered ones, and
/// those that an override has decided.
///
/// # Errors
/// When the database fails.
pub fn pending_of(conn: &mut Connection, session: SessionId) -> Result<Vec<Approval>, StoreError> {
    let rows: Vec<Row> = approvals::table
        .filter(approvals::session_id.eq(session.to_string()))
        .filter(approvals::resolved_at.is_null())
        .order((approvals::created_at.asc(), approvals::id.asc()))
        .load(conn)?;
    rows.into_iter().map(approval).collect()
}

/// Moves the end of every unanswered question that has one by the time that the server was down,
/// in milliseconds: only the time that it is up counts. Returns how many moved.
///
/// # Errors
/// When the database fails.
pub fn shift_expiry(conn: &mut Connection, by_ms: i64) -> Result<usize, StoreError> {
    let open = approvals::table
        .filter(approvals::resolved_at.is_null())
        .filter(approvals::expires_at.is_not_null());
    let moved = diesel::update(open)
        .set(approvals::expires_at.eq(approvals::expires_at + by_ms))
        .execute(conn)?;
    Ok(moved)
}

type Row = (
    String,
    String,
    String,
    i64,
    String,
    String,
    Option<String>,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
);

fn approval(row: Row) -> Result<Approval, StoreError> {
    let (id, session, owner, incarnation, kind, request, task, tool, args, summary, ..) = &row;
    let (.., question, options, risk, state, created, expires, resolved, by, response) = &row;
    let task = task.as_deref().map(|text| parse("task id", text));
    Ok(Approval {
        id: parse("approval id", id)?,
        session: parse("session id", session)?,
        owner: parse("user id", owner)?,
        incarnation: Incarnation(unsigned(*incarnation)?),
        kind: word("approval kind", kind, ApprovalKind::parse)?,
        request: request.clone(),
        task: task.transpose()?,
        tool: tool.clone(),
        args: from_json("arguments", args)?,
        summary: summary.clone(),
        question: question.clone(),
        options: from_json("options", options)?,
        risk: word("risk", risk, Risk::parse)?,
        state: word("approval state", state, ApprovalState::parse)?,
        created_at: Timestamp(*created),
        expires_at: expires.map(Timestamp),
        resolved_at: resolved.map(Timestamp),
        resolved_by: by.clone(),
        response: response.clone(),
    })
}
