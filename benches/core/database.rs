//! The databases that a run measures on, a file or a private PostgreSQL, and places for the data of
//! servers, each with a database of its own.
//!
//! Never a PostgreSQL that somebody else uses, and never one that spares itself the disk, as that of
//! the tests does.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::Res;

#[path = "../../src/store/tests/postmaster.rs"]
mod postmaster;

use postmaster::Postmaster;

/// What PostgreSQL comes with, said aloud: a commit that is answered is on the disk.
const DURABLE: &str = "fsync = on\nfull_page_writes = on\nsynchronous_commit = on\n\
                       shared_buffers = 128MB";

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The embedded one.
    Sqlite,
    /// A server.
    Postgresql,
}

impl Kind {
    /// In the order in which they are measured.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgresql];

    /// The word of `--database`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgresql => "postgresql",
        }
    }
}

/// A database of this kind that is ready for use; it ends with the value.
pub enum Database {
    /// Files need nobody who keeps them.
    Sqlite,
    /// A server of our own.
    Postgresql(Arc<Postmaster>),
}

impl Database {
    /// Starts what it needs. Blocks for some seconds.
    pub fn start(kind: Kind) -> Res<Self> {
        Ok(match kind {
            Kind::Sqlite => Self::Sqlite,
            Kind::Postgresql => Self::Postgresql(Arc::new(Postmaster::start(DURABLE)?)),
        })
    }

    /// A directory for data, outside of any home, and an empty database to it.
    pub fn place(&self) -> Res<Place> {
        let dir = tempfile::Builder::new()
            .prefix("callboard-bench-")
            .tempdir()?;
        let rows = match self {
            Self::Sqlite => None,
            Self::Postgresql(postmaster) => Some(Rows {
                name: postmaster.create(None)?,
                postmaster: Arc::clone(postmaster),
            }),
        };
        Ok(Place { dir, rows })
    }
}

/// Where one server has its data; removed with the value.
pub struct Place {
    dir: TempDir,
    rows: Option<Rows>,
}

impl Place {
    /// The data directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What the setting `database.url` says.
    pub fn database(&self) -> String {
        match &self.rows {
            Some(rows) => rows.postmaster.url(&rows.name),
            None => format!("sqlite:{}/callboard.db", self.path().display()),
        }
    }

    /// After a fill: has the database do at once what it would do by itself within minutes, and
    /// then in the middle of a round.
    pub fn settle(&self) -> Res<()> {
        if let Some(rows) = &self.rows {
            for words in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
                rows.postmaster.execute(&rows.name, words)?;
            }
        }
        Ok(())
    }
}

/// A database on the private server.
struct Rows {
    name: String,
    postmaster: Arc<Postmaster>,
}

impl Drop for Rows {
    fn drop(&mut self) {
        let words = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // What stays goes with the cluster.
        let _dropped = self.postmaster.execute("postgres", &words);
    }
}
