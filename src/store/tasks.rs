//! Tasks as rows: accepted, listed, edited, withdrawn and put in order while they wait.
//!
//! Never moves a task that has left the queue; that is the journal's commit.

use diesel::dsl::{count_star, max};
use diesel::prelude::*;

use super::convert::{bound, from_json, narrow, parse, plain, to_json, unsigned, word};
use super::idempotency::{self, KeptReply};
use super::listed::{self, Listed};
use super::schema::{sessions, tasks};
use super::{Connection, StoreError};
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{
    Error, Incarnation, OnUncertain, Placement, Prompt, SessionId, Task, TaskId, TaskState,
    Timestamp, UserId, Words,
};

/// A prompt that becomes a task.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask<'a> {
    /// Its id.
    pub id: TaskId,
    /// The session whose queue it enters.
    pub session: SessionId,
    /// Who asks.
    pub owner: UserId,
    /// What is asked, as it is shown.
    pub prompt: &'a Prompt,
    /// The exact words, sealed, where a secret in them is covered.
    pub said: Option<&'a [u8]>,
    /// When.
    pub created_at: Timestamp,
    /// Whether something else holds the running place, or holds the queue.
    pub busy: bool,
    /// A task that is on offer to the session: its row still waits, but it is as good as running.
    pub offered: Option<TaskId>,
    /// Why a new task is refused, if it is; a repeated request is answered all the same.
    pub refused: Option<Error>,
}

/// What became of an accepted prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Where it landed; of a repeated request: where it landed then.
    pub placement: Placement,
    /// Whether the key was known, so that nothing was stored now.
    pub replayed: bool,
}

/// Puts a prompt at the end of its session's queue, or finds what was made of it under the same
/// key.
///
/// # Errors
/// `idempotency_key_reused`; `queue_full` when `limit` tasks wait already; `not_found` in a session
/// that was deleted meanwhile; the refusal of `new`.
pub fn accept(
    conn: &mut Connection,
    new: &NewTask<'_>,
    limit: usize,
    idem: Option<&IdempotencyKey>,
) -> Result<Accepted, StoreError> {
    if let Some(key) = idem
        && let Some(placement) = placed(conn, (new.owner, key), new.created_at)?
    {
        return Ok(Accepted {
            placement,
            replayed: true,
        });
    }
    if let Some(refusal) = &new.refused {
        return Err(refusal.clone().into());
    }
    let archived: Option<Option<i64>> = sessions::table
        .find(new.session.to_string())
        .select(sessions::archived_at)
        .first(conn)
        .optional()?;
    if archived.flatten().is_some() {
        return Err(Error::not_found("agent", new.session).into());
    }
    let mut waiting = waiting_count(conn, new.session)?;
    if new.offered.is_some() {
        waiting = waiting.saturating_sub(1);
    }
    if usize::try_from(waiting).is_ok_and(|waiting| waiting >= limit) {
        return Err(queue_full(waiting));
    }
    insert(conn, new)?;
    let queued = new.busy || waiting > 0;
    let place = if queued { waiting.saturating_add(1) } else { 0 };
    let placement = Placement {
        task: new.id,
        queued,
        position: place,
        depth: place,
    };
    if let Some(key) = idem {
        let kept = KeptReply {
            owner: new.owner,
            key: key.clone(),
            reply: to_json(&placement)?,
            created_at: new.created_at,
        };
        idempotency::insert(conn, &kept)?;
    }
    Ok(Accepted {
        placement,
        replayed: false,
    })
}

/// Where an earlier request with this key put its prompt.
///
/// # Errors
/// `idempotency_key_reused`.
pub fn placed(
    conn: &mut Connection,
    (owner, key): (UserId, &IdempotencyKey),
    now: Timestamp,
) -> Result<Option<Placement>, StoreError> {
    let reply = idempotency::find(conn, owner, key, now)?;
    reply
        .map(|reply| from_json("placement", &reply))
        .transpose()
}

/// One task.
///
/// # Errors
/// When the database fails.
pub fn by_id(conn: &mut Connection, id: TaskId) -> Result<Option<Task>, StoreError> {
    let row = tasks::table.find(id.to_string()).first::<Row>(conn);
    row.optional()?.map(task).transpose()
}

