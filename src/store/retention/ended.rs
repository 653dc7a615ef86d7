//! What is over of a session that lives on: its ended tasks, answered questions and the rows of
//! processes that are gone.
//!
//! Never an open task or question, nor what one of them names; never the last task or the latest
//! process of a session, whose numbers go on.

use std::collections::BTreeSet;

use diesel::dsl::{max, not};
use diesel::prelude::*;

use super::super::convert::{bound, parse, signed};
use super::super::schema::{approvals, incarnations, sessions, tasks};
use super::super::{Connection, StoreError};
use super::Old;
use crate::domain::{SessionId, Timestamp};

/// What may go of what is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// What ended then; `None`: no matter how old.
    pub old: Option<Old>,
    /// So many of the newest of each kind stay, older ones may go; `None`: no matter how many.
    pub newest: Option<u64>,
    /// What ended at this time or later stays in any case: somebody may wait for it still.
    pub before: Timestamp,
}

/// How many rows of each kind went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Tasks.
    pub tasks: usize,
    /// Answered questions.
    pub approvals: usize,
    /// Processes.
    pub incarnations: usize,
}

impl Gone {
    /// All of them.
    #[must_use]
    pub fn rows(self) -> usize {
        let rows = self.tasks.saturating_add(self.approvals);
        rows.saturating_add(self.incarnations)
    }
}

/// What an open task or question of a session names.
struct Named {
    tasks: Vec<String>,
    incarnations: Vec<i64>,
}

/// The ids of a page of sessions that are not deleted, in their order.
///
/// # Errors
/// When the database fails.
pub fn living(
    conn: &mut Connection,
    after: Option<SessionId>,
    limit: usize,
) -> Result<Vec<SessionId>, StoreError> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    let ids: Vec<String> = sessions::table
        .filter(sessions::archived_at.is_null())
        .filter(sessions::id.gt(after))
        .order(sessions::id.asc())
        .limit(bound(limit))
        .select(sessions::id)
        .load(conn)?;
    ids.iter().map(|id| parse("session id", id)).collect()
}

/// Whether something of a session may go.
///
/// # Errors
/// When the database fails.
pub fn has_over(conn: &mut Connection, id: SessionId, over: Over) -> Result<bool, StoreError> {
    let key = id.to_string();
    let named = named(conn, &key)?;
    Ok(!old_tasks(conn, (&key, &named), over, 1)?.is_empty()
        || !old_approvals(conn, &key, over, 1)?.is_empty()
        || !old_incarnations(conn, (&key, &named), over, 1)?.is_empty())
}

/// Removes at most `most` rows of what is over of a session, the oldest first.
///
/// # Errors
/// When the database fails.
pub fn forget(
    conn: &mut Connection,
    id: SessionId,
    over: Over,
    most: usize,
) -> Result<Gone, StoreError> {
    let key = id.to_string();
    let named = named(conn, &key)?;
    let mut gone = Gone::default();
    let some = old_tasks(conn, (&key, &named), over, most)?;
    if !some.is_empty() {
        let rows = tasks::table.filter(tasks::id.eq_any(some));
        gone.tasks = diesel::delete(rows).execute(conn)?;
    }
    let some = old_approvals(conn, &key, over, most.saturating_sub(gone.rows()))?;
    if !some.is_empty() {
        let rows = approvals::table.filter(approvals::id.eq_any(some));
        gone.approvals = diesel::delete(rows).execute(conn)?;
    }
    let left = most.saturating_sub(gone.rows());
    let some = old_incarnations(conn, (&key, &named), over, left)?;
    if !some.is_empty() {
        let rows = incarnations::table
            .filter(incarnations::session_id.eq(&key))
            .filter(incarnations::number.eq_any(some));
        gone.incarnations = diesel::delete(rows).execute(conn)?;
    }
    Ok(gone)
}

fn named(conn: &mut Connection, key: &str) -> Result<Named, StoreError> {
    let asked: Vec<(Option<String>, i64)> = approvals::table
        .filter(approvals::session_id.eq(key))
        .filter(approvals::resolved_at.is_null())
        .select((approvals::task_id, approvals::incarnation))
        .load(conn)?;
    let bound_to: Vec<Option<i64>> = tasks::table
        .filter(tasks::session_id.eq(key))
        .filter(tasks::ended_at.is_null())
        .select(tasks::incarnation)
        .load(conn)?;
    let (tasks, mut incarnations): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    incarnations.extend(bound_to.into_iter().flatten());
    Ok(Named {
        tasks: tasks.into_iter().flatten().collect(),
        incarnations,
    })
}

