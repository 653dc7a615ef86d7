//! Key files: 32 random bytes as one line of hexadecimal, made once.
//!
//! Never overwrites one, and never trusts one that others may read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroize;

use super::{Secret, SecretsError};

/// Reads `dir/name`, or makes it. Two processes that make it at once end up with the same key.
pub fn read_or_create(dir: &Path, name: &str) -> Result<Secret<[u8; 32]>, SecretsError> {
    let path = dir.join(name);
    match look(&path) {
        Err(Absent::Missing) => {}
        Err(Absent::Refused(error)) => return Err(error),
        Ok(key) => return Ok(key),
    }
    create(dir, name).map_err(|error| refused(&path, error))?;
    read(&path)
}

/// Random bytes of the system.
pub fn random<const N: usize>() -> Result<[u8; N], SecretsError> {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| SecretsError::Random(error.to_string()))?;
    Ok(bytes)
}

/// Reads a key that must be there.
pub fn read(path: &Path) -> Result<Secret<[u8; 32]>, SecretsError> {
    look(path).map_err(|absent| told(path, absent))
}

/// Reads a key that may be there.
pub fn read_if_there(path: &Path) -> Result<Option<Secret<[u8; 32]>>, SecretsError> {
    match look(path) {
        Ok(key) => Ok(Some(key)),
        Err(Absent::Missing) => Ok(None),
        Err(Absent::Refused(error)) => Err(error),
    }
}

/// Reads a file of keys, one a line; empty lines and those that begin with `#` are left out.
pub fn read_lines(path: &Path) -> Result<Vec<Secret<[u8; 32]>>, SecretsError> {
    let mut text = private(path).map_err(|absent| told(path, absent))?;
    let lines = text.lines().map(str::trim);
    let keys: Option<Vec<_>> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| from_hex(line).map(Secret::new))
        .collect();
    text.zeroize();
    let keys = keys.filter(|keys| !keys.is_empty());
    keys.ok_or_else(|| refused(path, "its lines are not 64 hexadecimal digits each"))
}

/// The names of the files in a directory; none where there is no directory.
pub fn names(dir: &Path) -> Result<Vec<String>, SecretsError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(refused(dir, error)),
    };
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.map_err(|error| refused(dir, error))?.file_name();
        Ok(name.to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}

/// Writes one line to a file of this directory, whole or not at all; it is on disk afterwards.
pub fn put(dir: &Path, path: &Path, line: &str) -> Result<(), SecretsError> {
    let draft = dir.join(format!(".{}", uuid::Uuid::new_v4().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&draft, path)?;
            File::open(dir)?.sync_all()
        });
    written.map_err(|error| {
        // What is left of it is no key by its name.
        let _gone = std::fs::remove_file(&draft);
        refused(path, error)
    })
}

/// Removes a key for good.
pub fn remove(path: &Path) -> Result<(), SecretsError> {
    let dir = path.parent().unwrap_or(path);
    std::fs::remove_file(path)
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(|error| refused(path, error))
}

enum Absent {
    Missing,
    Refused(SecretsError),
}

fn told(path: &Path, absent: Absent) -> SecretsError {
    match absent {
        Absent::Missing => refused(path, "it is not there"),
        Absent::Refused(error) => error,
    }
}

fn look(path: &Path) -> Result<Secret<[u8; 32]>, Absent> {
    let mut text = private(path)?;
    let key = from_hex(text.trim());
    text.zeroize();
    key.map(Secret::new)
        .ok_or_else(|| Absent::Refused(refused(path, "it does not hold 64 hexadecimal digits")))
}

/// A directory of keys in which nobody else can exchange one. One that is not there is made later.
pub fn closed(dir: &Path) -> Result<(), SecretsError> {
    let found = match std::fs::metadata(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(dir, error)),
    };
    if found.mode() & 0o022 != 0 {
        return Err(refused(
            dir,
            "others may write to it; `chmod 700` it if its keys are still yours",
        ));
    }
    if !trusted(found.uid()) {
        return Err(refused(dir, "it belongs to another user"));
    }
    Ok(())
}

/// Root, this process's user, and everybody for root, who works on the data of others.
fn trusted(owner: u32) -> bool {
    let me = std::fs::metadata("/proc/self").map(|own| own.uid());
    owner == 0 || me.map_or(true, |me| me == 0 || me == owner)
}

/// The text of a file that nobody else may read.
fn private(path: &Path) -> Result<String, Absent> {
    let refuse = |reason: &str| Absent::Refused(refused(path, reason));
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            return Absent::Missing;
        }
        refuse(&error.to_string())
    };
    let found = std::fs::metadata(path).map_err(failed)?;
    if found.mode() & 0o077 != 0 {
        return Err(refuse(
            "others may read it; `chmod 600` it if it is still secret",
        ));
    }
    if !trusted(found.uid()) {
        return Err(refuse(
            "it belongs to another user; `chown` it if you trust it",
        ));
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// Writes the key beside its place and links it there: the file is whole from its first moment,
/// and one that is there already stays.
fn create(dir: &Path, name: &str) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let fresh = dir.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    let written =
        write_key(&mut file).and_then(|()| match std::fs::hard_link(&fresh, dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(()),
        });
    std::fs::remove_file(&fresh)?;
    written?;
    File::open(dir)?.sync_all()
}

fn write_key(file: &mut File) -> std::io::Result<()> {
    let mut bytes: [u8; 32] = random().map_err(std::io::Error::other)?;
    let mut text = to_hex(&bytes);
    bytes.zeroize();
    text.push('\n');
    let written = file.write_all(text.as_bytes());
    text.zeroize();
    written?;
    file.sync_all()
}

/// As it stands in a file.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (place, byte) in key.iter_mut().enumerate() {
        let start = place.checked_mul(2)?;
        let digits = text.get(start..start.checked_add(2)?)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(key)
}

/// A file that is not as it must be.
pub fn refused(path: &Path, reason: impl ToString) -> SecretsError {
    SecretsError::KeyFile {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}
