//! Why the server does not start, in words for the person who started it.
//!
//! Never a secret, and always what to look at.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::domain::Error;

/// A start that failed.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The data directory cannot be used.
    #[error("the data directory {dir} cannot be used: {reason}")]
    DataDir {
        /// Which.
        dir: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another server has it.
    #[error(
        "another server (pid {pid}) uses the data directory {dir}; stop it, or name another \
         directory with --data-dir"
    )]
    Taken {
        /// Which.
        dir: PathBuf,
        /// Its pid as it noted it, or `?`.
        pid: String,
    },
    /// A backup copies its keys.
    #[error("a backup of {dir} is being made; try again when it is done")]
    CopiesKeys {
        /// Which.
        dir: PathBuf,
    },
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// The filter of the log cannot be read.
    #[error("the log filter `{filter}` cannot be read: {reason}")]
    Log {
        /// As it was given.
        filter: String,
        /// Why.
        reason: String,
    },
    /// No keeper was found.
    #[error("{0}")]
    Keeper(String),
    /// The database cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Database(String),
    /// The keys cannot be used.
    #[error("the keys cannot be used: {0}")]
    Keys(String),
    /// The first admin cannot be made.
    #[error("the first admin cannot be made: {0}")]
    Admin(String),
    /// The living side cannot start, or ended.
    #[error("{0}")]
    Runtime(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl BootError {
    pub(super) fn bind(address: SocketAddr, error: &std::io::Error) -> Self {
        Self::Bind {
            address,
            reason: error.to_string(),
        }
    }

    pub(super) fn fault(error: impl std::fmt::Display) -> Self {
        Self::Other(error.to_string())
    }
}

/// The text of an error of the house, also of an internal one: this reader runs the server.
pub(super) fn source_text(error: &Error) -> String {
    if let Error::Internal(text) = error {
        return text.clone();
    }
    error.to_string()
}
