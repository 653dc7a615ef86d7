//! What a list shows of a session beside its row: the last number, the queue, open questions.
//!
//! Never a statement for each session: one for the whole page, of look-ups by index alone.

use std::collections::HashMap;

use diesel::dsl::{count_star, max};
use diesel::prelude::*;

use super::super::convert::{parse, unsigned};
use super::super::schema::{approvals, events, sessions, tasks, workspaces};
use super::super::{Connection, StoreError};
use super::SessionOverview;
use crate::domain::{ApprovalState, Session, TaskState};

/// Id, last number, waiting tasks, the task that holds the running place, unanswered questions, the
/// name of its workspace.
type Row = (
    String,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
);

/// The sessions in their order, each with its figures.
///
/// # Errors
/// When the database fails.
pub fn of(conn: &mut Connection, found: Vec<Session>) -> Result<Vec<SessionOverview>, StoreError> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut figures = read(conn, &found)?;
    found
        .into_iter()
        .map(|session| {
            let row = figures.remove(&session.id.to_string());
            let (_, last, waiting, turn, asked, workspace_name) =
                row.ok_or(StoreError::NotFound)?;
            Ok(SessionOverview {
                session,
                workspace_name,
                last_seq: unsigned(last.unwrap_or(0))?,
                queue_depth: unsigned(waiting.unwrap_or(0))?,
                turn_task: turn.map(|id| parse("task id", &id)).transpose()?,
                pending_approvals: unsigned(asked.unwrap_or(0))?,
            })
        })
        .collect()
}

fn read(conn: &mut Connection, found: &[Session]) -> Result<HashMap<String, Row>, StoreError> {
    let ids = found.iter().map(|session| session.id.to_string());
    let in_turn = TaskState::ALL.into_iter().filter(|state| state.in_turn());
    let last = events::table
        .filter(events::agent_id.eq(sessions::id))
        .select(max(events::seq))
        .single_value();
    let open = tasks::table
        .filter(tasks::session_id.eq(sessions::id))
        .filter(tasks::ended_at.is_null());
    let waiting = open
        .filter(tasks::state.eq(TaskState::Queued.name()))
        .select(count_star())
        .single_value();
    let turn = open
        .filter(tasks::state.eq_any(in_turn.map(TaskState::name)))
        .order(tasks::ord.desc())
        .select(tasks::id)
        .limit(1)
        .single_value();
    let asked = approvals::table
        .filter(approvals::session_id.eq(sessions::id))
        .filter(approvals::resolved_at.is_null())
        .filter(approvals::state.eq(ApprovalState::Pending.name()))
        .select(count_star())
        .single_value();
    let place = workspaces::table
        .filter(workspaces::id.nullable().eq(sessions::workspace_id))
        .select(workspaces::name)
        .single_value();
    let rows: Vec<Row> = sessions::table
        .filter(sessions::id.eq_any(ids))
        .select((sessions::id, last, waiting, turn, asked, place))
        .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.0.clone(), row)).collect())
}
