//! The schema of a database that no server uses: looked at, or brought to this build's.
//!
//! Never beside a running server: it takes the same locks.

use super::error::BootError;
use super::{binding, lock};
use crate::config::Config;
use crate::store::Claim;
use crate::store::migrations::{self, MigrationState};

/// Which migrations the database has. Changes nothing.
///
/// # Errors
/// Why it cannot be read, or that a newer build has changed it.
pub fn look(config: &Config) -> Result<Vec<MigrationState>, BootError> {
    let database = config.database_url();
    migrations::look(database.expose().as_ref()).map_err(refused)
}

/// Runs what is missing, and makes the file small if that is wanted; the states before that.
///
/// # Errors
/// As [`look`]; also while a server uses the data directory or the database.
pub fn migrate(config: &Config, compact: bool) -> Result<Vec<MigrationState>, BootError> {
    let _held = lock::DataDir::take(&config.data_dir)?;
    let database = config.database_url();
    let _claim = Claim::take(database.expose()).map_err(refused)?;
    let there = config.database_path().is_none_or(|file| file.is_file());
    if there {
        binding::check_unopened(&config.data_dir, &database)?;
    }
    let before = migrations::apply(database.expose().as_ref()).map_err(refused)?;
    if compact {
        migrations::compact(database.expose().as_ref()).map_err(refused)?;
    }
    Ok(before)
}

fn refused(error: crate::store::StoreError) -> BootError {
    BootError::Database(error.to_string())
}
