//! What can go wrong, in the words of the house; a surface turns each into its own status and
//! envelope.
//!
//! Never names HTTP, and `Internal` text never reaches a client.

use super::scope::Scope;

/// Result of an operation of the house.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure with a stable `code` for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such object, or it belongs to somebody else: the two are not told apart.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// The kind of object, for example `agent`.
        what: &'static str,
        /// The id as it was asked for.
        id: String,
    },
    /// The request cannot be understood or breaks a rule of its fields.
    #[error("{message}")]
    Invalid {
        /// Stable code, for example `bad_cursor`.
        code: &'static str,
        /// The field at fault.
        field: String,
        /// What is wrong.
        message: String,
        /// What would have been accepted.
        expected: Option<String>,
    },
    /// Nobody, or a token that is no longer good.
    #[error("{message}")]
    Unauthenticated {
        /// Stable code, for example `token_expired`.
        code: &'static str,
        /// What is wrong.
        message: String,
    },
    /// Known, but not allowed.
    #[error("{message}")]
    Forbidden {
        /// Stable code.
        code: &'static str,
        /// What is not allowed.
        message: String,
    },
    /// Known, and allowed to the person, but not with this API key.
    #[error("the API key has no scope `{}`", .scope.name())]
    MissingScope {
        /// The scope that it takes.
        scope: Scope,
    },
    /// The object's state does not allow it now.
    #[error("{message}")]
    Conflict {
        /// Stable code, for example `invalid_state`.
        code: &'static str,
        /// Why not, with the state that it is in.
        message: String,
    },
    /// The route or the service does not do this.
    #[error("{message}")]
    MethodNotAllowed {
        /// What it does not take.
        message: String,
    },
    /// The same key was used for another request.
    #[error("this Idempotency-Key was used for a different request")]
    KeyReused,
    /// A bound is reached; trying later may work.
    #[error("{message}")]
    Busy {
        /// Stable code, for example `queue_full`.
        code: &'static str,
        /// Which bound.
        message: String,
        /// Seconds to wait before the next try.
        retry_after: u32,
    },
    /// The request is larger than the bound.
    #[error("{message}")]
    TooLarge {
        /// The field at fault.
        field: String,
        /// What was sent and what is allowed.
        message: String,
    },
    /// The history that was asked for is of another epoch, or ahead of this one.
    #[error("the cursor is of another epoch or ahead of the log; start again from latestSeq")]
    EpochChanged {
        /// The epoch now.
        epoch: String,
        /// The last committed number now.
        latest_seq: u64,
    },
    /// It took too long; the work may go on.
    #[error("{message}")]
    Timeout {
        /// What took too long.
        message: String,
    },
    /// This server has no means for it.
    #[error("{message}")]
    Unsupported {
        /// Stable code.
        code: &'static str,
        /// What is missing.
        message: String,
    },
    /// The server cannot do it now (draining, database busy, actor restarting).
    #[error("{message}")]
    Unavailable {
        /// Stable code, for example `draining`.
        code: &'static str,
        /// What is missing.
        message: String,
        /// Seconds to wait before the next try.
        retry_after: u32,
    },
    /// A fault of ours. The text is for the log.
    #[error("internal error")]
    Internal(String),
}

impl Error {
    /// A bad field, with what would have been accepted.
    #[must_use]
    pub fn invalid(
        code: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            code,
            field: field.into(),
            message: message.into(),
            expected: Some(expected.into()),
        }
    }

    /// A missing or foreign object.
    #[must_use]
    pub fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound {
            what,
            id: id.to_string(),
        }
    }

    /// A state that does not allow the request.
    #[must_use]
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict {
            code,
            message: message.into(),
        }
    }

    /// A fault of ours, with its text for the log.
    #[must_use]
    pub fn internal(text: impl ToString) -> Self {
        Self::Internal(text.to_string())
    }

    /// The server cannot do it right now; a second later it may.
    #[must_use]
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::Unavailable {
            code,
            message: message.into(),
            retry_after: 1,
        }
    }

    /// The server is stopping; another start of it may be up in five seconds.
    #[must_use]
    pub fn draining() -> Self {
        Self::Unavailable {
            code: "draining",
            message: "the server is stopping and takes no new work".into(),
            retry_after: 5,
        }
    }

    /// The same failure, with an object that is missing called by another noun.
    #[must_use]
    pub fn called(self, noun: &str, other: &'static str) -> Self {
        if let Self::NotFound { what, id } = self {
            let what = if what == noun { other } else { what };
            return Self::NotFound { what, id };
        }
        self
    }

    /// The same failure with its field in the words of another door: pairs of names, ours first.
    #[must_use]
    pub fn in_words(self, names: &[(&str, &str)]) -> Self {
        if let Self::Invalid {
            code,
            field,
            message,
            expected,
        } = self
        {
            let other = names.iter().find(|(ours, _)| *ours == field);
            return Self::Invalid {
                code,
                field: other.map_or(field, |(_, theirs)| (*theirs).to_owned()),
                message,
                expected,
            };
        }
        self
    }

    /// The stable code of this failure, the same on every surface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Invalid { code, .. }
            | Self::Unauthenticated { code, .. }
            | Self::Forbidden { code, .. }
            | Self::Conflict { code, .. }
            | Self::Busy { code, .. }
            | Self::Unsupported { code, .. }
            | Self::Unavailable { code, .. } => code,
            Self::MissingScope { .. } => "missing_scope",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::KeyReused => "idempotency_key_reused",
            Self::TooLarge { .. } => "too_large",
            Self::EpochChanged { .. } => "epoch_changed",
            Self::Timeout { .. } => "timeout",
            Self::Internal(_) => "internal",
        }
    }
}
