//! Refresh tokens: each renews a sign-in once.
//!
//! Never the text itself, only its SHA-256; a used one stays until its end, so that a second use is
//! seen.

use diesel::prelude::*;

use super::convert::{hex, parse};
use super::schema::{refresh_tokens, tokens};
use super::tokens::TokenRow;
use super::{Connection, StoreError};
use crate::domain::{Timestamp, UserId};

/// One refresh token that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshRow {
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// The sign-in that it renews.
    pub sid: String,
    /// Whose it is.
    pub user: UserId,
    /// When it was given out.
    pub created_at: Timestamp,
    /// When it ends unused.
    pub expires_at: Timestamp,
}

/// What became of an attempt to use one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is unknown, over, or its sign-in has ended.
    Nothing,
    /// It was unused, and is used now.
    First {
        /// The sign-in that it renews.
        sid: String,
        /// Whose it is.
        user: UserId,
    },
    /// It was used before: somebody has a copy.
    Again {
        /// The sign-in that it renewed.
        sid: String,
        /// Whose it is.
        user: UserId,
    },
}

/// Keeps a new refresh token.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Connection, row: &RefreshRow) -> Result<(), StoreError> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::hash.eq(hex(&row.hash)),
            refresh_tokens::sid.eq(&row.sid),
            refresh_tokens::user_id.eq(row.user.to_string()),
            refresh_tokens::created_at.eq(row.created_at.0),
            refresh_tokens::expires_at.eq(row.expires_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whether there is such a token, used or not.
///
/// # Errors
/// When the database fails.
pub fn known(conn: &mut Connection, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let found = refresh_tokens::table
        .find(hex(hash))
        .select(refresh_tokens::created_at);
    Ok(found.first::<i64>(conn).optional()?.is_some())
}

/// Uses a refresh token.
///
/// # Errors
/// When the database fails.
pub fn take(conn: &mut Connection, hash: &[u8; 32], now: Timestamp) -> Result<Taken, StoreError> {
    type Row = (String, String, i64, Option<i64>);
    let key = hex(hash);
    let row: Option<Row> = refresh_tokens::table
        .find(&key)
        .select((
            refresh_tokens::sid,
            refresh_tokens::user_id,
            refresh_tokens::expires_at,
            refresh_tokens::used_at,
        ))
        .first(conn)
        .optional()?;
    let Some((sid, user, expires_at, used_at)) = row else {
        return Ok(Taken::Nothing);
    };
    let user = parse("user id", &user)?;
    if used_at.is_some() {
        return Ok(Taken::Again { sid, user });
    }
    if expires_at <= now.0 {
        return Ok(Taken::Nothing);
    }
    diesel::update(refresh_tokens::table.find(&key))
        .set(refresh_tokens::used_at.eq(now.0))
        .execute(conn)?;
    Ok(Taken::First { sid, user })
}

/// Lets a sign-in live until another time. Its row may have been swept at its end; one that was
/// revoked has no refresh tokens any more.
///
/// # Errors
/// When the database fails.
pub fn prolong(conn: &mut Connection, token: &TokenRow) -> Result<(), StoreError> {
    let open = tokens::table
        .find(&token.sid)
        .filter(tokens::revoked_at.is_null());
    let changed = diesel::update(open)
        .set(tokens::expires_at.eq(token.expires_at.0))
        .execute(conn)?;
    if changed == 0 {
        super::tokens::insert(conn, token)?;
    }
    Ok(())
}

/// Drops those of a sign-in that was ended.
///
/// # Errors
/// When the database fails.
pub fn drop_sid(conn: &mut Connection, sid: &str) -> Result<(), StoreError> {
    let its = refresh_tokens::table.filter(refresh_tokens::sid.eq(sid));
    diesel::delete(its).execute(conn)?;
    Ok(())
}

/// Drops those of a person, but not those of the sign-in that is `kept`.
///
/// # Errors
/// When the database fails.
pub fn drop_user(
    conn: &mut Connection,
    user: UserId,
    kept: Option<&str>,
) -> Result<(), StoreError> {
    let theirs = refresh_tokens::table
        .filter(refresh_tokens::user_id.eq(user.to_string()))
        .filter(refresh_tokens::sid.ne(kept.unwrap_or_default()));
    diesel::delete(theirs).execute(conn)?;
    Ok(())
}

/// Drops those that are over and returns how many.
///
/// # Errors
/// When the database fails.
pub fn sweep(conn: &mut Connection, now: Timestamp) -> Result<usize, StoreError> {
    let over = refresh_tokens::table.filter(refresh_tokens::expires_at.le(now.0));
    Ok(diesel::delete(over).execute(conn)?)
}
