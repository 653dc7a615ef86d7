//! Stored secrets: sealed below master keys that live beside the database, never in it; and what
//! keeps known secrets out of everything that is shown.
//!
//! Never prints, serialises or keeps a plain secret longer than its caller holds it.

mod cuts;
mod envelope;
mod forms;
mod house;
mod keyfile;
mod quick;
mod redactor;
mod ring;
mod secret;
mod shapes;
mod values;

use std::path::{Path, PathBuf};

use crate::domain::{Error, SessionId, SignInId, TaskId, WorkspaceId};

pub use house::{everywhere, house, keep_back, keep_back_prefix, while_awake};
pub use redactor::{Redactor, Tail};
pub use ring::{KeyId, MasterKey, Origin};
pub use secret::Secret;
pub use values::{of_confidential, of_environment, of_url, too_many};

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
    #[error("the secret was sealed with the key {key_id}, which is not at hand")]
    UnknownKey {
        /// The id of the missing key.
        key_id: String,
    },
    /// The blob is cut, changed, or of another place than this one.
    #[error("the sealed secret cannot be opened here")]
    Broken,
    /// There are more values to keep back than can be searched for at once.
    #[error("the values to keep back cannot be searched for: {0}")]
    TooMany(String),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
}

impl From<SecretsError> for Error {
    fn from(error: SecretsError) -> Self {
        Self::internal(error)
    }
}

/// The key that signs tokens, and the one before it.
const SIGNING: &str = "jwt.key";
const SIGNED: &str = "jwt-previous.key";
/// The key that seals the head of the audit table; another than that of tokens, which is exchanged.
const AUDIT: &str = "audit.key";

/// The keys of this server.
pub struct Secrets {
    dir: PathBuf,
    /// The one that seals first.
    ring: Vec<MasterKey>,
    signing: Secret<[u8; 32]>,
    /// The signing key before that one.
    signed: Option<Secret<[u8; 32]>>,
    audit: Secret<[u8; 32]>,
    made: Vec<&'static str>,
}

impl Secrets {
    /// Reads the keys below `DATA_DIR/keys` (0700), or makes them once (0600 each).
    ///
    /// # Errors
    /// When a key file cannot be made or read, is damaged, or may be read by others.
    pub fn open(data_dir: &Path) -> Result<Self, SecretsError> {
        Self::open_with(data_dir, None)
    }

    /// The same with a file outside of the data directory whose first line is the key that seals.
    ///
    /// # Errors
    /// As [`Secrets::open`]; also when that file is not there: it is never made.
    pub fn open_with(data_dir: &Path, outside: Option<&Path>) -> Result<Self, SecretsError> {
        let dir = Self::dir(data_dir);
        keyfile::closed(&dir)?;
        let made = lost(&dir)?;
        Ok(Self {
            made,
            ring: ring::load(&dir, outside)?,
            signing: keyfile::read_or_create(&dir, SIGNING)?,
            signed: keyfile::read_if_there(&dir.join(SIGNED))?,
            audit: keyfile::read_or_create(&dir, AUDIT)?,
            dir,
        })
    }

    /// Where the keys of a data directory are.
    #[must_use]
    pub fn dir(data_dir: &Path) -> PathBuf {
        data_dir.join("keys")
    }

