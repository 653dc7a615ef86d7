//! Who asks, and whether they may: tokens to principals, and sessions by their owner.
//!
//! Never tells a foreign object from a missing one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{App, Visit};
use crate::domain::{Error, Principal, Result, Session, SessionId, Timestamp};
use crate::store::{sessions, tokens};

/// How long a token that was looked up is believed without another look (decisions.md 7: a
/// revocation holds within 1 s; a logout on this server holds at once).
const BELIEVED: Duration = Duration::from_millis(900);
/// Most tokens that are remembered.
const MAX_KNOWN: usize = 10_000;

/// Tokens that were looked up just now.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<String, (Instant, Visit)>>);

impl Known {
    fn get(&self, sid: &str) -> Option<Visit> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, visit) = known.get(sid)?;
        (at.elapsed() < BELIEVED).then(|| visit.clone())
    }

    fn put(&self, visit: &Visit) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        }
        if known.len() < MAX_KNOWN {
            let entry = (Instant::now(), visit.clone());
            known.insert(visit.who.sid.clone(), entry);
        }
    }

    pub(super) fn forget(&self, sid: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(sid);
    }
}

impl App {
    /// Reads a token and looks whether it still stands.
    ///
    /// # Errors
    /// `bad_token`, `token_expired`, `token_revoked`.
    pub async fn authenticate(&self, token: &str) -> Result<Visit> {
        let now = self.now();
        let claims = self.inner.base.tokens.verify(token)?;
        self.visit(claims.sid, now).await
    }

    /// The person behind a token's server-side session.
    pub(super) async fn visit(&self, sid: String, now: Timestamp) -> Result<Visit> {
        if let Some(visit) = self.inner.known.get(&sid)
            && visit.expires_at > now
        {
            return Ok(visit);
        }
        let found = self
            .store()
            .read(move |conn| tokens::live(conn, &sid, now))
            .await?;
        let Some((token, user)) = found.filter(|(_, user)| !user.disabled) else {
            return Err(crate::auth::token_revoked());
        };
        let visit = Visit {
            who: Principal {
                user: user.id,
                username: user.username,
                role: user.role,
                sid: token.sid,
            },
            expires_at: token.expires_at,
        };
        self.inner.known.put(&visit);
        Ok(visit)
    }

    /// A session that `who` may look at.
    ///
    /// # Errors
    /// `not_found`, also for what is not theirs or was deleted.
    pub async fn readable(&self, who: &Principal, id: SessionId) -> Result<Session> {
        let found = self
            .store()
            .read(move |conn| sessions::by_id(conn, id))
            .await?;
        found
            .filter(|session| session.archived_at.is_none() && who.may_read(session.owner))
            .ok_or_else(|| Error::not_found("agent", id))
    }

    /// A session that `who` may drive.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for a viewer of their own.
    pub async fn writable(&self, who: &Principal, id: SessionId) -> Result<Session> {
        let session = self.readable(who, id).await?;
        if who.may_write(session.owner) {
            Ok(session)
        } else {
            Err(read_only())
        }
    }

    pub(super) fn refuse_draining(&self) -> Result<()> {
        if self.draining() {
            return Err(Error::draining());
        }
        Ok(())
    }
}

/// What a viewer hears who wants to change something.
pub(super) fn read_only() -> Error {
    Error::Forbidden {
        code: "forbidden",
        message: "your role may look but not change anything".into(),
    }
}

/// What everyone but an admin hears at the operator's door.
pub(super) fn admins_only() -> Error {
    Error::Forbidden {
        code: "forbidden",
        message: "this needs the role admin".into(),
    }
}
