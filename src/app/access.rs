//! Who asks, and whether they may: tokens and API keys to principals, and sessions by their owner.
//!
//! Never tells a foreign object from a missing one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{App, Visit};
use crate::domain::{
    AuditNote, AuditResult, Error, Principal, Result, Scope, Scopes, Session, SessionId, Timestamp,
    UserId, api_key,
};
use crate::store::{sessions, tokens};

/// How long a token that was looked up is believed without another look (decisions.md 7: a
/// revocation holds within 1 s; a logout on this server holds at once).
const BELIEVED: Duration = Duration::from_millis(900);
/// How long who read the figures is believed for them alone while the database does not answer.
const SCRAPES: Duration = Duration::from_secs(600);
/// How long the database is waited for then.
const SCRAPE_WAIT: Duration = Duration::from_secs(1);
/// Most tokens that are remembered.
const MAX_KNOWN: usize = 10_000;
/// Most that are remembered for the figures.
const MAX_SCRAPERS: usize = 256;

/// Tokens that were looked up just now.
#[derive(Default)]
pub(super) struct Known(Mutex<Book>);

#[derive(Default)]
struct Book {
    visits: HashMap<String, (Instant, Visit)>,
    /// Those that may read the figures.
    scrapers: HashMap<String, (Instant, Visit)>,
    /// How often something was forgotten: what was read before is not written down behind it.
    page: u64,
}

impl Known {
    fn get(&self, sid: &str) -> Option<Visit> {
        let book = self.lock();
        let (at, visit) = book.visits.get(sid)?;
        (at.elapsed() < BELIEVED).then(|| visit.clone())
    }

    fn page(&self) -> u64 {
        self.lock().page
    }

    /// Writes down what was read while the book stood at `page`.
    pub(super) fn put(&self, visit: &Visit, page: u64) {
        let mut book = self.lock();
        if book.page != page {
            return;
        }
        if book.visits.len() >= MAX_KNOWN {
            book.visits.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        }
        let entry = (Instant::now(), visit.clone());
        if book.visits.len() < MAX_KNOWN {
            book.visits.insert(visit.who.sid.clone(), entry.clone());
        }
        book.scrapers.retain(|_, (at, _)| at.elapsed() < SCRAPES);
        if visit.who.may_scrape() && book.scrapers.len() < MAX_SCRAPERS {
            book.scrapers.insert(visit.who.sid.clone(), entry);
        }
    }

    /// Who was looked up as one that may read the figures, not too long ago, and not ended since.
    fn scraper(&self, sid: &str) -> Option<Visit> {
        let book = self.lock();
        let (at, visit) = book.scrapers.get(sid)?;
        (at.elapsed() < SCRAPES).then(|| visit.clone())
    }

    pub(super) fn forget(&self, sid: &str) {
        let mut book = self.lock();
        book.page = book.page.wrapping_add(1);
        book.visits.remove(sid);
        book.scrapers.remove(sid);
    }

