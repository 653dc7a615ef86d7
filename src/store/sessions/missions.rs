//! Sessions as missions: reckoning those of before, and the ones that come from another.
//!
//! Never the writer of a mission's word while a server runs: that is the journal's commit.

use diesel::prelude::*;

use super::super::convert::{bound, from_json};
use super::super::schema::sessions;
use super::super::{Connection, StoreError};
use super::{COLUMNS, Row, session, spent};
use crate::domain::{Facts, Mission, Options, ParentReason, Session, SessionId};

/// Rows of one transaction.
const PAGE: i64 = 500;

/// Reckons some of the sessions that an earlier version stored: their word, and what they branched
/// off. Returns how many there were; 0: none is left.
///
/// # Errors
/// When the database fails.
pub fn reckon(conn: &mut Connection) -> Result<usize, StoreError> {
    let rows: Vec<(String, String, String)> = sessions::table
        .filter(sessions::mission.eq(""))
        .select((sessions::id, sessions::facts, sessions::options))
        .limit(PAGE)
        .load(conn)?;
    for (id, facts, options) in &rows {
        let facts: Facts = from_json("facts", facts)?;
        let options: Options = from_json("options", options)?;
        let row = sessions::table.find(id);
        diesel::update(row)
            .set((
                sessions::mission.eq(Mission::of(&facts).name()),
                spent::of(&facts),
            ))
            .execute(conn)?;
        if let Some(origin) = options.forked_from {
            diesel::update(row.filter(sessions::parent_id.is_null()))
                .set((
                    sessions::parent_id.eq(origin.to_string()),
                    sessions::parent_reason.eq(ParentReason::Fork.name()),
                ))
                .execute(conn)?;
        }
    }
    Ok(rows.len())
}

/// What comes from these sessions, and from that, over so many generations, oldest first in each;
/// without deleted ones.
///
/// # Errors
/// When the database fails.
pub fn descendants(
    conn: &mut Connection,
    of: &[SessionId],
    (most, depth): (usize, usize),
) -> Result<Vec<Session>, StoreError> {
    let mut found: Vec<Session> = Vec::new();
    let mut above: Vec<String> = of.iter().map(ToString::to_string).collect();
    for _generation in 0..depth {
        let left = most.saturating_sub(found.len());
        if above.is_empty() || left == 0 {
            break;
        }
        let rows: Vec<Row> = sessions::table
            .filter(sessions::parent_id.eq_any(above))
            .filter(sessions::archived_at.is_null())
            .order((sessions::created_at.asc(), sessions::id.asc()))
            .limit(bound(left))
            .select(COLUMNS)
            .load(conn)?;
        above = rows.iter().map(|row| row.0.clone()).collect();
        for row in rows {
            found.push(session(row)?);
        }
    }
    Ok(found)
}
