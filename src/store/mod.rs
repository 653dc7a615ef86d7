//! Rows: one writer thread, a few readers, and free functions by noun with domain types in and
//! out. A new thing to keep is one file here and one migration.
//!
//! Never lets a query run on a thread of the actors, and never hands out a connection.

pub mod api_keys;
pub mod approvals;
pub mod archive;
pub mod attempts;
pub mod audit;
mod backend;
mod claim;
mod connection;
mod convert;
mod error;
pub mod events;
mod figures;
pub mod finds;
pub mod idempotency;
pub mod identity;
pub mod incarnations;
pub mod invites;
pub mod journal;
pub mod listed;
pub mod loaded;
pub mod meta;
pub mod migrations;
pub mod overrides;
mod pinned;
mod postgres;
pub mod providers;
pub mod refresh;
pub mod retention;
mod schema;
pub mod sealed;
pub mod sessions;
mod sqlite;
pub mod stats;
pub mod supervisor_log;
pub mod tally;
pub mod tasks;
pub mod tickets;
pub mod tokens;
mod totals;
mod turnstile;
pub mod users;
mod version;
pub mod waiting;
pub mod workspaces;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::r2d2::{NopErrorHandler, Pool, PooledConnection};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use connection::{Opener, Outcome, Place, Role};
use figures::Counters;
use pinned::Pinned;
use totals::Totals;
use version::Versions;
use writer::Writer;

pub use backend::AnyConnection as Connection;
pub use claim::Claim;
pub use convert::plain;
pub use error::StoreError;
pub use figures::{Figures, Spread};

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
    place: Place,
    pinned: Arc<Pinned>,
    writer: Writer,
    versions: Arc<Versions>,
    totals: Totals,
    readers: Pool<Opener>,
    read: Opener,
    places: Arc<Semaphore>,
    full: Notify,
    counters: Arc<Counters>,
}

impl Store {
    /// Opens the database that the setting names (a path, `sqlite:PATH`, or an address of
    /// PostgreSQL), runs pending migrations and starts the writer. Blocks: for the start of the
    /// server.
    ///
    /// # Errors
    /// [`StoreError::SchemaNewer`] for a database of a newer build, [`StoreError::Taken`] for one
    /// that another server has; otherwise why it cannot be opened.
    pub fn open(database: impl AsRef<Path>) -> Result<Self, StoreError> {
        let place = Place::read(database.as_ref())?;
        let away = Arc::<AtomicBool>::default();
        let opener = |role| Opener {
            place: place.clone(),
            role,
            away: Arc::clone(&away),
        };
        let mut conn = opener(Role::Writer).open()?;
        migrations::migrate(&mut conn)?;
        connection::transaction(&mut conn, Role::Writer, meta::epoch)?;
        while connection::transaction(&mut conn, Role::Writer, sessions::missions::reckon)? > 0 {}
        let readers = Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connection_timeout(READER_WAIT)
            // The writer tells of a database that cannot be reached.
            .error_handler(Box::new(NopErrorHandler))
            .build(opener(Role::Reader))
            .map_err(|error| StoreError::Other(error.to_string()))?;
        let places = usize::try_from(READERS).unwrap_or(1);
        let versions = Arc::new(Versions::default());
        Ok(Self {
            inner: Arc::new(Inner {
                writer: Writer::start(conn, opener(Role::Writer), Arc::clone(&versions))?,
                versions,
                totals: Totals::default(),
                readers,
                read: opener(Role::Reader),
                places: Arc::new(Semaphore::new(places)),
                full: Notify::new(),
                counters: Arc::default(),
                pinned: Arc::new(Pinned::of(&place)),
                place,
            }),
        })
    }

    /// Runs `f` in one snapshot of a database that another server may use: nothing is migrated,
    /// locked or written. Blocks.
    ///
    /// # Errors
    /// Why it cannot be opened; what `f` returns.
    pub fn look<T>(
        database: impl AsRef<Path>,
        f: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let role = Role::Reader;
        let place = Place::read(database.as_ref())?;
        let mut conn = Opener::new(place, role).open()?;
        connection::transaction(&mut conn, role, f)
    }

