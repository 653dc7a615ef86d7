//! Failed tries to sign in, by key.
//!
//! Never a name in plain words: the keys of names are hashes.

use diesel::prelude::*;

use super::convert::{signed, unsigned};
use super::schema::attempts;
use super::{Connection, StoreError};
use crate::domain::attempts::FORGOTTEN_MS;
use crate::domain::{Attempts, Timestamp};

/// What is known of a key; none yet when it is not known.
///
/// # Errors
/// When the database fails.
pub fn of(conn: &mut Connection, key: &str) -> Result<Attempts, StoreError> {
    let row: Option<(i64, i64, i64)> = attempts::table
        .find(key)
        .select((attempts::failures, attempts::last_at, attempts::wait_ms))
        .first(conn)
        .optional()?;
    let Some((failures, last_at, wait_ms)) = row else {
        return Ok(Attempts::none(key));
    };
    Ok(Attempts {
        key: key.to_owned(),
        failures: unsigned(failures)?,
        last_at: Timestamp(last_at),
        wait_ms,
    })
}

/// Keeps what is known of a key.
///
/// # Errors
/// When the database fails.
pub fn put(conn: &mut Connection, now: &Attempts) -> Result<(), StoreError> {
    let values = (
        attempts::failures.eq(signed(now.failures)?),
        attempts::last_at.eq(now.last_at.0),
        attempts::wait_ms.eq(now.wait_ms),
    );
    let known = diesel::update(attempts::table.find(&now.key))
        .set(values)
        .execute(conn)?;
    if known == 0 {
        diesel::insert_into(attempts::table)
            .values((
                attempts::key.eq(&now.key),
                attempts::failures.eq(signed(now.failures)?),
                attempts::last_at.eq(now.last_at.0),
                attempts::wait_ms.eq(now.wait_ms),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Forgets a key.
///
/// # Errors
/// When the database fails.
pub fn forget(conn: &mut Connection, key: &str) -> Result<(), StoreError> {
    diesel::delete(attempts::table.find(key)).execute(conn)?;
    Ok(())
}

/// Forgets keys without a failure for a long time and returns how many.
///
/// # Errors
/// When the database fails.
pub fn sweep(conn: &mut Connection, now: Timestamp) -> Result<usize, StoreError> {
    let old = attempts::table.filter(attempts::last_at.le(now.plus_ms(-FORGOTTEN_MS).0));
    Ok(diesel::delete(old).execute(conn)?)
}
