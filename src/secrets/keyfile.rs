//! Key files: 32 random bytes as one line of hexadecimal, made once.
//!
//! Never overwrites one, and never trusts one that others may read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroize;

use super::{Secret, SecretsError};

/// Reads `dir/name`, or makes it. Two processes that make it at once end up with the same key.
pub fn read_or_create(dir: &Path, name: &str) -> Result<Secret<[u8; 32]>, SecretsError> {
    let path = dir.join(name);
    match read(&path) {
        Err(Absent::Missing) => {}
        Err(Absent::Refused(error)) => return Err(error),
        Ok(key) => return Ok(key),
    }
    create(dir, name).map_err(|error| refused(&path, error))?;
    read(&path).map_err(|absent| match absent {
        Absent::Missing => refused(&path, "it vanished while it was made"),
        Absent::Refused(error) => error,
    })
}

/// Random bytes of the system.
pub fn random<const N: usize>() -> Result<[u8; N], SecretsError> {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| SecretsError::Random(error.to_string()))?;
    Ok(bytes)
}

enum Absent {
    Missing,
    Refused(SecretsError),
}

fn read(path: &Path) -> Result<Secret<[u8; 32]>, Absent> {
    let refuse = |reason: &str| Absent::Refused(refused(path, reason));
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            return Absent::Missing;
        }
        refuse(&error.to_string())
    };
    let mode = std::fs::metadata(path)
        .map_err(failed)?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(refuse(
            "others may read it; `chmod 600` it if it is still secret",
        ));
    }
    let mut text = std::fs::read_to_string(path).map_err(failed)?;
    let key = from_hex(text.trim());
    text.zeroize();
    key.map(Secret::new)
        .ok_or_else(|| refuse("it does not hold 64 hexadecimal digits"))
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
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.zeroize();
    text.push('\n');
    let written = file.write_all(text.as_bytes());
    text.zeroize();
    written?;
    file.sync_all()
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

fn refused(path: &Path, reason: impl ToString) -> SecretsError {
    SecretsError::KeyFile {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}
