//! How a child ended and how an order to a supervisor was refused.
//! Never decides what follows from it: that is `restart`.

use std::fmt;

use serde::Serialize;

/// How one generation of a child ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It was done.
    Normal,
    /// It was told to end, or lost its supervisor and ended in order.
    Shutdown,
    /// It gave up, with the reason.
    Failed(String),
    /// It panicked; the text travels beside it when the hook of
    /// [`install_panic_hook`](super::install_panic_hook) is in place.
    Panic,
    /// It was given up: it did not end within its grace, or its spec says brutal. It may still
    /// hold a thread, but nobody listens to it any more.
    Abandoned,
}

impl Exit {
    /// Normal and shutdown: what a transient child is not restarted after.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        match self {
            Self::Normal | Self::Shutdown => true,
            Self::Failed(_) | Self::Panic | Self::Abandoned => false,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::Panic => f.write_str("panic"),
            Self::Abandoned => f.write_str("abandoned"),
        }
    }
}

/// Why a child (or a whole supervisor) did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A child of this id is in the table, alive or not.
    #[error("a child with this id is already present")]
    AlreadyPresent,
    /// The supervisor's `max_children` is reached.
    #[error("the supervisor has all the children it may have")]
    MaxChildren,
    /// The supervisor is ending, or has ended.
    #[error("the supervisor is stopping")]
    Stopping,
    /// The spec contradicts itself or its supervisor.
    #[error("invalid child or supervisor spec: {0}")]
    Invalid(String),
    /// The start function failed, panicked or took too long; also: the child was terminated
    /// before it was up.
    #[error("start failed: {0}")]
    Failed(String),
}

/// Why an order about one child was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    /// No child has this id.
    #[error("no such child")]
    NotFound,
    /// It is alive (also while it starts or ends); terminate it first.
    #[error("the child is running")]
    Running,
    /// It is down and waits for its restart; terminate it first.
    #[error("the child is restarting")]
    Restarting,
    /// The supervisor is ending, or has ended.
    #[error("the supervisor is stopping")]
    Stopping,
    /// The start that was asked for failed; the child is stopped.
    #[error("start failed: {0}")]
    Failed(String),
}

impl From<StartError> for ChildError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Stopping => Self::Stopping,
            StartError::Failed(reason) | StartError::Invalid(reason) => Self::Failed(reason),
            StartError::AlreadyPresent | StartError::MaxChildren => Self::Failed(error.to_string()),
        }
    }
}
