//! API keys as they come with requests.
//!
//! Never a look at a row for a text whose checksum is wrong, and never a write that a request waits
//! for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::app::keys::NEVER;
use crate::app::{App, Visit};
use crate::auth::api_key as texts;
use crate::domain::{AuditNote, AuditResult, Error, KeyId, Principal, Result, Timestamp, api_key};
use crate::store::api_keys::{self, Found};

/// How often the last use of a key is written.
const USE_WRITTEN: Duration = Duration::from_secs(60);
/// Most keys of which something is remembered.
const MAX_KEYS: usize = 10_000;

/// What is remembered of keys.
#[derive(Default)]
pub(in crate::app) struct Keys(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    /// When the last use was written.
    used: HashMap<KeyId, Instant>,
    /// What is kept of their texts. It never changes, so it is no right: the rows say who lives.
    hashes: HashMap<KeyId, String>,
}

impl Keys {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is time to write that this key is used.
    fn due(&self, id: KeyId) -> bool {
        let used = &mut self.shelf().used;
        let now = Instant::now();
        let before = used.get(&id);
        if before.is_some_and(|at| now.duration_since(*at) < USE_WRITTEN) {
            return false;
        }
        if used.len() >= MAX_KEYS {
            used.retain(|_, at| now.duration_since(*at) < USE_WRITTEN);
        }
        used.insert(id, now);
        true
    }

    fn hash(&self, id: KeyId) -> Option<String> {
        self.shelf().hashes.get(&id).cloned()
    }

    fn put(&self, id: KeyId, hash: String) {
        let hashes = &mut self.shelf().hashes;
        if hashes.len() >= MAX_KEYS {
            hashes.clear();
        }
        hashes.insert(id, hash);
    }
}

impl App {
    /// Whether a bearer is meant as an API key.
    pub(in crate::app) fn is_key(&self, text: &str) -> bool {
        text.starts_with(&self.config().auth.api_key_prefix)
    }

    /// Who comes with this key. One whose checksum is wrong is refused without a look at any row.
    pub(in crate::app) async fn key_presented(&self, text: &str) -> Result<Visit> {
        let presented = texts::read(&self.config().auth.api_key_prefix, text)?;
        let id = presented.id;
        let visit = match self.visit(&api_key::sid(id), self.now()).await {
            Err(error @ Error::Unauthenticated { code, .. }) if code != "bad_key" => {
                self.key_refused(id).await;
                return Err(error);
            }
            other => other?,
        };
        let kept = match self.inner.keys.hash(id) {
            Some(kept) => kept,
            None => {
                self.visit_now(&visit.who.sid).await?;
                self.inner.keys.hash(id).unwrap_or_default()
            }
        };
        if !presented.is(&kept) {
            self.key_refused(id).await;
            return Err(texts::bad_key());
        }
        if self.inner.keys.due(id) {
            let (app, now) = (self.clone(), self.now());
            // Beside the request: nobody waits for it.
            tokio::spawn(async move {
                let written = app.store().write(move |conn| api_keys::used(conn, id, now));
                if let Err(error) = written.await {
                    tracing::debug!(%error, "the last use of an API key was not written");
                }
            });
        }
        Ok(visit)
    }

    /// The `sid` of a key whose text is known to be right, without a look at any row.
    pub(in crate::app) fn key_known(&self, text: &str) -> Option<String> {
        let presented = texts::read(&self.config().auth.api_key_prefix, text).ok()?;
        let kept = self.inner.keys.hash(presented.id)?;
        presented.is(&kept).then(|| api_key::sid(presented.id))
    }

    async fn key_refused(&self, id: KeyId) {
        self.audit(AuditNote {
            actor: String::new(),
            action: "key.refused",
            object: id.to_string(),
            result: AuditResult::Failed,
        })
        .await;
    }

    /// The person behind a key, as the rows say it at this moment; `page` as of [`App::visit`].
    pub(in crate::app) async fn key_now(
        &self,
        id: KeyId,
        now: Timestamp,
        page: u64,
    ) -> Result<Visit> {
        let found = self
            .store()
            .read(move |conn| api_keys::find(conn, id))
            .await?;
        let found = found.ok_or_else(texts::bad_key)?;
        standing(&found, now)?;
        let scopes = found.key.scopes.allowed(found.user.role);
        let visit = Visit {
            who: Principal {
                user: found.user.id,
                username: found.user.username,
                role: scopes.cap(found.user.role),
                scopes,
                sid: api_key::sid(id),
            },
            expires_at: found.key.expires_at.unwrap_or(NEVER),
        };
        self.inner.keys.put(id, found.hash);
        self.inner.known.put(&visit, page);
        Ok(visit)
    }
}

fn standing(found: &Found, now: Timestamp) -> Result<()> {
    if found.revoked_at.is_some() || found.user.disabled {
        return Err(texts::key_revoked());
    }
    if found.key.expires_at.is_some_and(|at| at <= now) {
        return Err(texts::key_expired());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_use_is_written_once_a_minute() {
        let (used, id) = (Keys::default(), KeyId::generate());
        assert!(used.due(id) && !used.due(id));
        assert!(used.due(KeyId::generate()));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!used.due(id));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(used.due(id));
    }
}
