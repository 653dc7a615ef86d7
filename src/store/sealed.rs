//! Every place where a sealed value stands, page by page, for a change of the master key.
//!
//! Never opens one: that needs the keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel::prelude::*;

use super::convert::{bound, parse};
use super::schema::{idempotency, incarnations, provider_sign_ins, sessions, tasks, workspaces};
use super::{Connection, StoreError};

/// Begins a sealed text; other texts of such a column are not sealed.
const SEALED: &str = "sealed:";

/// One sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// Names the row within its place; pages go on behind it.
    pub key: String,
    /// What the value is bound to.
    pub aad: String,
    /// The value.
    pub blob: Vec<u8>,
}

type Page = fn(&mut Connection, &str, usize) -> Result<Rows, StoreError>;
type Clear = fn(&mut Connection, &SealedRow) -> Result<usize, StoreError>;
type Put = fn(&mut Connection, &SealedRow, &[u8]) -> Result<usize, StoreError>;

/// A page: its sealed values, and the last key that was looked at; `None` at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The values.
    pub rows: Vec<SealedRow>,
    /// Where to go on.
    pub next: Option<String>,
}

/// A column of sealed values.
#[derive(Clone, Copy)]
pub struct Place {
    /// Table and column.
    pub name: &'static str,
    /// Whether a server can do without the values: one whose key is gone holds up nothing.
    pub spare: bool,
    page: Page,
    put: Put,
    clear: Clear,
}

/// A column of bytes: table, text key, column, and how the key becomes what it is bound to.
macro_rules! bytes {
    ($table:ident . $column:ident by $key:ident as $suffix:literal) => {
        Place {
            name: concat!(stringify!($table), ".", stringify!($column)),
            spare: false,
            page: |conn, after, limit| {
                let found: Vec<(String, Option<Vec<u8>>)> = $table::table
                    .filter($table::$key.gt(after))
                    .filter($table::$column.is_not_null())
                    .order($table::$key)
                    .limit(bound(limit))
                    .select(($table::$key, $table::$column))
                    .load(conn)?;
                let next = (found.len() == limit).then(|| found.last().map(|row| row.0.clone()));
                let rows = found.into_iter().filter_map(|(key, blob)| {
                    let aad = format!(concat!("{}/", $suffix), key);
                    Some(SealedRow {
                        key,
                        aad,
                        blob: blob.filter(|blob| !blob.is_empty())?,
                    })
                });
                Ok(Rows {
                    rows: rows.collect(),
                    next: next.flatten(),
                })
            },
            put: |conn, row, blob| {
                let at = $table::table
                    .filter($table::$key.eq(&row.key))
                    .filter($table::$column.eq(&row.blob));
                Ok(diesel::update(at)
                    .set($table::$column.eq(blob))
                    .execute(conn)?)
            },
            clear: |conn, row| {
                let at = $table::table
                    .filter($table::$key.eq(&row.key))
                    .filter($table::$column.eq(&row.blob));
                Ok(diesel::update(at)
                    .set($table::$column.eq(None::<Vec<u8>>))
                    .execute(conn)?)
            },
        }
    };
}

/// All of them. A table with sealed values joins by a line here.
pub const PLACES: &[Place] = &[
    bytes!(sessions.env by id as "env"),
    Place {
        name: "incarnations.snapshot",
        spare: false,
        page: snapshots,
        put: put_snapshot,
        clear: |conn, row| set_snapshot(conn, row, String::new()),
    },
    Place {
        clear: unsaid,
        ..bytes!(tasks.said by id as "said")
    },
    Place {
        // Who asks again for a key whose reply does not open is told that it was made already.
        name: "idempotency.reply",
        spare: true,
        page: replies,
        put: put_reply,
        clear: |conn, row| set_reply(conn, row, String::new()),
    },
    bytes!(workspaces.env by id as "workspace"),
    bytes!(sessions.workspace_env by id as "given"),
    bytes!(provider_sign_ins.secret by id as "provider"),
];

impl Place {
    /// At most `limit` values behind this key; from the beginning behind an empty one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn page(
        &self,
        conn: &mut Connection,
        after: &str,
        limit: usize,
    ) -> Result<Rows, StoreError> {
        (self.page)(conn, after, limit)
    }

    /// Exchanges a value, if it is still the one that was read. Whether it was.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put(
        &self,
        conn: &mut Connection,
        row: &SealedRow,
        blob: &[u8],
    ) -> Result<bool, StoreError> {
        Ok((self.put)(conn, row, blob)? > 0)
    }

    /// Removes a value that nothing opens, if it is still the one that was read. Whether it was.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear(&self, conn: &mut Connection, row: &SealedRow) -> Result<bool, StoreError> {
        Ok((self.clear)(conn, row)? > 0)
    }
}

