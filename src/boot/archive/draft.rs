//! The directory beside a backup or a data directory in which it is made, and those that a killed
//! program has left.
//!
//! Never removes one whose program lives: it holds a lock on it, which ends with the process.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::super::error::BootError;
use super::manifest::make_dir;
use super::{beside, parent, tell};

/// A directory that is being filled.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    _lock: Option<File>,
}

impl Draft {
    /// Makes one for this place, and removes those that were left.
    pub fn begin(place: &Path, what: &str) -> Result<Self, BootError> {
        let path = beside(place, &format!("{what}-{}", std::process::id()))?;
        clear(&beside(place, &format!("{what}-"))?);
        make_dir(&path)?;
        let _lock = held(&path);
        Ok(Self { path, _lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it again.
    pub fn discard(self) {
        let _left = std::fs::remove_dir_all(&self.path);
    }
}

/// The lock of a directory, if nobody has it.
fn held(dir: &Path) -> Option<File> {
    let file = File::open(dir).ok()?;
    file.try_lock().ok().map(|()| file)
}

/// Removes directories whose names are `start` and a number, unless somebody fills them.
fn clear(start: &Path) {
    let Some(name) = start.file_name().and_then(|name| name.to_str()) else {
        return;
    };
    let Ok(entries) = std::fs::read_dir(parent(start)) else {
        return;
    };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let number = found.to_str().and_then(|found| found.strip_prefix(name));
        let ours = number.is_some_and(|number| number.parse::<u32>().is_ok());
        // Not through a link.
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let (path, shown) = (entry.path(), entry.path().display().to_string());
        let Some(_lock) = held(&path) else {
            tell(&format!(
                "{shown} is in use by another program, or not ours"
            ));
            continue;
        };
        match std::fs::remove_dir_all(&path) {
            Ok(()) => tell(&format!("{shown}, which was left unfinished, is removed")),
            Err(error) => tell(&format!("warning: {shown} is left, unfinished: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_program_left_goes_and_what_another_fills_stays() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("bk");
        let path = |name: &str| dir.path().join(name);
        for name in [
            "bk.partial-4000000001",
            "bk.partial-4000000002",
            "bk.partial-x",
            "b",
        ] {
            std::fs::create_dir(path(name)).unwrap();
        }
        std::fs::write(path("bk.partial-4000000001").join("key"), "k").unwrap();
        let filled = held(&path("bk.partial-4000000002")).unwrap();
        let draft = Draft::begin(&place, "partial").unwrap();
        assert!(!path("bk.partial-4000000001").exists());
        assert!(path("bk.partial-4000000002").exists());
        assert!(path("bk.partial-x").exists() && path("b").exists());
        assert!(held(draft.path()).is_none(), "another would remove it");
        drop(filled);
        let made = draft.path().to_owned();
        draft.discard();
        assert!(!made.exists());
    }
}
