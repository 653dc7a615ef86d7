//! Scopes: what a credential may be used for.
//!
//! Never grants anything by itself: the person's role must allow it too.

use serde::{Deserialize, Serialize};

use super::principal::Role;

/// One thing that a credential may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Looking at things.
    Read,
    /// Making, changing and driving them.
    Write,
    /// What takes the role admin, and what belongs to others.
    Admin,
    /// The figures at `/metrics`.
    Metrics,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Admin, Self::Metrics];

    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    /// Reads a word; `None` when it is no scope.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == text)
    }

    /// The least role whose people may give it to a key.
    #[must_use]
    pub fn least_role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Write => Role::Member,
            Self::Admin | Self::Metrics => Role::Admin,
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Admin => 4,
            Self::Metrics => 8,
        }
    }
}

/// A set of scopes. The default has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(u8);

impl Scopes {
    /// Every one: what a sign-in has.
    pub const ALL: Self = Self(15);

    /// These, with what they need: who may write or administer may look.
    #[must_use]
    pub fn of(scopes: &[Scope]) -> Self {
        let given = scopes.iter().fold(0, |bits, scope| bits | scope.bit());
        let set = Self(given);
        if set.has(Scope::Write) || set.has(Scope::Admin) {
            return Self(given | Scope::Read.bit());
        }
        set
    }

    /// What a key of somebody with this role may do when nobody says.
    #[must_use]
    pub fn usual(role: Role) -> Self {
        if role >= Scope::Write.least_role() {
            Self::of(&[Scope::Write])
        } else {
            Self::of(&[Scope::Read])
        }
    }

    /// Whether this one is in the set.
    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The scopes in the set.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }

    /// Those of them that somebody with this role may use.
    #[must_use]
    pub fn allowed(self, role: Role) -> Self {
        let allowed = self.iter().filter(|scope| scope.least_role() <= role);
        Self(allowed.fold(0, |bits, scope| bits | scope.bit()))
    }

    /// The role that is left of a person's when they come with these.
    #[must_use]
    pub fn cap(self, role: Role) -> Role {
        let most = if self.has(Scope::Admin) {
            Role::Superadmin
        } else if self.has(Scope::Write) {
            Role::Member
        } else {
            Role::Viewer
        };
        role.min(most)
    }

    /// The stored form: words with a space between.
    #[must_use]
    pub fn words(self) -> String {
        let words: Vec<&str> = self.iter().map(Scope::name).collect();
        words.join(" ")
    }

    /// Reads the stored form; `None` when a word is no scope.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let scopes: Option<Vec<Scope>> = text.split_whitespace().map(Scope::parse).collect();
        scopes.map(|scopes| Self::of(&scopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_back_and_writing_includes_looking() {
        let set = Scopes::of(&[Scope::Write, Scope::Metrics]);
        assert_eq!(set.words(), "read write metrics");
        assert_eq!(Scopes::parse(&set.words()), Some(set));
        assert_eq!(Scopes::of(&Scope::ALL), Scopes::ALL);
        assert_eq!(Scopes::parse("read owner"), None);
        assert!(!Scopes::of(&[Scope::Metrics]).has(Scope::Read));
        assert_eq!(Scopes::parse(""), Some(Scopes::default()));
    }

    #[test]
    fn a_role_is_no_more_than_its_scopes() {
        let cap = |scopes: &[Scope], role| Scopes::of(scopes).cap(role);
        assert_eq!(cap(&[Scope::Read], Role::Superadmin), Role::Viewer);
        assert_eq!(cap(&[Scope::Metrics], Role::Admin), Role::Viewer);
        assert_eq!(cap(&[Scope::Write], Role::Admin), Role::Member);
        assert_eq!(cap(&[Scope::Write], Role::Viewer), Role::Viewer);
        assert_eq!(cap(&[Scope::Admin], Role::Admin), Role::Admin);
        assert_eq!(Scopes::ALL.cap(Role::Superadmin), Role::Superadmin);
        assert_eq!(Scopes::ALL.allowed(Role::Member).words(), "read write");
        assert_eq!(Scopes::ALL.allowed(Role::Admin), Scopes::ALL);
    }
}
