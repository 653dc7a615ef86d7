//! What turns took together: money and tokens, in columns of their own beside the facts.
//!
//! Never summed from the facts: those are read once, for rows of earlier versions.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::super::convert::{bound, from_json, unsigned};
use super::super::schema::sessions;
use super::super::{Connection, StoreError, meta};
use crate::domain::{Facts, UserId};

/// Notes that no row is without its columns any more.
const KNOWN: &str = "spent_known";
/// Rows that are read in one go.
const PAGE: usize = 500;

type Columns = (
    diesel::dsl::Eq<sessions::spent_micro_usd, i64>,
    diesel::dsl::Eq<sessions::used_tokens, i64>,
);

/// The columns of these facts.
pub(in crate::store) fn of(facts: &Facts) -> Columns {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    (
        sessions::spent_micro_usd.eq(number(facts.spent_micro_usd)),
        sessions::used_tokens.eq(number(facts.tokens)),
    )
}

/// Millionths of a US dollar and tokens of the sessions that are there: those of one person, or all.
///
/// # Errors
/// When the database fails.
pub fn spent(conn: &mut Connection, owner: Option<UserId>) -> Result<(u64, u64), StoreError> {
    let sums = (
        sql::<Nullable<BigInt>>("CAST(SUM(spent_micro_usd) AS BIGINT)"),
        sql::<Nullable<BigInt>>("CAST(SUM(used_tokens) AS BIGINT)"),
    );
    let there = sessions::table.filter(sessions::archived_at.is_null());
    let found: (Option<i64>, Option<i64>) = match owner {
        Some(owner) => there
            .filter(sessions::owner_id.eq(owner.to_string()))
            .select(sums)
            .get_result(conn)?,
        None => there.select(sums).get_result(conn)?,
    };
    Ok((unsigned(found.0.unwrap_or(0))?, unsigned(found.1.unwrap_or(0))?))
}

/// Fills the columns of some rows of an earlier version. Whether there may be more.
///
/// # Errors
/// When the database fails.
pub fn fill(conn: &mut Connection) -> Result<bool, StoreError> {
    if meta::get(conn, KNOWN)?.is_some() {
        return Ok(false);
    }
    let rows: Vec<(String, String)> = sessions::table
        .filter(sessions::spent_micro_usd.is_null())
        .limit(bound(PAGE))
        .select((sessions::id, sessions::facts))
        .load(conn)?;
    for (id, facts) in &rows {
        let facts: Facts = from_json("facts", facts)?;
        diesel::update(sessions::table.find(id))
            .set(of(&facts))
            .execute(conn)?;
    }
    if rows.len() < PAGE {
        meta::set(conn, KNOWN, "1")?;
        return Ok(false);
    }
    Ok(true)
}
