//! Identifiers and numbers that the rooms hand to each other, as types of their own.
//!
//! Never a bare string or integer where two kinds of id could be confused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($name:ident, $make:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh, unguessable id.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::$make())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    SessionId,
    new_v4,
    "One durable conversation; its live side, the agent, carries the same id. UUIDv4."
);
uuid_id!(UserId, new_v4, "A person with an account. UUIDv4.");
uuid_id!(
    TaskId,
    now_v7,
    "One unit of user work. UUIDv7, so that ids sort by time."
);
uuid_id!(
    ApprovalId,
    now_v7,
    "A question that a person answers. UUIDv7."
);
uuid_id!(
    OverrideId,
    now_v7,
    "An answer that is given again by itself. UUIDv7."
);
uuid_id!(KeyId, new_v4, "An API key of a person. UUIDv4.");
uuid_id!(
    SignInId,
    new_v4,
    "A sign-in of a person at a provider of models. UUIDv4."
);

uuid_id!(WorkspaceId, new_v4, "A place to run. UUIDv4.");
uuid_id!(InviteId, now_v7, "An invitation to register. UUIDv7.");

impl WorkspaceId {
    /// The one that everybody has.
    pub const HOST: Self = Self(Uuid::nil());
}

impl SessionId {
    /// The first eight characters: what people see and may type where it is unambiguous.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.simple().to_string().chars().take(8).collect()
    }
}

/// Which life of a session's process: 1 for the first, never used twice. Not to be confused with
/// the generation of an actor.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// The number of the process that is started after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This time plus `ms` milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Reads an RFC 3339 time with any offset; `None` when it is none.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let form = &time::format_description::well_known::Rfc3339;
        let at = time::OffsetDateTime::parse(text, form).ok()?;
        let ms = at.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(ms).ok().map(Self)
    }

    /// RFC 3339 with milliseconds, as every door shows times.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let nanos = i128::from(self.0).saturating_mul(1_000_000);
        time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|at| at.format(MILLIS).ok())
            .unwrap_or_else(|| String::from("1970-01-01T00:00:00.000Z"))
    }
}

const MILLIS: &[time::format_description::BorrowedFormatItem<'static>] = time::macros::format_description!(
    "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_shows_milliseconds_in_utc() {
        assert_eq!(Timestamp(1_500).rfc3339(), "1970-01-01T00:00:01.500Z");
        for text in ["1970-01-01T00:00:01.500Z", "1970-01-01T02:00:01.5+02:00"] {
            assert_eq!(Timestamp::parse_rfc3339(text), Some(Timestamp(1_500)));
        }
        assert_eq!(Timestamp::parse_rfc3339("tomorrow"), None);
    }

    #[test]
    fn short_ids_are_eight_characters_of_the_uuid() {
        let id: SessionId = "0a1b2c3d-0000-4000-8000-000000000000".parse().unwrap();
        assert_eq!(id.short(), "0a1b2c3d");
    }
}