    /// Runs `f` on a reader, in one snapshot. It cannot write.
    ///
    /// # Errors
    /// What `f` returns; [`StoreError::Busy`] when no reader is free in time,
    /// [`StoreError::Unreachable`] when none could be opened because nobody is there.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (asked, counters) = (Instant::now(), Arc::clone(&self.inner.counters));
        let pinned = Arc::clone(&self.inner.pinned);
        let f = move |conn: &mut Connection| {
            counters.readers.note(asked.elapsed());
            pinned.check(Role::Reader)?;
            f(conn)
        };
        let result = self.read_counted(f).await;
        self.inner.counters.read(&result);
        result
    }

    async fn read_counted<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let places = Arc::clone(&self.inner.places).acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(READER_WAIT, places).await else {
            return Err(self.inner.read.absence());
        };
        let readers = self.inner.readers.clone();
        let read = self.inner.read.clone();
        let work = move || {
            let _place = place;
            let mut conn = begun(&readers, &read)?;
            match connection::complete(&mut conn, Role::Reader, f) {
                Outcome::Known(result) => result,
                Outcome::Doubt { value, .. } => Ok(value),
            }
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Other(error.to_string())),
        }
    }

    /// Runs `f` on the writer, in one transaction, after everything that was asked before. When
    /// this returns `Ok`, it is on disk. Dropping the future does not undo it. When the database is
    /// lost under the commit, the answer waits until the database says what became of it.
    ///
    /// # Errors
    /// What `f` returns, which rolls back; or why it could not be committed. [`StoreError::Busy`] when
    /// it could not begin within some seconds, and at once while another write hangs.
    pub async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (asked, counters) = (Instant::now(), Arc::clone(&self.inner.counters));
        let pinned = Arc::clone(&self.inner.pinned);
        let f = move |conn: &mut Connection| {
            counters.writer.note(asked.elapsed());
            pinned.check(Role::Writer)?;
            f(conn)
        };
        let result = self.inner.writer.run(f).await;
        self.inner.counters.wrote(&result, asked.elapsed());
        if matches!(result, Err(StoreError::Full)) {
            self.inner.full.notify_one();
        }
        result
    }

    /// Waits and failures since the start.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut figures = self.inner.counters.figures();
        if self.inner.writer.hangs() {
            figures.writes_fail = Some("write_hangs");
        }
        figures
    }

    /// Whether the server of the database cannot be reached, as far as anybody has tried.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.inner.read.away.load(Ordering::Relaxed)
    }

    /// Resolves when a write found no room on the disk.
    pub async fn found_full(&self) {
        self.inner.full.notified().await;
    }

    /// A number that stands still while no row changes: what was read after it was taken may be
    /// shown again as long as it is the same.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.inner.versions.rows()
    }

    /// The setting that opens this database again.
    #[cfg(test)]
    pub(crate) fn setting(&self) -> String {
        match &self.inner.place {
            Place::File(path) => path.display().to_string(),
            Place::Server(url) => url.expose().to_owned(),
        }
    }

    /// The embedded database's file; none on PostgreSQL.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.inner.place {
            Place::File(path) => Some(path),
            Place::Server(_) => None,
        }
    }

    /// Ends the writer when it has done what was asked before, and waits for it, but not for a write
    /// that hangs. Later writes get [`StoreError::Closed`]. Blocks.
    pub fn close(&self) {
        self.inner.writer.close();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("place", &self.inner.place)
            .finish_non_exhaustive()
    }
}

/// A reader with its snapshot begun. Those that a restart of PostgreSQL has cut are passed over.
fn begun(readers: &Pool<Opener>, read: &Opener) -> Result<PooledConnection<Opener>, StoreError> {
    for _cut in 0..=READERS {
        let mut conn = readers.get().map_err(|_timeout| read.absence())?;
        match connection::begin(&mut conn, Role::Reader) {
            Ok(()) => return Ok(conn),
            Err(error) if !connection::lost(&mut conn) => return Err(error),
            Err(_lost) => {}
        }
    }
    Err(StoreError::Busy)
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub mod fixture;
#[cfg(test)]
mod tests;
