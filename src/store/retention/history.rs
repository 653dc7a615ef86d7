//! The front of an agent's history, which goes in time.
//!
//! Never a hole: what goes is told by where the rest begins, and by the place of the last that went.

use diesel::dsl::{exists, max};
use diesel::prelude::*;

use super::super::convert::{bound, parse, signed, unsigned};
use super::super::schema::{events, removed, sessions, tasks, trimmed};
use super::super::{Connection, StoreError};
use super::Keep;
use crate::domain::{EventKind, SessionId, TaskState, Timestamp, UserId};

/// The stored history of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Whose.
    pub session: SessionId,
    /// Its owner.
    pub owner: UserId,
    /// The oldest event: its number, and when it was. Without events: zero.
    pub oldest: (u64, Timestamp),
    /// The number of the last event; 0 without events.
    pub latest: u64,
    /// The last number that may go: below the last event and before a running turn.
    pub free: u64,
}

impl History {
    /// How many events there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        match self.latest {
            0 => 0,
            latest => latest.saturating_sub(self.oldest.0).saturating_add(1),
        }
    }

    /// Whether something of it may go.
    #[must_use]
    pub fn exceeds(&self, keep: Keep) -> bool {
        let (oldest, at) = self.oldest;
        let old = keep.since.is_some_and(|since| at < since);
        let many = keep.newest.is_some_and(|newest| self.rows() > newest);
        self.latest > 0 && oldest <= self.free && (old || many)
    }
}

/// The histories of a page of sessions, in the order of their ids.
///
/// # Errors
/// When the database fails.
pub fn histories(
    conn: &mut Connection,
    after: Option<SessionId>,
    owner: Option<UserId>,
    limit: usize,
) -> Result<Vec<History>, StoreError> {
    let mut query = sessions::table
        .filter(sessions::archived_at.is_null())
        .order(sessions::id.asc())
        .limit(bound(limit))
        .select((sessions::id, sessions::owner_id))
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(sessions::id.gt(after.to_string()));
    }
    if let Some(owner) = owner {
        query = query.filter(sessions::owner_id.eq(owner.to_string()));
    }
    let rows: Vec<(String, String)> = query.load(conn)?;
    rows.into_iter()
        .map(|(id, owner)| history(conn, &id, &owner))
        .collect()
}

fn history(conn: &mut Connection, id: &str, owner: &str) -> Result<History, StoreError> {
    let of = || events::table.filter(events::agent_id.eq(id));
    let oldest: Option<(i64, i64)> = of()
        .order(events::seq.asc())
        .select((events::seq, events::at))
        .first(conn)
        .optional()?;
    let latest: Option<i64> = of().select(max(events::seq)).get_result(conn)?;
    let (seq, at) = oldest.unwrap_or_default();
    let latest = unsigned(latest.unwrap_or(0))?;
    Ok(History {
        session: parse("session id", id)?,
        owner: parse("user id", owner)?,
        oldest: (unsigned(seq)?, Timestamp(at)),
        latest,
        free: latest.saturating_sub(1),
    })
}

/// Lowers what may go of a history to what was before its running turn, if it has one.
///
/// # Errors
/// When the database fails.
pub fn before_turn(conn: &mut Connection, history: &mut History) -> Result<(), StoreError> {
    let id = history.session.to_string();
    let held = |state: &TaskState| state.in_turn() || *state == TaskState::Uncertain;
    let states: Vec<_> = TaskState::ALL.into_iter().filter(held).collect();
    let turn = tasks::table
        .filter(tasks::session_id.eq(&id))
        .filter(tasks::ended_at.is_null())
        .filter(tasks::state.eq_any(states.iter().map(|state| state.name())));
    let runs: bool = diesel::select(exists(turn)).get_result(conn)?;
    if !runs {
        return Ok(());
    }
    let ended: Option<i64> = events::table
        .filter(events::agent_id.eq(&id))
        .filter(events::kind.eq(EventKind::TurnEnded.name()))
        .order(events::seq.desc())
        .select(events::seq)
        .first(conn)
        .optional()?;
    history.free = history.free.min(unsigned(ended.unwrap_or(0))?);
    Ok(())
}

