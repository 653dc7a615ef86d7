//! The data directory: private, and used by one server at a time.
//!
//! Never trusts a pid file: the kernel's lock ends with its process.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::BootError;

const LOCK: &str = "server.lock";

/// The lock on a data directory; dropping it gives the directory back.
#[derive(Debug)]
pub struct DataDir {
    _lock: File,
}

impl DataDir {
    /// Makes the directory (0700) if it is missing, and locks it.
    ///
    /// # Errors
    /// [`BootError::Taken`] while another server has it.
    pub fn take(dir: &Path) -> Result<Self, BootError> {
        let bad = |error: std::io::Error| BootError::DataDir {
            dir: dir.to_owned(),
            reason: error.to_string(),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(bad)?;
        let mode = std::fs::metadata(dir).map_err(bad)?.mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(bad)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(LOCK))
            .map_err(bad)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(dir, file)),
            Err(TryLockError::Error(error)) => return Err(bad(error)),
        }
        file.set_len(0).map_err(bad)?;
        file.rewind().map_err(bad)?;
        writeln!(file, "{}", std::process::id()).map_err(bad)?;
        Ok(Self { _lock: file })
    }
}

fn taken(dir: &Path, file: File) -> BootError {
    let mut pid = String::new();
    // The note only helps the message; without it the lock is as good.
    let _ = file.take(32).read_to_string(&mut pid);
    let pid = pid.trim();
    BootError::Taken {
        dir: dir.to_owned(),
        pid: if pid.is_empty() { "?" } else { pid }.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_at_a_time_and_a_private_directory() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let first = DataDir::take(&dir).unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        let Err(BootError::Taken { pid, .. }) = DataDir::take(&dir) else {
            panic!("taken twice");
        };
        assert_eq!(pid, std::process::id().to_string());
        drop(first);
        assert!(DataDir::take(&dir).is_ok());
    }
}
