//! What an agent is given of its owner's sign-ins, renewed before it is.
//!
//! Never two exchanges of one refresh token: whoever comes second reads what the first one got.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::held::{Held, OVER};
use super::{Providers, finished, oauth};
use crate::config::{Oauth, Provider};
use crate::domain::{Error, Kind, Result, SignIn, Timestamp, UserId};
use crate::store::Connection;
use crate::store::providers::{self as rows, Sealed};

/// A token that is good for less is exchanged before an agent starts, in milliseconds.
const AHEAD: i64 = 5 * 60 * 1_000;

/// What sign-ins give an agent.
#[derive(Default)]
pub struct Variables {
    /// By name.
    pub env: BTreeMap<String, String>,
    /// The secrets among them, whatever their names look like.
    pub secrets: Vec<String>,
    /// Variables of the same providers that hold others, of the server's: not to be given besides.
    pub instead_of: Vec<String>,
}

impl Providers {
    /// Renews the sign-ins of a person that an agent of this kind is about to need. What fails is
    /// noted with the sign-in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew(self: &Arc<Self>, owner: UserId, kind: Kind, now: Timestamp) -> Result<()> {
        for (name, one) in self.serving(kind) {
            let Some(oauth) = &one.oauth else { continue };
            if self.due(owner, name, now).await?.is_none() {
                continue;
            }
            let (me, oauth, name) = (Arc::clone(self), oauth.clone(), name.to_owned());
            finished(async move {
                let turn = me.turn(owner, &name);
                let _alone = turn.lock().await;
                match me.due(owner, &name, now).await? {
                    Some((one, held)) => me.exchange(&oauth, one, held, now).await,
                    None => Ok(()),
                }
            })
            .await?;
        }
        Ok(())
    }

    /// What a person's agent of this kind is given, apart from what is given to it already under the
    /// names of the same provider. The inner error says why it cannot be given, for people.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn variables(
        &self,
        (owner, kind): (UserId, Kind),
        taken: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<std::result::Result<Variables, String>> {
        let mut given = Variables::default();
        if self.serving(kind).next().is_none() {
            return Ok(Ok(given));
        }
        let read = move |conn: &mut Connection| rows::of_owner(conn, owner);
        let signed_in = self.store.read(read).await?;
        for (name, one) in self.serving(kind) {
            let own = signed_in.iter().find(|row| row.0.provider == name);
            let theirs = one.variables().any(|name| taken.contains_key(name));
            let Some(row) = own.filter(|_| !theirs) else {
                continue;
            };
            let failed = |why: &str| format!("{} ({name}): {why}", title(name, one));
            match self.usable(row, now) {
                Ok(held) => given.add(one, held),
                Err(why) => return Ok(Err(failed(&why))),
            }
        }
        Ok(Ok(given))
    }

    /// The secrets among variables that were given before.
    #[must_use]
    pub fn secrets_in(&self, kind: Kind, env: &BTreeMap<String, String>) -> Vec<String> {
        let names = self
            .serving(kind)
            .flat_map(|(_, one)| one.secret_variables());
        names.filter_map(|name| env.get(name).cloned()).collect()
    }

    /// The names of the variables that a person's agents of this kind are given.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn names(&self, owner: UserId, kind: Kind, now: Timestamp) -> Result<Vec<String>> {
        let none = BTreeMap::new();
        let given = self.variables((owner, kind), &none, now).await?;
        let names = given.map(|given| given.env.into_keys().collect());
        Ok(names.unwrap_or_default())
    }

    fn usable(&self, row: &Sealed, now: Timestamp) -> std::result::Result<Held, String> {
        let held = self.open(row)?;
        let over = row.0.expires_at.is_some_and(|at| at <= now);
        if over {
            return Err(row.0.failure.clone().unwrap_or_else(|| OVER.to_owned()));
        }
        Ok(held)
    }

    /// A sign-in that should be renewed now, and can be.
    async fn due(
        &self,
        owner: UserId,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<(SignIn, Held)>> {
        let near = |one: &SignIn| {
            let left = one.expires_at.map(|at| at.0.saturating_sub(now.0));
            left.is_some_and(|left| left < AHEAD)
        };
        let found = self.row(owner, name).await?.filter(|row| near(&row.0));
        let Some(row) = found else { return Ok(None) };
        let held = self.open(&row).ok().filter(Held::renews);
        Ok(held.map(|held| (row.0, held)))
    }

    async fn exchange(
        &self,
        oauth: &Oauth,
        mut one: SignIn,
        held: Held,
        now: Timestamp,
    ) -> Result<()> {
        let Held::Oauth {
            access,
            refresh: Some(refresh),
        } = held
        else {
            return Ok(());
        };
        let form = oauth::with_refresh(oauth, &refresh);
        let answer = self.outbound.post(&oauth.token_url, &form).await;
        one.changed_at = now;
        let kept = match oauth::tokens(answer) {
            Ok(tokens) => {
                one.failure = None;
                one.expires_at = tokens.expires_at(now);
                Some(tokens.held(Some(refresh)))
            }
            Err(oauth::Failed::Otherwise(why)) => {
                one.failure = Some(format!("it could not be renewed: {why}"));
                None
            }
            Err(oauth::Failed::Refused(why)) => {
                one.failure = Some(format!("it could not be renewed: {why}; sign in again"));
                // It is not asked for again.
                let refresh = None;
                Some(Held::Oauth { access, refresh })
            }
        };
        if let Some(why) = &one.failure {
            tracing::warn!(provider = one.provider, owner = %one.owner, why, "a sign-in was not renewed");
        }
        let secret = kept.map(|held| self.seal(one.id, &held)).transpose()?;
        let write = move |conn: &mut Connection| rows::renew(conn, &one, secret.as_deref());
        self.store.write(write).await.map_err(Error::from)?;
        Ok(())
    }
}

impl Variables {
    fn add(&mut self, one: &Provider, held: Held) {
        let token = one.oauth.as_ref().map(|oauth| oauth.token_env.clone());
        let (name, value) = match held {
            Held::Key { key } => (one.key_env.clone(), key),
            Held::Oauth { access, .. } => (token, access),
        };
        // A provider that is signed in to in another way by now gives nothing.
        let Some(name) = name else { return };
        self.secrets.push(value.clone());
        self.env.insert(name, value);
        if let (Some(name), Some(value)) = (&one.base_url_env, &one.base_url) {
            self.env.insert(name.clone(), value.clone());
        }
        let all = one.variables().map(str::to_owned);
        self.instead_of.extend(all);
    }
}

/// What people call a provider.
fn title<'a>(name: &'a str, one: &'a Provider) -> &'a str {
    one.title.as_deref().unwrap_or(name)
}
