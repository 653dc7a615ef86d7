//! The audit table: rows in one chain, appended and never changed (`domain::chain`).
//!
//! Never two orders: a row gets its number and the hash before it inside the writer.

use diesel::prelude::*;

use super::convert::{bound, signed, unsigned};
use super::schema::audit;
use super::{Connection, StoreError, meta};
use crate::domain::Timestamp;
use crate::domain::chain::{Head, Link, Place, Record, SealKey};

/// Where the sealed places stand in `meta`.
const LAST: &str = "audit.last";
const BASE: &str = "audit.base";
/// What is written first where the sealed head is missing or not ours.
const HEAD_LOST: &str = "audit.head_lost";
/// Rows read at one time.
const SWEEP: usize = 1_000;

/// Which rows to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this actor.
    pub actor: Option<String>,
    /// Only those of this action, or, with a dot at its end, of all that begin so.
    pub action: Option<String>,
}

/// What a look at the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Rows that there are.
    pub rows: u64,
    /// The last place that was sealed, to be kept elsewhere.
    pub head: Option<Head>,
    /// The first thing that does not fit.
    pub broken: Option<Broken>,
}

/// Where a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// The number of the first row that does not fit, or is not there.
    pub n: u64,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Begins the chain: seals the place before the first row. Does nothing where there is a seal or a
/// row. Only for a data directory that knows of no chain: a seal that is gone stays gone.
///
/// # Errors
/// When the database fails.
pub fn begin(conn: &mut Connection, key: &SealKey) -> Result<(), StoreError> {
    if begun(conn)? || last(conn)?.is_some() {
        return Ok(());
    }
    meta::set(conn, LAST, &key.seal(Place::Last, &Head::default()))
}

/// Puts records behind the last row and seals the new head. Without the seal of the last one a row
/// says so first, for ever.
///
/// # Errors
/// When the database fails.
pub fn append(conn: &mut Connection, records: &[Record], key: &SealKey) -> Result<(), StoreError> {
    let Some(first) = records.first() else {
        return Ok(());
    };
    let last = last(conn)?;
    let stored = meta::get(conn, LAST)?;
    let sealed = stored
        .as_deref()
        .and_then(|text| key.open(Place::Last, text));
    let mut head = match (sealed, &last) {
        // Rows behind the head were put there by somebody else; none is overwritten.
        (Some(head), Some(last)) if last.n > head.n => Head {
            n: last.n,
            hash: head.hash,
        },
        (Some(head), _) => head,
        (None, last) => {
            let lost = Record {
                at: first.at,
                actor: "server".to_owned(),
                action: HEAD_LOST.to_owned(),
                result: "failed".to_owned(),
                ..Record::default()
            };
            put(conn, &last.clone().unwrap_or_default(), lost)?
        }
    };
    for record in records {
        head = put(conn, &head, record.clone())?;
    }
    meta::set(conn, LAST, &key.seal(Place::Last, &head))
}

fn put(conn: &mut Connection, head: &Head, record: Record) -> Result<Head, StoreError> {
    let link = Link::behind(head, record);
    let record = &link.record;
    diesel::insert_into(audit::table)
        .values((
            audit::n.eq(signed(link.n)?),
            audit::at.eq(record.at.0),
            audit::actor.eq(&record.actor),
            audit::credential.eq(&record.credential),
            audit::address.eq(&record.address),
            audit::request.eq(&record.request),
            audit::action.eq(&record.action),
            audit::object.eq(&record.object),
            audit::result.eq(&record.result),
            audit::prev.eq(&link.prev),
            audit::hash.eq(&link.hash),
        ))
        .execute(conn)?;
    Ok(link.head())
}

/// Whether the chain was begun: every server does so when it starts.
///
/// # Errors
/// When the database fails.
pub fn begun(conn: &mut Connection) -> Result<bool, StoreError> {
    Ok(meta::get(conn, LAST)?.is_some())
}

