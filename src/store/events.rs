//! Events as they are read: by session and seq, or by pos over all.
//!
//! Never written here: the journal's commit is the only writer.

use std::collections::HashMap;

use diesel::dsl::{max, min, sql};
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::convert::{bound, parse, signed, unsigned, word};
use super::schema::{events, sessions};
use super::{Connection, StoreError, meta};
use crate::domain::{Event, EventKind, SessionId, Timestamp, UserId};

/// A session's events after a seq, oldest first; `kinds`: only these.
///
/// # Errors
/// When the database fails.
pub fn page(
    conn: &mut Connection,
    session: SessionId,
    after_seq: u64,
    limit: usize,
    kinds: Option<&[EventKind]>,
) -> Result<Vec<Event>, StoreError> {
    let query = after(session, after_seq, limit, kinds)?;
    let rows: Vec<Row> = query.select(COLUMNS).load(conn)?;
    of_session(conn, session, rows)
}

/// How many of the events of such a [`page`] may be read, so that it has at most so many bytes of
/// data, but one event at least; `limit` where they all fit. Reads no data.
///
/// # Errors
/// When the database fails.
pub fn fit(
    conn: &mut Connection,
    session: SessionId,
    after_seq: u64,
    (limit, bytes): (usize, usize),
    kinds: Option<&[EventKind]>,
) -> Result<usize, StoreError> {
    if bytes == usize::MAX {
        return Ok(limit);
    }
    let query = after(session, after_seq, limit, kinds)?;
    let sizes: Vec<i32> = query.select(sql::<Integer>(SIZE)).load(conn)?;
    Ok(fitting(&sizes, (limit, bytes)))
}

fn after<'a>(
    session: SessionId,
    after_seq: u64,
    limit: usize,
    kinds: Option<&[EventKind]>,
) -> Result<Asked<'a>, StoreError> {
    let query = events::table
        .filter(events::agent_id.eq(session.to_string()))
        .filter(events::seq.gt(signed(after_seq)?))
        .order(events::seq.asc())
        .limit(bound(limit))
        .into_boxed();
    let words = kinds.map(|kinds| kinds.iter().map(|kind| kind.name()));
    Ok(match words {
        Some(words) => query.filter(events::kind.eq_any(words)),
        None => query,
    })
}

type Asked<'a> = events::BoxedQuery<'a, <Connection as diesel::Connection>::Backend>;

/// Bytes of an event's data; both databases know them without a look at the data.
const SIZE: &str = "octet_length(events.data)";

fn fitting(sizes: &[i32], (limit, bytes): (usize, usize)) -> usize {
    let mut sum = 0_usize;
    let fits = sizes.iter().take_while(|size| {
        sum = sum.saturating_add(usize::try_from(**size).unwrap_or(usize::MAX));
        sum <= bytes
    });
    match fits.count() {
        all if all == sizes.len() => limit,
        some => some.max(1),
    }
}

/// Events of every session, or of one person's, after a pos, in order of commit, each with its
/// owner.
///
/// # Errors
/// When the database fails.
pub fn by_pos(
    conn: &mut Connection,
    after_pos: u64,
    owner: Option<UserId>,
    limit: usize,
) -> Result<Vec<(UserId, Event)>, StoreError> {
    let mut query = events::table
        .inner_join(sessions::table)
        .filter(events::pos.gt(signed(after_pos)?))
        .order(events::pos.asc())
        .limit(bound(limit))
        .select((
            COLUMNS,
            events::agent_id,
            events::owner_id,
            sessions::group_id,
        ))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(events::owner_id.eq(owner.to_string()));
    }
    let rows: Vec<(Row, String, String, String)> = query.load(conn)?;
    rows.into_iter()
        .map(|(row, agent, owner, group)| {
            let event = event(parse("agent id", &agent)?, parse("group id", &group)?, row)?;
            Ok((parse("user id", &owner)?, event))
        })
        .collect()
}

/// As [`fit`], of the events that [`by_pos`] reads.
///
/// # Errors
/// When the database fails.
pub fn fit_by_pos(
    conn: &mut Connection,
    after_pos: u64,
    owner: Option<UserId>,
    (limit, bytes): (usize, usize),
) -> Result<usize, StoreError> {
    let mut query = events::table
        .filter(events::pos.gt(signed(after_pos)?))
        .order(events::pos.asc())
        .limit(bound(limit))
        .select(sql::<Integer>(SIZE))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(events::owner_id.eq(owner.to_string()));
    }
    Ok(fitting(&query.load(conn)?, (limit, bytes)))
}

