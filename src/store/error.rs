//! What can go wrong with rows, and what the floors above hear of it.
//!
//! Never carries a bound value: messages of the database name columns only.

use crate::domain::{Error, SessionId, TaskId, TaskState};
use diesel::result::{DatabaseErrorKind, Error as Diesel};

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another writer holds the file, every reader is in use, or the connection was cut just now;
    /// nothing of the transaction is kept. A later try may work.
    #[error("the database is busy")]
    Busy,
    /// The server of the database cannot be reached; nothing of the transaction is kept.
    #[error("the database cannot be reached")]
    Unreachable,
    /// The disk is full; nothing of the transaction is kept.
    #[error("the disk of the database is full")]
    Full,
    /// The file of the embedded database was removed, or another one has its name.
    #[error("the file of the database was removed or replaced; put it back, or restart the server")]
    Gone,
    /// The connection was lost under a commit, and the store was closed before anybody could ask
    /// what became of it.
    #[error("the database was lost during the write; it may be kept or not")]
    Unknown,
    /// Another server has the database.
    #[error(
        "another server uses this database: {by}; stop it, or give this one a database of its own"
    )]
    Taken {
        /// Its connection's name.
        by: String,
    },
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
    /// A batch of the journal fails alone and always, while other writes work.
    #[error("batch {batch} cannot be stored: {why}")]
    Unstorable {
        /// Index of the batch in the commit.
        batch: usize,
        /// The database's words.
        why: String,
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
            Self::Unreachable => "database_unreachable",
            Self::Full => "disk_full",
            Self::Gone => "database_gone",
            Self::Unknown => "outcome_unknown",
            Self::Taken { .. } => "database_taken",
            Self::Closed => "draining",
            Self::Conflict(_) => "already_exists",
            Self::NotFound => "not_found",
            Self::SchemaNewer { .. } => "schema_newer",
            Self::Schema(_) => "schema",
            Self::Domain(error) => error.code(),
            Self::Illegal { .. }
            | Self::OutOfOrder { .. }
            | Self::Missing { .. }
            | Self::Unstorable { .. }
            | Self::Other(_) => "internal",
        }
    }

    /// Whether a server of a database does not answer, so that it may be there later.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Busy | Self::Unreachable => true,
            Self::Other(text) => ABSENT.iter().chain(&BUSY).any(|words| text.contains(words)),
            Self::Full
            | Self::Gone
            | Self::Unknown
            | Self::Unstorable { .. }
            | Self::Taken { .. }
            | Self::Closed
            | Self::Conflict(_)
            | Self::NotFound
            | Self::SchemaNewer { .. }
            | Self::Schema(_)
            | Self::Illegal { .. }
            | Self::OutOfOrder { .. }
            | Self::Missing { .. }
            | Self::Domain(_) => false,
        }
    }

    /// Whether a connection failed because nobody is there, or not yet: one more than the server
    /// takes is not that.
    pub(super) fn nobody_there(&self) -> bool {
        let Self::Other(text) = self else {
            return false;
        };
        ABSENT.iter().any(|words| text.contains(words)) || text.contains(NOT_YET)
    }

    /// The batch that alone is at fault, when one is: a commit without it may work.
    #[must_use]
    pub fn batch(&self) -> Option<usize> {
        match self {
            Self::Illegal { batch, .. }
            | Self::OutOfOrder { batch, .. }
            | Self::Missing { batch, .. }
            | Self::Unstorable { batch, .. } => Some(*batch),
            Self::Busy
            | Self::Unreachable
            | Self::Full
            | Self::Gone
            | Self::Unknown
            | Self::Taken { .. }
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
        let text = info.message();
        let passes = matches!(
            kind,
            DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure
        );
        let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
        if matches!(kind, DatabaseErrorKind::UniqueViolation) {
            Self::Conflict(text.to_owned())
        } else if passes || says(&BUSY) {
            Self::Busy
        } else if says(&FULL) {
            Self::Full
        } else if says(&["encoding \"UTF8\": 0x00"]) {
            let expected = "text without the character U+0000";
            Error::invalid("bad_text", "", "the text has a NUL in it", expected).into()
        } else {
            Self::Other(text.to_owned())
        }
    }
}

/// Words of errors that pass. Neither database has a kind for them that diesel knows. SQLite's are
/// fixed (`sqlite3_errstr`); PostgreSQL's are those of a server whose messages are in English.
const BUSY: [&str; 12] = [
    "is locked",
    // libpq's own, always in English.
    "server closed the connection",
    "could not send data to server",
    "could not receive data from server",
    "no connection to the server",
    "lock timeout",
    "statement timeout",
    "deadlock detected",
    "too many clients",
    "remaining connection slots",
    "the database system is",
    "terminating connection",
];

/// What libpq says of a server that is not there (yet); never translated, since nobody sets a language.
const ABSENT: [&str; 8] = [
    "Connection refused",
    "Connection reset",
    "could not translate host name",
    "timeout expired",
    "timed out",
    "No route to host",
    "Network is unreachable",
    "No such file or directory",
];

/// What PostgreSQL says while it starts or stops.
const NOT_YET: &str = "the database system is";

/// The same for a disk without space.
const FULL: [&str; 3] = [
    "disk is full",
    "No space left on device",
    "Disk quota exceeded",
];

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let unavailable = |retry_after| Self::Unavailable {
            code: error.code(),
            message: error.to_string(),
            retry_after,
        };
        match &error {
            StoreError::Busy
            | StoreError::Closed
            | StoreError::Unknown
            | StoreError::Taken { .. } => unavailable(1),
            StoreError::Unreachable => unavailable(5),
            StoreError::Full | StoreError::Gone => unavailable(30),
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
            | StoreError::Unstorable { .. }
            | StoreError::Other(_) => Self::internal(&error),
        }
    }
}
