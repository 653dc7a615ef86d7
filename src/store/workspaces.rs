//! Workspaces as rows, with their sealed variables.
//!
//! Never two of one person with the same name.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::convert::{bound, from_json, parse, to_json, unsigned, word};
use super::schema::{sessions, workspaces};
use super::sessions::ALIVE;
use super::{Connection, StoreError};
use crate::domain::workspace::{Trouble, Workspace, WorkspaceState};
use crate::domain::{Facts, SessionId, Status, Timestamp, UserId, WorkspaceId};

/// The only kind of a row today.
const HOST: &str = "host";

/// Stores a new one.
///
/// # Errors
/// [`StoreError::Conflict`] when its owner has another one of this name.
pub fn insert(
    conn: &mut Connection,
    new: &Workspace,
    env: Option<&[u8]>,
) -> Result<(), StoreError> {
    diesel::insert_into(workspaces::table)
        .values((
            workspaces::id.eq(new.id.to_string()),
            workspaces::owner_id.eq(new.owner.to_string()),
            workspaces::name.eq(&new.name),
            workspaces::kind.eq(HOST),
            workspaces::path.eq(&new.path),
            workspaces::env.eq(env),
            workspaces::options.eq(to_json(&new.options)?),
            workspaces::init_script.eq(&new.init_script),
            workspaces::distro.eq(&new.distro),
            workspaces::template.eq(&new.template),
            workspaces::status.eq(new.state.name()),
            workspaces::error_code.eq(new.trouble.as_ref().map(|trouble| &trouble.code)),
            workspaces::error_text.eq(new.trouble.as_ref().map(|trouble| &trouble.text)),
            workspaces::created_at.eq(new.created_at.0),
            workspaces::updated_at.eq(new.updated_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Writes all of one but its owner and when it was made.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] as for [`insert`].
pub fn update(
    conn: &mut Connection,
    one: &Workspace,
    env: Option<&[u8]>,
) -> Result<(), StoreError> {
    let changed = diesel::update(workspaces::table.find(one.id.to_string()))
        .set((
            workspaces::name.eq(&one.name),
            workspaces::path.eq(&one.path),
            workspaces::env.eq(env),
            workspaces::options.eq(to_json(&one.options)?),
            workspaces::init_script.eq(&one.init_script),
            workspaces::distro.eq(&one.distro),
            workspaces::template.eq(&one.template),
            workspaces::status.eq(one.state.name()),
            workspaces::error_code.eq(one.trouble.as_ref().map(|trouble| &trouble.code)),
            workspaces::error_text.eq(one.trouble.as_ref().map(|trouble| &trouble.text)),
            workspaces::updated_at.eq(one.updated_at.0),
        ))
        .execute(conn)?;
    found(changed)
}

/// Writes where one stands.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn settle(conn: &mut Connection, one: &Workspace) -> Result<(), StoreError> {
    let changed = diesel::update(workspaces::table.find(one.id.to_string()))
        .set((
            workspaces::status.eq(one.state.name()),
            workspaces::error_code.eq(one.trouble.as_ref().map(|trouble| &trouble.code)),
            workspaces::error_text.eq(one.trouble.as_ref().map(|trouble| &trouble.text)),
            workspaces::updated_at.eq(one.updated_at.0),
        ))
        .execute(conn)?;
    found(changed)
}

/// One of them.
///
/// # Errors
/// When the database fails.
pub fn by_id(conn: &mut Connection, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
    let query = workspaces::table.find(id.to_string()).select(COLUMNS);
    query.first::<Row>(conn).optional()?.map(read).transpose()
}

/// Its sealed variables; `None` also when there is no such row.
///
/// # Errors
/// When the database fails.
pub fn env_blob(conn: &mut Connection, id: WorkspaceId) -> Result<Option<Vec<u8>>, StoreError> {
    let query = workspaces::table
        .find(id.to_string())
        .select(workspaces::env);
    Ok(query.first(conn).optional()?.flatten())
}

/// One page, oldest first, and the number of all; `None`: of everybody.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &mut Connection,
    owner: Option<UserId>,
    (offset, limit): (usize, usize),
) -> Result<(Vec<Workspace>, u64), StoreError> {
    let matching = || {
        let all = workspaces::table.into_boxed();
        match owner {
            Some(owner) => all.filter(workspaces::owner_id.eq(owner.to_string())),
            None => all,
        }
    };
    let total: i64 = matching().select(count_star()).get_result(conn)?;
    let rows: Vec<Row> = matching()
        .order((workspaces::created_at.asc(), workspaces::id.asc()))
        .offset(bound(offset))
        .limit(bound(limit))
        .select(COLUMNS)
        .load(conn)?;
    let page: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok((page?, unsigned(total)?))
}

/// Those that were being made when the server ended.
///
/// # Errors
/// When the database fails.
pub fn unsettled(conn: &mut Connection) -> Result<Vec<Workspace>, StoreError> {
    let open = [WorkspaceState::Pending, WorkspaceState::Building];
    let rows: Vec<Row> = workspaces::table
        .filter(workspaces::status.eq_any(open.map(WorkspaceState::name)))
        .order(workspaces::id.asc())
        .select(COLUMNS)
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// A session in it whose process lives or is about to.
///
/// # Errors
/// When the database fails.
pub fn used_by(conn: &mut Connection, id: WorkspaceId) -> Result<Option<SessionId>, StoreError> {
    let rows: Vec<(String, String)> = sessions::table
        .filter(sessions::workspace_id.eq(id.to_string()))
        .filter(sessions::archived_at.is_null())
        .filter(sessions::status.eq_any(ALIVE.map(Status::name)))
        .order(sessions::id.asc())
        .select((sessions::id, sessions::facts))
        .load(conn)?;
    for (session, facts) in rows {
        let facts: Facts = from_json("facts", &facts)?;
        if facts.process.held() {
            return Ok(Some(parse("session id", &session)?));
        }
    }
    Ok(None)
}

/// Removes one; its sessions keep their directories, and are still said to be in it: their variables
/// are gone, so no process of theirs is started.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn remove(conn: &mut Connection, id: WorkspaceId) -> Result<(), StoreError> {
    let gone = diesel::delete(workspaces::table.find(id.to_string())).execute(conn)?;
    found(gone)
}

/// Removes those of a person who is being deleted.
///
/// # Errors
/// When the database fails.
pub fn forget_owner(conn: &mut Connection, owner: UserId) -> Result<(), StoreError> {
    let own = || workspaces::table.filter(workspaces::owner_id.eq(owner.to_string()));
    let ids: Vec<String> = own().select(workspaces::id).load(conn)?;
    diesel::delete(own()).execute(conn)?;
    leave(conn, &ids)
}

/// Notes the variables that the next process of a session is given, sealed.
///
/// # Errors
/// When the database fails.
pub fn give(
    conn: &mut Connection,
    session: SessionId,
    env: Option<&[u8]>,
) -> Result<(), StoreError> {
    diesel::update(sessions::table.find(session.to_string()))
        .set(sessions::workspace_env.eq(env))
        .execute(conn)?;
    Ok(())
}

/// The variables that the last process of a session was given, sealed, and where it works.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn given(
    conn: &mut Connection,
    session: SessionId,
) -> Result<(Option<Vec<u8>>, Option<WorkspaceId>), StoreError> {
    let query = sessions::table
        .find(session.to_string())
        .select((sessions::workspace_env, sessions::workspace_id));
    let (env, id): (Option<Vec<u8>>, Option<String>) = query.first(conn)?;
    let id = id.map(|id| parse("workspace id", &id)).transpose()?;
    Ok((env, id))
}

