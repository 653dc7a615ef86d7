//! All rows of a database as lines of JSON, and back: the same lines for every database, so that a
//! copy of one can be read into another.
//!
//! Never names a table: what is there is asked of the database, in its own words.

mod target;

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::{Opener, Place, Role};
use super::{Connection, StoreError, meta};

pub use target::{Finished, Target};

/// Where migrations note themselves: it is carried as the list of versions, not as rows.
const VERSIONS: &str = "__diesel_schema_migrations";

/// Which words a database understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// A table as it is in one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    columns: Vec<Column>,
    key: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text or a number: as in JSON.
    Plain,
    /// True or false.
    Flag,
    /// Bytes: as text, `\x` and hexadecimal digits.
    Bytes,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

/// A database that is read as it was at one moment, while others go on writing.
pub struct Source {
    conn: Connection,
    dialect: Dialect,
}

impl Source {
    /// Begins to read. The schema stays as it is.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn open(database: impl AsRef<Path>) -> Result<Self, StoreError> {
        let opener = Opener::new(Place::read(database.as_ref())?, Role::Reader);
        let mut conn = opener.open()?;
        let dialect = dialect(&conn);
        conn.batch_execute(match dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        })?;
        Ok(Self { conn, dialect })
    }

    /// The versions of the migrations that were run, oldest first.
    ///
    /// # Errors
    /// When there is no database of ours.
    pub fn schema(&mut self) -> Result<Vec<String>, StoreError> {
        versions(&mut self.conn)
    }

    /// The epoch of its numbers.
    ///
    /// # Errors
    /// When the database fails.
    pub fn epoch(&mut self) -> Result<Option<String>, StoreError> {
        meta::get(&mut self.conn, meta::EPOCH)
    }

    /// The tables, each behind those that it refers to.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tables(&mut self) -> Result<Vec<Table>, StoreError> {
        tables(&mut self.conn, self.dialect)
    }

    /// At most `limit` rows behind `last` in the order of the table's key, a line each. A table
    /// without a key comes as a whole, with the first question.
    ///
    /// # Errors
    /// When the database fails.
    pub fn page(
        &mut self,
        table: &Table,
        last: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let line = line(self.dialect, &table.columns);
        let name = quoted(&table.name);
        let begin = format!("SELECT {line} AS name FROM {name}");
        if table.key.is_empty() {
            let all = match last {
                Some(_) => Vec::new(),
                None => diesel::sql_query(begin).load::<Name>(&mut self.conn)?,
            };
            return Ok(all.into_iter().map(|row| row.name).collect());
        }
        let key: Vec<String> = table.key.iter().map(|one| quoted(one)).collect();
        let key = key.join(", ");
        let end = format!("ORDER BY {key} LIMIT {limit}");
        let rows: Vec<Name> = match last {
            None => diesel::sql_query(format!("{begin} {end}")).load(&mut self.conn)?,
            Some(last) => {
                let own = |column: &&Column| table.key.contains(&column.name);
                let mut columns: Vec<Column> = table.columns.iter().filter(own).cloned().collect();
                columns.sort_by_key(|one| table.key.iter().position(|name| *name == one.name));
                let given = given(self.dialect, &table.name, &columns);
                diesel::sql_query(format!("{begin} WHERE ({key}) > ({given}) {end}"))
                    .bind::<Text, _>(format!("[{last}]"))
                    .load(&mut self.conn)?
            }
        };
        Ok(rows.into_iter().map(|row| row.name).collect())
    }
}

fn dialect(conn: &Connection) -> Dialect {
    match conn {
        Connection::Sqlite(_) => Dialect::Sqlite,
        Connection::Postgres(_) => Dialect::Postgres,
    }
}

fn versions(conn: &mut Connection) -> Result<Vec<String>, StoreError> {
    let question = format!("SELECT version AS name FROM {VERSIONS} ORDER BY version");
    names(conn, question)
}

fn names(conn: &mut Connection, question: String) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Name> = diesel::sql_query(question).load(conn)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

fn tables(conn: &mut Connection, dialect: Dialect) -> Result<Vec<Table>, StoreError> {
    let question = match dialect {
        Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        Dialect::Postgres => {
            "SELECT table_name::text AS name FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        }
    };
    let mut waiting = Vec::new();
    for name in names(conn, format!("{question} ORDER BY 1"))? {
        if name == VERSIONS || name.starts_with("sqlite_") {
            continue;
        }
        let mut refers = names(conn, refers_to(dialect, &name))?;
        refers.retain(|other| other.trim_matches('"') != name);
        let table = Table {
            columns: columns(conn, dialect, &name)?,
            key: names(conn, key_of(dialect, &name))?,
            name,
        };
        waiting.push((table, refers));
    }
    Ok(in_order(waiting))
}

/// Each table behind those that it refers to. Tables that refer to each other in a circle keep
/// their order.
fn in_order(mut waiting: Vec<(Table, Vec<String>)>) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let known = |name: &String| ordered.iter().any(|one| one.name == name.trim_matches('"'));
        let free = waiting
            .iter()
            .position(|(_, refers)| refers.iter().all(known));
        ordered.push(waiting.remove(free.unwrap_or(0)).0);
    }
    ordered
}

