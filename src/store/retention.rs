//! What is forgotten in time, in steps of a bounded number of rows: events from the front of an
//! agent's history, what is over of a session, the rows of deleted ones, lines of the supervisors' log.
//!
//! Never the last event of an agent that is there, which remembers its number; never an event of a
//! running turn; never a place in the order of all events twice.

mod ended;
mod history;
mod room;
mod sessions;

use diesel::dsl::{exists, max};
use diesel::prelude::*;

use super::convert::{bound, signed, unsigned};
use super::schema::{incarnations, sessions as session_rows, supervisor_log, tasks};
use super::{Connection, StoreError};
use crate::domain::{Incarnation, SessionId, Timestamp};

pub use ended::{Gone, Over, forget, has_over, living};
pub use history::{History, before_turn, histories, removed_after, trim};
pub use room::give_back;
pub use sessions::{Old, delete_resting, deleted, remove, resting};

/// What is kept of something that grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// What is older may go; `None`: no matter how old.
    pub since: Option<Timestamp>,
    /// So many of the newest stay, what is older than they may go; `None`: no matter how many.
    pub newest: Option<u64>,
}

/// Removes at most `most` of the oldest lines of the supervisors' log; returns how many.
///
/// # Errors
/// When the database fails.
pub fn decisions(conn: &mut Connection, keep: Keep, most: usize) -> Result<usize, StoreError> {
    let last: Option<i64> = supervisor_log::table
        .select(max(supervisor_log::id))
        .get_result(conn)?;
    let front: Vec<(i64, i64)> = supervisor_log::table
        .order(supervisor_log::id.asc())
        .limit(bound(most))
        .select((supervisor_log::id, supervisor_log::at))
        .load(conn)?;
    let over = match keep.newest {
        Some(newest) => last.unwrap_or(0).saturating_sub(signed(newest)?),
        None => 0,
    };
    let since = keep.since.map_or(i64::MIN, |since| since.0);
    let gone = |(id, at): &&(i64, i64)| *id <= over || *at < since;
    // Numbers of lines go on from the last one, so that one stays.
    let below = |(id, _): &&(i64, i64)| Some(*id) < last;
    let cut = front.iter().take_while(gone).take_while(below).last();
    let Some((id, _)) = cut else { return Ok(0) };
    let rows = supervisor_log::table.filter(supervisor_log::id.le(id));
    Ok(diesel::delete(rows).execute(conn)?)
}

/// What the rows say of the processes of a session, for who clears their files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lives {
    /// The number of the latest process.
    pub latest: Incarnation,
    /// Earlier ones whose files are still needed: their end is not read, or a task is bound to them.
    pub needed: Vec<Incarnation>,
}

/// The processes of a session; `None` for one that is deleted or was never there.
///
/// # Errors
/// When the database fails.
pub fn lives(conn: &mut Connection, id: SessionId) -> Result<Option<Lives>, StoreError> {
    let key = id.to_string();
    let there = session_rows::table
        .filter(session_rows::id.eq(&key))
        .filter(session_rows::archived_at.is_null());
    if !diesel::select(exists(there)).get_result::<bool>(conn)? {
        return Ok(None);
    }
    let of = || incarnations::table.filter(incarnations::session_id.eq(&key));
    let latest: Option<i64> = of().select(max(incarnations::number)).get_result(conn)?;
    let unread: Vec<i64> = of()
        .filter(incarnations::exit_report.is_null())
        .select(incarnations::number)
        .load(conn)?;
    let bound_to: Vec<Option<i64>> = tasks::table
        .filter(tasks::session_id.eq(&key))
        .filter(tasks::ended_at.is_null())
        .select(tasks::incarnation)
        .load(conn)?;
    let needed = unread.into_iter().chain(bound_to.into_iter().flatten());
    let needed = needed.map(|number| unsigned(number).map(Incarnation));
    Ok(Some(Lives {
        latest: Incarnation(unsigned(latest.unwrap_or(0))?),
        needed: needed.collect::<Result<_, _>>()?,
    }))
}