/// An empty value stays: what is shown of such a prompt is not what was said, and is never sent.
fn unsaid(conn: &mut Connection, row: &SealedRow) -> Result<usize, StoreError> {
    let at = tasks::table
        .filter(tasks::id.eq(&row.key))
        .filter(tasks::said.eq(&row.blob));
    let lost = diesel::update(at).set(tasks::said.eq(Vec::<u8>::new()));
    Ok(lost.execute(conn)?)
}

/// Keys are a session and a number with a space between.
fn snapshots(conn: &mut Connection, after: &str, limit: usize) -> Result<Rows, StoreError> {
    let (session, number) = split(after)?;
    let behind = incarnations::session_id
        .gt(session.clone())
        .or(incarnations::session_id
            .eq(session)
            .and(incarnations::number.gt(number)));
    let found: Vec<(String, i64, String)> = incarnations::table
        .filter(behind)
        .order((incarnations::session_id, incarnations::number))
        .limit(bound(limit))
        .select((
            incarnations::session_id,
            incarnations::number,
            incarnations::snapshot,
        ))
        .load(conn)?;
    let last = found
        .last()
        .map(|(session, number, _)| join(session, *number));
    let next = last.filter(|_| found.len() == limit);
    let rows = found.into_iter().filter_map(|(session, number, text)| {
        let blob = STANDARD.decode(text.strip_prefix(SEALED)?).ok()?;
        Some(SealedRow {
            key: join(&session, number),
            aad: format!("{session}/snapshot"),
            blob,
        })
    });
    Ok(Rows {
        rows: rows.collect(),
        next,
    })
}

fn put_snapshot(conn: &mut Connection, row: &SealedRow, blob: &[u8]) -> Result<usize, StoreError> {
    set_snapshot(conn, row, in_text(blob))
}

fn set_snapshot(conn: &mut Connection, row: &SealedRow, text: String) -> Result<usize, StoreError> {
    let (session, number) = split(&row.key)?;
    let at = incarnations::table
        .filter(incarnations::session_id.eq(session))
        .filter(incarnations::number.eq(number))
        .filter(incarnations::snapshot.eq(in_text(&row.blob)));
    let set = diesel::update(at).set(incarnations::snapshot.eq(text));
    Ok(set.execute(conn)?)
}

/// Keys are a person and a key of theirs with a space between. Only the reply that made an API key
/// is sealed; the others are JSON.
fn replies(conn: &mut Connection, after: &str, limit: usize) -> Result<Rows, StoreError> {
    let (owner, key) = after.split_once(' ').unwrap_or((after, ""));
    let behind = idempotency::owner_id.gt(owner).or(idempotency::owner_id
        .eq(owner)
        .and(idempotency::key.gt(key)));
    let found: Vec<(String, String, String)> = idempotency::table
        .filter(behind)
        .order((idempotency::owner_id, idempotency::key))
        .limit(bound(limit))
        .select((idempotency::owner_id, idempotency::key, idempotency::reply))
        .load(conn)?;
    let last = found.last().map(|(owner, key, _)| format!("{owner} {key}"));
    let next = last.filter(|_| found.len() == limit);
    let rows = found.into_iter().filter_map(|(owner, key, reply)| {
        let blob = STANDARD
            .decode(reply)
            .ok()
            .filter(|blob| !blob.is_empty())?;
        Some(SealedRow {
            aad: format!("{owner}/api-key/{key}"),
            key: format!("{owner} {key}"),
            blob,
        })
    });
    Ok(Rows {
        rows: rows.collect(),
        next,
    })
}

fn put_reply(conn: &mut Connection, row: &SealedRow, blob: &[u8]) -> Result<usize, StoreError> {
    set_reply(conn, row, STANDARD.encode(blob))
}

/// Without the sealed text the key cannot be shown again; it is not made twice either.
fn set_reply(conn: &mut Connection, row: &SealedRow, text: String) -> Result<usize, StoreError> {
    let (owner, key) = row.key.split_once(' ').unwrap_or((&row.key, ""));
    let at = idempotency::table
        .filter(idempotency::owner_id.eq(owner))
        .filter(idempotency::key.eq(key))
        .filter(idempotency::reply.eq(STANDARD.encode(&row.blob)));
    let set = diesel::update(at).set(idempotency::reply.eq(text));
    Ok(set.execute(conn)?)
}

fn in_text(blob: &[u8]) -> String {
    format!("{SEALED}{}", STANDARD.encode(blob))
}

fn join(session: &str, number: i64) -> String {
    format!("{session} {number}")
}

fn split(key: &str) -> Result<(String, i64), StoreError> {
    match key.split_once(' ') {
        Some((session, number)) => Ok((session.to_owned(), parse("number", number)?)),
        None => Ok((key.to_owned(), i64::MAX)),
    }
}
