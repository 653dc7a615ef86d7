//! Facts about the database as a whole, by key.
//!
//! Never a setting: those come from the configuration.

use diesel::prelude::*;

use super::schema::meta;
use super::{Connection, StoreError};

const EPOCH: &str = "epoch";

/// The value of a key.
///
/// # Errors
/// When the database fails.
pub fn get(conn: &mut Connection, key: &str) -> Result<Option<String>, StoreError> {
    let value = meta::table.find(key).select(meta::value).first(conn);
    Ok(value.optional()?)
}

/// Sets a key, new or known.
///
/// # Errors
/// When the database fails.
pub fn set(conn: &mut Connection, key: &str, value: &str) -> Result<(), StoreError> {
    let known = diesel::update(meta::table.find(key))
        .set(meta::value.eq(value))
        .execute(conn)?;
    if known == 0 {
        diesel::insert_into(meta::table)
            .values((meta::key.eq(key), meta::value.eq(value)))
            .execute(conn)?;
    }
    Ok(())
}

/// The epoch of all numbers (decisions.md 5): random, made when the database is opened first, and
/// changed only where history is lost.
///
/// # Errors
/// When the database fails.
pub fn epoch(conn: &mut Connection) -> Result<String, StoreError> {
    if let Some(epoch) = get(conn, EPOCH)? {
        return Ok(epoch);
    }
    let whole = uuid::Uuid::new_v4().simple().to_string();
    let epoch: String = whole.chars().take(16).collect();
    set(conn, EPOCH, &epoch)?;
    Ok(epoch)
}
