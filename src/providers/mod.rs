//! Sign-ins of people at providers of models: kept sealed, renewed ahead of their end, and given to
//! their agents as variables.
//!
//! Never a secret in an answer or in the text of a failure, and never a word that a provider said.

mod held;
mod oauth;
mod outbound;
mod pending;
mod renewal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::config::{Config, Provider};
use crate::domain::{Error, Kind, Method, Result, SignIn, SignInId, Standing, Timestamp, UserId};
use crate::secrets::{Secrets, too_many};
use crate::store::{Connection, Store, providers as rows, users};

use held::Held;
use outbound::Outbound;
use pending::{Began, Pending};

pub use pending::Bringer;

pub use renewal::Variables;

/// Bytes of a key: a shorter one is not searched for in what agents say, a longer one is none.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 8..=4_096;

/// See the module.
pub struct Providers {
    store: Store,
    secrets: Arc<Secrets>,
    config: Arc<Config>,
    outbound: Outbound,
    pending: Pending,
    turns: Turns,
}

/// Changes of one sign-in go one after the other.
type Turns = Mutex<HashMap<(UserId, String), Weak<tokio::sync::Mutex<()>>>>;

/// Where a person stands with a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// In a word.
    pub standing: Standing,
    /// Until when it is good.
    pub expires_at: Option<Timestamp>,
    /// Why it does not do, for people.
    pub failure: Option<String>,
}

/// What a sign-in was begun with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The page where the person agrees.
    pub url: String,
    /// What comes back with the code.
    pub state: String,
    /// What the browser has to hold that is sent back here.
    pub browser: String,
    /// Whether it holds that for pages over TLS alone.
    pub secure: bool,
    /// Seconds until it is over.
    pub expires_in: u64,
}

/// What became of a sign-in that was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Whether there was one.
    pub removed: bool,
    /// Whether the provider ended its tokens; `None`: it has no place for that, or there were none.
    pub revoked: Option<bool>,
}

impl Providers {
    /// On these rows and settings.
    #[must_use]
    pub fn new(store: Store, secrets: Arc<Secrets>, config: Arc<Config>) -> Arc<Self> {
        Arc::new(Self {
            store,
            secrets,
            config,
            outbound: Outbound::default(),
            pending: Pending::default(),
            turns: Turns::default(),
        })
    }

    /// Those that are offered, by name.
    pub fn offered(&self) -> impl Iterator<Item = (&str, &Provider)> {
        let all = self.config.providers.iter();
        all.filter(|(_, one)| !one.kinds.is_empty())
            .map(|(name, one)| (name.as_str(), one))
    }

