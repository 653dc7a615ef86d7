//! The rows that follow from a batch's events, each change by its kind.
//!
//! Never moves a task along an arrow that `TaskState::may_move` does not have.

use diesel::prelude::*;

use super::super::convert::{plain, signed, to_json, word};
use super::super::schema::{approvals, incarnations, sessions, tasks};
use super::super::sessions::spent;
use super::super::version::members_change;
use super::super::{Connection, StoreError, approvals as questions, overrides};
use crate::domain::change::TaskMove;
use crate::domain::{
    ApprovalId, ApprovalState, Batch, Change, ExitReport, Facts, Mission, NewIncarnation,
    SessionId, TaskState, Timestamp, Tuning, status,
};

/// Applies a batch's changes in order.
pub fn apply(conn: &mut Connection, index: usize, batch: &Batch) -> Result<(), StoreError> {
    for change in &batch.changes {
        match change {
            Change::Facts(facts) => set_facts(conn, index, batch, facts)?,
            Change::Task(step) => move_task(conn, index, batch.session, step)?,
            Change::Started(new) => start(conn, batch.session, new)?,
            Change::Ended(report) => end(conn, batch.session, report)?,
            Change::Asked(approval) => questions::insert(conn, approval)?,
            Change::Resolved {
                id,
                to,
                by,
                response,
                at,
            } => {
                let answer = Answer {
                    to: *to,
                    by,
                    response: response.as_deref(),
                    at: *at,
                };
                resolve(conn, *id, &answer)?;
            }
            Change::Remembered(new) => overrides::put(conn, new)?,
            Change::Tuned(tuning) => tune(conn, batch.session, tuning)?,
            Change::Archived(at) => archive(conn, batch.session, *at)?,
        }
    }
    Ok(())
}

/// The only writer of the status and the mission: facts and the words that follow from them in one
/// statement. `updated_at` moves when the status does.
fn set_facts(
    conn: &mut Connection,
    index: usize,
    batch: &Batch,
    facts: &Facts,
) -> Result<(), StoreError> {
    let row = sessions::table.find(batch.session.to_string());
    let text = to_json(facts)?;
    let word = status(facts).name();
    let at = batch_time(batch);
    let columns = (
        sessions::facts.eq(&text),
        sessions::status.eq(word),
        sessions::mission.eq(Mission::of(facts).name()),
        spent::of(facts),
    );
    let mut changed = 0;
    if let Some(at) = at {
        changed = diesel::update(row.clone().filter(sessions::status.ne(word)))
            .set((columns, sessions::updated_at.eq(at.0)))
            .execute(conn)?;
    }
    if changed == 0 {
        changed = diesel::update(row).set(columns).execute(conn)?;
    }
    if changed == 0 {
        let what = format!("session {}", batch.session);
        return Err(StoreError::Missing { batch: index, what });
    }
    Ok(())
}

/// When a batch happened: the time of its last event, or of its last change that has one.
fn batch_time(batch: &Batch) -> Option<Timestamp> {
    let last_event = batch.events.last().map(|event| event.at);
    last_event.or_else(|| {
        batch.changes.iter().rev().find_map(|change| match change {
            Change::Task(step) => Some(step.at),
            Change::Started(new) => Some(new.started_at),
            Change::Ended(report) => Some(report.ended_at),
            Change::Asked(approval) => Some(approval.created_at),
            Change::Resolved { at, .. } | Change::Archived(at) => Some(*at),
            Change::Remembered(new) => Some(new.created_at),
            Change::Facts(_) | Change::Tuned(_) => None,
        })
    })
}

fn move_task(
    conn: &mut Connection,
    batch: usize,
    session: SessionId,
    step: &TaskMove,
) -> Result<(), StoreError> {
    let row = tasks::table.find(step.task.to_string());
    let found: Option<(String, Option<i64>)> = row
        .clone()
        .filter(tasks::session_id.eq(session.to_string()))
        .select((tasks::state, tasks::started_at))
        .first(conn)
        .optional()?;
    let (from, started) = match found {
        Some((text, started)) => (Some(word("task state", &text, TaskState::parse)?), started),
        None => (None, None),
    };
    if !from.is_some_and(|from| from.may_move(step.to, step.reason.as_deref())) {
        return Err(StoreError::Illegal {
            batch,
            task: step.task,
            from,
            to: step.to,
        });
    }
    // The start of a second attempt counts; coming back from a question does not.
    let starts = step.to == TaskState::Running
        && (started.is_none() || from == Some(TaskState::Dispatching));
    let incarnation = step
        .incarnation
        .map(|number| signed(number.0))
        .transpose()?;
    let reason = step.reason.as_deref().map(plain);
    let text = step.text.as_deref().map(plain);
    let moved = Moved {
        state: step.to.name(),
        incarnation,
        attempt: step.attempt.map(i64::from),
        // A new attempt does not carry the reason of the one before.
        reason: match (reason.as_deref(), step.to) {
            (None, TaskState::Dispatching) => Some(None),
            (reason, _) => reason.map(Some),
        },
        text: text.as_deref(),
        usage: step.usage.as_ref().map(ToString::to_string),
        started_at: starts.then_some(step.at.0),
        ended_at: step.to.ended().then_some(step.at.0),
        said: step.to.ended().then_some(None),
    };
    diesel::update(row).set(moved).execute(conn)?;
    Ok(())
}

