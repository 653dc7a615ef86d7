//! Sessions as rows: made here, read here; their facts are written by the journal's commit alone.
//!
//! Never writes the status column of an existing row.

use diesel::dsl::{count_star, exists, not};
use diesel::prelude::*;

use super::convert::{bound, from_json, parse, to_json, unsigned, word};
use super::schema::{approvals, incarnations, sessions, tasks};
use super::version::members_change;
use super::{Connection, StoreError};
use crate::domain::{
    Kind, Mission, Parent, ParentReason, PermissionMode, Session, SessionId, Status, TaskId,
    Timestamp, UserId, status,
};

mod figures;
pub mod missions;
mod query;
pub mod spent;
pub use query::{ALIVE, Filter, Order};

/// A session to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSessionRow<'a> {
    /// The session; its status is computed from its facts, whatever it says.
    pub session: &'a Session,
    /// Its environment, encrypted.
    pub env_blob: Option<Vec<u8>>,
}

/// A session with what a list shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOverview {
    /// The session.
    pub session: Session,
    /// Of its workspace, if it is not the one that everybody has.
    pub workspace_name: Option<String>,
    /// The last committed event's number; 0 before the first.
    pub last_seq: u64,
    /// Waiting tasks.
    pub queue_depth: u64,
    /// The task that holds the running place.
    pub turn_task: Option<TaskId>,
    /// Unanswered questions.
    pub pending_approvals: u64,
}

/// Stores a new session.
///
/// # Errors
/// [`StoreError::Conflict`] when the owner has another session of this name.
pub fn insert(conn: &mut Connection, new: &NewSessionRow<'_>) -> Result<(), StoreError> {
    let session = new.session;
    members_change();
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(session.id.to_string()),
            sessions::owner_id.eq(session.owner.to_string()),
            sessions::group_id.eq(session.group.to_string()),
            sessions::name.eq(&session.name),
            sessions::kind.eq(session.kind.name()),
            sessions::cwd.eq(&session.cwd),
            sessions::workspace_id.eq(session.workspace.map(|id| id.to_string())),
            sessions::model.eq(&session.model),
            sessions::permission_mode.eq(session.permission_mode.name()),
            sessions::scenario.eq(&session.scenario),
            sessions::options.eq(to_json(&session.options)?),
            sessions::topic.eq(&session.topic),
            sessions::metadata.eq(session.metadata.to_string()),
            sessions::env.eq(&new.env_blob),
            sessions::created_at.eq(session.created_at.0),
            sessions::updated_at.eq(session.updated_at.0),
            sessions::archived_at.eq(session.archived_at.map(|at| at.0)),
            sessions::status.eq(status(&session.facts).name()),
            sessions::facts.eq(to_json(&session.facts)?),
            sessions::mission.eq(Mission::of(&session.facts).name()),
            sessions::parent_id.eq(session.parent.map(|parent| parent.session.to_string())),
            sessions::parent_reason.eq(session.parent.map(|parent| parent.reason.name())),
            spent::of(&session.facts),
        ))
        .execute(conn)?;
    Ok(())
}

/// One session, archived or not.
///
/// # Errors
/// When the database fails.
pub fn by_id(conn: &mut Connection, id: SessionId) -> Result<Option<Session>, StoreError> {
    let query = sessions::table.find(id.to_string()).select(COLUMNS);
    query
        .first::<Row>(conn)
        .optional()?
        .map(session)
        .transpose()
}

/// The owner's session of this name, unless it is archived.
///
/// # Errors
/// When the database fails.
pub fn by_name(
    conn: &mut Connection,
    owner: UserId,
    name: &str,
) -> Result<Option<Session>, StoreError> {
    let row = sessions::table
        .filter(sessions::owner_id.eq(owner.to_string()))
        .filter(sessions::name.eq(name))
        .filter(sessions::archived_at.is_null())
        .select(COLUMNS)
        .first::<Row>(conn);
    row.optional()?.map(session).transpose()
}

