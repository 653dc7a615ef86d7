//! Between columns and domain types.
//!
//! Never guesses: a stored word that is not known is an error.

use std::borrow::Cow;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;

/// Reads an id or another type that has a text form.
pub fn parse<T: FromStr>(what: &str, text: &str) -> Result<T, StoreError> {
    text.parse()
        .map_err(|_unreadable| StoreError::unreadable(what, text))
}

/// Reads a word by the type's own `parse`.
pub fn word<T>(what: &str, text: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    read(text).ok_or_else(|| StoreError::unreadable(what, text))
}

/// Reads a JSON column.
pub fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Other(format!("stored {what}: {error}")))
}

/// Writes a JSON column.
pub fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Other(error.to_string()))
}

/// A text as every database takes it: PostgreSQL has no NUL in one, and agents print what they like.
pub fn plain(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

/// A count that is never negative.
pub fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|error| StoreError::Other(format!("{number}: {error}")))
}

/// A count for a BIGINT column.
pub fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|error| StoreError::Other(format!("{number}: {error}")))
}

/// A number that is read as another width.
pub fn narrow<T: TryFrom<i64>>(what: &str, number: i64) -> Result<T, StoreError> {
    T::try_from(number).map_err(|_too_large| StoreError::unreadable(what, &number.to_string()))
}

/// A page size or offset for LIMIT and OFFSET; more than fits is everything.
pub fn bound(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Lower-case hexadecimal, as digests are stored.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