    /// Whether there is no key at all: opening would make every one anew.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn none(data_dir: &Path) -> Result<bool, SecretsError> {
        let dir = Self::dir(data_dir);
        keyfile::names(&dir).map(|names| !names.iter().any(|name| name.ends_with(".key")))
    }

    /// The files of keys that were not there beside others, and were made anew.
    #[must_use]
    pub fn made_anew(&self) -> &[&'static str] {
        &self.made
    }

    /// For master keys that are lost for good, before [`Secrets::open`]: where nothing says any more
    /// which key seals, a fresh one does.
    ///
    /// # Errors
    /// When a key cannot be read or made.
    pub fn replace_lost(data_dir: &Path) -> Result<(), SecretsError> {
        ring::replace_lost(&Self::dir(data_dir))
    }

    /// Seals bytes for one place. `aad` names the place ([`env_aad`]): opened anywhere else, they
    /// are refused.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal(&self, aad: &str, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let active = self.ring.first().ok_or(SecretsError::Broken)?;
        envelope::seal(active, aad, plain)
    }

    /// Opens what [`Secrets::seal`] sealed for the same place.
    ///
    /// # Errors
    /// [`SecretsError::UnknownKey`]; [`SecretsError::Broken`] for changed bytes or another place.
    pub fn open_sealed(&self, aad: &str, blob: &[u8]) -> Result<Vec<u8>, SecretsError> {
        envelope::open(&self.ring, aad, blob)
    }

    /// The same value under the key that seals now; `None` when it is already.
    ///
    /// # Errors
    /// As [`Secrets::open_sealed`].
    pub fn rewrap(&self, aad: &str, blob: &[u8]) -> Result<Option<Vec<u8>>, SecretsError> {
        envelope::rewrap(&self.ring, aad, blob)
    }

    /// The key that the audit table is sealed with.
    #[must_use]
    pub fn audit_key(&self) -> &Secret<[u8; 32]> {
        &self.audit
    }

    /// Reads that key alone, for a look beside a server: nothing is made that is not there.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn read_audit_key(data_dir: &Path) -> Result<Secret<[u8; 32]>, SecretsError> {
        keyfile::read(&Self::audit_file(data_dir))
    }

    /// Where that key is.
    #[must_use]
    pub fn audit_file(data_dir: &Path) -> PathBuf {
        Self::dir(data_dir).join(AUDIT)
    }

    /// Every master key at hand, the one that seals first.
    #[must_use]
    pub fn master_keys(&self) -> &[MasterKey] {
        &self.ring
    }

    /// Makes another master key, which seals from now on. It and that fact are on disk when this
    /// returns; a crash in between leaves a key that nothing needs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn renew(&mut self) -> Result<KeyId, SecretsError> {
        let fresh = ring::make(&self.dir)?;
        ring::activate(&self.dir, fresh.id())?;
        let id = fresh.id();
        self.ring.insert(0, fresh);
        Ok(id)
    }

    /// Removes a key of the data directory for good: nothing may need it any more. `false`: it is
    /// not ours to remove.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn discard(&mut self, id: KeyId) -> Result<bool, SecretsError> {
        let mut others = self.ring.iter().skip(1);
        let found = others.find(|key| key.id() == id).map(MasterKey::origin);
        let Some(Origin::Own(path)) = found else {
            return Ok(false);
        };
        keyfile::remove(path)?;
        self.ring.retain(|key| key.id() != id);
        Ok(true)
    }

    /// The 256-bit key that tokens are signed with; it outlives restarts.
    #[must_use]
    pub fn signing_key(&self) -> &Secret<[u8; 32]> {
        &self.signing
    }

    /// The signing key before: what it signed is good until it ends.
    #[must_use]
    pub fn previous_signing_key(&self) -> Option<&Secret<[u8; 32]>> {
        self.signed.as_ref()
    }

    /// Makes another signing key. A crash in between leaves the old one in force.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn renew_signing(&mut self) -> Result<(), SecretsError> {
        let fresh: Secret<[u8; 32]> = Secret::new(keyfile::random()?);
        let put = |name: &str, key: &Secret<[u8; 32]>| {
            let text = keyfile::to_hex(key.expose());
            keyfile::put(&self.dir, &self.dir.join(name), &text)
        };
        put(SIGNED, &self.signing)?;
        put(SIGNING, &fresh)?;
        self.signed = Some(std::mem::replace(&mut self.signing, fresh));
        Ok(())
    }

    /// The texts of the keys as they stand in their files: nothing that is shown may hold them.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let master = self.ring.iter().map(MasterKey::bytes);
        let signed = self.signed.as_ref().map(Secret::expose);
        let own = [self.signing.expose(), self.audit.expose()];
        let all = master.chain(own).chain(signed);
        all.map(|bytes| keyfile::to_hex(bytes)).collect()
    }
}

/// Which of the keys that are not sealed with are missing beside others.
fn lost(dir: &Path) -> Result<Vec<&'static str>, SecretsError> {
    let names = keyfile::names(dir)?;
    if !names.iter().any(|name| name.ends_with(".key")) {
        return Ok(Vec::new());
    }
    let mut own = vec![SIGNING, AUDIT];
    own.retain(|own| !names.iter().any(|name| name == own));
    Ok(own)
}

/// Which master key a sealed value needs.
///
/// # Errors
/// [`SecretsError::Broken`] for bytes that are no sealed value.
pub fn key_of(blob: &[u8]) -> Result<KeyId, SecretsError> {
    envelope::key_of(blob)
}

/// The place of a session's environment.
#[must_use]
pub fn env_aad(session: SessionId) -> String {
    format!("{session}/env")
}

/// The place of a workspace's variables.
#[must_use]
pub fn workspace_aad(workspace: WorkspaceId) -> String {
    format!("{workspace}/workspace")
}

/// The place of the variables that a session's last process was given from its workspace.
#[must_use]
pub fn given_aad(session: SessionId) -> String {
    format!("{session}/given")
}

/// The place of what a person is signed in with at a provider.
#[must_use]
pub fn provider_aad(sign_in: SignInId) -> String {
    format!("{sign_in}/provider")
}

/// The place of a session's decoder states.
#[must_use]
pub fn snapshot_aad(session: SessionId) -> String {
    format!("{session}/snapshot")
}

/// The place of a prompt's exact words.
#[must_use]
pub fn said_aad(task: TaskId) -> String {
    format!("{task}/said")
}

/// For tests of other rooms.
#[cfg(test)]
pub mod testing {
    use std::path::Path;

    /// A key that was made and does not seal yet.
    pub fn unused_key(data_dir: &Path) -> super::MasterKey {
        super::ring::make(&data_dir.join("keys")).unwrap()
    }
}

#[cfg(test)]
mod tests;
