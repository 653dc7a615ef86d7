//! The hold of one server on the embedded database: a lock on a file beside it.
//!
//! Never on the file itself: closing that would give SQLite's own locks away. PostgreSQL has a lock
//! of its own, which the writer's connection takes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::connection::Place;

/// See the module; dropping it gives the database back.
#[derive(Debug)]
pub struct Claim {
    _lock: Option<File>,
}

impl Claim {
    /// Takes the database that the setting names, for as long as the value lives.
    ///
    /// # Errors
    /// [`StoreError::Taken`] while another server has it.
    pub fn take(database: impl AsRef<Path>) -> Result<Self, StoreError> {
        let lock = match Place::read(database.as_ref())? {
            Place::Server(_) => None,
            Place::File(path) => Some(lock(&path)?),
        };
        Ok(Self { _lock: lock })
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let beside = beside(path);
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return StoreError::Full;
        }
        StoreError::Other(format!("{}: {error}", beside.display()))
    };
    if let Some(parent) = beside.parent() {
        let mut dir = std::fs::DirBuilder::new();
        dir.recursive(true).mode(0o700);
        dir.create(parent).map_err(failed)?;
    }
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&beside);
    let mut file = opened.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(taken(file)),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // The number only helps the message of a refusal.
    let _told = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
    Ok(file)
}

/// Two names of one file have one lock.
fn beside(path: &Path) -> PathBuf {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_not_there| path.to_owned());
    let mut name = path.into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

fn taken(file: File) -> StoreError {
    let mut pid = String::new();
    let _unknown = file.take(16).read_to_string(&mut pid);
    StoreError::Taken {
        by: format!("pid {}", pid.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_of_one_file_are_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("x.db"), dir.path().join("y.db"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let held = Claim::take(format!("sqlite:{}", file.display())).unwrap();
        let refused = Claim::take(&link).unwrap_err();
        assert_eq!(refused.code(), "database_taken");
        let pid = format!("pid {}", std::process::id());
        assert!(refused.to_string().contains(&pid), "{refused}");
        drop(held);
        assert!(Claim::take(&link).is_ok());
    }
}