/// Sessions whose id starts with this text (with or without dashes), at most ten, without archived
/// ones. Text that cannot start an id finds none.
///
/// # Errors
/// When the database fails.
pub fn by_prefix(
    conn: &mut Connection,
    owner: Option<UserId>,
    text: &str,
) -> Result<Vec<SessionId>, StoreError> {
    let Some(start) = query::id_prefix(text) else {
        return Ok(Vec::new());
    };
    let mut found = sessions::table
        .select(sessions::id)
        // `g` stands after every hexadecimal digit and the dash.
        .filter(sessions::id.between(start.clone(), format!("{start}g")))
        .filter(sessions::archived_at.is_null())
        .order(sessions::id.asc())
        .limit(10)
        .into_boxed();
    if let Some(owner) = owner {
        found = found.filter(sessions::owner_id.eq(owner.to_string()));
    }
    let ids: Vec<String> = found.load(conn)?;
    ids.iter().map(|id| parse("session id", id)).collect()
}

/// The session's encrypted environment.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn env_blob(conn: &mut Connection, id: SessionId) -> Result<Option<Vec<u8>>, StoreError> {
    let query = sessions::table.find(id.to_string()).select(sessions::env);
    Ok(query.first(conn)?)
}

/// One page and the number of all that match.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &mut Connection,
    filter: &Filter,
    offset: usize,
    limit: usize,
) -> Result<(Vec<Session>, u64), StoreError> {
    let total: i64 = query::matching(filter)
        .select(count_star())
        .get_result(conn)?;
    Ok((rows(conn, filter, offset, limit)?, unsigned(total)?))
}

fn rows(
    conn: &mut Connection,
    filter: &Filter,
    offset: usize,
    limit: usize,
) -> Result<Vec<Session>, StoreError> {
    let page = query::ordered(query::matching(filter), filter.order)
        .select(COLUMNS)
        .offset(bound(offset))
        .limit(bound(limit));
    let rows: Vec<Row> = page.load(conn)?;
    rows.into_iter().map(session).collect()
}

/// The sessions of a query that is made elsewhere.
///
/// # Errors
/// When the database fails.
pub(super) fn loaded(
    conn: &mut Connection,
    query: sessions::BoxedQuery<'static, super::backend::MultiBackend>,
) -> Result<Vec<Session>, StoreError> {
    let rows: Vec<Row> = query.select(COLUMNS).load(conn)?;
    rows.into_iter().map(session).collect()
}

/// One page with what a list shows of each session, without a count of all.
///
/// # Errors
/// When the database fails.
pub(super) fn page(
    conn: &mut Connection,
    filter: &Filter,
    offset: usize,
    limit: usize,
) -> Result<Vec<SessionOverview>, StoreError> {
    let found = rows(conn, filter, offset, limit)?;
    figures::of(conn, found)
}

/// Sessions that were read already, with what a list shows of each.
///
/// # Errors
/// When the database fails.
pub fn with_figures(
    conn: &mut Connection,
    found: Vec<Session>,
) -> Result<Vec<SessionOverview>, StoreError> {
    figures::of(conn, found)
}

/// [`list`] with what a list shows of each: one more statement, whatever the page holds.
///
/// # Errors
/// When the database fails.
pub fn overviews(
    conn: &mut Connection,
    filter: &Filter,
    offset: usize,
    limit: usize,
) -> Result<(Vec<SessionOverview>, u64), StoreError> {
    let (found, total) = list(conn, filter, offset, limit)?;
    Ok((figures::of(conn, found)?, total))
}

/// One session with what a list shows of it.
///
/// # Errors
/// When the database fails.
pub fn overview(
    conn: &mut Connection,
    id: SessionId,
) -> Result<Option<SessionOverview>, StoreError> {
    let found = by_id(conn, id)?;
    Ok(figures::of(conn, found.into_iter().collect())?.pop())
}

