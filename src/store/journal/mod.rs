//! The commit of the journal: the events of many batches and the rows that follow from them, in
//! one transaction.
//!
//! Never skips a part: a batch that cannot be applied as a whole fails the whole commit and is
//! named by its index, so that the journal commits the others without it.

mod changes;
mod rows;

use std::collections::HashMap;

use diesel::dsl::{exists, max};
use diesel::prelude::*;

use super::convert::{signed, unsigned};
use super::schema::{events, incarnations, sessions};
use super::{Connection, StoreError};
use crate::domain::{Batch, Progress, SessionId};

/// Where a committed batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommittedBatch {
    /// The pos of its first event; the others follow without a hole.
    pub first_pos: u64,
}

/// Commits batches in order: their events from `first_pos` on, then each one's changes, then its
/// progress. `first_pos` is above every pos that was given before (`events::max_pos`).
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
        if let Some(progress) = &batch.progress {
            advance(conn, index, batch.session, progress)?;
        }
    }
    Ok(places)
}

/// Checks that every batch goes on where its session ends, and gives each its pos.
fn places(
    conn: &mut Connection,
    first_pos: u64,
    batches: &[Batch],
) -> Result<Vec<CommittedBatch>, StoreError> {
    let mut last_seqs: HashMap<SessionId, u64> = HashMap::new();
    let mut first_pos = first_pos;
    let mut places = Vec::with_capacity(batches.len());
    for (index, batch) in batches.iter().enumerate() {
        places.push(CommittedBatch { first_pos });
        let last = match last_seqs.get(&batch.session) {
            Some(last) => *last,
            None => last_seq(conn, index, batch.session)?,
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

/// The session's last seq; also checks that the session is there.
fn last_seq(conn: &mut Connection, batch: usize, session: SessionId) -> Result<u64, StoreError> {
    let id = session.to_string();
    let last: Option<i64> = events::table
        .filter(events::agent_id.eq(&id))
        .select(max(events::seq))
        .get_result(conn)?;
    if let Some(last) = last {
        // It has events, so it is there.
        return unsigned(last);
    }
    let known: bool = diesel::select(exists(sessions::table.find(&id))).get_result(conn)?;
    if !known {
        let what = format!("session {session}");
        return Err(StoreError::Missing { batch, what });
    }
    Ok(0)
}

fn advance(
    conn: &mut Connection,
    batch: usize,
    session: SessionId,
    progress: &Progress,
) -> Result<(), StoreError> {
    let key = (session.to_string(), signed(progress.incarnation.0)?);
    let moved = diesel::update(incarnations::table.find(key))
        .set((
            incarnations::log_offset.eq(signed(progress.offset)?),
            incarnations::snapshot.eq(&progress.snapshot),
        ))
        .execute(conn)?;
    if moved == 0 {
        let what = format!("incarnation {} of {session}", progress.incarnation);
        return Err(StoreError::Missing { batch, what });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
