//! Work on the master keys while no server runs: what is sealed with which, and a change of the key.
//!
//! Never removes a key that a value still needs, and never begins a further one before the last
//! change is done: a change that was cut short is taken up where it ended.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::error::BootError;
use super::survey::{Depth, Survey, page, rows, survey};
use super::{audit as record, binding, lock, secrecy};
use crate::auth::kid;
use crate::config::Config;
use crate::secrets::{KeyId, MasterKey, Origin, Secrets};
use crate::store::sealed::{PLACES, Place, Rows};
use crate::store::{Claim, Connection, Store, audit};

/// What mends keys that are gone.
const WAYS: &str = "put the keys back from a backup, or give up what they sealed: \
                    `callboard secrets give-up`";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyWork {
    /// Look at the keys, and which value needs which.
    Status,
    /// Look, and open every value.
    Check,
    /// Seal everything with a new key: one that is made, or the first of the settings' file.
    Rekey,
    /// Sign tokens with a new key; those of the last one stay good until they end.
    Signing,
    /// Remove the values that no key at hand opens.
    GiveUp,
}

/// How it stands, and what was done. No contents.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    /// The key that seals.
    pub active: String,
    /// Every key at hand.
    pub keys: Vec<KeyRow>,
    /// Values whose key is not at hand, by its id.
    pub missing: BTreeMap<String, u64>,
    /// Values that cannot be read at all, or not with the key that they name.
    pub broken: u64,
    /// The first of those, by place and row.
    pub damaged: Vec<String>,
    /// Files of keys that were not there beside others, and were made anew.
    pub made_anew: Vec<&'static str>,
    /// Values that were removed, since nothing opens them.
    pub given_up: u64,
    /// The key that was made.
    pub made: Option<String>,
    /// Values that have another key now.
    pub rewrapped: u64,
    /// Keys that were removed: nothing needed them.
    pub removed: Vec<String>,
    /// The keys that tokens are good with, as they name them; the one that signs first.
    pub signing: Vec<String>,
}

/// One key.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRow {
    /// Its id.
    pub id: String,
    /// Whether it seals.
    pub active: bool,
    /// Its file.
    pub file: String,
    /// Values below it.
    pub values: u64,
}

/// Opens the keys for a server. It does not start with others than its rows were sealed with: it
/// would show what agents say with their secrets in it.
///
/// # Errors
/// [`BootError::Keys`] with what to do.
pub async fn at_start(config: &Config, store: &Store) -> Result<Secrets, BootError> {
    let dir = Secrets::dir(&config.data_dir);
    if Secrets::none(&config.data_dir).map_err(keys)? && is_used(store).await? {
        return Err(BootError::Keys(format!(
            "{} holds none, but a server has used this database; {WAYS}",
            dir.display()
        )));
    }
    seal_there(config, store).await?;
    let secrets = secrecy::open(config)?;
    if secrets.made_anew().contains(&"jwt.key") {
        tracing::warn!("jwt.key was not there and was made anew: everybody signs in again");
    }
    let found = survey(store, &secrets, Depth::Keys).await?;
    if found.broken > 0 {
        tracing::warn!(
            values = found.broken,
            "sealed values cannot be opened with their keys"
        );
    }
    let missing = found.missing(&secrets);
    if missing.is_empty() {
        return Ok(secrets);
    }
    let told: Vec<String> = missing
        .iter()
        .map(|(id, count)| format!("{count} sealed values need the key {id}, which is not at hand"))
        .collect();
    Err(BootError::Keys(format!("{}; {WAYS}", told.join("; "))))
}

/// Refuses a record whose key is gone, also beside other keys: with another one it could not be told
/// from a forged one.
async fn seal_there(config: &Config, store: &Store) -> Result<(), BootError> {
    let file = Secrets::audit_file(&config.data_dir);
    let gone = !file.try_exists().map_err(BootError::fault)?;
    if gone && record::begun(store, &config.data_dir).await? {
        let file = file.display();
        let text = format!("{file} is not there, and the record of who did what needs it; {WAYS}");
        return Err(BootError::Keys(text));
    }
    Ok(())
}

