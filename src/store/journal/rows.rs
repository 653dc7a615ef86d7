//! The INSERT of events: many rows a statement, and each statement prepared once.
//!
//! Never builds SQL from data: the texts differ in their number of rows only, and are the same for
//! every database.

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Text};

use super::super::convert::signed;
use super::super::{Connection, StoreError};
use super::CommittedBatch;
use crate::domain::Batch;

/// Rows of a large and of a middle statement; what is left goes row by row.
const MANY: usize = 32;
const SOME: usize = 4;

/// Inserts the events of all batches in order.
pub fn insert(
    conn: &mut Connection,
    batches: &[Batch],
    places: &[CommittedBatch],
) -> Result<(), StoreError> {
    let name = |batch: &Batch| (batch.session.to_string(), batch.owner.to_string());
    let names: Vec<(String, String)> = batches.iter().map(name).collect();
    let mut rows = Vec::with_capacity(batches.iter().map(|batch| batch.events.len()).sum());
    for ((batch, place), (agent, owner)) in batches.iter().zip(places).zip(&names) {
        let incarnation = signed(batch.incarnation.0)?;
        let numbers = (batch.first_seq..).zip(place.first_pos..);
        for (event, (seq, pos)) in batch.events.iter().zip(numbers) {
            rows.push(Row {
                agent,
                seq: signed(seq)?,
                pos: signed(pos)?,
                owner,
                kind: event.kind.name(),
                at: event.at.0,
                incarnation,
                data: &event.data,
            });
        }
    }
    match conn {
        Connection::Sqlite(conn) => all(conn, &rows),
        Connection::Postgres(conn) => all(conn, &rows),
    }
}

/// Past the enum of connections: that one writes a statement's text anew each time.
fn all<C>(conn: &mut C, rows: &[Row<'_>]) -> Result<(), StoreError>
where
    C: diesel::Connection,
    C::Backend: HasSqlType<Text> + HasSqlType<BigInt>,
    str: ToSql<Text, C::Backend>,
    i64: ToSql<BigInt, C::Backend>,
{
    let rest = execute::<MANY, C>(conn, rows)?;
    let rest = execute::<SOME, C>(conn, rest)?;
    execute::<1, C>(conn, rest)?;
    Ok(())
}

struct Row<'a> {
    agent: &'a str,
    seq: i64,
    pos: i64,
    owner: &'a str,
    kind: &'static str,
    at: i64,
    incarnation: i64,
    data: &'a str,
}

/// Runs as many statements of `N` rows as there are full ones and returns the rest.
fn execute<'r, 'a, const N: usize, C>(
    conn: &mut C,
    rows: &'r [Row<'a>],
) -> Result<&'r [Row<'a>], StoreError>
where
    C: diesel::Connection,
    C::Backend: HasSqlType<Text> + HasSqlType<BigInt>,
    str: ToSql<Text, C::Backend>,
    i64: ToSql<BigInt, C::Backend>,
{
    let (full, rest) = rows.as_chunks::<N>();
    for rows in full {
        Insert(rows).execute(conn)?;
    }
    Ok(rest)
}

/// One statement. Its text depends on `N` alone, so that diesel keeps it prepared by its type;
/// diesel's own batch insert is prepared anew each time.
struct Insert<'r, 'a, const N: usize>(&'r [Row<'a>; N]);

impl<const N: usize> QueryId for Insert<'_, '_, N> {
    type QueryId = Insert<'static, 'static, N>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize, C> RunQueryDsl<C> for Insert<'_, '_, N> {}

impl<const N: usize, DB> QueryFragment<DB> for Insert<'_, '_, N>
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
        for row in self.0 {
            out.push_sql(before);
            out.push_bind_param::<Text, _>(row.agent)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.seq)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.pos)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(row.owner)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(row.kind)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.at)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.incarnation)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(row.data)?;
            before = "), (";
        }
        out.push_sql(")");
        Ok(())
    }
}