fn columns(
    conn: &mut Connection,
    dialect: Dialect,
    table: &str,
) -> Result<Vec<Column>, StoreError> {
    let table = text(table);
    let question = match dialect {
        Dialect::Sqlite => {
            format!("SELECT name, lower(type) AS kind FROM pragma_table_info({table}) ORDER BY cid")
        }
        Dialect::Postgres => format!(
            "SELECT column_name::text AS name, data_type::text AS kind \
             FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = {table} \
             ORDER BY ordinal_position"
        ),
    };
    let rows: Vec<Named> = diesel::sql_query(question).load(conn)?;
    let column = |row: Named| Column {
        name: row.name,
        kind: match row.kind.as_str() {
            "boolean" => Kind::Flag,
            "bytea" | "blob" => Kind::Bytes,
            _ => Kind::Plain,
        },
    };
    Ok(rows.into_iter().map(column).collect())
}

fn key_of(dialect: Dialect, table: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!(
            "SELECT name FROM pragma_table_info({}) WHERE pk > 0 ORDER BY pk",
            text(table)
        ),
        Dialect::Postgres => format!(
            "SELECT a.attname::text AS name FROM pg_index i \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
             WHERE i.indisprimary AND i.indrelid = {}::regclass \
             ORDER BY array_position(i.indkey::int2[], a.attnum)",
            text(&quoted(table))
        ),
    }
}

fn refers_to(dialect: Dialect, table: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!(
            "SELECT \"table\" AS name FROM pragma_foreign_key_list({})",
            text(table)
        ),
        Dialect::Postgres => format!(
            "SELECT confrelid::regclass::text AS name FROM pg_constraint \
             WHERE contype = 'f' AND conrelid = {}::regclass",
            text(&quoted(table))
        ),
    }
}

/// The expression of a row as one JSON object.
fn line(dialect: Dialect, columns: &[Column]) -> String {
    let members: Vec<String> = columns
        .iter()
        .map(|column| {
            let (label, name) = (text(&column.name), quoted(&column.name));
            let value = match (dialect, column.kind) {
                (_, Kind::Plain) | (Dialect::Postgres, Kind::Flag) => name.clone(),
                (Dialect::Sqlite, Kind::Flag) => format!(
                    "json(CASE WHEN {name} IS NULL THEN 'null' WHEN {name} THEN 'true' \
                     ELSE 'false' END)"
                ),
                (Dialect::Sqlite, Kind::Bytes) => format!("'\\x' || lower(hex({name}))"),
                (Dialect::Postgres, Kind::Bytes) => {
                    format!("'\\x' || encode({name}, 'hex')")
                }
            };
            let value = match column.kind {
                Kind::Bytes => format!("CASE WHEN {name} IS NULL THEN NULL ELSE {value} END"),
                Kind::Plain | Kind::Flag => value,
            };
            format!("{label}, {value}")
        })
        .collect();
    let members = members.join(", ");
    match dialect {
        Dialect::Sqlite => format!("json_object({members})"),
        Dialect::Postgres => format!("json_build_object({members})::text"),
    }
}

/// The question for these columns of the rows in a JSON array, which is its one parameter.
fn given(dialect: Dialect, table: &str, columns: &[Column]) -> String {
    let value = |column: &Column| {
        let path = text(&format!("$.\"{}\"", column.name));
        match (dialect, column.kind) {
            (Dialect::Postgres, _) => quoted(&column.name),
            (Dialect::Sqlite, Kind::Bytes) => {
                format!("unhex(substr(json_extract(value, {path}), 3))")
            }
            (Dialect::Sqlite, Kind::Plain | Kind::Flag) => format!("json_extract(value, {path})"),
        }
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let values = values.join(", ");
    match dialect {
        Dialect::Sqlite => format!("SELECT {values} FROM json_each(?)"),
        Dialect::Postgres => format!(
            "SELECT {values} FROM json_populate_recordset(NULL::{}, $1::json)",
            quoted(table)
        ),
    }
}

/// A name for SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text for SQL.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