/// Whether a server has been here: a mistyped directory gets neither a database nor keys.
fn inhabited(config: &Config, work: KeyWork) -> Result<(), BootError> {
    let refused = |what: &Path| BootError::DataDir {
        dir: config.data_dir.clone(),
        reason: format!(
            "there is no {}, so no server has been here; name its place with --data-dir",
            what.display()
        ),
    };
    if let Some(file) = config.database_path().filter(|file| !file.exists()) {
        return Err(refused(&file));
    }
    let dir = Secrets::dir(&config.data_dir);
    if work != KeyWork::GiveUp && !dir.is_dir() {
        return Err(refused(&dir));
    }
    Ok(())
}

/// Does the work, with the data directory held so that no server can.
///
/// # Errors
/// [`BootError::Taken`] while a server runs; [`BootError::CopiesKeys`] for a change while a backup is
/// made; [`BootError::DataDir`] where none has been; why keys or
/// database cannot be used.
pub fn work_on_keys(config: &Config, work: KeyWork) -> Result<KeyReport, BootError> {
    inhabited(config, work)?;
    actix_web::rt::System::new().block_on(async {
        let _held = lock::DataDir::take(&config.data_dir)?;
        let changes = !matches!(work, KeyWork::Status | KeyWork::Check);
        let alone = changes.then(|| lock::KeyHold::alone(&config.data_dir));
        let _alone = alone.transpose()?;
        secrecy::of_settings(config)?;
        let database = config.database_url();
        let opened = tokio::task::spawn_blocking(move || {
            let claim = Claim::take(database.expose())?;
            Ok((claim, Store::open(database.expose())?))
        });
        let opened = opened.await.map_err(BootError::fault)?;
        let (_claim, store) = opened.map_err(|error| secrecy::unopened(&error))?;
        binding::check(&store, &config.data_dir, &config.database_url()).await?;
        let report = worked(config, &store, work).await;
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        closed.map_err(BootError::fault)?;
        report
    })
}

/// Opens the keys for some work, and does it.
async fn worked(config: &Config, store: &Store, work: KeyWork) -> Result<KeyReport, BootError> {
    if work == KeyWork::GiveUp {
        // An outside file says itself which of its keys seals.
        if config.secrets.master_key_file.is_none() {
            Secrets::replace_lost(&config.data_dir).map_err(keys)?;
        }
    } else {
        seal_there(config, store).await?;
    }
    let mut secrets = secrecy::open(config)?;
    let report = match work {
        KeyWork::Status => look(store, &secrets, Depth::Keys).await,
        KeyWork::Check => look(store, &secrets, Depth::Values).await,
        KeyWork::Rekey => rekey(store, &mut secrets).await,
        KeyWork::GiveUp => give_up(store, &secrets).await,
        KeyWork::Signing => {
            secrets.renew_signing().map_err(keys)?;
            look(store, &secrets, Depth::Keys).await
        }
    };
    Ok(KeyReport {
        made_anew: secrets.made_anew().to_vec(),
        ..report?
    })
}

async fn look(store: &Store, secrets: &Secrets, depth: Depth) -> Result<KeyReport, BootError> {
    Ok(report(secrets, &survey(store, secrets, depth).await?))
}

async fn rekey(store: &Store, secrets: &mut Secrets) -> Result<KeyReport, BootError> {
    let before = survey(store, secrets, Depth::Keys).await?;
    let made = if due(secrets, &before) {
        Some(secrets.renew().map_err(keys)?.to_string())
    } else {
        None
    };
    let rewrapped = rewrap(store, secrets, None).await?;
    let after = survey(store, secrets, Depth::Values).await?;
    let removed = discard(secrets, &after)?;
    Ok(KeyReport {
        made,
        rewrapped,
        removed,
        ..report(secrets, &after)
    })
}

/// Removes every value that no key at hand opens.
async fn give_up(store: &Store, secrets: &Secrets) -> Result<KeyReport, BootError> {
    let mut given_up = 0_u64;
    for place in PLACES {
        let mut after = Some(String::new());
        while let Some(from) = after {
            let page = page(store, place, from).await?;
            after = page.next.clone();
            let mut lost = page.rows;
            lost.retain(|row| secrets.open_sealed(&row.aad, &row.blob).is_err());
            let write = move |conn: &mut Connection| {
                let mut count = 0_u64;
                for row in &lost {
                    count = count.saturating_add(u64::from(place.clear(conn, row)?));
                }
                Ok(count)
            };
            given_up = given_up.saturating_add(store.write(write).await.map_err(rows)?);
        }
    }
    Ok(KeyReport {
        given_up,
        ..look(store, secrets, Depth::Keys).await?
    })
}

