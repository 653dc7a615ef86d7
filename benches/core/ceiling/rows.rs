//! A bare database: a writer of the same rows into the same table, and a program that opens it.
//!
//! Never through the store: these are the diesel calls that nothing can avoid.

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Text};
use diesel::sqlite::SqliteConnection;

use super::announce;
use crate::Res;

/// Rows of one statement. A statement to a server is a way there and back, so it gets more.
const OF_FILE: usize = 32;
const OF_SERVER: usize = 128;
/// Rows of one transaction (1 MiB of such rows); a multiple of both.
const TRANSACTION: usize = 3_456;

/// As the server's writer has them.
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
                       PRAGMA synchronous = FULL; PRAGMA cache_size = -8192;";
const SETTINGS: &str = "SET synchronous_commit = on";

const COUNT: &str = "SELECT count(*) AS n FROM sessions";

/// Opens a database, counts its sessions and says so: the least that a start can do.
pub fn open(database: &str) -> Res<()> {
    let count: Count = match connect(database)? {
        Opened::Sqlite(mut conn) => diesel::sql_query(COUNT).get_result(&mut conn)?,
        Opened::Postgres(mut conn) => diesel::sql_query(COUNT).get_result(&mut conn)?,
    };
    announce(&format!("{} sessions", count.n))
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// A connection to either.
pub enum Opened {
    /// To a file.
    Sqlite(SqliteConnection),
    /// To a server.
    Postgres(PgConnection),
}

/// A connection as the server's writer has one, to what the setting `database.url` says.
pub fn connect(database: &str) -> Res<Opened> {
    if let Some(file) = database.strip_prefix("sqlite:") {
        let mut conn = SqliteConnection::establish(file)?;
        conn.batch_execute(PRAGMAS)?;
        return Ok(Opened::Sqlite(conn));
    }
    let mut conn = PgConnection::establish(database)?;
    conn.batch_execute(SETTINGS)?;
    Ok(Opened::Postgres(conn))
}

/// Writes so many rows of this data behind `last`, durably; returns the new last number.
pub fn write(conn: &mut Opened, row: (&str, &str), last: i64, rows: usize) -> Res<i64> {
    match conn {
        Opened::Sqlite(conn) => batches::<OF_FILE, _>(conn, row, last, rows),
        Opened::Postgres(conn) => batches::<OF_SERVER, _>(conn, row, last, rows),
    }
}

fn batches<const N: usize, C>(
    conn: &mut C,
    (agent, data): (&str, &str),
    last: i64,
    rows: usize,
) -> Res<i64>
where
    C: Connection,
    C::Backend: HasSqlType<Text> + HasSqlType<BigInt>,
    str: ToSql<Text, C::Backend>,
    i64: ToSql<BigInt, C::Backend>,
{
    let mut last = last;
    let mut left = rows.div_ceil(N);
    while left > 0 {
        let statements = left.min(TRANSACTION / N);
        conn.transaction(|conn| {
            for _statement in 0..statements {
                let numbers = [(); N].map(|()| {
                    last += 1;
                    last
                });
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

/// One statement of `N` rows, prepared once.
struct Insert<'a, const N: usize> {
    agent: &'a str,
    numbers: [i64; N],
    data: &'a str,
}

impl<const N: usize> QueryId for Insert<'_, N> {
    type QueryId = Insert<'static, N>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize, C> RunQueryDsl<C> for Insert<'_, N> {}

impl<const N: usize, DB> QueryFragment<DB> for Insert<'_, N>
where
    DB: Backend + HasSqlType<Text> + HasSqlType<BigInt>,
    str: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
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
