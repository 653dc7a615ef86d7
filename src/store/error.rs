//! What can go wrong with rows, and what the floors above hear of it.
//!
//! Never carries a bound value: messages of the database name columns only.

use crate::domain::{Error, SessionId, TaskId, TaskState};
use diesel::result::{DatabaseErrorKind, Error as Diesel};

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another writer holds the file, or every reader is in use. A later try may work.
    #[error("the database is busy")]
    Busy,
    /// The disk is full; nothing of the transaction is kept.
    #[error("the disk of the database is full")]
    Full,
    /// The store was closed.
    #[error("the database is closed")]
    Closed,
    /// A row with these unique columns exists (the database's own words).
    #[error("{0}")]
    Conflict(String),
    /// The row is not there.
    #[error("there is no such row")]
    NotFound,
    /// The database was written by a newer build.
    #[error("the database has the migration {found}, which this build does not know")]
    SchemaNewer {
        /// The first unknown version.
        found: String,
    },
    /// Migrations could not be run.
    #[error("migration: {0}")]
    Schema(String),
    /// A batch of the journal moves a task along no legal arrow. Nothing of the commit is kept.
    #[error("batch {batch}: task {task} cannot go from {from:?} to {to:?}")]
    Illegal {
        /// Index of the batch in the commit.
        batch: usize,
        /// Which task.
        task: TaskId,
        /// Where it stands; `None`: there is no such task of this session.
        from: Option<TaskState>,
        /// Where it was to go.
        to: TaskState,
    },
    /// A batch of the journal does not go on where the session's events end: a number twice, or a
    /// hole. Nothing of the commit is kept.
    #[error("batch {batch}: session {session} has events up to {last}, not {first} - 1")]
    OutOfOrder {
        /// Index of the batch in the commit.
        batch: usize,
        /// Whose events.
        session: SessionId,
        /// The first seq of the batch.
        first: u64,
        /// The last stored seq; 0 before the first.
        last: u64,
    },
    /// A batch of the journal names a session or an incarnation that is not there.
    #[error("batch {batch}: there is no {what}")]
    Missing {
        /// Index of the batch in the commit.
        batch: usize,
        /// What it names.
        what: String,
    },
    /// A typed refusal of a closure.
    #[error(transparent)]
    Domain(#[from] Error),
    /// Anything else; a fault of ours or of the disk.
    #[error("{0}")]
    Other(String),
}

impl StoreError {
    /// Stable code, the same that the domain error carries.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "database_busy",
            Self::Full => "disk_full",
            Self::Closed => "draining",
            Self::Conflict(_) => "already_exists",
            Self::NotFound => "not_found",
            Self::SchemaNewer { .. } => "schema_newer",
            Self::Schema(_) => "schema",
            Self::Domain(error) => error.code(),
            Self::Illegal { .. }
            | Self::OutOfOrder { .. }
            | Self::Missing { .. }
            | Self::Other(_) => "internal",
        }
    }

    /// The batch that alone is at fault, when one is: a commit without it may work.
    #[must_use]
    pub fn batch(&self) -> Option<usize> {
        match self {
            Self::Illegal { batch, .. }
            | Self::OutOfOrder { batch, .. }
            | Self::Missing { batch, .. } => Some(*batch),
            Self::Busy
            | Self::Full
            | Self::Closed
            | Self::Conflict(_)
            | Self::NotFound
            | Self::SchemaNewer { .. }
            | Self::Schema(_)
            | Self::Domain(_)
            | Self::Other(_) => None,
        }
    }

    /// A stored value that cannot be read back.
    pub(super) fn unreadable(what: &str, text: &str) -> Self {
        let start: String = text.chars().take(64).collect();
        Self::Other(format!("the stored {what} `{start}` cannot be read"))
    }
}

impl From<Diesel> for StoreError {
    fn from(error: Diesel) -> Self {
        if matches!(error, Diesel::NotFound) {
            return Self::NotFound;
        }
        let Diesel::DatabaseError(kind, info) = &error else {
            return Self::Other(error.to_string());
        };
        // SQLite has no kinds for these two; its texts are fixed (sqlite3_errstr).
        let text = info.message();
        if matches!(kind, DatabaseErrorKind::UniqueViolation) {
            Self::Conflict(text.to_owned())
        } else if text.contains("is locked") {
            Self::Busy
        } else if text.contains("disk is full") {
            Self::Full
        } else {
            Self::Other(text.to_owned())
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let unavailable = |retry_after| Self::Unavailable {
            code: error.code(),
            message: error.to_string(),
            retry_after,
        };
        match &error {
            StoreError::Busy | StoreError::Closed => unavailable(1),
            StoreError::Full => unavailable(30),
            StoreError::Domain(inner) => inner.clone(),
            StoreError::Conflict(_) => Self::conflict(
                "already_exists",
                "another one with the same name exists already",
            ),
            StoreError::NotFound => Self::not_found("object", "?"),
            StoreError::SchemaNewer { .. }
            | StoreError::Schema(_)
            | StoreError::Illegal { .. }
            | StoreError::OutOfOrder { .. }
            | StoreError::Missing { .. }
            | StoreError::Other(_) => Self::internal(&error),
        }
    }
}
