//! Invitations to register.
//!
//! Never the code itself, only its SHA-256.

use diesel::prelude::*;

use super::convert::{bound, hex, parse, unsigned, word};
use super::schema::invites;
use super::{Connection, StoreError};
use crate::domain::{Invite, InviteId, Role, Timestamp, UserId};

type Row = (
    String,
    String,
    String,
    i64,
    i64,
    Option<String>,
    Option<i64>,
);

type Columns = (
    invites::id,
    invites::role,
    invites::created_by,
    invites::created_at,
    invites::expires_at,
    invites::used_by,
    invites::used_at,
);

const COLUMNS: Columns = (
    invites::id,
    invites::role,
    invites::created_by,
    invites::created_at,
    invites::expires_at,
    invites::used_by,
    invites::used_at,
);

/// Keeps a new invitation under the hash of its code.
///
/// # Errors
/// [`StoreError::Conflict`] when the code is known.
pub fn insert(conn: &mut Connection, invite: &Invite, code: &[u8; 32]) -> Result<(), StoreError> {
    diesel::insert_into(invites::table)
        .values((
            invites::id.eq(invite.id.to_string()),
            invites::code_hash.eq(hex(code)),
            invites::role.eq(invite.role.name()),
            invites::created_by.eq(invite.created_by.to_string()),
            invites::created_at.eq(invite.created_at.0),
            invites::expires_at.eq(invite.expires_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// The invitation of this code, used or not.
///
/// # Errors
/// When the database fails.
pub fn by_code(conn: &mut Connection, code: &[u8; 32]) -> Result<Option<Invite>, StoreError> {
    let query = invites::table.filter(invites::code_hash.eq(hex(code)));
    let row: Option<Row> = query.select(COLUMNS).first(conn).optional()?;
    row.map(invite).transpose()
}

/// The invitation of this id.
///
/// # Errors
/// When the database fails.
pub fn by_id(conn: &mut Connection, id: InviteId) -> Result<Option<Invite>, StoreError> {
    let query = invites::table.find(id.to_string()).select(COLUMNS);
    let row: Option<Row> = query.first(conn).optional()?;
    row.map(invite).transpose()
}

/// Invitations, newest first, and how many there are.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &mut Connection,
    (offset, limit): (usize, usize),
) -> Result<(Vec<Invite>, u64), StoreError> {
    let total = unsigned(invites::table.count().get_result(conn)?)?;
    let rows: Vec<Row> = invites::table
        .order((invites::created_at.desc(), invites::id.desc()))
        .offset(bound(offset))
        .limit(bound(limit))
        .select(COLUMNS)
        .load(conn)?;
    let found: Result<_, _> = rows.into_iter().map(invite).collect();
    Ok((found?, total))
}

/// Uses an invitation up. `false` when somebody was faster.
///
/// # Errors
/// When the database fails.
pub fn use_up(
    conn: &mut Connection,
    id: InviteId,
    by: UserId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let open = invites::table
        .find(id.to_string())
        .filter(invites::used_at.is_null());
    let changed = diesel::update(open)
        .set((
            invites::used_by.eq(by.to_string()),
            invites::used_at.eq(at.0),
        ))
        .execute(conn)?;
    Ok(changed > 0)
}

/// Takes an invitation back. `false` when there is none of this id that is unused.
///
/// # Errors
/// When the database fails.
pub fn remove(conn: &mut Connection, id: InviteId) -> Result<bool, StoreError> {
    let unused = invites::table
        .find(id.to_string())
        .filter(invites::used_at.is_null());
    Ok(diesel::delete(unused).execute(conn)? > 0)
}

/// Drops invitations that ended before `before`, used or not, and returns how many.
///
/// # Errors
/// When the database fails.
pub fn sweep(conn: &mut Connection, before: Timestamp) -> Result<usize, StoreError> {
    let over = invites::table.filter(invites::expires_at.le(before.0));
    Ok(diesel::delete(over).execute(conn)?)
}

fn invite(row: Row) -> Result<Invite, StoreError> {
    let (id, role, created_by, created_at, expires_at, used_by, used_at) = row;
    let used_by = used_by.as_deref().map(|id| parse("user id", id));
    Ok(Invite {
        id: parse("invite id", &id)?,
        role: word("role", &role, Role::parse)?,
        created_by: parse("user id", &created_by)?,
        created_at: Timestamp(created_at),
        expires_at: Timestamp(expires_at),
        used_by: used_by.transpose()?,
        used_at: used_at.map(Timestamp),
    })
}