/// Removes at most `most` events from the front of a history; returns how many. What was read of
/// the history may be old: what came since has higher numbers.
///
/// # Errors
/// When the database fails.
pub fn trim(
    conn: &mut Connection,
    history: &History,
    keep: Keep,
    most: usize,
) -> Result<usize, StoreError> {
    let id = history.session.to_string();
    let front: Vec<(i64, i64, i64)> = events::table
        .filter(events::agent_id.eq(&id))
        .filter(events::seq.le(signed(history.free)?))
        .order(events::seq.asc())
        .limit(bound(most))
        .select((events::seq, events::pos, events::at))
        .load(conn)?;
    let over = match keep.newest {
        Some(newest) => signed(history.latest.saturating_sub(newest))?,
        None => 0,
    };
    let since = keep.since.map_or(i64::MIN, |since| since.0);
    let gone = |(seq, _, at): &&(i64, i64, i64)| *seq <= over || *at < since;
    let Some((seq, pos, _)) = front.iter().take_while(gone).last() else {
        return Ok(0);
    };
    let rows = events::table
        .filter(events::agent_id.eq(&id))
        .filter(events::seq.le(seq));
    let count = diesel::delete(rows).execute(conn)?;
    note_trimmed(conn, (&id, history.owner), (*seq, *pos))?;
    Ok(count)
}

fn note_trimmed(
    conn: &mut Connection,
    (id, owner): (&str, UserId),
    (seq, pos): (i64, i64),
) -> Result<(), StoreError> {
    let through = (trimmed::through_seq.eq(seq), trimmed::through_pos.eq(pos));
    let known = diesel::update(trimmed::table.find(id))
        .set(through)
        .execute(conn)?;
    if known == 0 {
        diesel::insert_into(trimmed::table)
            .values((
                trimmed::session_id.eq(id),
                trimmed::owner_id.eq(owner.to_string()),
                through.0,
                through.1,
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The place of the last event behind `pos` that retention removed of anybody's sessions, or of one
/// person's; `None`: nothing behind it is gone.
///
/// # Errors
/// When the database fails.
pub fn removed_after(
    conn: &mut Connection,
    pos: u64,
    owner: Option<UserId>,
) -> Result<Option<u64>, StoreError> {
    let mut query = trimmed::table
        .filter(trimmed::through_pos.gt(signed(pos)?))
        .select(max(trimmed::through_pos))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(trimmed::owner_id.eq(owner.to_string()));
    }
    let last: Option<i64> = query.get_result(conn)?;
    let mut query = removed::table
        .filter(removed::through_pos.gt(signed(pos)?))
        .select(max(removed::through_pos))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(removed::owner_id.eq(owner.to_string()));
    }
    let gone: Option<i64> = query.get_result(conn)?;
    last.max(gone).map(unsigned).transpose()
}

/// Notes that the events of a session up to this place go with its rows, and what retention removed
/// of it before. Without a place: only the latter, whose note goes with the session.
pub(super) fn note_removed(
    conn: &mut Connection,
    id: &str,
    pos: Option<i64>,
) -> Result<(), StoreError> {
    let before: Option<i64> = trimmed::table
        .find(id)
        .select(trimmed::through_pos)
        .first(conn)
        .optional()?;
    let Some(pos) = pos.max(before) else {
        return Ok(());
    };
    let owner: String = sessions::table
        .find(id)
        .select(sessions::owner_id)
        .first(conn)?;
    let known: Option<i64> = removed::table
        .find(&owner)
        .select(removed::through_pos)
        .first(conn)
        .optional()?;
    if let Some(known) = known {
        diesel::update(removed::table.find(&owner))
            .set(removed::through_pos.eq(pos.max(known)))
            .execute(conn)?;
    } else {
        diesel::insert_into(removed::table)
            .values((removed::owner_id.eq(&owner), removed::through_pos.eq(pos)))
            .execute(conn)?;
    }
    Ok(())
}
