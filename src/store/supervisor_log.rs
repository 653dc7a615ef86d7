//! The supervisor's decisions, one line each, for people.
//!
//! Never a source of truth: nothing is restored from it.

use diesel::dsl::max;
use diesel::prelude::*;

use super::convert::{bound, parse, plain, signed, unsigned};
use super::schema::supervisor_log as log;
use super::{Connection, StoreError};
use crate::domain::{Incarnation, SessionId, Timestamp};

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Its number, from 1; given by [`append`], which ignores what stands here.
    pub id: u64,
    /// When; of a repeated line: the last time.
    pub at: Timestamp,
    /// Place in the tree, `root/sessions/…`.
    pub path: String,
    /// Which life of the actor.
    pub generation: u64,
    /// Which life of the process; 0 when none is concerned.
    pub incarnation: Incarnation,
    /// What happened.
    pub event: String,
    /// Why.
    pub reason: String,
    /// What was decided.
    pub decision: String,
    /// When the decision takes effect.
    pub next_at: Option<Timestamp>,
    /// The session that is concerned.
    pub session: Option<SessionId>,
    /// How often this same line came in a row; given by [`append`].
    pub count: u64,
}

type Columns = (
    i64,
    i64,
    String,
    i64,
    i64,
    String,
    String,
    String,
    Option<i64>,
    Option<String>,
    i64,
);

/// Adds lines in order. A line that only repeats the last one of its path (all but the times
/// equal) raises that line's counter instead and moves its times.
///
/// # Errors
/// When the database fails.
pub fn append(conn: &mut Connection, rows: &[Row]) -> Result<(), StoreError> {
    let last: Option<i64> = log::table.select(max(log::id)).get_result(conn)?;
    let mut id = last.unwrap_or(0);
    for row in rows {
        if repeat(conn, row)? {
            continue;
        }
        id = id.saturating_add(1);
        diesel::insert_into(log::table)
            .values((
                log::id.eq(id),
                log::at.eq(row.at.0),
                log::path.eq(&row.path),
                log::generation.eq(signed(row.generation)?),
                log::incarnation.eq(signed(row.incarnation.0)?),
                log::event.eq(&row.event),
                log::reason.eq(plain(&row.reason)),
                log::decision.eq(&row.decision),
                log::next_at.eq(row.next_at.map(|at| at.0)),
                log::session_id.eq(row.session.map(|id| id.to_string())),
                log::count.eq(1),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Lines after a number, oldest first.
///
/// # Errors
/// When the database fails.
pub fn page(conn: &mut Connection, after: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
    let rows: Vec<Columns> = log::table
        .filter(log::id.gt(signed(after)?))
        .order(log::id.asc())
        .limit(bound(limit))
        .load(conn)?;
    rows.into_iter().map(line).collect()
}

fn repeat(conn: &mut Connection, row: &Row) -> Result<bool, StoreError> {
    let last: Option<Columns> = log::table
        .filter(log::path.eq(&row.path))
        .order(log::id.desc())
        .first(conn)
        .optional()?;
    let Some(last) = last.map(line).transpose()? else {
        return Ok(false);
    };
    let again = Row {
        id: last.id,
        at: last.at,
        next_at: last.next_at,
        count: last.count,
        reason: plain(&row.reason).into_owned(),
        ..row.clone()
    };
    if again != last {
        return Ok(false);
    }
    diesel::update(log::table.find(signed(last.id)?))
        .set((
            log::count.eq(log::count + 1),
            log::at.eq(row.at.0),
            log::next_at.eq(row.next_at.map(|at| at.0)),
        ))
        .execute(conn)?;
    Ok(true)
}

fn line(columns: Columns) -> Result<Row, StoreError> {
    let (id, at, path, generation, incarnation, event, reason, decision, next_at, session, count) =
        columns;
    Ok(Row {
        id: unsigned(id)?,
        at: Timestamp(at),
        path,
        generation: unsigned(generation)?,
        incarnation: Incarnation(unsigned(incarnation)?),
        event,
        reason,
        decision,
        next_at: next_at.map(Timestamp),
        session: session.map(|text| parse("session id", &text)).transpose()?,
        count: unsigned(count)?,
    })
}
