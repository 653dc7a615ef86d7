//! Stored secrets: sealed with a master key that lives beside the database, never in it.
//!
//! Never prints, serialises or keeps a plain secret longer than its caller holds it.

mod keyfile;
mod secret;

use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::domain::{Error, SessionId};

pub use secret::Secret;

/// First byte of every sealed blob: the layout version | key id (8) | nonce (24) | ciphertext.
const LAYOUT: u8 = 1;
const KEY_ID: usize = 8;
const NONCE: usize = 24;

/// A failure of sealing or opening. The texts name files and reasons, never contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// A key file cannot be made, read or trusted.
    #[error("key file {path}: {reason}")]
    KeyFile {
        /// The file.
        path: String,
        /// What is wrong, and what mends it where something does.
        reason: String,
    },
    /// The blob was sealed with a key that is not here.
    #[error("the secret was sealed with the key {key_id}, which is not in the data directory")]
    UnknownKey {
        /// The id of the missing key.
        key_id: String,
    },
    /// The blob is cut, changed, or of another place than this one.
    #[error("the sealed secret cannot be opened here")]
    Broken,
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
}

impl From<SecretsError> for Error {
    fn from(error: SecretsError) -> Self {
        Self::internal(error)
    }
}

/// The keys of this server.
pub struct Secrets {
    cipher: XChaCha20Poly1305,
    key_id: [u8; KEY_ID],
    signing: Secret<[u8; 32]>,
}

impl Secrets {
    /// Reads the keys below `DATA_DIR/keys` (0700), or makes them once (0600 each).
    ///
    /// # Errors
    /// When a key file cannot be made or read, is damaged, or may be read by others.
    pub fn open(data_dir: &Path) -> Result<Self, SecretsError> {
        let dir = data_dir.join("keys");
        let master = keyfile::read_or_create(&dir, "master.key")?;
        let signing = keyfile::read_or_create(&dir, "jwt.key")?;
        Ok(Self {
            cipher: XChaCha20Poly1305::new(&Key::from(*master.expose())),
            key_id: key_id(master.expose()),
            signing,
        })
    }

    /// Seals bytes for one place. `aad` names the place ([`env_aad`]): opened anywhere else, they
    /// are refused.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal(&self, aad: &str, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let nonce: [u8; NONCE] = keyfile::random()?;
        let payload = Payload {
            msg: plain,
            aad: aad.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_too_long| SecretsError::Broken)?;
        let mut blob = vec![LAYOUT];
        blob.extend_from_slice(&self.key_id);
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(&sealed);
        Ok(blob)
    }

    /// Opens what [`Secrets::seal`] sealed for the same place.
    ///
    /// # Errors
    /// [`SecretsError::UnknownKey`]; [`SecretsError::Broken`] for changed bytes or another place.
    pub fn open_sealed(&self, aad: &str, blob: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let (layout, rest) = blob.split_first().ok_or(SecretsError::Broken)?;
        let (id, rest) = rest
            .split_first_chunk::<KEY_ID>()
            .ok_or(SecretsError::Broken)?;
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE>()
            .ok_or(SecretsError::Broken)?;
        if *layout != LAYOUT {
            return Err(SecretsError::Broken);
        }
        if *id != self.key_id {
            let key_id = id.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(SecretsError::UnknownKey { key_id });
        }
        let payload = Payload {
            msg: sealed,
            aad: aad.as_bytes(),
        };
        self.cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_refused| SecretsError::Broken)
    }

    /// The 256-bit key that tokens are signed with; it outlives restarts.
    #[must_use]
    pub fn signing_key(&self) -> &Secret<[u8; 32]> {
        &self.signing
    }
}

/// The place of a session's environment.
#[must_use]
pub fn env_aad(session: SessionId) -> String {
    format!("{session}/env")
}

fn key_id(key: &[u8; 32]) -> [u8; KEY_ID] {
    let digest = Sha256::digest(key);
    let mut id = [0; KEY_ID];
    for (to, from) in id.iter_mut().zip(digest) {
        *to = from;
    }
    id
}

#[cfg(test)]
mod tests;