/// The last events of these kinds among a session's last `among`, oldest first: at most so many.
///
/// # Errors
/// When the database fails.
pub fn last_of(
    conn: &mut Connection,
    session: SessionId,
    kinds: &[EventKind],
    (most, among): (usize, usize),
) -> Result<Vec<Event>, StoreError> {
    let (_, latest) = bounds(conn, session)?;
    let from = latest.saturating_sub(u64::try_from(among).unwrap_or(u64::MAX));
    let mut rows: Vec<Row> = events::table
        .filter(events::agent_id.eq(session.to_string()))
        .filter(events::seq.gt(signed(from)?))
        .filter(events::kind.eq_any(kinds.iter().map(|kind| kind.name())))
        .order(events::seq.desc())
        .limit(bound(most))
        .select(COLUMNS)
        .load(conn)?;
    rows.reverse();
    of_session(conn, session, rows)
}

/// A session's events by their place in the list, and whether the bytes cut the page short.
///
/// # Errors
/// When the database fails.
pub fn at_place(
    conn: &mut Connection,
    (session, kinds): (SessionId, Option<&[EventKind]>),
    offset: usize,
    (limit, bytes): (usize, usize),
) -> Result<(Vec<Event>, bool), StoreError> {
    let asked = |limit| after(session, 0, limit, kinds).map(|query| query.offset(bound(offset)));
    let sizes: Vec<i32> = asked(limit)?.select(sql::<Integer>(SIZE)).load(conn)?;
    let fits = fitting(&sizes, (limit, bytes)).min(limit);
    let rows: Vec<Row> = asked(fits)?.select(COLUMNS).load(conn)?;
    let cut = rows.len() < sizes.len();
    Ok((of_session(conn, session, rows)?, cut))
}

/// When these events were, by their session.
///
/// # Errors
/// When the database fails.
pub fn times(
    conn: &mut Connection,
    of: &[(SessionId, u64)],
) -> Result<HashMap<SessionId, Timestamp>, StoreError> {
    let mut times = HashMap::with_capacity(of.len());
    for (session, seq) in of {
        let at: Option<i64> = events::table
            .find((session.to_string(), signed(*seq)?))
            .select(events::at)
            .first(conn)
            .optional()?;
        times.extend(at.map(|at| (*session, Timestamp(at))));
    }
    Ok(times)
}

/// A session's last events, oldest first: what refills a ring.
///
/// # Errors
/// When the database fails.
pub fn tail(conn: &mut Connection, session: SessionId, n: usize) -> Result<Vec<Event>, StoreError> {
    let mut rows: Vec<Row> = events::table
        .filter(events::agent_id.eq(session.to_string()))
        .order(events::seq.desc())
        .limit(bound(n))
        .select(COLUMNS)
        .load(conn)?;
    rows.reverse();
    of_session(conn, session, rows)
}

/// The oldest and the latest stored seq of a session; zeros when it has no event.
///
/// # Errors
/// When the database fails.
pub fn bounds(conn: &mut Connection, session: SessionId) -> Result<(u64, u64), StoreError> {
    // Two statements: SQLite looks up one end of an index at once, but both only by a scan.
    let id = session.to_string();
    let of = || events::table.filter(events::agent_id.eq(&id));
    let oldest: Option<i64> = of().select(min(events::seq)).get_result(conn)?;
    let latest: Option<i64> = of().select(max(events::seq)).get_result(conn)?;
    Ok((
        unsigned(oldest.unwrap_or(0))?,
        unsigned(latest.unwrap_or(0))?,
    ))
}

/// The last pos that was given, also to an event that is gone; 0 before the first.
///
/// # Errors
/// When the database fails.
pub fn max_pos(conn: &mut Connection) -> Result<u64, StoreError> {
    let last: Option<i64> = events::table.select(max(events::pos)).get_result(conn)?;
    Ok(unsigned(last.unwrap_or(0))?.max(meta::kept_pos(conn)?))
}

type Row = (i64, i64, String, i64, String);

const COLUMNS: (
    events::seq,
    events::pos,
    events::kind,
    events::at,
    events::data,
) = (
    events::seq,
    events::pos,
    events::kind,
    events::at,
    events::data,
);

fn of_session(
    conn: &mut Connection,
    session: SessionId,
    rows: Vec<Row>,
) -> Result<Vec<Event>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let group: String = sessions::table
        .find(session.to_string())
        .select(sessions::group_id)
        .first(conn)?;
    let group = parse("group id", &group)?;
    rows.into_iter()
        .map(|row| event(session, group, row))
        .collect()
}

fn event(agent: SessionId, group: SessionId, row: Row) -> Result<Event, StoreError> {
    let (seq, pos, kind, at, data) = row;
    Ok(Event {
        seq: unsigned(seq)?,
        pos: unsigned(pos)?,
        agent,
        group,
        kind: word("event kind", &kind, EventKind::parse)?,
        at: Timestamp(at),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn a_page_ends_at_its_bytes_and_has_one_event_at_least() {
        for (sizes, fits) in [
            (&[10, 20, 30][..], 200),
            (&[10, 20, 70], 200),
            (&[10, 20, 71], 2),
            (&[101, 1], 1),
            (&[101], 1),
            (&[], 200),
        ] {
            assert_eq!(fitting(sizes, (200, 100)), fits, "{sizes:?}");
        }
    }
}
