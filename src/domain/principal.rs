//! Who asks: the person behind a request and what they may see.
//!
//! Never a password, a token or a row of the users table.

use serde::{Deserialize, Serialize};

use super::id::UserId;

/// What a person may do, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads what is theirs.
    Viewer,
    /// Reads and drives what is theirs.
    Member,
    /// Reads and drives everything.
    Admin,
    /// Also administers admins.
    Superadmin,
}

impl Role {
    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Superadmin => "superadmin",
        }
    }

    /// Reads a stored word; `None` when it is no role.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Member, Self::Admin, Self::Superadmin]
            .into_iter()
            .find(|role| role.name() == text)
    }
}

/// The authenticated asker of one request or connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub user: UserId,
    /// The name that they sign in with.
    pub username: String,
    /// What they may do.
    pub role: Role,
    /// The server-side session of the token (`sid` claim), so that a logout ends it.
    pub sid: String,
}

impl Principal {
    /// Whether an object of `owner` may be seen.
    #[must_use]
    pub fn may_read(&self, owner: UserId) -> bool {
        self.user == owner || self.role >= Role::Admin
    }

    /// Whether an object of `owner` may be driven or changed.
    #[must_use]
    pub fn may_write(&self, owner: UserId) -> bool {
        (self.user == owner && self.role >= Role::Member) || self.role >= Role::Admin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn someone(role: Role) -> Principal {
        Principal {
            user: UserId::generate(),
            username: "a".into(),
            role,
            sid: String::new(),
        }
    }

    #[test]
    fn only_admins_see_what_is_not_theirs() {
        let other = UserId::generate();
        assert!(!someone(Role::Member).may_read(other));
        assert!(someone(Role::Admin).may_read(other));
    }

    #[test]
    fn a_viewer_reads_but_does_not_drive() {
        let viewer = someone(Role::Viewer);
        assert!(viewer.may_read(viewer.user));
        assert!(!viewer.may_write(viewer.user));
    }
}
