//! Tasks that wait, over all sessions of a person.
//!
//! Never one of a deleted session.

use diesel::prelude::*;

use super::convert::parse;
use super::schema::{sessions, tasks};
use super::{Connection, StoreError};
use crate::domain::{SessionId, TaskId, TaskState, UserId};

/// What waits in the queues of a person's sessions: by the age of the session, then in its order.
///
/// # Errors
/// When the database fails.
pub fn of(conn: &mut Connection, owner: UserId) -> Result<Vec<(SessionId, TaskId)>, StoreError> {
    let rows: Vec<(String, String)> = tasks::table
        .inner_join(sessions::table)
        .filter(sessions::owner_id.eq(owner.to_string()))
        .filter(sessions::archived_at.is_null())
        .filter(tasks::state.eq(TaskState::Queued.name()))
        .filter(tasks::ended_at.is_null())
        .order((
            sessions::created_at.asc(),
            sessions::id.asc(),
            tasks::ord.asc(),
            tasks::id.asc(),
        ))
        .select((tasks::session_id, tasks::id))
        .load(conn)?;
    let ids = rows.iter();
    ids.map(|(session, id)| Ok((parse("session id", session)?, parse("task id", id)?)))
        .collect()
}

/// What waits in one queue, in the order in which it will run.
///
/// # Errors
/// When the database fails.
pub fn order(conn: &mut Connection, of: SessionId) -> Result<Vec<TaskId>, StoreError> {
    let ids: Vec<String> = tasks::table
        .filter(tasks::session_id.eq(of.to_string()))
        .filter(tasks::state.eq(TaskState::Queued.name()))
        .filter(tasks::ended_at.is_null())
        .order((tasks::ord.asc(), tasks::id.asc()))
        .select(tasks::id)
        .load(conn)?;
    ids.iter().map(|id| parse("task id", id)).collect()
}
