//! Facts about the database as a whole, by key.
//!
//! Never a setting: those come from the configuration.

use diesel::prelude::*;

use super::schema::meta;
use super::{Connection, StoreError};

/// The key of the epoch.
pub(super) const EPOCH: &str = "epoch";
/// The key of the time up to which the server lived before its last start, in milliseconds.
pub const LAST_LIFE: &str = "last_life";
const LAST_POS: &str = "last_pos";

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

/// Notes the last pos that was given, before the event that has it goes.
///
/// # Errors
/// When the database fails.
pub fn keep_pos(conn: &mut Connection) -> Result<(), StoreError> {
    let last = super::events::max_pos(conn)?;
    set(conn, LAST_POS, &last.to_string())
}

/// The last pos that was noted; 0 when none was.
///
/// # Errors
/// When the database fails.
pub fn kept_pos(conn: &mut Connection) -> Result<u64, StoreError> {
    match get(conn, LAST_POS)? {
        Some(text) => super::convert::parse("last pos", &text),
        None => Ok(0),
    }
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
    new_epoch(conn)
}

/// Gives all numbers another epoch: history is lost.
///
/// # Errors
/// When the database fails.
pub fn new_epoch(conn: &mut Connection) -> Result<String, StoreError> {
    let whole = uuid::Uuid::new_v4().simple().to_string();
    let epoch: String = whole.chars().take(16).collect();
    set(conn, EPOCH, &epoch)?;
    Ok(epoch)
}
