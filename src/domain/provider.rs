//! What a person is signed in with at a provider of models.
//!
//! Never the secret itself: that is sealed beside the row.

use super::id::{SignInId, Timestamp, UserId};

/// How a person signs in to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// With a key that they type.
    Key,
    /// With an account there (OAuth).
    Oauth,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Key, Self::Oauth];

    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Oauth => "oauth",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == text)
    }
}

/// A sign-in of a person as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Another one with each sign-in.
    pub id: SignInId,
    /// Whose it is.
    pub owner: UserId,
    /// The provider's name in the settings.
    pub provider: String,
    /// How.
    pub method: Method,
    /// Until when it is good; `None`: as long as nobody ends it.
    pub expires_at: Option<Timestamp>,
    /// Why it does not do any more.
    pub failure: Option<String>,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// Where a person stands with a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Signed in nowhere.
    None,
    /// The server's own programs are signed in, which everybody uses.
    Server,
    /// By this method.
    Own(Method),
    /// Their sign-in does not do.
    Error,
}

impl Standing {
    /// The shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Server => "server",
            Self::Own(method) => method.name(),
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_read_back() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.name()), Some(method));
        }
        assert_eq!(Method::parse("password"), None);
    }
}
