//! What turns took together: money and tokens, in columns of their own beside the facts.
//!
//! Never summed from the facts.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::super::convert::unsigned;
use super::super::schema::sessions;
use super::super::{Connection, StoreError};
use crate::domain::{Facts, UserId};

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
    Ok((
        unsigned(found.0.unwrap_or(0))?,
        unsigned(found.1.unwrap_or(0))?,
    ))
}
