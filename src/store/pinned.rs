//! The embedded database's file as it was when it was opened: whether it is still the one that its
//! name leads to.
//!
//! Never opens it: closing it would give SQLite's own locks away.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::StoreError;
use super::connection::{Place, Role};

/// See the module.
#[derive(Debug)]
pub struct Pinned {
    file: Option<(PathBuf, (u64, u64))>,
    told: AtomicBool,
}

impl Pinned {
    /// The file of this place, which is open; nothing for a server.
    pub fn of(place: &Place) -> Self {
        let file = match place {
            Place::Server(_) => None,
            Place::File(path) => {
                let found = std::fs::metadata(path).ok();
                found.map(|about| (path.clone(), (about.dev(), about.ino())))
            }
        };
        Self {
            file,
            told: AtomicBool::new(false),
        }
    }

    /// Whether rows may be read, or written. What is written into a file without a name is lost with
    /// the server; what is read of another file is not ours.
    ///
    /// # Errors
    /// [`StoreError::Gone`].
    pub fn check(&self, role: Role) -> Result<(), StoreError> {
        let Some((path, known)) = &self.file else {
            return Ok(());
        };
        let gone = match std::fs::metadata(path) {
            Ok(about) => (about.dev(), about.ino()) != *known,
            Err(error) => role == Role::Writer && error.kind() == std::io::ErrorKind::NotFound,
        };
        let told = self.told.swap(gone, Ordering::AcqRel);
        if gone && !told {
            tracing::error!(file = %path.display(), "the file of the database was removed or replaced");
        }
        if gone { Err(StoreError::Gone) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::{Store, StoreError, meta};

    async fn write(store: &Store) -> Result<(), StoreError> {
        store.write(|conn| meta::set(conn, "k", "v")).await
    }

    #[tokio::test]
    async fn nothing_is_written_into_a_file_that_was_removed() {
        let (dir, store) = fixture::sqlite();
        write(&store).await.unwrap();
        let (file, aside) = (dir.path().join("callboard.db"), dir.path().join("aside"));
        std::fs::rename(&file, &aside).unwrap();
        assert_eq!(write(&store).await, Err(StoreError::Gone));
        assert_eq!(store.figures().writes_fail, Some("database_gone"));
        let reads = (0..8).map(|_| store.read(|conn| meta::get(conn, "k")));
        futures_util::future::join_all(reads).await;
        assert!(!file.exists(), "a reader made another one");
        std::fs::rename(&aside, &file).unwrap();
        write(&store).await.unwrap();
        assert_eq!(store.figures().writes_fail, None);
    }

    #[tokio::test]
    async fn nothing_is_read_of_another_file_with_that_name() {
        let (dir, store) = fixture::sqlite();
        write(&store).await.unwrap();
        let file = dir.path().join("callboard.db");
        std::fs::rename(&file, dir.path().join("aside")).unwrap();
        std::fs::write(&file, "").unwrap();
        let other = store.read(|conn| meta::get(conn, "k")).await;
        assert_eq!(other, Err(StoreError::Gone));
        assert_eq!(write(&store).await, Err(StoreError::Gone));
    }
}
