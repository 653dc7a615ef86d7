//! The server's keys, and which of its own secrets are kept out of all that it shows.
//!
//! Never holds a value longer than it takes to hand it over.

use std::collections::BTreeMap;

use super::error::BootError;
use crate::config::Config;
use crate::secrets::{Secrets, house, keep_back, keep_back_prefix, of_environment, of_url};
use crate::store::StoreError;

/// Environment variable that sets the first admin's password.
const GIVEN: &str = "CALLBOARD_ADMIN_PASSWORD";
/// Where the first admin's password was written.
const CREDENTIALS: &str = "admin-credentials";

/// Opens the keys.
///
/// # Errors
/// [`BootError::Keys`].
pub fn open(config: &Config) -> Result<Secrets, BootError> {
    let outside = config.secrets.master_key_file.as_deref();
    Secrets::open_with(&config.data_dir, outside)
        .map_err(|error| BootError::Keys(error.to_string()))
}

/// Keeps back what settings and environment hold: the database's password, the variables that agents
/// are given.
///
/// # Errors
/// [`BootError::Keys`].
pub fn of_settings(config: &Config) -> Result<(), BootError> {
    keep_back_prefix(&config.auth.api_key_prefix);
    let mut values: Vec<String> = config
        .database
        .url
        .as_ref()
        .map(|url| of_url(url.expose()))
        .unwrap_or_default();
    values.extend(std::env::var(GIVEN));
    for kind in config.kinds.values() {
        let names = kind.env_from.iter();
        let given: BTreeMap<String, String> = names
            .filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)))
            .collect();
        values.extend(of_environment(&given));
        values.extend(of_environment(&kind.env));
    }
    keep(&values)
}

/// Keeps back what the data directory holds: its keys, the first admin's password.
///
/// # Errors
/// [`BootError::Keys`].
pub fn of_files(config: &Config, secrets: &Secrets) -> Result<(), BootError> {
    let mut values = secrets.texts();
    // People remove the file once they have read it.
    let text = std::fs::read_to_string(config.data_dir.join(CREDENTIALS)).unwrap_or_default();
    let passwords = text
        .lines()
        .filter_map(|line| line.strip_prefix("password:"));
    values.extend(passwords.map(|password| password.trim().to_owned()));
    keep(&values)
}

/// Why the database cannot be opened, without what its address holds.
pub fn unopened(error: &StoreError) -> BootError {
    BootError::Database(house().text(&error.to_string()).into_owned())
}

fn keep(values: &[String]) -> Result<(), BootError> {
    keep_back(values).map_err(|error| BootError::Keys(error.to_string()))
}
