//! Tickets that open one WebSocket each in the name of a token or an API key.
//!
//! Never the ticket itself, only its SHA-256, and never good twice.

use diesel::prelude::*;

use super::convert::hex;
use super::schema::tickets;
use super::{Connection, StoreError};
use crate::domain::Timestamp;

/// One ticket that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// SHA-256 of the ticket's text.
    pub hash: [u8; 32],
    /// The token or key that it stands for, as a principal names it.
    pub sid: String,
    /// When it ends unused.
    pub expires_at: Timestamp,
}

/// Keeps a new ticket.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &mut Connection, ticket: &TicketRow) -> Result<(), StoreError> {
    diesel::insert_into(tickets::table)
        .values((
            tickets::hash.eq(hex(&ticket.hash)),
            tickets::sid.eq(&ticket.sid),
            tickets::expires_at.eq(ticket.expires_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whether there is such a ticket, over or not.
///
/// # Errors
/// When the database fails.
pub fn known(conn: &mut Connection, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let found = tickets::table.find(hex(hash)).select(tickets::expires_at);
    Ok(found.first::<i64>(conn).optional()?.is_some())
}

/// Uses a ticket up and returns the `sid` that it stands for; `None` when it is unknown, used or
/// over. Whether that still lives is for the caller to look up.
///
/// # Errors
/// When the database fails.
pub fn take(
    conn: &mut Connection,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let key = hex(hash);
    let row: Option<(String, i64)> = tickets::table
        .find(&key)
        .select((tickets::sid, tickets::expires_at))
        .first(conn)
        .optional()?;
    let Some((sid, expires_at)) = row else {
        return Ok(None);
    };
    diesel::delete(tickets::table.find(&key)).execute(conn)?;
    Ok((expires_at > now.0).then_some(sid))
}

/// Drops tickets that are over and returns how many.
///
/// # Errors
/// When the database fails.
pub fn sweep(conn: &mut Connection, now: Timestamp) -> Result<usize, StoreError> {
    let over = tickets::table.filter(tickets::expires_at.le(now.0));
    Ok(diesel::delete(over).execute(conn)?)
}
