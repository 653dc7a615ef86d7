//! API keys as they are stored and shown.
//!
//! Never the key itself: that is shown once, when it is made.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::id::{KeyId, Timestamp, UserId};
use super::scope::Scopes;

/// Longest name, in characters.
const MAX_NAME: usize = 100;
/// How a principal that came with a key names it as its server-side session.
const SID: &str = "key:";

/// One key of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id, which stands in the key as well.
    pub id: KeyId,
    /// Whose it is.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// How the key begins.
    pub prefix: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself; absent: never.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// Checks a name.
///
/// # Errors
/// `bad_field`.
pub fn name(text: &str) -> Result<&str> {
    let name = text.trim();
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    if fits && !name.contains(char::is_control) {
        return Ok(name);
    }
    Err(Error::invalid(
        "bad_field",
        "name",
        "the name is empty, too long or has control characters",
        "1 to 100 characters",
    ))
}

/// The `sid` of a principal that came with this key.
#[must_use]
pub fn sid(id: KeyId) -> String {
    format!("{SID}{id}")
}

/// The key behind a `sid`; `None` for that of a sign-in.
#[must_use]
pub fn of_sid(sid: &str) -> Option<KeyId> {
    sid.strip_prefix(SID)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        assert_eq!(name(" ci ").unwrap(), "ci");
        for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_sid_says_whether_it_is_a_key() {
        let id = KeyId::generate();
        assert_eq!(of_sid(&sid(id)), Some(id));
        assert_eq!(of_sid("0123456789abcdef0123456789abcdef"), None);
    }
}