/// The columns of a move; `None` leaves one as it is.
#[derive(AsChangeset)]
#[diesel(table_name = tasks)]
struct Moved<'a> {
    state: &'static str,
    incarnation: Option<i64>,
    attempt: Option<i64>,
    reason: Option<Option<&'a str>>,
    text: Option<&'a str>,
    usage: Option<String>,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    said: Option<Option<&'a [u8]>>,
}

fn start(
    conn: &mut Connection,
    session: SessionId,
    new: &NewIncarnation,
) -> Result<(), StoreError> {
    diesel::insert_into(incarnations::table)
        .values((
            incarnations::session_id.eq(session.to_string()),
            incarnations::number.eq(signed(new.incarnation.0)?),
            incarnations::nonce.eq(&new.nonce),
            incarnations::log_offset.eq(0),
            incarnations::snapshot.eq(&new.snapshot),
            incarnations::started_at.eq(new.started_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Keeps the first report of an end. A process that could never be started has no row yet and gets
/// one without a nonce.
fn end(conn: &mut Connection, session: SessionId, report: &ExitReport) -> Result<(), StoreError> {
    let key = (session.to_string(), signed(report.incarnation.0)?);
    let text = to_json(report)?;
    let row = incarnations::table.find(key.clone());
    let known: Option<Option<String>> = row
        .clone()
        .select(incarnations::exit_report)
        .first(conn)
        .optional()?;
    match known {
        Some(Some(_first)) => {}
        Some(None) => {
            diesel::update(row)
                .set(incarnations::exit_report.eq(&text))
                .execute(conn)?;
        }
        None => {
            diesel::insert_into(incarnations::table)
                .values((
                    incarnations::session_id.eq(key.0),
                    incarnations::number.eq(key.1),
                    incarnations::nonce.eq(""),
                    incarnations::log_offset.eq(0),
                    incarnations::snapshot.eq(""),
                    incarnations::started_at.eq(report.started_at.0),
                    incarnations::exit_report.eq(&text),
                ))
                .execute(conn)?;
        }
    }
    Ok(())
}

/// The columns of a tuning; `None` leaves one as it is.
#[derive(AsChangeset)]
#[diesel(table_name = sessions)]
struct Tuned<'a> {
    permission_mode: Option<&'static str>,
    model: Option<Option<&'a str>>,
}

fn tune(conn: &mut Connection, session: SessionId, tuning: &Tuning) -> Result<(), StoreError> {
    let columns = Tuned {
        permission_mode: tuning.permission_mode.map(|mode| mode.name()),
        model: tuning.model.as_ref().map(Option::as_deref),
    };
    if columns.permission_mode.is_some() || columns.model.is_some() {
        diesel::update(sessions::table.find(session.to_string()))
            .set(columns)
            .execute(conn)?;
    }
    Ok(())
}

struct Answer<'a> {
    to: ApprovalState,
    by: &'a str,
    response: Option<&'a str>,
    at: Timestamp,
}

/// The first answer stays; a later one changes nothing.
fn resolve(conn: &mut Connection, id: ApprovalId, answer: &Answer<'_>) -> Result<(), StoreError> {
    let pending = approvals::table
        .find(id.to_string())
        .filter(approvals::resolved_at.is_null());
    diesel::update(pending)
        .set((
            approvals::state.eq(answer.to.name()),
            approvals::resolved_by.eq(answer.by),
            approvals::response.eq(answer.response.map(plain)),
            approvals::resolved_at.eq(answer.at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Takes a session out of the lists and ends whatever of it is still open.
fn archive(conn: &mut Connection, session: SessionId, at: Timestamp) -> Result<(), StoreError> {
    let open = sessions::table
        .find(session.to_string())
        .filter(sessions::archived_at.is_null());
    members_change();
    diesel::update(open)
        .set(sessions::archived_at.eq(at.0))
        .execute(conn)?;
    let tasks = tasks::table
        .filter(tasks::session_id.eq(session.to_string()))
        .filter(tasks::ended_at.is_null());
    diesel::update(tasks)
        .set((
            tasks::state.eq(TaskState::Stopped.name()),
            tasks::reason.eq("deleted"),
            tasks::ended_at.eq(at.0),
            tasks::said.eq(None::<Vec<u8>>),
        ))
        .execute(conn)?;
    let questions = approvals::table
        .filter(approvals::session_id.eq(session.to_string()))
        .filter(approvals::resolved_at.is_null());
    diesel::update(questions)
        .set((
            approvals::state.eq(ApprovalState::Cancelled.name()),
            approvals::resolved_by.eq("deleted"),
            approvals::resolved_at.eq(at.0),
        ))
        .execute(conn)?;
    overrides::forget_session(conn, session)
}