fn leave(conn: &mut Connection, ids: &[String]) -> Result<(), StoreError> {
    diesel::update(sessions::table.filter(sessions::workspace_id.eq_any(ids)))
        .set(sessions::workspace_id.eq(None::<String>))
        .execute(conn)?;
    Ok(())
}

fn found(rows: usize) -> Result<(), StoreError> {
    (rows > 0).then_some(()).ok_or(StoreError::NotFound)
}

type Row = (
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    i64,
    i64,
);

#[rustfmt::skip]
type Columns = (
    workspaces::id, workspaces::owner_id, workspaces::name, workspaces::path, workspaces::options,
    workspaces::init_script, workspaces::distro, workspaces::template, workspaces::status,
    workspaces::error_code, workspaces::error_text, workspaces::created_at, workspaces::updated_at,
);

#[rustfmt::skip]
const COLUMNS: Columns = (
    workspaces::id, workspaces::owner_id, workspaces::name, workspaces::path, workspaces::options,
    workspaces::init_script, workspaces::distro, workspaces::template, workspaces::status,
    workspaces::error_code, workspaces::error_text, workspaces::created_at, workspaces::updated_at,
);

fn read(row: Row) -> Result<Workspace, StoreError> {
    let (id, owner, name, path, options, init_script, distro, template, ..) = row;
    let (.., status, code, text, created_at, updated_at) = (row.8, row.9, row.10, row.11, row.12);
    let trouble = code.map(|code| Trouble {
        code,
        text: text.unwrap_or_default(),
    });
    Ok(Workspace {
        id: parse("workspace id", &id)?,
        owner: parse("user id", &owner)?,
        name,
        path,
        state: word("workspace status", &status, WorkspaceState::parse)?,
        trouble,
        options: from_json("workspace options", &options)?,
        init_script,
        distro,
        template,
        created_at: Timestamp(created_at),
        updated_at: Timestamp(updated_at),
    })
}
