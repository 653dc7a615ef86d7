//! API keys of people.
//!
//! Never the key itself, only its SHA-256.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::convert::{hex, parse, unsigned, word};
use super::schema::{api_keys, users};
use super::{Connection, StoreError, users as people};
use crate::domain::{ApiKey, KeyId, Scopes, Timestamp, User, UserId};

/// A key as it is looked up for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The key.
    pub key: ApiKey,
    /// Its SHA-256 in hexadecimal.
    pub hash: String,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whose it is.
    pub user: User,
}

/// Keeps a new key with the SHA-256 of its text.
///
/// # Errors
/// [`StoreError::Conflict`] when the id is known.
pub fn insert(conn: &mut Connection, key: &ApiKey, hash: &[u8; 32]) -> Result<(), StoreError> {
    diesel::insert_into(api_keys::table)
        .values((
            api_keys::id.eq(key.id.to_string()),
            api_keys::user_id.eq(key.user.to_string()),
            api_keys::name.eq(&key.name),
            api_keys::prefix.eq(&key.prefix),
            api_keys::hash.eq(hex(hash)),
            api_keys::scopes.eq(key.scopes.words()),
            api_keys::created_at.eq(key.created_at.0),
            api_keys::expires_at.eq(key.expires_at.map(|at| at.0)),
            api_keys::last_used_at.eq(key.last_used_at.map(|at| at.0)),
        ))
        .execute(conn)?;
    Ok(())
}

/// A key with its person, whether or not it still holds.
///
/// # Errors
/// When the database fails.
pub fn find(conn: &mut Connection, id: KeyId) -> Result<Option<Found>, StoreError> {
    type Held = (Row, (String, Option<i64>), people::Row);
    let row: Option<Held> = api_keys::table
        .inner_join(users::table)
        .filter(api_keys::id.eq(id.to_string()))
        .select((
            COLUMNS,
            (api_keys::hash, api_keys::revoked_at),
            people::COLUMNS,
        ))
        .first(conn)
        .optional()?;
    let Some((row, (hash, revoked_at), person)) = row else {
        return Ok(None);
    };
    Ok(Some(Found {
        key: key(row)?,
        hash,
        revoked_at: revoked_at.map(Timestamp),
        user: people::user(person)?,
    }))
}

/// Keys of a person that are not revoked, also those that are over; newest first.
///
/// # Errors
/// When the database fails.
pub fn of_user(conn: &mut Connection, user: UserId) -> Result<Vec<ApiKey>, StoreError> {
    let rows: Vec<Row> = api_keys::table
        .filter(api_keys::user_id.eq(user.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .order((api_keys::created_at.desc(), api_keys::id.desc()))
        .select(COLUMNS)
        .load(conn)?;
    rows.into_iter().map(key).collect()
}

/// How many keys of a person can be used now.
///
/// # Errors
/// When the database fails.
pub fn live(conn: &mut Connection, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
    let count: i64 = api_keys::table
        .filter(api_keys::user_id.eq(user.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .filter(
            api_keys::expires_at
                .is_null()
                .or(api_keys::expires_at.gt(now.0)),
        )
        .select(count_star())
        .get_result(conn)?;
    unsigned(count)
}

/// Gives a key of this person another name. The key after it; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub fn rename(
    conn: &mut Connection,
    (user, id): (UserId, KeyId),
    name: &str,
) -> Result<Option<ApiKey>, StoreError> {
    let own = api_keys::table
        .filter(api_keys::id.eq(id.to_string()))
        .filter(api_keys::user_id.eq(user.to_string()))
        .filter(api_keys::revoked_at.is_null());
    diesel::update(own)
        .set(api_keys::name.eq(name))
        .execute(conn)?;
    let row: Option<Row> = api_keys::table
        .filter(api_keys::id.eq(id.to_string()))
        .filter(api_keys::user_id.eq(user.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    row.map(key).transpose()
}

/// Revokes a key of this person. `false` when there is none, or not any more.
///
/// # Errors
/// When the database fails.
pub fn revoke(
    conn: &mut Connection,
    (user, id): (UserId, KeyId),
    at: Timestamp,
) -> Result<bool, StoreError> {
    let own = api_keys::table
        .filter(api_keys::id.eq(id.to_string()))
        .filter(api_keys::user_id.eq(user.to_string()))
        .filter(api_keys::revoked_at.is_null());
    let changed = diesel::update(own)
        .set(api_keys::revoked_at.eq(at.0))
        .execute(conn)?;
    Ok(changed > 0)
}

/// Revokes every key of a person and returns how many could be used until then.
///
/// # Errors
/// When the database fails.
pub fn revoke_user(
    conn: &mut Connection,
    user: UserId,
    at: Timestamp,
) -> Result<usize, StoreError> {
    let open = api_keys::table
        .filter(api_keys::user_id.eq(user.to_string()))
        .filter(api_keys::revoked_at.is_null());
    Ok(diesel::update(open)
        .set(api_keys::revoked_at.eq(at.0))
        .execute(conn)?)
}

/// Notes that a key was used.
///
/// # Errors
/// When the database fails.
pub fn used(conn: &mut Connection, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
    diesel::update(api_keys::table.find(id.to_string()))
        .set(api_keys::last_used_at.eq(at.0))
        .execute(conn)?;
    Ok(())
}

/// Drops keys that were revoked or over before this time, and returns how many.
///
/// # Errors
/// When the database fails.
pub fn sweep(conn: &mut Connection, before: Timestamp) -> Result<usize, StoreError> {
    let over = api_keys::table.filter(
        api_keys::revoked_at
            .lt(before.0)
            .or(api_keys::expires_at.lt(before.0)),
    );
    // A missing time is neither before nor after.
    Ok(diesel::delete(over).execute(conn)?)
}

const COLUMNS: (
    api_keys::id,
    api_keys::user_id,
    api_keys::name,
    api_keys::prefix,
    api_keys::scopes,
    api_keys::created_at,
    api_keys::expires_at,
    api_keys::last_used_at,
) = (
    api_keys::id,
    api_keys::user_id,
    api_keys::name,
    api_keys::prefix,
    api_keys::scopes,
    api_keys::created_at,
    api_keys::expires_at,
    api_keys::last_used_at,
);

type Row = (
    String,
    String,
    String,
    String,
    String,
    i64,
    Option<i64>,
    Option<i64>,
);

fn key(row: Row) -> Result<ApiKey, StoreError> {
    let (id, user, name, prefix, scopes, created_at, expires_at, last_used_at) = row;
    Ok(ApiKey {
        id: parse("key id", &id)?,
        user: parse("user id", &user)?,
        name,
        prefix,
        scopes: word("scopes", &scopes, Scopes::parse)?,
        created_at: Timestamp(created_at),
        expires_at: expires_at.map(Timestamp),
        last_used_at: last_used_at.map(Timestamp),
    })
}
