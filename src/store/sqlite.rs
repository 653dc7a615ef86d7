//! The embedded database: its file, and what a connection is told first.
//!
//! Never opens a file that others may read: the database is 0600 from its first byte.

use std::fs::OpenOptions;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::sqlite::SqliteConnection;

use super::connection::Role;
use super::error::StoreError;

/// A new connection to this file with its pragmas set.
pub fn open(path: &Path, role: Role) -> Result<SqliteConnection, StoreError> {
    let name = path
        .to_str()
        .ok_or_else(|| StoreError::Other("the path of the database is not UTF-8".to_owned()))?;
    if role == Role::Writer {
        prepare_file(path)?;
    }
    let made = match role {
        Role::Writer => SqliteConnection::establish(name),
        // It never makes the file: an empty one would be read as if nothing had been.
        Role::Reader => SqliteConnection::establish(&there(name)),
    };
    let mut conn = made.map_err(|error| StoreError::Other(format!("{name}: {error}")))?;
    // The timeout first: switching to WAL itself may have to wait.
    conn.batch_execute("PRAGMA busy_timeout = 5000;")?;
    let empty = std::fs::metadata(path).is_ok_and(|about| about.len() == 0);
    if role == Role::Writer && empty {
        // Before the first page: free pages can be given back. It would write into any other file.
        conn.batch_execute("PRAGMA auto_vacuum = INCREMENTAL;")?;
    }
    conn.batch_execute(
        "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; \
         PRAGMA temp_store = MEMORY;",
    )?;
    conn.batch_execute(match role {
        // FULL: an accepted prompt survives a power cut (decisions.md 6).
        Role::Writer => {
            "PRAGMA synchronous = FULL; PRAGMA cache_size = -8192; \
             PRAGMA journal_size_limit = 67108864;"
        }
        Role::Reader => "PRAGMA query_only = ON; PRAGMA cache_size = -2048;",
    })?;
    Ok(conn)
}

/// How long a question of this connection waits for the lock of the file: but shortly in a hurry.
pub fn wait_for_lock(conn: &mut SqliteConnection, hurried: bool) -> Result<(), StoreError> {
    conn.batch_execute(match hurried {
        true => "PRAGMA busy_timeout = 25;",
        false => "PRAGMA busy_timeout = 5000;",
    })?;
    Ok(())
}

/// Makes the directory (0700) and the file (0600); SQLite gives its own side files the same mode.
fn prepare_file(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return StoreError::Full;
        }
        StoreError::Other(format!("{}: {error}", path.display()))
    };
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(failed)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(failed)
}

/// The name of a file that must be there, as SQLite reads it.
fn there(name: &str) -> String {
    let mut uri = String::from("file:");
    for c in name.chars() {
        match c {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            c => uri.push(c),
        }
    }
    uri.push_str("?mode=rw");
    uri
}

/// Makes the file as small as its rows are, and able to shrink from now on.
pub fn compact(path: &Path) -> Result<(), StoreError> {
    let mut conn = open(path, Role::Writer)?;
    // What it copies may be larger than the memory.
    conn.batch_execute(
        "PRAGMA temp_store = FILE; PRAGMA auto_vacuum = INCREMENTAL; VACUUM; \
         PRAGMA wal_checkpoint(TRUNCATE);",
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_opens_what_is_there_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a?b#c%41 d.db");
        assert!(open(&file, Role::Reader).is_err());
        assert!(!file.exists());
        let mut conn = open(&file, Role::Writer).unwrap();
        conn.batch_execute("CREATE TABLE x (y TEXT)").unwrap();
        let mut conn = open(&file, Role::Reader).unwrap();
        conn.batch_execute("SELECT y FROM x").unwrap();
        let names = std::fs::read_dir(dir.path()).unwrap().count();
        assert!(names <= 3, "another file was made");
    }
}