    pub(super) fn forget_user(&self, user: UserId) {
        let mut book = self.lock();
        book.page = book.page.wrapping_add(1);
        book.visits.retain(|_, (_, visit)| visit.who.user != user);
        book.scrapers.retain(|_, (_, visit)| visit.who.user != user);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request takes of an API key that comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// These scopes.
    Scopes(&'static [Scope]),
    /// No key will do: somebody has to be signed in.
    SignIn,
}

impl App {
    /// Reads a token or an API key and looks whether it still stands.
    ///
    /// # Errors
    /// `bad_token`, `token_expired`, `token_revoked`, `bad_key`, `key_expired`, `key_revoked`.
    pub async fn authenticate(&self, token: &str) -> Result<Visit> {
        if self.is_key(token) {
            return self.key_presented(token).await;
        }
        let now = self.now();
        let claims = self.inner.base.tokens.verify(token, now)?;
        self.visit(&claims.sid, now).await
    }

    /// The same for the figures alone, which are wanted most while the database does not answer: who
    /// was looked up some minutes ago is believed then, but not once this server has ended it.
    ///
    /// # Errors
    /// As [`App::authenticate`].
    pub async fn authenticate_scrape(&self, token: &str) -> Result<Visit> {
        let Some(known) = self.scraper(token) else {
            return self.authenticate(token).await;
        };
        if self.store().is_away() {
            return Ok(known);
        }
        match tokio::time::timeout(SCRAPE_WAIT, self.authenticate(token)).await {
            Err(_late) => Ok(known),
            Ok(Err(Error::Unavailable { code, .. })) if code.starts_with("database_") => Ok(known),
            Ok(answer) => answer,
        }
    }

    /// Whoever comes with this text, if it is good and known.
    fn scraper(&self, text: &str) -> Option<Visit> {
        let now = self.now();
        let sid = match self.is_key(text) {
            true => self.key_known(text)?,
            false => self.inner.base.tokens.verify(text, now).ok()?.sid.clone(),
        };
        let visit = self.inner.known.scraper(&sid)?;
        (visit.expires_at > now).then_some(visit)
    }

    /// The same for a text in the address of a WebSocket, which may also be a ticket.
    ///
    /// # Errors
    /// As [`App::authenticate`] and [`App::redeem`].
    pub async fn authenticate_in_address(&self, text: &str) -> Result<Visit> {
        // A signed token has dots, a ticket has none.
        if text.contains('.') || self.is_key(text) {
            self.authenticate(text).await
        } else {
            self.redeem(text).await
        }
    }

    /// Refuses what an API key is not for; `what` names the request. A sign-in passes: its role is
    /// asked where the action is decided.
    ///
    /// # Errors
    /// `missing_scope`, `login_required`.
    pub async fn admit(&self, who: &Principal, needs: Needs, what: &str) -> Result<()> {
        if who.key().is_none() {
            return Ok(());
        }
        let verdict = match needs {
            Needs::Scopes(scopes) => scopes.iter().try_for_each(|scope| who.need(*scope)),
            Needs::SignIn => Err(Error::Forbidden {
                code: "login_required",
                message: "an API key may not do this: sign in".into(),
            }),
        };
        match verdict {
            Ok(()) => Ok(()),
            Err(error) => self.denied(who, what, error).await,
        }
    }

    /// The person behind a server-side session: that of a token, or a key.
    pub(super) async fn visit(&self, sid: &str, now: Timestamp) -> Result<Visit> {
        if let Some(visit) = self.inner.known.get(sid)
            && visit.expires_at > now
        {
            return Ok(visit);
        }
        self.visit_now(sid).await
    }

    /// The same as the rows say it at this moment.
    pub(super) async fn visit_now(&self, sid: &str) -> Result<Visit> {
        let (sid, now) = (sid.to_owned(), self.now());
        let page = self.inner.known.page();
        if let Some(id) = api_key::of_sid(&sid) {
            return self.key_now(id, now, page).await;
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
                scopes: Scopes::ALL.allowed(user.role),
                sid: token.sid,
            },
            expires_at: token.expires_at,
        };
        self.inner.known.put(&visit, page);
        Ok(visit)
    }

    /// A session that `who` may look at.
    ///
    /// # Errors
    /// `not_found`, also for what is not theirs or was deleted.
    pub async fn readable(&self, who: &Principal, id: SessionId) -> Result<Session> {
        let found = self.standing(id).await?;
        found
            .filter(|session| who.may_read(session.owner))
            .ok_or_else(|| Error::not_found("agent", id))
    }

    /// A session that `who` may drive.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for a viewer of their own; `missing_scope`.
    pub async fn writable(&self, who: &Principal, id: SessionId) -> Result<Session> {
        let missing = || Error::not_found("agent", id);
        let session = self.standing(id).await?.ok_or_else(missing)?;
        if !who.may_read(session.owner) {
            return self.denied(who, id, missing()).await;
        }
        match who.need_write(session.owner) {
            Ok(()) => Ok(session),
            Err(error) => self.denied(who, id, error).await,
        }
    }

    /// Refuses everyone but an admin; `what` names what was asked for.
    ///
    /// # Errors
    /// `forbidden`, `missing_scope`.
    pub(super) async fn admins_only(&self, who: &Principal, what: &str) -> Result<()> {
        match who.need_admin() {
            Ok(()) => Ok(()),
            Err(error) => self.denied(who, what, error).await,
        }
    }

    async fn standing(&self, id: SessionId) -> Result<Option<Session>> {
        let found = self
            .store()
            .read(move |conn| sessions::by_id(conn, id))
            .await?;
        Ok(found.filter(|session| session.archived_at.is_none()))
    }

    /// Refuses something to somebody, and writes that down.
    pub(super) async fn denied<T>(
        &self,
        who: &Principal,
        object: impl ToString,
        error: Error,
    ) -> Result<T> {
        self.audit(AuditNote {
            actor: who.user.to_string(),
            action: "access.denied",
            object: object.to_string(),
            result: AuditResult::Denied,
        })
        .await;
        Err(error)
    }

    pub(super) fn refuse_draining(&self) -> Result<()> {
        if self.draining() {
            return Err(Error::draining());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Role, UserId};

    fn visit(user: UserId, sid: &str) -> Visit {
        let who = Principal {
            user,
            username: "ada".into(),
            role: Role::Member,
            scopes: Scopes::ALL.allowed(Role::Member),
            sid: sid.into(),
        };
        Visit {
            who,
            expires_at: Timestamp(i64::MAX),
        }
    }

    #[test]
    fn what_was_read_before_a_revocation_is_not_believed_after_it() {
        let (known, ada) = (Known::default(), UserId::generate());
        let page = known.page();
        known.put(&visit(ada, "a"), page);
        assert!(known.get("a").is_some());
        known.forget("a");
        known.put(&visit(ada, "a"), page);
        assert!(known.get("a").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_read_the_figures_is_known_for_longer_but_not_once_ended() {
        let (known, ann) = (Known::default(), UserId::generate());
        let admin = |sid: &str| {
            let mut visit = visit(ann, sid);
            visit.who.scopes = Scopes::ALL.allowed(Role::Admin);
            visit
        };
        known.put(&visit(ann, "member"), known.page());
        known.put(&admin("a"), known.page());
        known.put(&admin("b"), known.page());
        tokio::time::advance(SCRAPES - Duration::from_secs(1)).await;
        assert!(known.get("a").is_none() && known.scraper("a").is_some());
        assert!(known.scraper("member").is_none());
        known.forget("a");
        assert!(known.scraper("a").is_none() && known.scraper("b").is_some());
        known.put(&admin("c"), known.page());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(known.scraper("b").is_none() && known.scraper("c").is_some());
        known.forget_user(ann);
        assert!(known.scraper("c").is_none());
    }

    #[test]
    fn a_person_is_forgotten_with_every_token() {
        let (known, ada) = (Known::default(), UserId::generate());
        for (user, sid) in [(ada, "a"), (ada, "b"), (UserId::generate(), "c")] {
            known.put(&visit(user, sid), known.page());
        }
        known.forget_user(ada);
        let left = ["a", "b", "c"].map(|sid| known.get(sid).is_some());
        assert_eq!(left, [false, false, true]);
    }
}
