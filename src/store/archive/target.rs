//! A database that is made of the rows of another one.
//!
//! Never dispatches again what ran after the copy was made: sessions with open work are paused. Never
//! takes a database that holds a row.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::super::connection::{Opener, Place, Role};
use super::super::schema::sessions;
use super::super::{Connection, StoreError, identity, meta, migrations};
use super::{Dialect, Table, VERSIONS, dialect, given, names, quoted, tables};

/// Sessions that are there and have work that is not over.
const WITH_WORK: &str = "SELECT id, facts FROM sessions WHERE archived_at IS NULL AND EXISTS \
    (SELECT 1 FROM tasks WHERE tasks.session_id = sessions.id AND tasks.ended_at IS NULL)";

/// An empty database that takes the rows of another one, in one transaction.
pub struct Target {
    conn: Connection,
    dialect: Dialect,
}

/// What a finished one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its new epoch: what readers knew of the time after the copy is not so any more.
    pub epoch: String,
    /// Its new id, for the data directory that goes with it.
    pub id: String,
    /// How many sessions are paused now because they had work.
    pub paused: usize,
}

#[derive(QueryableByName)]
struct Working {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    facts: String,
}

impl Target {
    /// Makes the tables as they were in the database that the rows come from. Tables that an earlier
    /// try has left without a row are taken as they are.
    ///
    /// # Errors
    /// [`StoreError::SchemaNewer`] for a version that this build does not know;
    /// [`StoreError::Conflict`] for a database that holds something.
    pub fn create(database: impl AsRef<Path>, schema: &[String]) -> Result<Self, StoreError> {
        let opener = Opener::new(Place::read(database.as_ref())?, Role::Writer);
        migrations::known(schema)?;
        let mut conn = opener.open()?;
        let dialect = dialect(&conn);
        if holds(&mut conn, dialect, schema)? {
            let text = "the database is not empty";
            return Err(StoreError::Conflict(text.to_owned()));
        }
        migrations::migrate_to(&mut conn, schema)?;
        conn.batch_execute("BEGIN")?;
        Ok(Self { conn, dialect })
    }

    /// The tables, each behind those that it refers to.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tables(&mut self) -> Result<Vec<Table>, StoreError> {
        tables(&mut self.conn, self.dialect)
    }

    /// Takes lines of [`super::Source::page`]. PostgreSQL has no character U+0000, which an older
    /// SQLite may hold: it becomes U+FFFD.
    ///
    /// # Errors
    /// When a line is none of this table's.
    pub fn insert(&mut self, table: &Table, lines: &[String]) -> Result<(), StoreError> {
        let columns: Vec<String> = table.columns.iter().map(|one| quoted(&one.name)).collect();
        let given = given(self.dialect, &table.name, &table.columns);
        let (name, columns) = (quoted(&table.name), columns.join(", "));
        let mut rows = format!("[{}]", lines.join(","));
        if self.dialect == Dialect::Postgres {
            rows = without_nul(&rows);
        }
        diesel::sql_query(format!("INSERT INTO {name} ({columns}) {given}"))
            .bind::<Text, _>(rows)
            .execute(&mut self.conn)?;
        Ok(())
    }

    /// Commits everything.
    ///
    /// # Errors
    /// When it cannot be committed.
    pub fn finish(&mut self) -> Result<Finished, StoreError> {
        let finished = Finished {
            epoch: meta::new_epoch(&mut self.conn)?,
            id: uuid::Uuid::new_v4().to_string(),
            paused: pause_work(&mut self.conn)?,
        };
        identity::set(&mut self.conn, &finished.id)?;
        self.conn.batch_execute("COMMIT")?;
        if self.dialect == Dialect::Sqlite {
            self.conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
        Ok(finished)
    }

    /// Removes the tables again: what was begun does not come to an end.
    ///
    /// # Errors
    /// When the database fails; the tables are without rows all the same.
    pub fn abandon(mut self) -> Result<(), StoreError> {
        self.conn.batch_execute("ROLLBACK")?;
        let made = tables(&mut self.conn, self.dialect)?;
        let made = made.iter().rev().map(|table| table.name.as_str());
        for name in made.chain([VERSIONS]) {
            let drop = format!("DROP TABLE IF EXISTS {}", quoted(name));
            self.conn.batch_execute(&drop)?;
        }
        Ok(())
    }
}

/// Whether there is anything but tables of these versions without a row.
fn holds(conn: &mut Connection, dialect: Dialect, schema: &[String]) -> Result<bool, StoreError> {
    let found = tables(conn, dialect)?;
    let ours = migrations::versions(conn)?;
    let foreign = ours.is_empty() && !found.is_empty();
    if foreign || !ours.iter().all(|version| schema.contains(version)) {
        return Ok(true);
    }
    for table in &found {
        let one = format!("SELECT 'row' AS name FROM {} LIMIT 1", quoted(&table.name));
        if !names(conn, one)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Pauses sessions with open work: what waited when the copy was made may have run since.
fn pause_work(conn: &mut Connection) -> Result<usize, StoreError> {
    let found: Vec<Working> = diesel::sql_query(WITH_WORK).load(conn)?;
    let mut count = 0_usize;
    for Working { id, facts } in found {
        let mut value: serde_json::Value =
            serde_json::from_str(&facts).map_err(|_why| StoreError::unreadable("facts", &facts))?;
        if let Some(facts) = value.as_object_mut() {
            facts.insert("paused".to_owned(), true.into());
        }
        diesel::update(sessions::table.find(&id))
            .set(sessions::facts.eq(value.to_string()))
            .execute(conn)?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

/// JSON with the escape of U+0000 as that of U+FFFD. A backslash that is itself escaped stays.
fn without_nul(json: &str) -> String {
    if !json.contains("\\u0000") {
        return json.to_owned();
    }
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        if let Some(behind) = escape.strip_prefix("u0000") {
            text.push_str("\\ufffd");
            rest = behind;
        } else {
            text.push('\\');
            let mut letters = escape.chars();
            text.extend(letters.next());
            rest = letters.as_str();
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_escaped_nul_is_replaced() {
        for (given, made) in [
            (r#"["a\u0000b"]"#, r#"["a\ufffdb"]"#),
            (r#"["\u0000\u0000\n"]"#, r#"["\ufffd\ufffd\n"]"#),
            (r#"["\\u0000"]"#, r#"["\\u0000"]"#),
            (r#"["\\\u0000"]"#, r#"["\\\ufffd"]"#),
            (r#"["\u00001"]"#, r#"["\ufffd1"]"#),
            (r#"["plain"]"#, r#"["plain"]"#),
        ] {
            assert_eq!(without_nul(given), made);
        }
    }

    #[test]
    fn tables_without_rows_are_taken_and_tables_with_rows_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.db");
        let all = migrations::look(&file).unwrap();
        let schema: Vec<String> = all.into_iter().map(|one| one.version).collect();
        drop(Target::create(&file, &schema).unwrap());
        // An earlier try has left its tables.
        let mut again = Target::create(&file, &schema).unwrap();
        assert!(!again.tables().unwrap().is_empty());
        again.abandon().unwrap();
        let mut last = Target::create(&file, &schema[..1]).unwrap();
        last.finish().unwrap();
        drop(last);
        let refused = Target::create(&file, &schema).err();
        assert!(matches!(refused, Some(StoreError::Conflict(_))));
    }
}