/// A page of a session's tasks in their order, and the number of all that match; `states` empty:
/// any.
///
/// # Errors
/// When the database fails.
pub fn of_session(
    conn: &mut Connection,
    session: SessionId,
    states: &[TaskState],
    offset: usize,
    limit: usize,
) -> Result<(Listed, u64), StoreError> {
    let matching = || {
        let query = tasks::table
            .filter(tasks::session_id.eq(session.to_string()))
            .into_boxed();
        if states.is_empty() {
            return query;
        }
        query.filter(tasks::state.eq_any(states.iter().map(|state| state.name())))
    };
    let total: i64 = matching().select(count_star()).get_result(conn)?;
    let ids: Vec<String> = matching()
        .order((tasks::ord.asc(), tasks::id.asc()))
        .offset(bound(offset))
        .limit(bound(limit))
        .select(tasks::id)
        .load(conn)?;
    let ids: Result<Vec<_>, _> = ids.iter().map(|id| parse("task id", id)).collect();
    Ok((listed::read(conn, &ids?)?, unsigned(total)?))
}

/// The waiting tasks in the order in which they will run.
///
/// # Errors
/// When the database fails.
pub fn waiting(conn: &mut Connection, session: SessionId) -> Result<Vec<Task>, StoreError> {
    open(conn, session, &[TaskState::Queued])
}

/// The task that holds the running place: in its turn, or uncertain.
///
/// # Errors
/// When the database fails.
pub fn current(conn: &mut Connection, session: SessionId) -> Result<Option<Task>, StoreError> {
    let holds = |state: &TaskState| state.in_turn() || *state == TaskState::Uncertain;
    let states: Vec<TaskState> = TaskState::ALL.into_iter().filter(holds).collect();
    Ok(open(conn, session, &states)?.into_iter().next())
}

/// What else there is to new words of a waiting task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exact {
    /// The exact words, sealed, where what is shown differs.
    pub said: Option<Vec<u8>>,
    /// Whether there is a run of signs in them as it stands for a secret.
    pub covered: bool,
}

/// Exchanges the words of a waiting task for these, as they are shown. What is shown of words with a
/// secret, said again, changes nothing.
///
/// # Errors
/// [`StoreError::NotFound`]; `invalid_state` when it does not wait any more; `covered_words` when
/// signs that stood for a secret would take its place.
pub fn edit(
    conn: &mut Connection,
    id: TaskId,
    text: &str,
    exact: &Exact,
) -> Result<Task, StoreError> {
    let before = queued(conn, id)?;
    if before.said != Words::Shown {
        if exact.said.is_none() && before.prompt == text {
            return Ok(before);
        }
        if exact.covered {
            let message = "what stands for a secret cannot take its place";
            let expected = "the secret itself, or words without it";
            return Err(Error::invalid("covered_words", "message", message, expected).into());
        }
    }
    diesel::update(tasks::table.find(id.to_string()))
        .set((tasks::prompt.eq(plain(text)), tasks::said.eq(&exact.said)))
        .execute(conn)?;
    queued(conn, id)
}

/// Withdraws a waiting task for a person: it ends as `stopped`, reason `cancelled`.
///
/// # Errors
/// As [`withdraw`].
pub fn cancel(conn: &mut Connection, id: TaskId, at: Timestamp) -> Result<Task, StoreError> {
    withdraw(conn, id, "cancelled", at)
}

/// Withdraws a waiting task: it ends as `stopped` for this reason.
///
/// # Errors
/// [`StoreError::NotFound`]; `invalid_state` when it does not wait any more.
pub fn withdraw(
    conn: &mut Connection,
    id: TaskId,
    reason: &str,
    at: Timestamp,
) -> Result<Task, StoreError> {
    queued(conn, id)?;
    diesel::update(tasks::table.find(id.to_string()))
        .set((
            tasks::state.eq(TaskState::Stopped.name()),
            tasks::reason.eq(reason),
            tasks::ended_at.eq(at.0),
            tasks::said.eq(None::<Vec<u8>>),
        ))
        .execute(conn)?;
    by_id(conn, id)?.ok_or(StoreError::NotFound)
}

