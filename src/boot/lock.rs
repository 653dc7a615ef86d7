//! The data directory: private, and used by one server at a time.
//!
//! Never trusts a pid file: the kernel's lock ends with its process.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::BootError;
use crate::domain::{SERVER_LOCK, ServerNote};

/// The lock on a data directory; dropping it gives the directory back.
#[derive(Debug)]
pub struct DataDir {
    lock: File,
    dir: std::path::PathBuf,
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
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(SERVER_LOCK))
            .map_err(bad)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(dir, file)),
            Err(TryLockError::Error(error)) => return Err(bad(error)),
        }
        let mut taken = Self {
            lock: file,
            dir: dir.to_owned(),
        };
        taken.write(None)?;
        Ok(taken)
    }

    /// Notes where the server answers, as the second line of `server.lock`: with port 0 nobody
    /// else knows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&mut self, bound: SocketAddr) -> Result<(), BootError> {
        self.write(Some(bound))
    }

    fn write(&mut self, address: Option<SocketAddr>) -> Result<(), BootError> {
        let note = ServerNote {
            pid: std::process::id(),
            address,
        };
        let written = self
            .lock
            .set_len(0)
            .and_then(|()| self.lock.rewind())
            .and_then(|()| self.lock.write_all(note.to_string().as_bytes()));
        written.map_err(|error| BootError::DataDir {
            dir: self.dir.clone(),
            reason: error.to_string(),
        })
    }
}

impl Drop for DataDir {
    /// An empty note is an end in order: one that stays is that of a server that was killed.
    fn drop(&mut self) {
        if let Err(error) = self.lock.set_len(0) {
            tracing::warn!(%error, "the note in the lock stays");
        }
    }
}

fn taken(dir: &Path, file: File) -> BootError {
    let mut text = String::new();
    // The note only helps the message; without it the lock is as good.
    let _ = file.take(64).read_to_string(&mut text);
    let note = ServerNote::parse(&text);
    BootError::Taken {
        dir: dir.to_owned(),
        pid: note.map_or_else(|| "?".to_owned(), |note| note.pid.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_at_a_time_and_a_private_directory() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let mut first = DataDir::take(&dir).unwrap();
        first.note("127.0.0.1:7".parse().unwrap()).unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        let Err(BootError::Taken { pid, .. }) = DataDir::take(&dir) else {
            panic!("taken twice");
        };
        assert_eq!(pid, std::process::id().to_string());
        drop(first);
        assert_eq!(std::fs::read_to_string(dir.join(SERVER_LOCK)).unwrap(), "");
        assert!(DataDir::take(&dir).is_ok());
    }
}