    /// One of them.
    ///
    /// # Errors
    /// `not_found`.
    pub fn named(&self, name: &str) -> Result<&Provider> {
        let mut all = self.offered();
        let found = all.find(|(own, _)| *own == name).map(|(_, one)| one);
        found.ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            Error::not_found("provider", shown)
        })
    }

    /// Where a person stands with those that they signed in to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stands(&self, owner: UserId, now: Timestamp) -> Result<BTreeMap<String, Stand>> {
        let found = self.store.read(move |conn| rows::of_owner(conn, owner));
        let found = found.await?.into_iter();
        Ok(found
            .map(|row| (row.0.provider.clone(), self.stand(&row, now)))
            .collect())
    }

    fn stand(&self, row: &rows::Sealed, now: Timestamp) -> Stand {
        let one = &row.0;
        let over = one.expires_at.is_some_and(|at| at <= now);
        let failure = match self.open(row) {
            Err(text) => Some(text),
            Ok(held) if over && !held.renews() => {
                let why = one.failure.clone();
                Some(why.unwrap_or_else(|| held::OVER.to_owned()))
            }
            Ok(_) => one.failure.clone(),
        };
        Stand {
            standing: match &failure {
                Some(_) => Standing::Error,
                None => Standing::Own(one.method),
            },
            expires_at: one.expires_at,
            failure,
        }
    }

    /// Keeps a key of a person.
    ///
    /// # Errors
    /// `not_found`, `bad_field`, `token_revoked`.
    pub async fn keep_key(
        self: &Arc<Self>,
        owner: UserId,
        name: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<()> {
        let bad = |message: &str, expected: &str| {
            Err(Error::invalid("bad_field", "api_key", message, expected))
        };
        if self.named(name)?.key_env.is_none() {
            let expected = "a sign-in with an account";
            return bad("this provider takes no key", expected);
        }
        let key = key.trim();
        let plain = KEY_BYTES.contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        if !plain || too_many(&[key.to_owned()]) {
            let expected = "8 to 4096 visible ASCII characters without blanks";
            return bad("this cannot be a key", expected);
        }
        let held = Held::Key {
            key: key.to_owned(),
        };
        let (me, name) = (Arc::clone(self), name.to_owned());
        finished(async move { me.keep((owner, name), Method::Key, (held, None), now).await }).await
    }

    /// Begins a sign-in with an account.
    ///
    /// # Errors
    /// `not_found`, `oauth_unsupported`.
    pub fn begin(&self, owner: UserId, name: &str) -> Result<Begun> {
        let oauth = self.oauth(name)?;
        let (state, verifier) = (pending::word()?, pending::word()?);
        let browser = pending::word()?;
        let url = oauth::page(oauth, &state, &verifier);
        self.pending.begin(
            &state,
            Began {
                owner,
                provider: name.to_owned(),
                verifier,
                browser: browser.clone(),
            },
        )?;
        Ok(Begun {
            url,
            state,
            browser,
            secure: oauth.redirect_url.starts_with("https://"),
            expires_in: pending::LIFE.as_secs(),
        })
    }

    /// Ends a sign-in with an account well, or not. Whose it is.
    ///
    /// # Errors
    /// `not_found`, `oauth_unsupported`, `bad_state`, `sign_in_refused`, `provider_unavailable`.
    pub async fn finish(
        self: &Arc<Self>,
        by: &Bringer,
        name: &str,
        (state, code): (&str, Option<&str>),
        now: Timestamp,
    ) -> Result<UserId> {
        // Who brings nothing but a state is not told which providers there are.
        let known = self.oauth(name).map_err(|error| match by {
            Bringer::Person(_) => error,
            Bringer::Browser(_) => pending::bad_state(),
        });
        let oauth = known?.clone();
        let began = self.pending.take(state, by, name)?;
        let Some(code) = code.filter(|code| !code.is_empty()).map(str::to_owned) else {
            return Err(oauth::refused("the provider sent nobody back with a code"));
        };
        let (me, name) = (Arc::clone(self), name.to_owned());
        let owner = began.owner;
        finished(async move {
            let form = oauth::with_code(&oauth, &code, &began.verifier);
            let answer = me.outbound.post(&oauth.token_url, &form).await;
            let tokens = oauth::tokens(answer).map_err(oauth::Failed::told)?;
            let held = tokens.held(None);
            let expires_at = tokens.expires_at(now);
            let kept = me.keep(
                (owner, name),
                Method::Oauth,
                (held.clone(), expires_at),
                now,
            );
            if let Err(error) = kept.await {
                me.revoke(&oauth, &held).await;
                return Err(error);
            }
            Ok(owner)
        })
        .await
    }

    /// Ends a sign-in here and at the provider. Programs that run keep what they were given.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn sign_out(self: &Arc<Self>, owner: UserId, name: &str) -> Result<Ended> {
        self.named(name)?;
        let (me, name) = (Arc::clone(self), name.to_owned());
        finished(async move {
            let turn = me.turn(owner, &name);
            let alone = turn.lock().await;
            let before = me.row(owner, &name).await?;
            let gone = name.clone();
            let write = move |conn: &mut Connection| rows::remove(conn, owner, &gone);
            let removed = me.store.write(write).await?;
            drop(alone);
            let revoked = me.end(&name, before).await;
            Ok(Ended { removed, revoked })
        })
        .await
    }

    /// Stores a sign-in, and ends what was there before it.
    async fn keep(
        &self,
        (owner, name): (UserId, String),
        method: Method,
        (held, expires_at): (Held, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<()> {
        let turn = self.turn(owner, &name);
        let alone = turn.lock().await;
        let before = self.row(owner, &name).await?;
        let one = SignIn {
            id: SignInId::generate(),
            owner,
            provider: name.clone(),
            method,
            expires_at,
            failure: None,
            changed_at: now,
        };
        let secret = self.seal(one.id, &held)?;
        let write = move |conn: &mut Connection| {
            let person = users::by_id(conn, owner)?.filter(|person| !person.disabled);
            person.ok_or_else(gone)?;
            rows::put(conn, &one, &secret)
        };
        self.store.write(write).await?;
        drop(alone);
        self.end(&name, before).await;
        Ok(())
    }

    /// Tells the provider that tokens are not used any more.
    async fn end(&self, name: &str, before: Option<rows::Sealed>) -> Option<bool> {
        let held = self.open(&before?).ok()?;
        let oauth = self.config.providers.get(name)?.oauth.as_ref()?;
        self.revoke(oauth, &held).await
    }

    async fn row(&self, owner: UserId, name: &str) -> Result<Option<rows::Sealed>> {
        let name = name.to_owned();
        let read = self.store.read(move |conn| rows::find(conn, owner, &name));
        Ok(read.await?)
    }

    fn oauth(&self, name: &str) -> Result<&crate::config::Oauth> {
        let found = self.named(name)?.oauth.as_ref();
        found.ok_or_else(|| {
            let message = "people sign in to this provider with a key";
            Error::conflict("oauth_unsupported", message)
        })
    }

    fn serving(&self, kind: Kind) -> impl Iterator<Item = (&str, &Provider)> {
        self.offered()
            .filter(move |(_, one)| one.kinds.contains(&kind))
    }

    fn turn(&self, owner: UserId, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, one| one.strong_count() > 0);
        let key = (owner, name.to_owned());
        if let Some(held) = turns.get(&key).and_then(Weak::upgrade) {
            return held;
        }
        let fresh = Arc::default();
        turns.insert(key, Arc::downgrade(&fresh));
        fresh
    }
}

/// Runs work to its end also when nobody waits for it any more: half of an exchange loses tokens.
async fn finished<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work).await.map_err(Error::internal)?
}

fn gone() -> Error {
    Error::Unauthenticated {
        code: "token_revoked",
        message: "the account is shut out or deleted".into(),
    }
}
