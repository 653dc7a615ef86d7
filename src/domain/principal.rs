//! Who asks: the person behind a request and what they may see.
//!
//! Never a password, a token or a row of the users table.

use serde::{Deserialize, Serialize};

use super::api_key;
use super::error::{Error, Result};
use super::id::{KeyId, UserId};
use super::scope::{Scope, Scopes};

/// What a person may do, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// What they may do here: their role, no more than the scopes allow ([`Scopes::cap`]).
    pub role: Role,
    /// What their credential may be used for; a sign-in has all.
    pub scopes: Scopes,
    /// The server-side session of the token (`sid` claim), or `key:ID` of an API key, so that a
    /// logout or a revocation ends it.
    pub sid: String,
}

impl Principal {
    /// The API key that they came with; `None` after a sign-in.
    #[must_use]
    pub fn key(&self) -> Option<KeyId> {
        api_key::of_sid(&self.sid)
    }

    /// Whether everybody's things are theirs to look at.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role >= Role::Admin && self.scopes.has(Scope::Admin)
    }

    /// Whether an object of `owner` may be seen.
    #[must_use]
    pub fn may_read(&self, owner: UserId) -> bool {
        self.scopes.has(Scope::Read) && (self.user == owner || self.is_admin())
    }

    /// Whether an object of `owner` may be driven or changed.
    #[must_use]
    pub fn may_write(&self, owner: UserId) -> bool {
        let own = self.user == owner && self.role >= Role::Member;
        self.scopes.has(Scope::Write) && (own || self.is_admin())
    }

    /// Whether the figures of the server may be read.
    #[must_use]
    pub fn may_scrape(&self) -> bool {
        self.scopes.has(Scope::Metrics)
    }

    /// Asks for a scope.
    ///
    /// # Errors
    /// `missing_scope` with a key; `forbidden` after a sign-in, where the role decides.
    pub fn need(&self, scope: Scope) -> Result<()> {
        if self.scopes.has(scope) {
            return Ok(());
        }
        if self.key().is_some() {
            return Err(Error::MissingScope { scope });
        }
        Err(role_too_low(scope))
    }

    /// Asks for the right to change an object of `owner`, which they may see.
    ///
    /// # Errors
    /// As [`Principal::need`].
    pub fn need_write(&self, owner: UserId) -> Result<()> {
        self.need(Scope::Write)?;
        if self.may_write(owner) {
            return Ok(());
        }
        Err(role_too_low(Scope::Write))
    }

    /// Asks for the rights of an admin.
    ///
    /// # Errors
    /// As [`Principal::need`].
    pub fn need_admin(&self) -> Result<()> {
        self.need(Scope::Admin)?;
        if self.is_admin() {
            return Ok(());
        }
        Err(role_too_low(Scope::Admin))
    }
}

/// What somebody hears whose role lacks a scope.
#[must_use]
pub fn role_too_low(scope: Scope) -> Error {
    Error::Forbidden {
        code: "forbidden",
        message: match scope {
            Scope::Read | Scope::Write => "your role may look but not change anything".into(),
            Scope::Admin | Scope::Metrics => "this needs the role admin".into(),
        },
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
            scopes: Scopes::ALL.allowed(role),
            sid: String::new(),
        }
    }

    fn with(role: Role, scopes: &[Scope]) -> Principal {
        let scopes = Scopes::of(scopes).allowed(role);
        Principal {
            scopes,
            role: scopes.cap(role),
            sid: api_key::sid(KeyId::generate()),
            ..someone(role)
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

    #[test]
    fn a_role_is_told_as_a_role() {
        let viewer = someone(Role::Viewer);
        let refused = viewer.need_write(viewer.user).unwrap_err();
        assert_eq!(refused.code(), "forbidden");
        let member = someone(Role::Member);
        assert_eq!(member.need_admin().unwrap_err().code(), "forbidden");
        assert!(someone(Role::Admin).may_scrape() && !member.may_scrape());
    }

    #[test]
    fn a_key_does_what_its_scopes_and_its_person_allow() {
        let other = UserId::generate();
        let reader = with(Role::Admin, &[Scope::Read]);
        assert!(reader.may_read(reader.user) && !reader.may_read(other));
        assert_eq!(
            reader.need_write(reader.user).unwrap_err().code(),
            "missing_scope"
        );
        assert_eq!(reader.need_admin().unwrap_err().code(), "missing_scope");
        let writer = with(Role::Admin, &[Scope::Write]);
        assert!(writer.may_write(writer.user) && !writer.may_write(other));
        let overseer = with(Role::Admin, &[Scope::Admin]);
        assert!(overseer.may_read(other) && !overseer.may_write(other));
        assert!(overseer.need_admin().is_ok());
        let member = with(Role::Member, &Scope::ALL);
        assert_eq!(member.need_admin().unwrap_err().code(), "missing_scope");
        assert!(!member.may_scrape());
        let scraper = with(Role::Admin, &[Scope::Metrics]);
        assert!(scraper.may_scrape() && !scraper.may_read(scraper.user));
    }
}