/// By age in the order of their ends, by number in the order of the queue.
fn old_tasks(
    conn: &mut Connection,
    (key, named): (&str, &Named),
    over: Over,
    most: usize,
) -> Result<BTreeSet<String>, StoreError> {
    let of = || tasks::table.filter(tasks::session_id.eq(key));
    let last: Option<i64> = of().select(max(tasks::ord)).get_result(conn)?;
    let may = || {
        of().filter(tasks::ended_at.lt(over.before.0))
            .filter(tasks::ord.lt(last.unwrap_or(0)))
            .filter(tasks::id.ne_all(&named.tasks))
            .select(tasks::id)
    };
    let mut found = BTreeSet::new();
    if let Some(old) = over.old {
        let (from, to) = old.left_out();
        let page: Vec<String> = may()
            .filter(tasks::ended_at.lt(old.before.0))
            .filter(not(tasks::ended_at.between(from, to)))
            .order(tasks::ended_at.asc())
            .limit(bound(most))
            .load(conn)?;
        found.extend(page);
    }
    if let Some(newest) = over.newest.filter(|_| found.len() < most) {
        let cut: Option<i64> = of()
            .order(tasks::ord.desc())
            .offset(signed(newest)?)
            .select(tasks::ord)
            .first(conn)
            .optional()?;
        let page: Vec<String> = may()
            .filter(tasks::ord.le(cut.unwrap_or(i64::MIN)))
            .order(tasks::ord.asc())
            .limit(bound(most))
            .load(conn)?;
        found.extend(page);
    }
    Ok(found.into_iter().take(most).collect())
}

/// By age in the order of their answers, by number in the order in which they were asked.
fn old_approvals(
    conn: &mut Connection,
    key: &str,
    over: Over,
    most: usize,
) -> Result<BTreeSet<String>, StoreError> {
    let of = || approvals::table.filter(approvals::session_id.eq(key));
    let may = || {
        of().filter(approvals::resolved_at.lt(over.before.0))
            .select(approvals::id)
    };
    let mut found = BTreeSet::new();
    if let Some(old) = over.old {
        let (from, to) = old.left_out();
        let page: Vec<String> = may()
            .filter(approvals::resolved_at.lt(old.before.0))
            .filter(not(approvals::resolved_at.between(from, to)))
            .order(approvals::resolved_at.asc())
            .limit(bound(most))
            .load(conn)?;
        found.extend(page);
    }
    if let Some(newest) = over.newest.filter(|_| found.len() < most) {
        // The last that stays: what was asked in the same moment stays with it.
        let stays: Option<i64> = of()
            .order(approvals::created_at.desc())
            .offset(signed(newest.saturating_sub(1))?)
            .select(approvals::created_at)
            .first(conn)
            .optional()?;
        let page: Vec<String> = may()
            .filter(approvals::created_at.lt(stays.unwrap_or(i64::MIN)))
            .order(approvals::created_at.asc())
            .limit(bound(most))
            .load(conn)?;
        found.extend(page);
    }
    Ok(found.into_iter().take(most).collect())
}

/// Those whose end is read. A process ended before the next one began.
fn old_incarnations(
    conn: &mut Connection,
    (key, named): (&str, &Named),
    over: Over,
    most: usize,
) -> Result<Vec<i64>, StoreError> {
    let of = || incarnations::table.filter(incarnations::session_id.eq(key));
    let latest: Option<i64> = of().select(max(incarnations::number)).get_result(conn)?;
    let Some(latest) = latest else {
        return Ok(Vec::new());
    };
    // The latest is read as the end of the one before it.
    let front: Vec<(i64, i64)> = of()
        .filter(
            incarnations::exit_report
                .is_not_null()
                .or(incarnations::number.eq(latest)),
        )
        .filter(
            incarnations::number
                .ne_all(&named.incarnations)
                .or(incarnations::number.eq(latest)),
        )
        .order(incarnations::number.asc())
        .limit(bound(most.saturating_add(1)))
        .select((incarnations::number, incarnations::started_at))
        .load(conn)?;
    let cut = match over.newest {
        Some(newest) => latest.saturating_sub(signed(newest)?),
        None => i64::MIN,
    };
    let ends = front.iter().skip(1).map(|(_, began)| Timestamp(*began));
    let lives = front.iter().map(|(number, _)| *number).zip(ends);
    let gone = lives.filter(|(number, end)| {
        let old = over.old.is_some_and(|old| old.covers(*end));
        *end < over.before && (*number <= cut || old)
    });
    Ok(gone.map(|(number, _)| number).collect())
}
