//! The schema: which migrations a database has, and running those that it lacks.
//!
//! Never touches a database that a newer build has changed.

use std::path::Path;

use diesel::backend::Backend;
use diesel::connection::{BoxableConnection, SimpleConnection};
use diesel::migration::{Migration, MigrationMetadata, MigrationName, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::backend::AnyConnection as Connection;
use super::connection::{Opener, Place, Role};
use super::error::StoreError;
use super::{postgres, sqlite};

/// The migrations of this build, one set for every database.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// One migration of this build, and whether a database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Digits that order it among the others.
    pub version: String,
    /// The name of its folder.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Runs what is pending of [`MIGRATIONS`].
///
/// # Errors
/// [`StoreError::SchemaNewer`] when the database knows more than this build.
pub fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    match conn {
        Connection::Sqlite(conn) => up(conn, MIGRATIONS),
        Connection::Postgres(conn) => {
            conn.batch_execute("SET statement_timeout = 0; SET client_min_messages = warning")?;
            up(conn, ByBytes)?;
            Ok(conn.batch_execute("RESET client_min_messages; SET statement_timeout = '60s'")?)
        }
    }
}

fn up<C, DB: Backend>(conn: &mut C, source: impl MigrationSource<DB>) -> Result<(), StoreError>
where
    C: MigrationHarness<DB>,
{
    let applied = conn.applied_migrations().map_err(schema)?;
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    states(&applied)?;
    conn.run_pending_migrations(source).map_err(schema)?;
    Ok(())
}

fn schema(error: Fault) -> StoreError {
    StoreError::Schema(error.to_string())
}

/// Which of this build's migrations are among those, in their order.
fn states(applied: &[String]) -> Result<Vec<MigrationState>, StoreError> {
    let ours: Vec<Box<dyn Migration<Sqlite>>> = MIGRATIONS.migrations().map_err(schema)?;
    let state = |one: &dyn Migration<Sqlite>| {
        let version = one.name().version().to_string();
        MigrationState {
            applied: applied.contains(&version),
            name: one.name().to_string(),
            version,
        }
    };
    let mut states: Vec<MigrationState> = ours.iter().map(|one| state(one.as_ref())).collect();
    states.sort_unstable_by(|a, b| a.version.cmp(&b.version));
    let unknown = |version: &&String| states.iter().all(|known| known.version != **version);
    if let Some(found) = applied.iter().find(unknown) {
        let found = found.clone();
        return Err(StoreError::SchemaNewer { found });
    }
    Ok(states)
}

/// Whether this build knows all these versions of the schema.
///
/// # Errors
/// [`StoreError::SchemaNewer`] with the first that it does not know.
pub(super) fn known(versions: &[String]) -> Result<(), StoreError> {
    states(versions).map(drop)
}

/// Runs these versions of [`MIGRATIONS`] and no others, on a database without rows.
///
/// # Errors
/// When one of them fails.
pub(super) fn migrate_to(conn: &mut Connection, versions: &[String]) -> Result<(), StoreError> {
    match conn {
        Connection::Sqlite(conn) => run(conn, MIGRATIONS, versions),
        Connection::Postgres(conn) => run(conn, ByBytes, versions),
    }
}

fn run<C, DB: Backend>(
    conn: &mut C,
    source: impl MigrationSource<DB>,
    versions: &[String],
) -> Result<(), StoreError>
where
    C: MigrationHarness<DB>,
{
    // It makes the table of versions.
    let applied = conn.applied_migrations().map_err(schema)?;
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    for migration in source.migrations().map_err(schema)? {
        let version = migration.name().version().to_string();
        if versions.contains(&version) && !applied.contains(&version) {
            conn.run_migration(&migration).map_err(schema)?;
        }
    }
    Ok(())
}

/// Which migrations a database has. Changes nothing, and makes no file.
///
/// # Errors
/// [`StoreError::SchemaNewer`] as for [`migrate`]; otherwise why it cannot be read.
pub fn look(database: &Path) -> Result<Vec<MigrationState>, StoreError> {
    let place = Place::read(database)?;
    if let Place::File(path) = &place
        && !path.exists()
    {
        return states(&[]);
    }
    let role = Role::Reader;
    let mut conn = Opener::new(place, role).open()?;
    states(&versions(&mut conn)?)
}

/// Runs what a database lacks; the states before that. Holds the lock that a server would.
///
/// # Errors
/// As [`look`]; [`StoreError::Taken`] while a server has the database.
pub fn apply(database: &Path) -> Result<Vec<MigrationState>, StoreError> {
    let place = Place::read(database)?;
    let role = Role::Writer;
    let mut conn = Opener::new(place, role).open()?;
    let before = states(&versions(&mut conn)?)?;
    migrate(&mut conn)?;
    Ok(before)
}

/// Makes the file of the embedded database as small as what it holds. A server keeps itself small.
///
/// # Errors
/// [`StoreError::Conflict`] for a server.
pub fn compact(database: &Path) -> Result<(), StoreError> {
    match Place::read(database)? {
        Place::File(path) => sqlite::compact(&path),
        Place::Server(_) => Err(StoreError::Conflict(
            "PostgreSQL gives room back by itself (autovacuum)".to_owned(),
        )),
    }
}

diesel::table! {
    /// What diesel keeps of the migrations that a database has.
    __diesel_schema_migrations (version) {
        /// The digits of one.
        version -> Text,
    }
}

/// The versions that the database has; none where nothing was ever migrated.
pub(super) fn versions(conn: &mut Connection) -> Result<Vec<String>, StoreError> {
    let found = __diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .load(conn);
    match found.map_err(StoreError::from) {
        Err(StoreError::Other(text))
            if text.contains("no such table") || text.contains("does not exist") =>
        {
            Ok(Vec::new())
        }
        other => other,
    }
}

/// [`MIGRATIONS`] for PostgreSQL: texts are ordered by their bytes, as SQLite does it.
struct ByBytes;

impl MigrationSource<Pg> for ByBytes {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<Pg>>>> {
        let all: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations()?;
        Ok(all
            .into_iter()
            .map(|one| -> Box<dyn Migration<Pg>> { Box::new(Bytewise(one)) })
            .collect())
    }
}

struct Bytewise(Box<dyn Migration<Pg>>);

impl Migration<Pg> for Bytewise {
    fn run(&self, conn: &mut dyn BoxableConnection<Pg>) -> diesel::migration::Result<()> {
        self.0.run(conn)?;
        Ok(conn.batch_execute(postgres::BY_BYTES)?)
    }

    fn revert(&self, conn: &mut dyn BoxableConnection<Pg>) -> diesel::migration::Result<()> {
        self.0.revert(conn)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self.0.metadata()
    }

    fn name(&self) -> &dyn MigrationName {
        self.0.name()
    }
}
