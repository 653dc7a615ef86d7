//! How many there are: sessions by status, tasks that wait.
//!
//! Never a row of anybody's.

use diesel::dsl::{count_star, min};
use diesel::prelude::*;

use super::convert::unsigned;
use super::schema::{sessions, tasks};
use super::{Connection, StoreError};
use crate::domain::{TaskState, Timestamp};

/// How many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sessions that are not archived, by the stored word of their status.
    pub sessions: Vec<(String, u64)>,
    /// Tasks that wait.
    pub waiting: u64,
    /// Since when the one waits that waits longest.
    pub oldest: Option<Timestamp>,
}

/// Counts.
///
/// # Errors
/// When the database fails.
pub fn count(conn: &mut Connection) -> Result<Tally, StoreError> {
    let by_status: Vec<(String, i64)> = sessions::table
        .filter(sessions::archived_at.is_null())
        .group_by(sessions::status)
        .select((sessions::status, count_star()))
        .load(conn)?;
    let mut known = Vec::with_capacity(by_status.len());
    for (status, count) in by_status {
        known.push((status, unsigned(count)?));
    }
    known.sort();
    // What is not over has an index of its own.
    let waiting = || {
        tasks::table
            .filter(tasks::ended_at.is_null())
            .filter(tasks::state.eq(TaskState::Queued.name()))
    };
    let count: i64 = waiting().select(count_star()).get_result(conn)?;
    let oldest: Option<i64> = waiting().select(min(tasks::created_at)).get_result(conn)?;
    Ok(Tally {
        sessions: known,
        waiting: unsigned(count)?,
        oldest: oldest.map(Timestamp),
    })
}
