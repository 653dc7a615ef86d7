//! One connection: which database it is, how it is opened, and a transaction on it.
//!
//! Never says that a transaction failed when nobody knows: a commit whose answer is lost is a
//! doubt, with the mark to ask for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;

use super::backend::AnyConnection as Connection;
use super::error::StoreError;
use super::{postgres, sqlite};
use crate::config::DatabaseUrl;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that writes.
    Writer,
    /// One of several that may not write.
    Reader,
}

/// Where the rows are.
#[derive(Debug, Clone)]
pub enum Place {
    /// In this file, absolute.
    File(PathBuf),
    /// On this server.
    Server(DatabaseUrl),
}

impl Place {
    /// Reads the setting: `sqlite:PATH`, a plain path, or an address of PostgreSQL.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn read(setting: &std::path::Path) -> Result<Self, StoreError> {
        let Some(text) = setting.to_str() else {
            return absolute(setting);
        };
        let url = DatabaseUrl::from(text);
        if url.is_server() {
            url.check().map_err(|wrong| {
                StoreError::Other(format!("the address of the database: {wrong}"))
            })?;
            return Ok(Self::Server(url));
        }
        absolute(&url.file().unwrap_or_else(|| setting.to_owned()))
    }
}

fn absolute(path: &std::path::Path) -> Result<Place, StoreError> {
    std::path::absolute(path)
        .map(Place::File)
        .map_err(|error| StoreError::Other(error.to_string()))
}

/// Opens connections to one database, for the pool and for the writer.
#[derive(Debug, Clone)]
pub struct Opener {
    /// Where it is.
    pub place: Place,
    /// What for.
    pub role: Role,
    /// Whether the last one could not be opened because nobody is there.
    pub away: Arc<AtomicBool>,
}

impl Opener {
    /// One that shares nothing.
    pub fn new(place: Place, role: Role) -> Self {
        Self {
            place,
            role,
            away: Arc::default(),
        }
    }

    /// Why there is no connection, as far as it is known.
    pub fn absence(&self) -> StoreError {
        match self.away.load(Ordering::Relaxed) {
            true => StoreError::Unreachable,
            false => StoreError::Busy,
        }
    }

    /// A new connection, set up for its role.
    ///
    /// # Errors
    /// Why it cannot be opened; [`StoreError::Taken`] for a writer beside another server.
    pub fn open(&self) -> Result<Connection, StoreError> {
        Ok(match &self.place {
            Place::File(path) => Connection::Sqlite(sqlite::open(path, self.role)?),
            Place::Server(url) => {
                let opened = postgres::open(url, self.role);
                let away = opened.as_ref().is_err_and(StoreError::nobody_there);
                self.away.store(away, Ordering::Relaxed);
                Connection::Postgres(opened?)
            }
        })
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

    fn has_broken(&self, conn: &mut Connection) -> bool {
        std::thread::panicking() || lost(conn)
    }
}

/// Whether the connection is of no more use.
pub fn lost(conn: &mut Connection) -> bool {
    match conn {
        Connection::Sqlite(_) => false,
        Connection::Postgres(conn) => conn.is_broken(),
    }
}

/// Begins a transaction: IMMEDIATE for the writer of SQLite, so that it never has to upgrade a read
/// lock (that of PostgreSQL has the server's lock); a snapshot for readers.
///
/// # Errors
/// [`StoreError::Busy`] when another writer holds the file, or the connection is lost.
pub fn begin(conn: &mut Connection, role: Role) -> Result<(), StoreError> {
    let words = match (&conn, role) {
        (Connection::Sqlite(_), Role::Writer) => "BEGIN IMMEDIATE",
        (Connection::Sqlite(_), Role::Reader) => "BEGIN",
        (Connection::Postgres(_), Role::Writer) => {
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
        }
        (Connection::Postgres(_), Role::Reader) => {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        }
    };
    conn.batch_execute(words).map_err(|error| {
        roll_back(conn);
        error.into()
    })
}

/// Ends whatever is open. libpq may understand only at the second failure that a line is cut, so
/// that [`lost`] is to be believed after this.
fn roll_back(conn: &mut Connection) {
    for _try in 0..2 {
        // SQLite has rolled back by itself after a full disk; then this fails, harmlessly.
        if conn.batch_execute("ROLLBACK").is_ok() {
            return;
        }
    }
}

/// How a transaction ended.
pub enum Outcome<T> {
    /// Kept, or not.
    Known(Result<T, StoreError>),
    /// The connection was lost under the commit. `number` finds out by [`postgres::committed`].
    Doubt {
        /// The transaction's mark.
        number: i64,
        /// What it gives if it was kept.
        value: T,
    },
}

/// Runs `f` in the transaction that [`begin`] has begun, and ends it. An error or a panic of `f`
/// rolls back.
pub fn complete<T>(
    conn: &mut Connection,
    role: Role,
    f: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Outcome<T> {
    let result = catch_unwind(AssertUnwindSafe(|| f(conn))).unwrap_or_else(|_payload| {
        let text = "a closure of the store panicked; its transaction is rolled back";
        Err(StoreError::Other(text.to_owned()))
    });
    let numbered = result.and_then(|value| Ok((value, mark(conn, role)?)));
    let error = match numbered {
        Ok((value, number)) => match conn.batch_execute("COMMIT") {
            Ok(()) => return Outcome::Known(Ok(value)),
            Err(error) => {
                roll_back(conn);
                match number {
                    Some(number) if lost(conn) => return Outcome::Doubt { number, value },
                    Some(_) | None => error.into(),
                }
            }
        },
        Err(error) => {
            roll_back(conn);
            error
        }
    };
    Outcome::Known(Err(error))
}

/// What a writer's transaction can be asked for by later, where its commit can be in doubt.
fn mark(conn: &mut Connection, role: Role) -> Result<Option<i64>, StoreError> {
    match (conn, role) {
        (Connection::Postgres(conn), Role::Writer) => postgres::mark(conn).map(Some),
        (Connection::Postgres(_), Role::Reader) | (Connection::Sqlite(_), _) => Ok(None),
    }
}

/// Runs `f` in one transaction of a connection that nobody else waits for.
///
/// # Errors
/// What `f` returns, or why the transaction could not begin or commit.
pub fn transaction<T>(
    conn: &mut Connection,
    role: Role,
    f: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    begin(conn, role)?;
    match complete(conn, role, f) {
        Outcome::Known(result) => result,
        Outcome::Doubt { .. } => Err(StoreError::Unknown),
    }
}
