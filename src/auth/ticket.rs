//! Tickets: a random text that stands in a WebSocket's address once instead of a token.
//!
//! Never stored as itself: the server keeps the SHA-256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};

use crate::domain::{Error, Result};

/// A fresh ticket: what its holder gets and what the server keeps.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// 43 characters that are safe in an address.
    pub text: String,
    /// SHA-256 of the text.
    pub hash: [u8; 32],
}

impl Ticket {
    /// A ticket of 32 random bytes.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; 32];
        SysRng.try_fill_bytes(&mut bytes).map_err(Error::internal)?;
        let text = URL_SAFE_NO_PAD.encode(bytes);
        let hash = Self::hash(&text);
        Ok(Self { text, hash })
    }

    /// What the server keeps of a ticket with this text.
    #[must_use]
    pub fn hash(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_differ_and_are_found_by_their_hash() {
        let (one, two) = (Ticket::generate().unwrap(), Ticket::generate().unwrap());
        assert_ne!(one.text, two.text);
        assert_eq!(one.text.len(), 43);
        assert_eq!(Ticket::hash(&one.text), one.hash);
        assert_ne!(one.hash, two.hash);
    }
}
