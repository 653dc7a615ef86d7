//! Sessions that rest too long, and the rows of those that are deleted.
//!
//! Never one that has work or a question, and never more than a step at one time.

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::super::convert::{bound, parse};
use super::super::schema::{approvals, events, sessions, tasks};
use super::super::version::members_change;
use super::super::{Connection, StoreError, meta, overrides};
use super::history::note_removed;
use crate::domain::{SessionId, Status, Timestamp};

/// Statuses of a session that rests: no process is held, and nothing goes on by itself.
const AT_REST: [Status; 6] = [
    Status::Created,
    Status::Interrupted,
    Status::CrashLoop,
    Status::Failed,
    Status::Stopped,
    Status::Completed,
];

/// Rows that are old by their own stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Old {
    /// Stamped before this time, ...
    pub before: Timestamp,
    /// ... but not between these two, ends included: the clock was wrong then.
    pub but: Option<(Timestamp, Timestamp)>,
}

impl Old {
    /// An empty span where nothing is left out.
    pub(super) fn left_out(self) -> (i64, i64) {
        self.but.map_or((0, -1), |(from, to)| (from.0, to.0))
    }

    /// Whether something with this stamp is old.
    pub(super) fn covers(self, at: Timestamp) -> bool {
        let (from, to) = self.left_out();
        at < self.before && !(from..=to).contains(&at.0)
    }
}

/// Sessions that have rested since before a time, with neither work nor a question.
///
/// # Errors
/// When the database fails.
pub fn resting(
    conn: &mut Connection,
    old: Old,
    limit: usize,
) -> Result<Vec<SessionId>, StoreError> {
    let (from, to) = old.left_out();
    let ids: Vec<String> = sessions::table
        .filter(sessions::archived_at.is_null())
        .filter(sessions::updated_at.lt(old.before.0))
        .filter(not(sessions::updated_at.between(from, to)))
        .filter(sessions::status.eq_any(AT_REST.map(Status::name)))
        .filter(not(exists(
            tasks::table
                .filter(tasks::session_id.eq(sessions::id))
                .filter(tasks::ended_at.is_null()),
        )))
        .filter(not(exists(
            approvals::table
                .filter(approvals::session_id.eq(sessions::id))
                .filter(approvals::resolved_at.is_null()),
        )))
        .order(sessions::updated_at.asc())
        .limit(bound(limit))
        .select(sessions::id)
        .load(conn)?;
    ids.iter().map(|id| parse("session id", id)).collect()
}

/// Deletes a session as its owner would, if it still rests; nothing can be accepted for it then.
///
/// # Errors
/// When the database fails.
pub fn delete_resting(
    conn: &mut Connection,
    id: SessionId,
    (since, now): (Timestamp, Timestamp),
) -> Result<bool, StoreError> {
    let key = id.to_string();
    let open = tasks::table
        .filter(tasks::session_id.eq(&key))
        .filter(tasks::ended_at.is_null());
    let asked = approvals::table
        .filter(approvals::session_id.eq(&key))
        .filter(approvals::resolved_at.is_null());
    let work: bool = diesel::select(exists(open)).get_result(conn)?;
    let asks: bool = diesel::select(exists(asked)).get_result(conn)?;
    if work || asks {
        return Ok(false);
    }
    let rests = sessions::table
        .filter(sessions::id.eq(&key))
        .filter(sessions::archived_at.is_null())
        .filter(sessions::updated_at.lt(since.0))
        .filter(sessions::status.eq_any(AT_REST.map(Status::name)));
    members_change();
    let deleted = diesel::update(rests)
        .set(sessions::archived_at.eq(now.0))
        .execute(conn)?;
    if deleted > 0 {
        overrides::forget_session(conn, id)?;
    }
    Ok(deleted > 0)
}

/// Sessions that were deleted before a time, those of the longest ago first.
///
/// # Errors
/// When the database fails.
pub fn deleted(
    conn: &mut Connection,
    old: Old,
    limit: usize,
) -> Result<Vec<SessionId>, StoreError> {
    let (from, to) = old.left_out();
    let ids: Vec<String> = sessions::table
        .filter(sessions::archived_at.lt(old.before.0))
        .filter(not(sessions::archived_at.between(from, to)))
        .order(sessions::archived_at.asc())
        .limit(bound(limit))
        .select(sessions::id)
        .load(conn)?;
    ids.iter().map(|id| parse("session id", id)).collect()
}

/// Removes at most `most` rows of a deleted session, itself the last. Returns how many events went,
/// and whether the session is gone.
///
/// # Errors
/// When the database fails.
pub fn remove(
    conn: &mut Connection,
    id: SessionId,
    most: usize,
) -> Result<(usize, bool), StoreError> {
    let key = id.to_string();
    let archived = sessions::table
        .filter(sessions::id.eq(&key))
        .filter(sessions::archived_at.is_not_null());
    if !diesel::select(exists(archived)).get_result::<bool>(conn)? {
        return Ok((0, true));
    }
    let front: Vec<(i64, i64)> = events::table
        .filter(events::agent_id.eq(&key))
        .order(events::seq.asc())
        .limit(bound(most))
        .select((events::seq, events::pos))
        .load(conn)?;
    if let Some((last, pos)) = front.last() {
        meta::keep_pos(conn)?;
        note_removed(conn, &key, Some(*pos))?;
        let rows = events::table
            .filter(events::agent_id.eq(&key))
            .filter(events::seq.le(last));
        return Ok((diesel::delete(rows).execute(conn)?, false));
    }
    let some: Vec<String> = tasks::table
        .filter(tasks::session_id.eq(&key))
        .limit(bound(most))
        .select(tasks::id)
        .load(conn)?;
    if some.len() >= most {
        let rows = tasks::table.filter(tasks::id.eq_any(some));
        diesel::delete(rows).execute(conn)?;
        return Ok((0, false));
    }
    note_removed(conn, &key, None)?;
    // What else belongs to it goes with it.
    diesel::delete(sessions::table.find(&key)).execute(conn)?;
    Ok((0, true))
}
