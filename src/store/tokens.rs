//! The server's side of every token that was given out, by its `sid` claim.
//!
//! Never the token itself: a row here only says that it may still be used.

use diesel::prelude::*;

use super::convert::parse;
use super::schema::{tokens, users};
use super::{Connection, StoreError, refresh, users as people};
use crate::domain::{Timestamp, User, UserId};

/// One token that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its `sid` claim.
    pub sid: String,
    /// Whose it is.
    pub user: UserId,
    /// When it was given out.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// Keeps a new token.
///
/// # Errors
/// [`StoreError::Conflict`] when the sid is known.
pub fn insert(conn: &mut Connection, token: &TokenRow) -> Result<(), StoreError> {
    diesel::insert_into(tokens::table)
        .values((
            tokens::sid.eq(&token.sid),
            tokens::user_id.eq(token.user.to_string()),
            tokens::created_at.eq(token.created_at.0),
            tokens::expires_at.eq(token.expires_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// The token and its person, unless it is revoked or over, or the person is shut out.
///
/// # Errors
/// When the database fails.
pub fn live(
    conn: &mut Connection,
    sid: &str,
    now: Timestamp,
) -> Result<Option<(TokenRow, User)>, StoreError> {
    type Row = ((String, String, i64, i64), people::Row);
    let columns = (
        tokens::sid,
        tokens::user_id,
        tokens::created_at,
        tokens::expires_at,
    );
    let row: Option<Row> = tokens::table
        .inner_join(users::table)
        .filter(tokens::sid.eq(sid))
        .filter(tokens::revoked_at.is_null())
        .filter(tokens::expires_at.gt(now.0))
        .filter(users::disabled.eq(false))
        .select((columns, people::COLUMNS))
        .first(conn)
        .optional()?;
    let Some(((sid, user, created_at, expires_at), person)) = row else {
        return Ok(None);
    };
    let token = TokenRow {
        sid,
        user: parse("user id", &user)?,
        created_at: Timestamp(created_at),
        expires_at: Timestamp(expires_at),
    };
    Ok(Some((token, people::user(person)?)))
}

/// Ends a token, and what would renew it. `false` when it was not live in the first place.
///
/// # Errors
/// When the database fails.
pub fn revoke(conn: &mut Connection, sid: &str, at: Timestamp) -> Result<bool, StoreError> {
    refresh::drop_sid(conn, sid)?;
    let open = tokens::table.find(sid).filter(tokens::revoked_at.is_null());
    let changed = diesel::update(open)
        .set(tokens::revoked_at.eq(at.0))
        .execute(conn)?;
    Ok(changed > 0)
}

/// Ends every token of a person, but not the one that is `kept`; returns how many that were.
///
/// # Errors
/// When the database fails.
pub fn revoke_user(
    conn: &mut Connection,
    user: UserId,
    kept: Option<&str>,
    at: Timestamp,
) -> Result<usize, StoreError> {
    refresh::drop_user(conn, user, kept)?;
    // No sid is empty.
    let open = tokens::table
        .filter(tokens::user_id.eq(user.to_string()))
        .filter(tokens::sid.ne(kept.unwrap_or_default()))
        .filter(tokens::revoked_at.is_null());
    Ok(diesel::update(open)
        .set(tokens::revoked_at.eq(at.0))
        .execute(conn)?)
}

/// Drops the rows of tokens that are over and returns how many.
///
/// # Errors
/// When the database fails.
pub fn sweep(conn: &mut Connection, now: Timestamp) -> Result<usize, StoreError> {
    let over = tokens::table.filter(tokens::expires_at.le(now.0));
    Ok(diesel::delete(over).execute(conn)?)
}
