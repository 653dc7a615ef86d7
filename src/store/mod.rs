//! Rows: one writer thread, a few readers, and free functions by noun with domain types in and
//! out. A new thing to keep is one file here and one migration.
//!
//! Never lets a query run on a thread of the actors, and never hands out a connection.

pub mod approvals;
mod backend;
mod connection;
mod convert;
mod error;
pub mod events;
pub mod idempotency;
pub mod incarnations;
pub mod journal;
pub mod meta;
pub mod overrides;
mod schema;
pub mod sessions;
pub mod supervisor_log;
pub mod tasks;
pub mod tickets;
pub mod tokens;
pub mod users;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::Pool;
use tokio::sync::Semaphore;

use connection::{Opener, Role};
use writer::Writer;

pub use backend::AnyConnection as Connection;
pub use error::StoreError;

/// Readers at one time (decisions.md 6). More questions wait in the semaphore, not in threads.
const READERS: u32 = 4;
/// Longest wait for a reader.
const READER_WAIT: Duration = Duration::from_secs(5);

/// The database. Clones share it; the last one joins the writer when it is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    writer: Writer,
    readers: Pool<Opener>,
    places: Arc<Semaphore>,
}

impl Store {
    /// Opens the database file (a path, or `sqlite:PATH`), runs pending migrations and starts the
    /// writer. Blocks: for the start of the server.
    ///
    /// # Errors
    /// [`StoreError::SchemaNewer`] for a file of a newer build; otherwise why it cannot be opened.
    pub fn open(database: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = plain_path(database.as_ref())?;
        let opener = |role| Opener {
            path: path.clone(),
            role,
        };
        let mut conn = opener(Role::Writer).open()?;
        connection::migrate(&mut conn)?;
        connection::transaction(&mut conn, Role::Writer, meta::epoch)?;
        let readers = Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connection_timeout(READER_WAIT)
            .build(opener(Role::Reader))
            .map_err(|error| StoreError::Other(error.to_string()))?;
        let places = usize::try_from(READERS).unwrap_or(1);
        Ok(Self {
            inner: Arc::new(Inner {
                writer: Writer::start(conn)?,
                readers,
                places: Arc::new(Semaphore::new(places)),
                path,
            }),
        })
    }

    /// Runs `f` on a reader, in one snapshot. It cannot write.
    ///
    /// # Errors
    /// What `f` returns; [`StoreError::Busy`] when no reader is free in time.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let places = Arc::clone(&self.inner.places).acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(READER_WAIT, places).await else {
            return Err(StoreError::Busy);
        };
        let readers = self.inner.readers.clone();
        let work = move || {
            let _place = place;
            let mut conn = readers.get().map_err(|_timeout| StoreError::Busy)?;
            connection::transaction(&mut conn, Role::Reader, f)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Other(error.to_string())),
        }
    }

    /// Runs `f` on the writer, in one IMMEDIATE transaction, after everything that was asked
    /// before. When this returns `Ok`, it is on disk. Dropping the future does not undo it.
    ///
    /// # Errors
    /// What `f` returns, which rolls back; or why it could not be committed.
    pub async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.run(f).await
    }

    /// The database's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Ends the writer when it has done what was asked before, and waits for it. Later writes get
    /// [`StoreError::Closed`]. Blocks.
    pub fn close(&self) {
        self.inner.writer.close();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

fn plain_path(database: &Path) -> Result<PathBuf, StoreError> {
    let path = match database
        .to_str()
        .and_then(|text| text.strip_prefix("sqlite:"))
    {
        Some(rest) => Path::new(rest),
        None => database,
    };
    std::path::absolute(path).map_err(|error| StoreError::Other(error.to_string()))
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub mod fixture;
#[cfg(test)]
mod tests;