/// Every session that a recovery must look at: the facts claim a process that is held, waits or is
/// in back-off; or a task is open; or a question is unanswered; or the end of the last process is
/// not read. Last active first.
///
/// # Errors
/// When the database fails.
pub fn unsettled(conn: &mut Connection) -> Result<Vec<Session>, StoreError> {
    let open = tasks::table
        .filter(tasks::ended_at.is_null())
        .select(tasks::session_id);
    let asked = approvals::table
        .filter(approvals::resolved_at.is_null())
        .select(approvals::session_id);
    let newer = diesel::alias!(incarnations as newer);
    let newest = not(exists(
        newer
            .filter(
                newer
                    .field(incarnations::session_id)
                    .eq(incarnations::session_id),
            )
            .filter(newer.field(incarnations::number).gt(incarnations::number)),
    ));
    let unread = incarnations::table
        .filter(incarnations::exit_report.is_null())
        .filter(newest)
        .select(incarnations::session_id);
    let claims = query::ALIVE.map(Status::name);
    let rows: Vec<Row> = sessions::table
        .filter(
            sessions::status
                .eq_any(claims)
                .or(sessions::id.eq_any(open))
                .or(sessions::id.eq_any(asked))
                .or(sessions::id.eq_any(unread)),
        )
        .filter(sessions::archived_at.is_null())
        .order((sessions::updated_at.desc(), sessions::id.asc()))
        .select(COLUMNS)
        .load(conn)?;
    rows.into_iter().map(session).collect()
}

type Row = (
    String,
    String,
    String,
    Option<String>,
    String,
    String,
    Option<String>,
    String,
    Option<String>,
    String,
    Option<String>,
    String,
    i64,
    i64,
    Option<i64>,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
);

#[rustfmt::skip]
type Columns = (
    sessions::id, sessions::owner_id, sessions::group_id, sessions::name, sessions::kind,
    sessions::cwd, sessions::model, sessions::permission_mode, sessions::scenario, sessions::options, sessions::topic,
    sessions::metadata, sessions::created_at, sessions::updated_at, sessions::archived_at,
    sessions::status, sessions::facts, sessions::parent_id, sessions::parent_reason,
    sessions::workspace_id,
);

#[rustfmt::skip]
const COLUMNS: Columns = (
    sessions::id, sessions::owner_id, sessions::group_id, sessions::name, sessions::kind,
    sessions::cwd, sessions::model, sessions::permission_mode, sessions::scenario, sessions::options, sessions::topic,
    sessions::metadata, sessions::created_at, sessions::updated_at, sessions::archived_at,
    sessions::status, sessions::facts, sessions::parent_id, sessions::parent_reason,
    sessions::workspace_id,
);

fn session(row: Row) -> Result<Session, StoreError> {
    let (id, owner, group, name, kind, cwd, model, mode, scenario, options, ..) = &row;
    let (.., archived_at, stored_status, facts, parent, reason, place) = &row;
    let (.., topic, metadata, created_at, updated_at, _, _, _, _, _, _) = &row;
    let mode_word = |text: &str| PermissionMode::parse(text).ok();
    Ok(Session {
        id: parse("session id", id)?,
        owner: parse("user id", owner)?,
        group: parse("group id", group)?,
        name: name.clone(),
        kind: word("kind", kind, |text| Kind::parse(text).ok())?,
        cwd: cwd.clone(),
        workspace: place
            .as_deref()
            .map(|id| parse("workspace id", id))
            .transpose()?,
        model: model.clone(),
        permission_mode: word("permission mode", mode, mode_word)?,
        scenario: scenario.clone(),
        options: from_json("options", options)?,
        topic: topic.clone(),
        metadata: from_json("metadata", metadata)?,
        created_at: Timestamp(*created_at),
        updated_at: Timestamp(*updated_at),
        archived_at: archived_at.map(Timestamp),
        status: word("status", stored_status, Status::parse)?,
        facts: from_json("facts", facts)?,
        parent: read_parent(parent.as_deref(), reason.as_deref())?,
    })
}

fn read_parent(id: Option<&str>, reason: Option<&str>) -> Result<Option<Parent>, StoreError> {
    let (Some(id), Some(reason)) = (id, reason) else {
        return Ok(None);
    };
    Ok(Some(Parent {
        session: parse("parent id", id)?,
        reason: word("reason of a parent", reason, ParentReason::parse)?,
    }))
}