/// Whether a new key is to be made: the settings name none, and no earlier change is still to be
/// finished.
fn due(secrets: &Secrets, survey: &Survey) -> bool {
    let mut ring = secrets.master_keys().iter();
    let own = ring
        .next()
        .is_some_and(|active| matches!(active.origin(), Origin::Own(_)));
    own && ring.all(|older| survey.of(older) == 0)
}

/// Brings every value below the key that seals; at most so many pages, for tests of a cut.
async fn rewrap(
    store: &Store,
    secrets: &Secrets,
    mut pages: Option<usize>,
) -> Result<u64, BootError> {
    let mut count = 0_u64;
    for place in PLACES {
        let mut after = Some(String::new());
        while let Some(from) = after {
            if pages == Some(0) {
                return Ok(count);
            }
            pages = pages.map(|left| left.saturating_sub(1));
            let page = page(store, place, from).await?;
            after = page.next.clone();
            count = count.saturating_add(exchange(store, secrets, (place, page)).await?);
        }
    }
    Ok(count)
}

/// One page in one transaction.
async fn exchange(
    store: &Store,
    secrets: &Secrets,
    (place, page): (&'static Place, Rows),
) -> Result<u64, BootError> {
    let mut fresh = Vec::new();
    for row in page.rows {
        match secrets.rewrap(&row.aad, &row.blob) {
            Ok(Some(blob)) => fresh.push((row, blob)),
            Ok(None) => {}
            // Told by the survey; it stays as it is.
            Err(error) => {
                tracing::warn!(place = place.name, key = row.key, %error, "left as it is")
            }
        }
    }
    if fresh.is_empty() {
        return Ok(0);
    }
    let write = move |conn: &mut Connection| {
        let mut count = 0_u64;
        for (row, blob) in &fresh {
            count = count.saturating_add(u64::from(place.put(conn, row, blob)?));
        }
        Ok(count)
    };
    store.write(write).await.map_err(rows)
}

/// Removes the data directory's keys that nothing needs.
fn discard(secrets: &mut Secrets, survey: &Survey) -> Result<Vec<String>, BootError> {
    let unneeded = secrets.master_keys().iter().skip(1);
    let unneeded: Vec<KeyId> = unneeded
        .filter(|key| survey.of(key) == 0 && !survey.named.contains(&key.id()))
        .map(MasterKey::id)
        .collect();
    let mut removed = Vec::new();
    for id in unneeded {
        if secrets.discard(id).map_err(keys)? {
            removed.push(id.to_string());
        }
    }
    Ok(removed)
}

/// Whether a server has used this database: it has sealed values, or a record of who did what.
async fn is_used(store: &Store) -> Result<bool, BootError> {
    for place in PLACES {
        if !page(store, place, String::new()).await?.rows.is_empty() {
            return Ok(true);
        }
    }
    store.read(audit::begun).await.map_err(rows)
}

fn report(secrets: &Secrets, survey: &Survey) -> KeyReport {
    let ring = secrets.master_keys();
    let keys = ring.iter().enumerate().map(|(place, key)| KeyRow {
        id: key.id().to_string(),
        active: place == 0,
        file: match key.origin() {
            Origin::Own(path) | Origin::Outside(path) => path.display().to_string(),
        },
        values: survey.of(key),
    });
    KeyReport {
        active: ring
            .first()
            .map(|key| key.id().to_string())
            .unwrap_or_default(),
        keys: keys.collect(),
        missing: survey.missing(secrets),
        broken: survey.broken,
        damaged: survey.damaged.clone(),
        signing: [Some(secrets.signing_key()), secrets.previous_signing_key()]
            .into_iter()
            .flatten()
            .map(|key| kid(key.expose()))
            .collect(),
        ..KeyReport::default()
    }
}

fn keys(error: crate::secrets::SecretsError) -> BootError {
    BootError::Keys(error.to_string())
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
