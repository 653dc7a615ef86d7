//! Which sealed value needs which key, and whether that key opens it.
//!
//! Never changes a value or a key.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::error::BootError;
use super::secrecy;
use crate::secrets::{KeyId, MasterKey, Secrets, SecretsError, key_of};
use crate::store::sealed::{PLACES, Place, Rows, SealedRow};
use crate::store::{Store, StoreError};

/// Values in one transaction.
const PAGE: usize = 100;
/// Damaged values that are named.
const NAMED: usize = 20;

/// Values by key.
#[derive(Default)]
pub struct Survey {
    /// Those that their key opens, and those whose key is missing.
    pub by_key: BTreeMap<KeyId, u64>,
    /// Those that cannot be read, or that their key does not open.
    pub broken: u64,
    /// The first of those, by place and row.
    pub damaged: Vec<String>,
    /// The keys that broken values name: nothing else could ever open those.
    pub named: BTreeSet<KeyId>,
}

/// How closely values are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Whether the key that a value names opens its data key.
    Keys,
    /// Whether it opens as a whole.
    Values,
}

impl Survey {
    /// How many a key opens.
    pub fn of(&self, key: &MasterKey) -> u64 {
        self.by_key.get(&key.id()).copied().unwrap_or(0)
    }

    /// Those whose key is not at hand, by its id.
    pub fn missing(&self, secrets: &Secrets) -> BTreeMap<String, u64> {
        let ring = secrets.master_keys();
        let held = |id: &KeyId| ring.iter().any(|key| key.id() == *id);
        let missing = self.by_key.iter().filter(|(id, _)| !held(id));
        missing
            .map(|(id, count)| (id.to_string(), *count))
            .collect()
    }
}

/// Whether a value's key is at hand and opens it, as closely as is asked.
fn opens(secrets: &Secrets, row: &SealedRow, depth: Depth) -> Result<(), SecretsError> {
    match depth {
        Depth::Keys => secrets.rewrap(&row.aad, &row.blob).map(drop),
        Depth::Values => secrets
            .open_sealed(&row.aad, &row.blob)
            .map(Zeroizing::new)
            .map(drop),
    }
}

/// Counts the values by their keys.
///
/// # Errors
/// When the database fails.
pub async fn survey(store: &Store, secrets: &Secrets, depth: Depth) -> Result<Survey, BootError> {
    let mut survey = Survey::default();
    for place in PLACES {
        let mut after = Some(String::new());
        while let Some(from) = after {
            let page = page(store, place, from).await?;
            for row in &page.rows {
                let id = key_of(&row.blob).ok();
                let tried = opens(secrets, row, depth);
                if place.spare && matches!(tried, Err(SecretsError::UnknownKey { .. })) {
                    continue;
                }
                let there = matches!(tried, Ok(()) | Err(SecretsError::UnknownKey { .. }));
                match id {
                    Some(id) if there => {
                        let count = survey.by_key.entry(id).or_default();
                        *count = count.saturating_add(1);
                    }
                    Some(_) | None => {
                        survey.broken = survey.broken.saturating_add(1);
                        if survey.damaged.len() < NAMED {
                            survey
                                .damaged
                                .push(format!("{} of {}", place.name, row.key));
                        }
                        survey.named.extend(id);
                    }
                }
            }
            after = page.next;
        }
    }
    Ok(survey)
}

/// One page of a place.
///
/// # Errors
/// When the database fails.
pub async fn page(store: &Store, place: &'static Place, after: String) -> Result<Rows, BootError> {
    let read = store.read(move |conn| place.page(conn, &after, PAGE));
    read.await.map_err(rows)
}

/// Why the rows cannot be used.
pub fn rows(error: StoreError) -> BootError {
    secrecy::unopened(&error)
}
