//! The id of a database, which the data directory that goes with it carries too.
//!
//! Never the epoch: that one changes where history is lost, and says nothing of the directory.

use diesel::dsl::exists;
use diesel::prelude::*;

use super::schema::sessions;
use super::{Connection, StoreError, meta};
use crate::domain::SessionId;

/// The key of the id.
pub(super) const KEY: &str = "database_id";
/// Ids in one question.
const AT_ONCE: usize = 500;

/// The id; none in a database that no server of ours has bound yet.
///
/// # Errors
/// When the database fails.
pub fn get(conn: &mut Connection) -> Result<Option<String>, StoreError> {
    meta::get(conn, KEY)
}

/// Gives the database this id.
///
/// # Errors
/// When the database fails.
pub fn set(conn: &mut Connection, id: &str) -> Result<(), StoreError> {
    meta::set(conn, KEY, id)
}

/// Whether there is a session, deleted ones too.
///
/// # Errors
/// When the database fails.
pub fn has_sessions(conn: &mut Connection) -> Result<bool, StoreError> {
    let one: Option<String> = sessions::table
        .select(sessions::id)
        .first(conn)
        .optional()?;
    Ok(one.is_some())
}

/// Whether one of these is a session of this database.
///
/// # Errors
/// When the database fails.
pub fn knows_one_of(conn: &mut Connection, ids: &[SessionId]) -> Result<bool, StoreError> {
    for some in ids.chunks(AT_ONCE) {
        let some = some.iter().map(ToString::to_string);
        let found = sessions::table.filter(sessions::id.eq_any(some));
        if diesel::select(exists(found)).get_result(conn)? {
            return Ok(true);
        }
    }
    Ok(false)
}
