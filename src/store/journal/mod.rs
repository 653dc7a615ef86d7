//! The commit of the journal: the events of many batches and the rows that follow from them, in
//! one transaction.
//!
//! Never skips a part: a batch that cannot be applied as a whole fails the whole commit and is
//! named by its index, so that the journal commits the others without it.

mod changes;
mod progress;
mod rows;

use std::collections::{HashMap, HashSet};

use diesel::dsl::{exists, max};
use diesel::prelude::*;

use super::convert::unsigned;
use super::schema::{events, sessions};
use super::{Connection, StoreError};
use crate::domain::{Batch, SessionId};

/// Where a committed batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommittedBatch {
    /// The pos of its first event; the others follow without a hole.
    pub first_pos: u64,
}

/// Commits batches in order: their events from `first_pos` on, then each one's changes, then how far
/// each life has come. `first_pos` is above every pos that was given before (`events::max_pos`).
///
/// # Errors
/// [`StoreError::OutOfOrder`] when a batch does not go on where its session's events end,
/// [`StoreError::Illegal`] when it moves a task along no legal arrow, [`StoreError::Missing`] when
/// what it names is not there: [`StoreError::batch`] says which one. Nothing is kept then.
pub fn commit(
    conn: &mut Connection,
    first_pos: u64,
    batches: &[Batch],
) -> Result<Vec<CommittedBatch>, StoreError> {
    let places = places(conn, first_pos, batches)?;
    rows::insert(conn, batches, &places)?;
    for (index, batch) in batches.iter().enumerate() {
        changes::apply(conn, index, batch)?;
    }
    progress::advance(conn, batches)?;
    Ok(places)
}

/// Checks that every batch goes on where its session ends, and gives each its pos.
fn places(
    conn: &mut Connection,
    first_pos: u64,
    batches: &[Batch],
) -> Result<Vec<CommittedBatch>, StoreError> {
    let mut last_seqs = last_seqs(conn, batches)?;
    let mut first_pos = first_pos;
    let mut places = Vec::with_capacity(batches.len());
    for (index, batch) in batches.iter().enumerate() {
        places.push(CommittedBatch { first_pos });
        let Some(last) = last_seqs.get(&batch.session).copied() else {
            let what = format!("session {}", batch.session);
            return Err(StoreError::Missing { batch: index, what });
        };
        if batch.first_seq != last.saturating_add(1) {
            return Err(StoreError::OutOfOrder {
                batch: index,
                session: batch.session,
                first: batch.first_seq,
                last,
            });
        }
        let count = u64::try_from(batch.events.len()).unwrap_or(u64::MAX);
        last_seqs.insert(batch.session, last.saturating_add(count));
        first_pos = first_pos.saturating_add(count);
    }
    Ok(places)
}

/// Last numbers of the sessions of these batches; a session that is not there has none.
fn last_seqs(
    conn: &mut Connection,
    batches: &[Batch],
) -> Result<HashMap<SessionId, u64>, StoreError> {
    let ids: HashSet<SessionId> = batches.iter().map(|batch| batch.session).collect();
    match conn {
        Connection::Sqlite(conn) => {
            let found = ids
                .into_iter()
                .map(|id| Ok(last_seq(conn, id)?.map(|seq| (id, seq))));
            found.filter_map(Result::transpose).collect()
        }
        Connection::Postgres(conn) => last_of_each(conn, ids),
    }
}

/// One session's last number; 0 before its first event, `None` when it is not there.
fn last_seq(conn: &mut SqliteConnection, session: SessionId) -> Result<Option<u64>, StoreError> {
    let id = session.to_string();
    let last: Option<i64> = events::table
        .filter(events::agent_id.eq(&id))
        .select(max(events::seq))
        .get_result(conn)?;
    if let Some(last) = last {
        // It has events, so it is there.
        return unsigned(last).map(Some);
    }
    let known: bool = diesel::select(exists(sessions::table.find(&id))).get_result(conn)?;
    Ok(known.then_some(0))
}

/// The same of many sessions, in one question: each by the last entry of its index.
fn last_of_each(
    conn: &mut PgConnection,
    ids: HashSet<SessionId>,
) -> Result<HashMap<SessionId, u64>, StoreError> {
    let names: HashMap<String, SessionId> =
        ids.into_iter().map(|id| (id.to_string(), id)).collect();
    let last = events::table
        .filter(events::agent_id.eq(sessions::id))
        .order(events::seq.desc())
        .select(events::seq)
        .limit(1)
        .single_value();
    let wanted: Vec<&String> = names.keys().collect();
    let found: Vec<(String, Option<i64>)> = sessions::table
        .filter(sessions::id.eq_any(wanted))
        .select((sessions::id, last))
        .load(conn)?;
    let known = found
        .into_iter()
        .filter_map(|(name, last)| Some((*names.get(&name)?, last)));
    known
        .map(|(id, last)| Ok((id, last.map_or(Ok(0), unsigned)?)))
        .collect()
}

#[cfg(test)]
mod tests;
