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

/// No note is longer, in bytes.
const LONGEST: usize = 256;

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
        self.replace(&note.to_string())
            .map_err(unlocked(&self.dir.clone()))
    }

    /// Over the old text in one write, whose rest goes then: who reads meanwhile finds a note.
    fn replace(&mut self, text: &str) -> std::io::Result<()> {
        let before = usize::try_from(self.lock.metadata()?.len()).unwrap_or(0);
        let mut whole = text.as_bytes().to_vec();
        whole.resize(whole.len().max(before.min(LONGEST)), b'\n');
        self.lock.rewind()?;
        self.lock.write_all(&whole)?;
        self.lock
            .set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
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

/// A hold on the keys and the rows that they seal, apart from the server's: many backups share it,
/// whoever changes them has it alone. It is the kernel's lock on the directory itself.
#[derive(Debug)]
pub struct KeyHold {
    _lock: File,
}

impl KeyHold {
    /// For a copy; waits for the end of a change. `None` without a directory, so without a key.
    ///
    /// # Errors
    /// [`BootError::DataDir`] when it cannot be locked.
    pub fn shared(dir: &Path) -> Result<Option<Self>, BootError> {
        loop {
            let lock = match File::open(dir) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                other => other.map_err(unlocked(dir))?,
            };
            lock.lock_shared().map_err(unlocked(dir))?;
            let held = lock.metadata().map_err(unlocked(dir))?;
            // A restore may have put another directory in its place meanwhile.
            let there = std::fs::metadata(dir).map_err(unlocked(dir))?;
            if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
                return Ok(Some(Self { _lock: lock }));
            }
        }
    }

    /// For a change.
    ///
    /// # Errors
    /// [`BootError::CopiesKeys`] while a backup is made.
    pub fn alone(dir: &Path) -> Result<Self, BootError> {
        let lock = File::open(dir).map_err(unlocked(dir))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(BootError::CopiesKeys {
                dir: dir.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(unlocked(dir)(error)),
        }
    }
}

fn unlocked(dir: &Path) -> impl Fn(std::io::Error) -> BootError + '_ {
    move |error| BootError::DataDir {
        dir: dir.to_owned(),
        reason: error.to_string(),
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

    #[test]
    fn a_note_that_is_replaced_is_there_all_the_time() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let mut held = DataDir::take(&dir).unwrap();
        let me = Some(std::process::id());
        let reader = std::thread::spawn({
            let path = dir.join(SERVER_LOCK);
            move || {
                let read = || std::fs::read_to_string(&path).unwrap();
                let notes = (0..20_000).map(|_| ServerNote::parse(&read()).map(|note| note.pid));
                notes.filter(|pid| *pid != me).count()
            }
        });
        while !reader.is_finished() {
            held.note("127.0.0.1:7".parse().unwrap()).unwrap();
            held.write(None).unwrap();
        }
        assert_eq!(reader.join().unwrap(), 0, "so often there was none");
    }

    #[test]
    fn backups_share_the_keys_and_a_change_has_them_alone() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("none");
        assert!(KeyHold::shared(&missing).unwrap().is_none());
        let copies = [(); 2].map(|()| KeyHold::shared(dir.path()).unwrap().unwrap());
        let refused = KeyHold::alone(dir.path()).unwrap_err();
        assert!(matches!(refused, BootError::CopiesKeys { .. }), "{refused}");
        drop(copies);
        let change = KeyHold::alone(dir.path()).unwrap();
        assert!(KeyHold::alone(dir.path()).is_err());
        drop(change);
        assert!(KeyHold::shared(dir.path()).unwrap().is_some());
    }
}
