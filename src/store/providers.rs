//! Sign-ins of people at providers of models, with their sealed secrets.
//!
//! Never two of one person at the same provider.

use diesel::prelude::*;

use super::convert::{parse, word};
use super::schema::provider_sign_ins as rows;
use super::{Connection, StoreError, users};
use crate::domain::{Method, SignIn, SignInId, Timestamp, UserId};

/// A sign-in with what is sealed of it; `None` when the key that it was sealed with is lost.
pub type Sealed = (SignIn, Option<Vec<u8>>);

/// Stores one in the place of what its owner had there.
///
/// # Errors
/// [`StoreError::NotFound`] when the owner is gone.
pub fn put(conn: &mut Connection, new: &SignIn, secret: &[u8]) -> Result<(), StoreError> {
    users::by_id(conn, new.owner)?.ok_or(StoreError::NotFound)?;
    remove(conn, new.owner, &new.provider)?;
    diesel::insert_into(rows::table)
        .values((
            rows::id.eq(new.id.to_string()),
            rows::user_id.eq(new.owner.to_string()),
            rows::provider.eq(&new.provider),
            rows::method.eq(new.method.name()),
            rows::secret.eq(Some(secret)),
            rows::expires_at.eq(new.expires_at.map(|at| at.0)),
            rows::failure.eq(&new.failure),
            rows::changed_at.eq(new.changed_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Those of a person, by the provider's name.
///
/// # Errors
/// When the database fails.
pub fn of_owner(conn: &mut Connection, owner: UserId) -> Result<Vec<Sealed>, StoreError> {
    let found: Vec<Row> = rows::table
        .filter(rows::user_id.eq(owner.to_string()))
        .order(rows::provider.asc())
        .load(conn)?;
    found.into_iter().map(read).collect()
}

/// That of a person at one provider.
///
/// # Errors
/// When the database fails.
pub fn find(
    conn: &mut Connection,
    owner: UserId,
    provider: &str,
) -> Result<Option<Sealed>, StoreError> {
    let found: Option<Row> = rows::table
        .filter(rows::user_id.eq(owner.to_string()))
        .filter(rows::provider.eq(provider))
        .first(conn)
        .optional()?;
    found.map(read).transpose()
}

/// Writes what became of one: another secret when there is one, until when it is good, and why it does
/// not do. Whether it is there still.
///
/// # Errors
/// When the database fails.
pub fn renew(
    conn: &mut Connection,
    one: &SignIn,
    secret: Option<&[u8]>,
) -> Result<bool, StoreError> {
    let changed = diesel::update(rows::table.find(one.id.to_string()))
        .set((
            secret.map(|secret| rows::secret.eq(Some(secret))),
            rows::expires_at.eq(one.expires_at.map(|at| at.0)),
            rows::failure.eq(&one.failure),
            rows::changed_at.eq(one.changed_at.0),
        ))
        .execute(conn)?;
    Ok(changed > 0)
}

/// Removes that of a person at one provider. Whether there was one.
///
/// # Errors
/// When the database fails.
pub fn remove(conn: &mut Connection, owner: UserId, provider: &str) -> Result<bool, StoreError> {
    let own = rows::table
        .filter(rows::user_id.eq(owner.to_string()))
        .filter(rows::provider.eq(provider));
    Ok(diesel::delete(own).execute(conn)? > 0)
}

/// Removes those of a person who is being deleted.
///
/// # Errors
/// When the database fails.
pub fn forget_owner(conn: &mut Connection, owner: UserId) -> Result<(), StoreError> {
    diesel::delete(rows::table.filter(rows::user_id.eq(owner.to_string()))).execute(conn)?;
    Ok(())
}

type Row = (
    String,
    String,
    String,
    String,
    Option<Vec<u8>>,
    Option<i64>,
    Option<String>,
    i64,
);

fn read(row: Row) -> Result<Sealed, StoreError> {
    let (id, owner, provider, method, secret, expires_at, failure, changed_at) = row;
    let one = SignIn {
        id: parse::<SignInId>("sign-in id", &id)?,
        owner: parse("user id", &owner)?,
        provider,
        method: word("sign-in method", &method, Method::parse)?,
        expires_at: expires_at.map(Timestamp),
        failure,
        changed_at: Timestamp(changed_at),
    };
    Ok((one, secret.filter(|secret| !secret.is_empty())))
}
