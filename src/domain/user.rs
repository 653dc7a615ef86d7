//! Users: people with an account, as they are stored.
//!
//! Never shows its password hash in a debug print.

use std::fmt;

use super::id::{Timestamp, UserId};
use super::principal::Role;

/// One person with an account.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The name that they sign in with; unique without regard to case, without `@`.
    pub username: String,
    /// Their address, another name to sign in with; unique without regard to case.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Argon2id in PHC form.
    pub password_hash: String,
    /// Whether they are shut out.
    pub disabled: bool,
    /// When the account was made.
    pub created_at: Timestamp,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("username", &self.username)
            .field("role", &self.role)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}
