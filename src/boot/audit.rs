//! The audit table of a data directory: its beginning, and a look at it beside a server or without
//! one.
//!
//! Never makes a key or a database that is not there, and never begins a record twice.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::domain::chain::SealKey;
use crate::secrets::Secrets;
use crate::store::audit::{self, Broken, Verdict};
use crate::store::{Store, StoreError};

use super::error::BootError;
use super::secrecy;

/// A file of the data directory that says that its record was begun: the database alone could not
/// tell an emptied table from a fresh one.
const MARK: &str = "audit.begun";

/// Begins the record of a fresh data directory, once. Where it was begun, nothing is done: rows that
/// are gone stay gone, and the next one says so.
///
/// # Errors
/// When the database fails, or the mark cannot be made.
pub async fn ready(store: &Store, data_dir: &Path, key: SealKey) -> Result<(), BootError> {
    if marked(data_dir)? {
        return Ok(());
    }
    // The seal first: a mark without one is a record that was removed.
    let begun = store.write(move |conn| audit::begin(conn, &key)).await;
    begun.map_err(|error| secrecy::unopened(&error))?;
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(mark(data_dir))
        .and_then(|file| file.sync_all())
        .and_then(|()| File::open(data_dir)?.sync_all());
    made.map_err(|error| unusable(data_dir, &error))
}

/// Whether this data directory, or the database, knows of a record.
///
/// # Errors
/// When one of them cannot be read.
pub async fn begun(store: &Store, data_dir: &Path) -> Result<bool, BootError> {
    let read = store.read(audit::begun).await;
    Ok(marked(data_dir)? || read.map_err(|error| secrecy::unopened(&error))?)
}

fn mark(data_dir: &Path) -> PathBuf {
    data_dir.join(MARK)
}

fn marked(data_dir: &Path) -> Result<bool, BootError> {
    let found = mark(data_dir).try_exists();
    found.map_err(|error| unusable(data_dir, &error))
}

fn unusable(data_dir: &Path, error: &std::io::Error) -> BootError {
    BootError::DataDir {
        dir: data_dir.to_owned(),
        reason: format!("{MARK}: {error}"),
    }
}

/// Checks the chain.
///
/// # Errors
/// [`BootError::Database`] or [`BootError::Keys`] when the data directory has no database or no
/// keys, or they cannot be opened; [`BootError::Other`] when the table cannot be read.
pub fn verify(config: &Config) -> Result<Verdict, BootError> {
    let database = config.database_url();
    let keys = Secrets::audit_file(&config.data_dir);
    let places = [(config.database_path(), "database"), (Some(keys), "key")];
    for (path, what) in places {
        if let Some(path) = path
            && !path.exists()
        {
            let text = format!("there is no {what} at {}", path.display());
            return Err(BootError::Database(text));
        }
    }
    let secret =
        Secrets::read_audit_key(&config.data_dir).map_err(|e| BootError::Keys(e.to_string()))?;
    let key = SealKey::derive(secret.expose());
    let mut opened = false;
    let looked = Store::look(database.expose(), |conn| {
        opened = true;
        audit::verify(conn, &key)
    });
    let verdict = looked.map_err(|error| unread(&error, opened))?;
    Ok(emptied(verdict, marked(&config.data_dir)?))
}

fn unread(error: &StoreError, opened: bool) -> BootError {
    if opened {
        return BootError::Other(format!("the audit table cannot be read: {error}"));
    }
    BootError::Database(error.to_string())
}

/// A record without a row and without a seal is one that was removed, where one was begun.
fn emptied(verdict: Verdict, marked: bool) -> Verdict {
    let nothing = verdict.rows == 0 && verdict.head.is_none() && verdict.broken.is_none();
    let gone = (marked && nothing).then_some(Broken {
        n: 1,
        why: "the record was begun, and neither a row nor the seal of the last one is there",
    });
    Verdict {
        broken: verdict.broken.or(gone),
        ..verdict
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
