//! `backup` and `restore`: everything that the server keeps, as a directory of lines of JSON with a
//! manifest.
//!
//! Never half a result: what is made appears under its name when all of it is on the disk, and what
//! was there before is put aside and never deleted.

mod draft;
mod manifest;
mod restore;
mod write;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::BootError;
use crate::store::StoreError;

pub use restore::restore;
pub use write::backup;

/// The directory of the keys, in a data directory and in a backup.
const KEYS: &str = "keys";
/// The directory of the rows, a file for each table.
const TABLES: &str = "tables";
/// Rows that are read and written at one time.
const ROWS: usize = 200;

fn failed(path: &Path) -> impl Fn(std::io::Error) -> BootError + '_ {
    move |error| BootError::Other(format!("{}: {error}", path.display()))
}

fn refused(words: impl Into<String>) -> BootError {
    BootError::Other(words.into())
}

fn of_rows(error: &StoreError) -> BootError {
    BootError::Other(format!("the database: {error}"))
}

/// A name beside this one that nobody else uses.
fn beside(path: &Path, what: &str) -> Result<PathBuf, BootError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| refused(format!("{} has no name", path.display())))?;
    Ok(path.with_file_name(format!("{name}.{what}")))
}

/// Makes what was written into a directory last: the directory itself too.
fn sync_dir(dir: &Path) -> Result<(), BootError> {
    let synced = std::fs::File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(failed(dir))
}

/// Opens a file to read it, and nothing that is none: a pipe would keep its reader for ever.
fn regular(path: &Path) -> Result<File, BootError> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .and_then(|file| Ok((file.metadata()?.is_file(), file)));
    match opened.map_err(failed(path))? {
        (true, file) => Ok(file),
        (false, _) => Err(refused(format!("{} is not a file", path.display()))),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Whether there is nothing at this path, or a directory without entries.
fn is_free(path: &Path) -> Result<bool, BootError> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(failed(path)(error)),
    }
}

/// What nobody reads any more ends no work.
fn write_line(out: &mut impl std::io::Write, words: &str) {
    let line = format!("{words}\n");
    let _unread = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// How far it is, for the person who waits.
fn tell(words: &str) {
    write_line(&mut std::io::stderr().lock(), words);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_cannot_be_written_harm_nothing() {
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        write_line(&mut full, "so far");
    }

    #[test]
    fn a_pipe_in_a_backup_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("users.jsonl");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let refused = regular(&pipe).unwrap_err().to_string();
        assert!(refused.contains("is not a file"), "{refused}");
        let file = dir.path().join("x");
        std::fs::write(&file, "x").unwrap();
        assert!(regular(&file).is_ok() && regular(dir.path()).is_err());
    }
}
