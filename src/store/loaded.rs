//! The mission that a person's messages without a name go to.
//!
//! Never a deleted one.

use diesel::prelude::*;

use super::convert::parse;
use super::schema::{loaded, sessions};
use super::{Connection, StoreError};
use crate::domain::{SessionId, Timestamp, UserId};

/// How a mission came to be the loaded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// The person said so: it stays until they say otherwise.
    Chosen,
    /// They made it, and had chosen none.
    Made,
}

/// The person's loaded mission.
///
/// # Errors
/// When the database fails.
pub fn of(conn: &mut Connection, user: UserId) -> Result<Option<SessionId>, StoreError> {
    let id: Option<String> = loaded::table
        .inner_join(sessions::table)
        .filter(loaded::user_id.eq(user.to_string()))
        .filter(sessions::archived_at.is_null())
        .select(loaded::session_id)
        .first(conn)
        .optional()?;
    id.map(|id| parse("session id", &id)).transpose()
}

/// Loads a mission. One that was only made does not take the place of a chosen one that is there.
///
/// # Errors
/// When the database fails.
pub fn put(
    conn: &mut Connection,
    user: UserId,
    (session, how): (SessionId, Load),
    at: Timestamp,
) -> Result<(), StoreError> {
    let user = user.to_string();
    if how == Load::Made {
        let chosen: i64 = loaded::table
            .inner_join(sessions::table)
            .filter(loaded::user_id.eq(&user))
            .filter(loaded::chosen.eq(true))
            .filter(sessions::archived_at.is_null())
            .count()
            .get_result(conn)?;
        if chosen > 0 {
            return Ok(());
        }
    }
    diesel::delete(loaded::table.find(&user)).execute(conn)?;
    diesel::insert_into(loaded::table)
        .values((
            loaded::user_id.eq(&user),
            loaded::session_id.eq(session.to_string()),
            loaded::chosen.eq(how == Load::Chosen),
            loaded::at.eq(at.0),
        ))
        .execute(conn)?;
    Ok(())
}
