//! One call of a service, however it came: over REST or over the real-time connection
//! (contract/agor.md 2 and 3).
//!
//! Never knows a service.

use serde_json::{Map, Value};

use crate::domain::prompt::IdempotencyKey;

/// What is done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A page of what matches the query.
    Find,
    /// One, by its id or the beginning of it.
    Get,
    /// Makes one, or many.
    Create,
    /// Puts a whole object into the place of another.
    Update,
    /// Changes some of it.
    Patch,
    /// Takes it away.
    Remove,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 6] = [
        Self::Find,
        Self::Get,
        Self::Create,
        Self::Update,
        Self::Patch,
        Self::Remove,
    ];

    /// Its word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Remove => "remove",
        }
    }

    /// Reads a word of the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == text)
    }

    /// Whether an id comes first in its arguments.
    #[must_use]
    pub fn takes_id(self) -> bool {
        match self {
            Self::Find | Self::Create => false,
            Self::Get | Self::Update | Self::Patch | Self::Remove => true,
        }
    }

    /// Whether data come before the query in its arguments.
    #[must_use]
    pub fn takes_data(self) -> bool {
        match self {
            Self::Find | Self::Get | Self::Remove => false,
            Self::Create | Self::Update | Self::Patch => true,
        }
    }
}

/// A call as a transport read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is done.
    pub method: Method,
    /// The service's path without slashes at its ends, for example `sessions` or
    /// `sessions/ID/prompt`.
    pub path: String,
    /// Which object; null for all that the query matches.
    pub id: Option<String>,
    /// What comes with it; null without.
    pub data: Value,
    /// The query, as objects and lists: over REST its values are texts.
    pub query: Map<String, Value>,
    /// The client's key for a request that makes something.
    pub key: Option<IdempotencyKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.name()), Some(method));
        }
        assert_eq!(Method::parse("toString"), None);
    }
}