/// Puts the waiting tasks into this order. They keep the places that they have together, so that
/// nothing else moves.
///
/// # Errors
/// `bad_order` unless `order` names each waiting task of the session once.
pub fn reorder(
    conn: &mut Connection,
    session: SessionId,
    order: &[TaskId],
) -> Result<(), StoreError> {
    let waiting = waiting(conn, session)?;
    let sorted = |mut ids: Vec<TaskId>| {
        ids.sort_unstable();
        ids
    };
    let known = sorted(waiting.iter().map(|task| task.id).collect());
    if sorted(order.to_vec()) != known {
        let message = "the order does not name each waiting task once";
        let ids: Vec<String> = waiting.iter().map(|task| task.id.to_string()).collect();
        let expected = format!("these ids in any order: {}", ids.join(", "));
        return Err(Error::invalid("bad_order", "order", message, expected).into());
    }
    for (id, place) in order.iter().zip(waiting.iter().map(|task| task.ord)) {
        diesel::update(tasks::table.find(id.to_string()))
            .set(tasks::ord.eq(place))
            .execute(conn)?;
    }
    Ok(())
}

fn insert(conn: &mut Connection, new: &NewTask<'_>) -> Result<(), StoreError> {
    let last: Option<i64> = tasks::table
        .filter(tasks::session_id.eq(new.session.to_string()))
        .select(max(tasks::ord))
        .get_result(conn)?;
    diesel::insert_into(tasks::table)
        .values((
            tasks::id.eq(new.id.to_string()),
            tasks::session_id.eq(new.session.to_string()),
            tasks::owner_id.eq(new.owner.to_string()),
            tasks::ord.eq(last.unwrap_or(0).saturating_add(1)),
            tasks::state.eq(TaskState::Queued.name()),
            tasks::prompt.eq(plain(&new.prompt.text)),
            tasks::said.eq(new.said),
            tasks::on_uncertain.eq(new.prompt.on_uncertain.name()),
            tasks::metadata.eq(new.prompt.metadata.to_string()),
            tasks::attempt.eq(0),
            tasks::created_at.eq(new.created_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

fn waiting_count(conn: &mut Connection, session: SessionId) -> Result<u32, StoreError> {
    let count: i64 = tasks::table
        .filter(tasks::session_id.eq(session.to_string()))
        .filter(tasks::state.eq(TaskState::Queued.name()))
        .filter(tasks::ended_at.is_null())
        .count()
        .get_result(conn)?;
    narrow("number of waiting tasks", count)
}

fn queue_full(waiting: u32) -> StoreError {
    let error = Error::Busy {
        code: "queue_full",
        message: format!("{waiting} tasks wait already"),
        retry_after: 5,
    };
    error.into()
}

fn open(
    conn: &mut Connection,
    session: SessionId,
    states: &[TaskState],
) -> Result<Vec<Task>, StoreError> {
    let rows: Vec<Row> = tasks::table
        .filter(tasks::session_id.eq(session.to_string()))
        .filter(tasks::state.eq_any(states.iter().map(|state| state.name())))
        .filter(tasks::ended_at.is_null())
        .order((tasks::ord.asc(), tasks::id.asc()))
        .load(conn)?;
    rows.into_iter().map(task).collect()
}

/// The task, if it waits.
fn queued(conn: &mut Connection, id: TaskId) -> Result<Task, StoreError> {
    let task = by_id(conn, id)?.ok_or(StoreError::NotFound)?;
    if task.state == TaskState::Queued {
        return Ok(task);
    }
    let message = format!("the task is {}, it does not wait", task.state.name());
    Err(Error::conflict("invalid_state", message).into())
}

pub(super) type Row = (
    String,
    String,
    String,
    i64,
    String,
    String,
    String,
    String,
    i64,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
);

pub(super) fn task(row: Row) -> Result<Task, StoreError> {
    let (id, session, owner, ord, state, prompt, on_uncertain, metadata, ..) = &row;
    let (.., attempt, incarnation, reason, text, usage, created, started, ended, said) = &row;
    let usage = usage.as_deref().map(|text| from_json("usage", text));
    let incarnation = incarnation.map(unsigned).transpose()?;
    Ok(Task {
        id: parse("task id", id)?,
        session: parse("session id", session)?,
        owner: parse("user id", owner)?,
        ord: *ord,
        state: word("task state", state, TaskState::parse)?,
        prompt: prompt.clone(),
        said: said.clone().map_or(Words::Shown, Words::Sealed),
        on_uncertain: word("on_uncertain", on_uncertain, |text| {
            OnUncertain::parse(text).ok()
        })?,
        metadata: from_json("metadata", metadata)?,
        attempt: narrow("attempt", *attempt)?,
        incarnation: incarnation.map(Incarnation),
        reason: reason.clone(),
        text: text.clone(),
        usage: usage.transpose()?,
        created_at: Timestamp(*created),
        started_at: started.map(Timestamp),
        ended_at: ended.map(Timestamp),
    })
}
