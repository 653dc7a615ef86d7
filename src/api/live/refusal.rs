//! Why a command of a connection was refused, before a dialect has words for it.
//!
//! Never the text of an internal error beyond its code's own sentence.

use serde_json::Value;

use super::dialect::Mark;
use crate::domain::Error;

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The client's mark.
    pub id: Mark,
    /// Stable code.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// Members that belong to the code: `latestSeq`, `epoch`, `agentId`, `field`, `retryAfter`.
    pub more: serde_json::Map<String, Value>,
}

impl Refusal {
    /// A bare one.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            id: None,
            code: code.into(),
            message: message.into(),
            more: serde_json::Map::new(),
        }
    }

    /// With the client's mark.
    #[must_use]
    pub fn marked(mut self, id: Mark) -> Self {
        self.id = id;
        self
    }

    /// Too many commands at once.
    #[must_use]
    pub fn rate_limited(id: Mark) -> Self {
        Self::new("rate_limited", "too many commands wait; send them slower").marked(id)
    }

    /// A failure of the house.
    #[must_use]
    pub fn of(error: &Error, id: Mark) -> Self {
        let mut refusal = Self::new(error.code(), error.to_string()).marked(id);
        let more = &mut refusal.more;
        match error {
            Error::Invalid {
                field, expected, ..
            } => {
                more.insert("field".into(), Value::from(field.clone()));
                if let Some(expected) = expected {
                    more.insert("expected".into(), Value::from(expected.clone()));
                }
            }
            Error::MissingScope { scope } => {
                more.insert("scope".into(), Value::from(scope.name()));
            }
            Error::EpochChanged { epoch, latest_seq } => {
                more.insert("epoch".into(), Value::from(epoch.clone()));
                more.insert("latestSeq".into(), Value::from(*latest_seq));
            }
            Error::Busy { retry_after, .. } | Error::Unavailable { retry_after, .. } => {
                more.insert("retryAfter".into(), Value::from(*retry_after));
            }
            Error::NotFound { .. }
            | Error::Unauthenticated { .. }
            | Error::Forbidden { .. }
            | Error::Conflict { .. }
            | Error::MethodNotAllowed { .. }
            | Error::KeyReused
            | Error::TooLarge { .. }
            | Error::Unsupported { .. }
            | Error::Timeout { .. }
            | Error::Internal(_) => {}
        }
        refusal
    }
}
