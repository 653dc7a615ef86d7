//! Lives of agent processes: how far the log of each is decoded, and how each ended.
//!
//! Never written here: the journal's commit is the only writer.

use diesel::prelude::*;

use super::convert::{from_json, signed, unsigned};
use super::schema::incarnations;
use super::{Connection, StoreError};
use crate::domain::{ExitReport, Incarnation, SessionId, Timestamp};

/// One life of a session's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncarnationRow {
    /// Its number.
    pub incarnation: Incarnation,
    /// Secret mark of this life; empty for one that never ran.
    pub nonce: String,
    /// First byte of its log that is not decoded yet.
    pub offset: u64,
    /// The codec's state after the byte before it.
    pub snapshot: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// How it ended, once that is known.
    pub exit: Option<ExitReport>,
}

type Row = (i64, String, i64, String, i64, Option<String>);

const COLUMNS: (
    incarnations::number,
    incarnations::nonce,
    incarnations::log_offset,
    incarnations::snapshot,
    incarnations::started_at,
    incarnations::exit_report,
) = (
    incarnations::number,
    incarnations::nonce,
    incarnations::log_offset,
    incarnations::snapshot,
    incarnations::started_at,
    incarnations::exit_report,
);

/// One life by its number.
///
/// # Errors
/// When the database fails.
pub fn by_number(
    conn: &mut Connection,
    session: SessionId,
    number: Incarnation,
) -> Result<Option<IncarnationRow>, StoreError> {
    let key = (session.to_string(), signed(number.0)?);
    let row = incarnations::table.find(key).select(COLUMNS).first(conn);
    row.optional()?.map(incarnation).transpose()
}

/// The last life.
///
/// # Errors
/// When the database fails.
pub fn latest(
    conn: &mut Connection,
    session: SessionId,
) -> Result<Option<IncarnationRow>, StoreError> {
    let row = incarnations::table
        .filter(incarnations::session_id.eq(session.to_string()))
        .order(incarnations::number.desc())
        .select(COLUMNS)
        .first(conn);
    row.optional()?.map(incarnation).transpose()
}

fn incarnation(row: Row) -> Result<IncarnationRow, StoreError> {
    let (number, nonce, offset, snapshot, started_at, exit) = row;
    Ok(IncarnationRow {
        incarnation: Incarnation(unsigned(number)?),
        nonce,
        offset: unsigned(offset)?,
        snapshot,
        started_at: Timestamp(started_at),
        exit: exit
            .map(|text| from_json("exit report", &text))
            .transpose()?,
    })
}
