//! Bare SQLite: a writer of the same rows into the same table, and a program that opens a file.
//!
//! Never through the store: these are the diesel calls that nothing can avoid.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::announce;
use crate::Res;

/// Rows of one statement and of one transaction (1 MiB of such rows).
const STATEMENT: usize = 32;
const TRANSACTION: usize = 3_488;

const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
                       PRAGMA synchronous = FULL; PRAGMA cache_size = -8192;";

/// Opens a file, counts its sessions and says so: the least that a start can do.
pub fn open(file: &Path) -> Res<()> {
    let mut conn = connect(file)?;
    let count: Count =
        diesel::sql_query("SELECT count(*) AS n FROM sessions").get_result(&mut conn)?;
    announce(&format!("{} sessions", count.n))
}

/// A connection as the server's writer has one.
pub fn connect(file: &Path) -> Res<SqliteConnection> {
    let path = file.to_str().ok_or("a path that is not UTF-8")?;
    let mut conn = SqliteConnection::establish(path)?;
    conn.batch_execute(PRAGMAS)?;
    Ok(conn)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Writes so many rows of this data behind `last`, durably; returns the new last number.
pub fn write(conn: &mut SqliteConnection, row: (&str, &str), last: i64, rows: usize) -> Res<i64> {
    let (agent, data) = row;
    let mut last = last;
    let mut left = rows.div_ceil(STATEMENT);
    while left > 0 {
        let statements = left.min(TRANSACTION / STATEMENT);
        conn.transaction(|conn| {
            for _statement in 0..statements {
                let numbers: Vec<i64> = (last + 1..).take(STATEMENT).collect();
                last = numbers.last().copied().unwrap_or(last);
                let insert = Insert {
                    agent,
                    numbers,
                    data,
                };
                insert.execute(conn)?;
            }
            QueryResult::Ok(())
        })?;
        left -= statements;
    }
    Ok(last)
}

/// One statement of [`STATEMENT`] rows, prepared once.
struct Insert<'a> {
    agent: &'a str,
    numbers: Vec<i64>,
    data: &'a str,
}

impl QueryId for Insert<'_> {
    type QueryId = Insert<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<SqliteConnection> for Insert<'_> {}

impl QueryFragment<Sqlite> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO events (agent_id, seq, pos, owner_id, kind, at, incarnation, data) VALUES",
        );
        let mut before = " (";
        for number in &self.numbers {
            out.push_sql(before);
            out.push_bind_param::<Text, _>(self.agent)?;
            for place in [", ", ", "] {
                out.push_sql(place);
                out.push_bind_param::<BigInt, _>(number)?;
            }
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(self.agent)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>("assistant_message")?;
            for place in [", ", ", "] {
                out.push_sql(place);
                out.push_bind_param::<BigInt, _>(number)?;
            }
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(self.data)?;
            before = "), (";
        }
        out.push_sql(")");
        Ok(())
    }
}
