//! The key ring: every master key that is at hand, and which of them seals.
//!
//! Never removes a key by itself, and never makes one while it has any.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Secret, SecretsError, keyfile};

/// The first master key of a data directory.
const FIRST: &str = "master.key";
/// Begins the name of each later one.
const LATER: &str = "master-";
const ENDING: &str = ".key";
/// Names the key that seals, once there was a change.
const ACTIVE: &str = "active";
/// Why that note leads nowhere, and what mends it.
const LOST: &str = "the key that it names is not there: put it back from a backup, or give up what \
                    it sealed: `callboard secrets give-up`";

/// The public name of a master key: the beginning of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; 8]);

impl KeyId {
    fn of(key: &[u8; 32]) -> Self {
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(Sha256::digest(key)) {
            *to = from;
        }
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file of its own below the data directory.
    Own(PathBuf),
    /// A line of the file that the settings name.
    Outside(PathBuf),
}

/// One master key.
pub struct MasterKey {
    id: KeyId,
    bytes: Secret<[u8; 32]>,
    origin: Origin,
}

impl MasterKey {
    fn new(bytes: Secret<[u8; 32]>, origin: Origin) -> Self {
        Self {
            id: KeyId::of(bytes.expose()),
            bytes,
            origin,
        }
    }

    /// Its public name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        self.bytes.expose()
    }
}

/// Reads every key; the one that seals stands first. An outside file's first line seals, its other
/// lines and the keys of the data directory only open.
pub fn load(dir: &Path, outside: Option<&Path>) -> Result<Vec<MasterKey>, SecretsError> {
    let mut keys = own(dir)?;
    let active = match outside {
        Some(file) => {
            let lines = keyfile::read_lines(file)?;
            let lines = lines
                .into_iter()
                .map(|bytes| MasterKey::new(bytes, Origin::Outside(file.to_owned())));
            keys = lines.chain(keys).collect();
            keys.first().map(MasterKey::id)
        }
        None => active(dir, &keys)?,
    };
    let active = match active {
        Some(id) => id,
        None => {
            let first = keyfile::read_or_create(dir, FIRST)?;
            keys.push(MasterKey::new(first, Origin::Own(dir.join(FIRST))));
            keys.last().map(MasterKey::id).ok_or(SecretsError::Broken)?
        }
    };
    keys.sort_by_key(|key| key.id != active);
    let mut seen = Vec::new();
    keys.retain(|key| {
        let new = !seen.contains(&key.id);
        seen.push(key.id);
        new
    });
    Ok(keys)
}

/// Makes a key that does not seal yet. It is on disk when this returns.
pub fn make(dir: &Path) -> Result<MasterKey, SecretsError> {
    let bytes = Secret::new(keyfile::random()?);
    let path = dir.join(format!("{LATER}{}{ENDING}", KeyId::of(bytes.expose())));
    keyfile::put(dir, &path, &keyfile::to_hex(bytes.expose()))?;
    Ok(MasterKey::new(bytes, Origin::Own(path)))
}

/// From here on this key seals. It is on disk when this returns.
pub fn activate(dir: &Path, id: KeyId) -> Result<(), SecretsError> {
    keyfile::put(dir, &dir.join(ACTIVE), &id.to_string())
}

/// For a key that is lost for good: where nothing says any more which of the keys seals, a fresh one
/// does from now on. Those that are there stay and open what they sealed.
pub fn replace_lost(dir: &Path) -> Result<(), SecretsError> {
    let keys = own(dir)?;
    if active(dir, &keys).is_ok() {
        return Ok(());
    }
    activate(dir, make(dir)?.id())
}

/// The keys of the data directory.
fn own(dir: &Path) -> Result<Vec<MasterKey>, SecretsError> {
    let failed = |error: std::io::Error| keyfile::refused(dir, error);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut keys = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name == FIRST || (name.starts_with(LATER) && name.ends_with(ENDING)) {
            let path = entry.path();
            keys.push(MasterKey::new(keyfile::read(&path)?, Origin::Own(path)));
        }
    }
    Ok(keys)
}

/// The key that seals: the noted one, else the first, else the only one.
fn active(dir: &Path, keys: &[MasterKey]) -> Result<Option<KeyId>, SecretsError> {
    let note = dir.join(ACTIVE);
    match std::fs::read_to_string(&note) {
        Ok(text) => {
            let noted = keys.iter().find(|key| key.id.to_string() == text.trim());
            let missing = || keyfile::refused(&note, LOST);
            return noted.map(|key| Some(key.id)).ok_or_else(missing);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(keyfile::refused(&note, error)),
    }
    let first = Origin::Own(dir.join(FIRST));
    let found = keys.iter().find(|key| key.origin == first);
    match (found, keys) {
        (Some(key), _) => Ok(Some(key.id)),
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only.id)),
        (None, [_, ..]) => Err(keyfile::refused(
            &note,
            "it is missing, and nothing else says which of the keys seals: put it back from a \
             backup; `callboard secrets give-up` lets a fresh key seal",
        )),
    }
}
