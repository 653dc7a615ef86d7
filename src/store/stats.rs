//! Figures of what is kept, read from the ends of indexes and from counts by index.
//!
//! Never a walk over events: those are counted by their numbers, which have no hole.

use diesel::dsl::{count_star, max, min};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::convert::{unsigned, word};
use super::events::max_pos;
use super::schema::{approvals, audit, events, incarnations, sessions, supervisor_log, tasks};
use super::{Connection, Store, StoreError, retention};
use crate::domain::{ApprovalState, Mission, Status, TaskState, Timestamp, UserId};

/// Sessions in one question.
const PAGE: usize = 500;

/// Counts by status.
pub type ByStatus = Vec<(Status, u64)>;

/// Sessions that are there by their status, and how many are deleted but kept.
///
/// # Errors
/// When the database fails.
pub fn sessions(
    conn: &mut Connection,
    owner: Option<UserId>,
) -> Result<(ByStatus, u64), StoreError> {
    let (rows, gone): (Vec<(String, i64)>, i64) = match owner.map(|id| id.to_string()) {
        Some(owner) => {
            let there = sessions::table
                .filter(sessions::archived_at.is_null())
                .filter(sessions::owner_id.eq(&owner))
                .group_by(sessions::status)
                .select((sessions::status, count_star()))
                .load(conn)?;
            let gone = sessions::table
                .filter(sessions::archived_at.is_not_null())
                .filter(sessions::owner_id.eq(&owner))
                .select(count_star())
                .get_result(conn)?;
            (there, gone)
        }
        None => everyones(conn)?,
    };
    let there = rows.into_iter().filter(|(_, count)| *count > 0);
    let there =
        there.map(|(text, count)| Ok((word("status", &text, Status::parse)?, unsigned(count)?)));
    Ok((there.collect::<Result<_, StoreError>>()?, unsigned(gone)?))
}

/// Sessions that are there by the word of their mission.
///
/// # Errors
/// When the database fails.
pub fn missions(
    conn: &mut Connection,
    owner: Option<UserId>,
) -> Result<Vec<(Mission, u64)>, StoreError> {
    let there = sessions::table.filter(sessions::archived_at.is_null());
    let rows: Vec<(String, i64)> = match owner {
        Some(owner) => there
            .filter(sessions::owner_id.eq(owner.to_string()))
            .group_by(sessions::mission)
            .select((sessions::mission, count_star()))
            .load(conn)?,
        None => there
            .group_by(sessions::mission)
            .select((sessions::mission, count_star()))
            .load(conn)?,
    };
    let read = |text: &str| Mission::parse(text).ok();
    rows.iter()
        .map(|(text, count)| Ok((word("mission", text, read)?, unsigned(*count)?)))
        .collect()
}

/// All by the index of their status, less the few that are deleted: no row is read but theirs.
fn everyones(conn: &mut Connection) -> Result<(Vec<(String, i64)>, i64), StoreError> {
    let mut rows: Vec<(String, i64)> = sessions::table
        .group_by(sessions::status)
        .select((sessions::status, count_star()))
        .load(conn)?;
    let deleted: Vec<(String, i64)> = sessions::table
        .filter(sessions::archived_at.is_not_null())
        .group_by(sessions::status)
        .select((sessions::status, count_star()))
        .load(conn)?;
    for (status, count) in &mut rows {
        let less = deleted.iter().find(|(word, _)| word == status);
        *count = count.saturating_sub(less.map_or(0, |(_, less)| *less));
    }
    Ok((rows, deleted.iter().map(|(_, count)| count).sum()))
}

/// Tasks by their state.
///
/// # Errors
/// When the database fails.
pub fn tasks(
    conn: &mut Connection,
    owner: Option<UserId>,
) -> Result<Vec<(TaskState, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = match owner.map(|id| id.to_string()) {
        Some(owner) => tasks::table
            .filter(tasks::owner_id.eq(owner))
            .group_by(tasks::state)
            .select((tasks::state, count_star()))
            .load(conn)?,
        None => tasks::table
            .group_by(tasks::state)
            .select((tasks::state, count_star()))
            .load(conn)?,
    };
    rows.into_iter()
        .map(|(text, count)| {
            Ok((
                word("task state", &text, TaskState::parse)?,
                unsigned(count)?,
            ))
        })
        .collect()
}

