//! Replies to requests that carried an Idempotency-Key, so that a repeated one is answered from
//! here byte for byte.
//!
//! Never the request itself, only its digest.

use diesel::prelude::*;

use super::convert::hex;
use super::schema::idempotency;
use super::{Connection, StoreError};
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{Error, Timestamp, UserId};

/// How long a key is remembered (reliability.md 2.2): 24 h in milliseconds.
pub const KEPT_MS: i64 = 24 * 3_600_000;

/// A reply to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReply {
    /// Who asked.
    pub owner: UserId,
    /// Under which key.
    pub key: IdempotencyKey,
    /// The reply's text, as it will be sent again.
    pub reply: String,
    /// When.
    pub created_at: Timestamp,
}

/// The reply that was kept for this key.
///
/// # Errors
/// `idempotency_key_reused` when the digest is another: the key was used for another request.
pub fn find(
    conn: &mut Connection,
    owner: UserId,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String, String)> = idempotency::table
        .find((owner.to_string(), &key.key))
        .filter(idempotency::created_at.gt(now.plus_ms(-KEPT_MS).0))
        .select((idempotency::digest, idempotency::reply))
        .first(conn)
        .optional()?;
    match row {
        Some((digest, _)) if digest != hex(&key.digest) => Err(Error::KeyReused.into()),
        Some((_, reply)) => Ok(Some(reply)),
        None => Ok(None),
    }
}

/// Keeps the reply for a key; one that has been forgotten by its age is replaced.
///
/// # Errors
/// [`StoreError::Conflict`] when the key is in use; look with [`find`] in the same transaction.
pub fn insert(conn: &mut Connection, kept: &KeptReply) -> Result<(), StoreError> {
    let old = idempotency::table
        .find((kept.owner.to_string(), &kept.key.key))
        .filter(idempotency::created_at.le(kept.created_at.plus_ms(-KEPT_MS).0));
    diesel::delete(old).execute(conn)?;
    diesel::insert_into(idempotency::table)
        .values((
            idempotency::owner_id.eq(kept.owner.to_string()),
            idempotency::key.eq(&kept.key.key),
            idempotency::digest.eq(hex(&kept.key.digest)),
            idempotency::reply.eq(&kept.reply),
            idempotency::created_at.eq(kept.created_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Forgets keys older than [`KEPT_MS`] and returns how many.
///
/// # Errors
/// When the database fails.
pub fn sweep(conn: &mut Connection, now: Timestamp) -> Result<usize, StoreError> {
    let old = idempotency::table.filter(idempotency::created_at.le(now.plus_ms(-KEPT_MS).0));
    Ok(diesel::delete(old).execute(conn)?)
}
