//! How far the logs of lives have been read: written with the events that came of them.
//!
//! Never one question a session where each is a way to another process and back: PostgreSQL takes all
//! of a commit at once.

use std::collections::HashMap;

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Text};
use diesel::sqlite::SqliteConnection;

use super::super::convert::signed;
use super::super::schema::incarnations;
use super::super::{Connection, StoreError};
use crate::domain::{Batch, Incarnation, Progress, SessionId};

/// The last progress of each life in these batches, with the batch that it came in.
type Latest<'a> = HashMap<(SessionId, Incarnation), (usize, &'a Progress)>;

/// Writes it; the lives are there by now.
///
/// # Errors
/// [`StoreError::Missing`] for a life that is not.
pub fn advance(conn: &mut Connection, batches: &[Batch]) -> Result<(), StoreError> {
    let mut latest = Latest::new();
    for (index, batch) in batches.iter().enumerate() {
        if let Some(progress) = &batch.progress {
            latest.insert((batch.session, progress.incarnation), (index, progress));
        }
    }
    match conn {
        Connection::Sqlite(conn) => one_by_one(conn, &latest),
        Connection::Postgres(conn) => at_once(conn, &latest),
    }
}

fn one_by_one(conn: &mut SqliteConnection, latest: &Latest<'_>) -> Result<(), StoreError> {
    for ((session, life), (index, progress)) in latest {
        let key = (session.to_string(), signed(life.0)?);
        let moved = diesel::update(incarnations::table.find(key))
            .set((
                incarnations::log_offset.eq(signed(progress.offset)?),
                incarnations::snapshot.eq(&progress.snapshot),
            ))
            .execute(conn)?;
        if moved == 0 {
            return Err(missing(*index, *session, *life));
        }
    }
    Ok(())
}

fn at_once(conn: &mut PgConnection, latest: &Latest<'_>) -> Result<(), StoreError> {
    if latest.is_empty() {
        return Ok(());
    }
    let mut all = Advance::default();
    for ((session, life), (_, progress)) in latest {
        all.sessions.push(session.to_string());
        all.numbers.push(signed(life.0)?);
        all.offsets.push(signed(progress.offset)?);
        all.snapshots.push(&progress.snapshot);
    }
    let keys: Vec<(String, i64)> = all
        .sessions
        .iter()
        .cloned()
        .zip(all.numbers.iter().copied())
        .collect();
    if all.execute(conn)? == latest.len() {
        return Ok(());
    }
    // Seldom: then it is said which one.
    for ((session, number), ((known, life), (index, _))) in keys.into_iter().zip(latest) {
        let row = incarnations::table.find((session, number));
        if !diesel::select(diesel::dsl::exists(row)).get_result::<bool>(conn)? {
            return Err(missing(*index, *known, *life));
        }
    }
    Err(StoreError::Other(
        "progress of fewer lives than there are".to_owned(),
    ))
}

fn missing(batch: usize, session: SessionId, life: Incarnation) -> StoreError {
    let what = format!("incarnation {life} of {session}");
    StoreError::Missing { batch, what }
}

/// One statement for any number of lives, prepared once.
#[derive(Default)]
struct Advance<'a> {
    sessions: Vec<String>,
    numbers: Vec<i64>,
    offsets: Vec<i64>,
    snapshots: Vec<&'a str>,
}

impl QueryId for Advance<'_> {
    type QueryId = Advance<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for Advance<'_> {}

impl QueryFragment<Pg> for Advance<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE incarnations AS i SET log_offset = v.log_offset, snapshot = v.snapshot \
             FROM unnest(",
        );
        out.push_bind_param::<Array<Text>, _>(&self.sessions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.numbers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.offsets)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.snapshots)?;
        out.push_sql(
            ") AS v (session_id, number, log_offset, snapshot) \
             WHERE i.session_id = v.session_id AND i.number = v.number",
        );
        Ok(())
    }
}