/// Questions by their state.
///
/// # Errors
/// When the database fails.
pub fn approvals(
    conn: &mut Connection,
    owner: Option<UserId>,
) -> Result<Vec<(ApprovalState, u64)>, StoreError> {
    let mut query = approvals::table
        .group_by(approvals::state)
        .select((approvals::state, count_star()))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(approvals::owner_id.eq(owner.to_string()));
    }
    let rows: Vec<(String, i64)> = query.load(conn)?;
    let known = |text: &str| word("approval state", text, ApprovalState::parse);
    rows.into_iter()
        .map(|(text, count)| Ok((known(&text)?, unsigned(count)?)))
        .collect()
}

/// How many processes have a row; of one person: those of the sessions that are not deleted.
///
/// # Errors
/// When the database fails.
pub fn incarnations(conn: &mut Connection, owner: Option<UserId>) -> Result<u64, StoreError> {
    let count: i64 = match owner {
        Some(owner) => {
            let own = sessions::table
                .filter(sessions::archived_at.is_null())
                .filter(sessions::owner_id.eq(owner.to_string()))
                .select(sessions::id);
            incarnations::table
                .filter(incarnations::session_id.eq_any(own))
                .select(count_star())
                .get_result(conn)?
        }
        None => incarnations::table.select(count_star()).get_result(conn)?,
    };
    unsigned(count)
}

/// Rows of the audit and lines of the supervisors' log, by their numbers: both go from the front.
///
/// # Errors
/// When the database fails.
pub fn lines(conn: &mut Connection) -> Result<(u64, u64), StoreError> {
    // One at a time: each is the end of an index.
    let first: Option<i64> = audit::table.select(min(audit::n)).get_result(conn)?;
    let last: Option<i64> = audit::table.select(max(audit::n)).get_result(conn)?;
    let rows = span(first, last)?;
    let of = supervisor_log::table;
    let first: Option<i64> = of.select(min(supervisor_log::id)).get_result(conn)?;
    let last: Option<i64> = of.select(max(supervisor_log::id)).get_result(conn)?;
    Ok((rows, span(first, last)?))
}

fn span(first: Option<i64>, last: Option<i64>) -> Result<u64, StoreError> {
    let ends = first.zip(last);
    let span = |(first, last): (i64, i64)| last.saturating_sub(first).saturating_add(1);
    unsigned(ends.map_or(0, span))
}

/// How many events there are of sessions that are not deleted, and the last pos that was given: both
/// of one moment.
///
/// # Errors
/// When the database fails.
pub fn events(conn: &mut Connection) -> Result<(u64, u64), StoreError> {
    let (mut rows, mut after) = (0_u64, None);
    loop {
        let page = retention::histories(conn, after, None, PAGE)?;
        let counts = page.iter().map(retention::History::rows);
        rows = counts.fold(rows, u64::saturating_add);
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.session),
            Some(_) | None => return Ok((rows, max_pos(conn)?)),
        }
    }
}

/// When the event was that was committed first of all that are kept.
///
/// # Errors
/// When the database fails.
pub fn oldest_event(conn: &mut Connection) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = events::table
        .order(events::pos.asc())
        .select(events::at)
        .first(conn)
        .optional()?;
    Ok(at.map(Timestamp))
}

#[derive(QueryableByName)]
struct Bytes {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// The size of the database. Each database has its own question.
///
/// # Errors
/// When the database fails.
pub async fn bytes(store: &Store) -> Result<u64, StoreError> {
    const PAGES: &str = "SELECT page_count * page_size AS bytes \
                         FROM pragma_page_count(), pragma_page_size()";
    const WHOLE: &str = "SELECT pg_database_size(current_database()) AS bytes";
    let question = match store.path() {
        Some(_file) => PAGES,
        None => WHOLE,
    };
    let asked = store.read(move |conn| Ok(diesel::sql_query(question).get_result::<Bytes>(conn)?));
    let found = asked.await?;
    unsigned(found.bytes)
}