/// Rows after a number, oldest first.
///
/// # Errors
/// When the database fails.
pub fn page(
    conn: &mut Connection,
    after: u64,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Link>, StoreError> {
    let mut query = audit::table.into_boxed();
    query = query.filter(audit::n.gt(signed(after)?));
    if let Some(actor) = &filter.actor {
        query = query.filter(audit::actor.eq(actor.clone()));
    }
    if let Some(action) = &filter.action {
        query = if action.ends_with('.') {
            // `/` comes behind `.`: everything that begins so, in the same case, without wildcards.
            let end = format!("{}/", action.strip_suffix('.').unwrap_or(action));
            query
                .filter(audit::action.ge(action.clone()))
                .filter(audit::action.lt(end))
        } else {
            query.filter(audit::action.eq(action.clone()))
        };
    }
    let rows: Vec<Row> = query.order(audit::n.asc()).limit(bound(limit)).load(conn)?;
    rows.into_iter().map(link).collect()
}

/// Looks at every row, and whether the last one is the one that was sealed.
///
/// # Errors
/// When the database fails.
pub fn verify(conn: &mut Connection, key: &SealKey) -> Result<Verdict, StoreError> {
    let base = meta::get(conn, BASE)?;
    let stored = meta::get(conn, LAST)?;
    let head = stored
        .as_deref()
        .and_then(|text| key.open(Place::Last, text));
    let opened = base.as_deref().map(|text| key.open(Place::Base, text));
    let mut at = opened.clone().flatten().unwrap_or_default();
    let mut broken = matches!(opened, Some(None)).then_some(Broken {
        n: 1,
        why: "the seal of the first row that is kept is not this server's",
    });
    let (mut rows, mut after, mut sweep) = (0_u64, 0, SWEEP);
    loop {
        let page = match page(conn, after, &Filter::default(), sweep) {
            Ok(page) => page,
            Err(error) => match (sweep, next(conn, after)) {
                (1, Ok(Some(n))) => {
                    let why = "the row cannot be read";
                    broken = broken.or(Some(Broken { n, why }));
                    break;
                }
                // One by one up to the row that it is about.
                (2.., Ok(_)) => {
                    sweep = 1;
                    continue;
                }
                (_, Ok(_) | Err(_)) => return Err(error),
            },
        };
        let done = page.len() < sweep;
        for link in &page {
            after = link.n;
            rows = rows.saturating_add(1);
            if broken.is_none() {
                broken = fault(&at, link, head.as_ref());
                at = link.head();
            }
        }
        if done {
            break;
        }
    }
    let broken = broken.or_else(|| end(&at, stored.is_some(), head.as_ref()));
    Ok(Verdict { rows, head, broken })
}

/// What is wrong with a row that should stand behind `at`.
fn fault(at: &Head, link: &Link, sealed: Option<&Head>) -> Option<Broken> {
    let next = at.n.saturating_add(1);
    let broken = |n, why| Some(Broken { n, why });
    if link.n != next {
        return broken(next.min(link.n), "the row is not there");
    }
    if link.own_hash() != link.hash {
        return broken(link.n, "the row was changed");
    }
    if link.prev != at.hash {
        return broken(link.n, "the row does not follow from the one before it");
    }
    if link.record.action == HEAD_LOST {
        return broken(link.n, "the sealed head was lost before this row");
    }
    match sealed {
        Some(sealed) if sealed.n == link.n && sealed.hash != link.hash => {
            broken(link.n, "the row is not the one that was sealed")
        }
        Some(sealed) if sealed.n < link.n => broken(link.n, "the row was put behind the last one"),
        Some(_) | None => None,
    }
}

/// What is wrong with a chain that ends at `at`.
fn end(at: &Head, stored: bool, sealed: Option<&Head>) -> Option<Broken> {
    let broken = |n, why| Some(Broken { n, why });
    match sealed {
        Some(sealed) if sealed.n > at.n => {
            broken(at.n.saturating_add(1), "rows at the end are not there")
        }
        Some(_) => None,
        None if stored => broken(at.n, "the seal of the last row is not this server's"),
        None if at.n > 0 => broken(at.n, "the seal of the last row is not there"),
        None => None,
    }
}

/// The number of the last row of those at the beginning that are older than `before`; 0 without
/// any. The last row of all is never one of them. Rows of a time to come do not stand in the way:
/// the clock went wrong when they were written.
///
/// # Errors
/// When the database fails.
pub fn old(conn: &mut Connection, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    let Some(last) = last(conn)? else {
        return Ok(0);
    };
    let young: Option<i64> = audit::table
        .filter(audit::at.ge(before.0))
        .filter(audit::at.le(now.0))
        .order(audit::n.asc())
        .select(audit::n)
        .first(conn)
        .optional()?;
    let end = signed(last.n)?;
    let old: Option<i64> = audit::table
        .filter(audit::at.lt(before.0))
        .filter(audit::n.lt(young.unwrap_or(end).min(end)))
        .order(audit::n.desc())
        .select(audit::n)
        .first(conn)
        .optional()?;
    unsigned(old.unwrap_or(0))
}

/// Drops at most so many of the first rows, none behind `upto`, and returns how many. What is left
/// is a whole chain still.
///
/// # Errors
/// When the database fails.
pub fn prune(
    conn: &mut Connection,
    upto: u64,
    most: usize,
    key: &SealKey,
) -> Result<usize, StoreError> {
    let rows: Vec<(i64, String)> = audit::table
        .filter(audit::n.le(signed(upto)?))
        .order(audit::n.asc())
        .limit(bound(most))
        .select((audit::n, audit::hash))
        .load(conn)?;
    let Some((n, hash)) = rows.into_iter().next_back() else {
        return Ok(0);
    };
    let base = Head {
        n: unsigned(n)?,
        hash,
    };
    meta::set(conn, BASE, &key.seal(Place::Base, &base))?;
    Ok(diesel::delete(audit::table.filter(audit::n.le(n))).execute(conn)?)
}

/// The number of the first row behind another, whatever stands in it.
fn next(conn: &mut Connection, after: u64) -> Result<Option<u64>, StoreError> {
    let n: Option<i64> = audit::table
        .filter(audit::n.gt(signed(after)?))
        .order(audit::n.asc())
        .select(audit::n)
        .first(conn)
        .optional()?;
    n.map(unsigned).transpose()
}

fn last(conn: &mut Connection) -> Result<Option<Head>, StoreError> {
    let row: Option<(i64, String)> = audit::table
        .order(audit::n.desc())
        .select((audit::n, audit::hash))
        .first(conn)
        .optional()?;
    row.map(|(n, hash)| {
        Ok(Head {
            n: unsigned(n)?,
            hash,
        })
    })
    .transpose()
}

type Row = (
    i64,
    i64,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
);

fn link(row: Row) -> Result<Link, StoreError> {
    let (n, at, actor, credential, address, request, action, object, result, prev, hash) = row;
    Ok(Link {
        n: unsigned(n)?,
        record: Record {
            at: Timestamp(at),
            actor,
            credential,
            address,
            request,
            action,
            object,
            result,
        },
        prev,
        hash,
    })
}
