//! One connection: which database it is, how it is opened, and a transaction on it.
//!
//! Never opens a file that others may read: the database is 0600 from its first byte.

use std::fs::OpenOptions;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::backend::AnyConnection as Connection;
use super::error::StoreError;

/// The migrations of this build.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that writes.
    Writer,
    /// One of several that may not write.
    Reader,
}

/// Opens connections to one database file, for the pool and for the writer.
#[derive(Debug, Clone)]
pub struct Opener {
    /// The file, absolute.
    pub path: PathBuf,
    /// What for.
    pub role: Role,
}

impl Opener {
    /// A new connection with its pragmas set.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self) -> Result<Connection, StoreError> {
        use diesel::Connection as _;
        let path = self
            .path
            .to_str()
            .ok_or_else(|| StoreError::Other("the path of the database is not UTF-8".to_owned()))?;
        if self.role == Role::Writer {
            prepare_file(&self.path)?;
        }
        let mut conn = SqliteConnection::establish(path)
            .map_err(|error| StoreError::Other(format!("{path}: {error}")))?;
        // The timeout first: switching to WAL itself may have to wait.
        conn.batch_execute(
            "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; \
             PRAGMA temp_store = MEMORY;",
        )?;
        conn.batch_execute(match self.role {
            // FULL: an accepted prompt survives a power cut (decisions.md 6).
            Role::Writer => "PRAGMA synchronous = FULL; PRAGMA cache_size = -8192;",
            Role::Reader => "PRAGMA query_only = ON; PRAGMA cache_size = -2048;",
        })?;
        Ok(Connection::Sqlite(conn))
    }
}

impl diesel::r2d2::ManageConnection for Opener {
    type Connection = Connection;
    type Error = StoreError;

    fn connect(&self) -> Result<Connection, StoreError> {
        self.open()
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), StoreError> {
        Ok(conn.batch_execute("SELECT 1")?)
    }

    fn has_broken(&self, _conn: &mut Connection) -> bool {
        std::thread::panicking()
    }
}

/// Runs what is pending of [`MIGRATIONS`].
///
/// # Errors
/// [`StoreError::SchemaNewer`] when the database knows more than this build.
pub fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let Connection::Sqlite(conn) = conn;
    let schema =
        |error: Box<dyn std::error::Error + Send + Sync>| StoreError::Schema(error.to_string());
    let ours: Vec<Box<dyn Migration<Sqlite>>> = MIGRATIONS.migrations().map_err(schema)?;
    let known: Vec<MigrationVersion<'_>> = ours.iter().map(|one| one.name().version()).collect();
    let applied = conn.applied_migrations().map_err(schema)?;
    if let Some(unknown) = applied.iter().find(|version| !known.contains(version)) {
        return Err(StoreError::SchemaNewer {
            found: unknown.to_string(),
        });
    }
    conn.run_pending_migrations(MIGRATIONS).map_err(schema)?;
    Ok(())
}

/// Runs `f` in one transaction: IMMEDIATE for the writer, so that it never has to upgrade a read
/// lock; a snapshot for readers. An error or a panic of `f` rolls back.
///
/// # Errors
/// What `f` returns, or why the transaction could not begin or commit.
pub fn transaction<T>(
    conn: &mut Connection,
    role: Role,
    f: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    conn.batch_execute(match role {
        Role::Writer => "BEGIN IMMEDIATE",
        Role::Reader => "BEGIN",
    })?;
    let result = catch_unwind(AssertUnwindSafe(|| f(conn))).unwrap_or_else(|_payload| {
        let text = "a closure of the store panicked; its transaction is rolled back";
        Err(StoreError::Other(text.to_owned()))
    });
    let result = result.and_then(|value| {
        conn.batch_execute("COMMIT")?;
        Ok(value)
    });
    if result.is_err() {
        // SQLite has rolled back by itself after a full disk; then this one fails, harmlessly.
        let _already_over = conn.batch_execute("ROLLBACK");
    }
    result
}

/// Makes the directory (0700) and the file (0600); SQLite gives its own side files the same mode.
fn prepare_file(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return StoreError::Full;
        }
        StoreError::Other(format!("{}: {error}", path.display()))
    };
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(failed)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(failed)
}
