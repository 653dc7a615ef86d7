//! API keys: made, listed, renamed and revoked.
//!
//! Never by another key, and never shown twice but to a repeated request with its Idempotency-Key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::people::stands;
use super::{App, Caller, Needs};
use crate::auth::api_key as texts;
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{
    ApiKey, Error, KeyId, Principal, Result, Scope, Scopes, Timestamp, UserId, api_key,
};
use crate::store::idempotency::{self, KeptReply};
use crate::store::{Connection, StoreError, api_keys};

/// Most keys of a person that can be used.
const MAX_KEYS: u64 = 50;
/// The end of a key that has none, as it is counted: the last second of 9999.
pub(super) const NEVER: Timestamp = Timestamp(253_402_300_799_000);

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct KeyRequest {
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for; the usual of its owner's role when absent.
    pub scopes: Option<Vec<String>>,
    /// When it ends, RFC 3339; never when absent.
    pub expires_at: Option<String>,
    /// The client's key for repeated requests.
    pub key: Option<IdempotencyKey>,
}

/// A key that was made, with its text.
#[derive(Clone, Serialize, Deserialize)]
pub struct MadeKey {
    /// Its text.
    pub raw: String,
    /// The key.
    pub key: ApiKey,
}

impl App {
    /// The keys of `who`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keys(&self, who: &Principal) -> Result<Vec<ApiKey>> {
        let user = who.user;
        Ok(self
            .store()
            .read(move |conn| api_keys::of_user(conn, user))
            .await?)
    }

    /// Makes a key for `who`.
    ///
    /// # Errors
    /// `login_required`, `bad_field`, `forbidden` for a scope that their role does not have,
    /// `too_many_keys`, `idempotency_key_reused`.
    pub async fn make_key(&self, who: &Principal, request: KeyRequest) -> Result<MadeKey> {
        let (app, who) = (self.clone(), who.clone());
        Caller::whole(async move { app.new_key(&who, request).await }).await
    }

    async fn new_key(&self, who: &Principal, request: KeyRequest) -> Result<MadeKey> {
        self.admit(who, Needs::SignIn, "api-keys").await?;
        let now = self.now();
        if let Some(key) = request.key.clone() {
            let user = who.user;
            let kept = self
                .store()
                .read(move |conn| idempotency::find(conn, user, &key, now));
            if let Some(sealed) = kept.await? {
                return self.made_before(who, &request, &sealed);
            }
        }
        let new = texts::generate(&self.config().auth.api_key_prefix)?;
        let key = ApiKey {
            id: new.id,
            user: who.user,
            name: api_key::name(&request.name)?.to_owned(),
            prefix: new.start.clone(),
            scopes: scopes(who, request.scopes.as_deref())?,
            created_at: now,
            expires_at: expiry(request.expires_at.as_deref(), now)?,
            last_used_at: None,
        };
        let made = MadeKey {
            raw: new.text.to_string(),
            key,
        };
        match self.insert_key(&made, new.hash, &request).await? {
            Some(sealed) => self.made_before(who, &request, &sealed),
            None => {
                self.done(who, "key.created", made.key.id).await;
                Ok(made)
            }
        }
    }

    /// Stores a key, or finds the reply of another request with the same Idempotency-Key.
    async fn insert_key(
        &self,
        made: &MadeKey,
        hash: [u8; 32],
        request: &KeyRequest,
    ) -> Result<Option<String>> {
        let key = made.key.clone();
        let reply = match &request.key {
            Some(wanted) => Some(KeptReply {
                owner: key.user,
                key: wanted.clone(),
                reply: self.sealed_key(made, &wanted.key)?,
                created_at: key.created_at,
            }),
            None => None,
        };
        let write = move |conn: &mut Connection| {
            if let Some(reply) = &reply {
                let found = idempotency::find(conn, reply.owner, &reply.key, reply.created_at)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            stands(conn, key.user)?;
            if api_keys::live(conn, key.user, key.created_at)? >= MAX_KEYS {
                return Err(StoreError::Domain(too_many()));
            }
            api_keys::insert(conn, &key, &hash)?;
            if let Some(reply) = &reply {
                idempotency::insert(conn, reply)?;
            }
            Ok(None)
        };
        Ok(self.store().write(write).await?)
    }

    /// The text of a key is never stored plainly, also not as the reply of its creation.
    fn sealed_key(&self, made: &MadeKey, wanted: &str) -> Result<String> {
        let plain = Zeroizing::new(serde_json::to_vec(made).map_err(Error::internal)?);
        let place = reply_place(made.key.user, wanted);
        Ok(STANDARD.encode(self.inner.base.secrets.seal(&place, &plain)?))
    }

    fn made_before(&self, who: &Principal, request: &KeyRequest, sealed: &str) -> Result<MadeKey> {
        let wanted = request.key.as_ref().map_or("", |key| key.key.as_str());
        let gone = || {
            Error::conflict(
                "already_made",
                "the key of this Idempotency-Key was made, but cannot be shown again",
            )
        };
        let blob = STANDARD.decode(sealed).map_err(|_other| gone())?;
        let place = reply_place(who.user, wanted);
        let opened = self.inner.base.secrets.open_sealed(&place, &blob);
        let plain = Zeroizing::new(opened.map_err(|_another_master_key| gone())?);
        serde_json::from_slice(&plain).map_err(|_another_version| gone())
    }

    /// Gives a key of `who` another name.
    ///
    /// # Errors
    /// `login_required`, `bad_field`, `not_found`.
    pub async fn rename_key(&self, who: &Principal, id: KeyId, name: &str) -> Result<ApiKey> {
        self.admit(who, Needs::SignIn, "api-keys").await?;
        let (of, name) = ((who.user, id), api_key::name(name)?.to_owned());
        let renamed = self
            .store()
            .write(move |conn| api_keys::rename(conn, of, &name));
        renamed.await?.ok_or_else(|| Error::not_found("key", id))
    }

    /// Revokes a key of `who`: from now on it opens nothing, and what it opened ends.
    ///
    /// # Errors
    /// `login_required`, `not_found`.
    pub async fn revoke_key(&self, who: &Principal, id: KeyId) -> Result<()> {
        let (app, who) = (self.clone(), who.clone());
        Caller::whole(async move { app.end_key(&who, id).await }).await
    }

    async fn end_key(&self, who: &Principal, id: KeyId) -> Result<()> {
        self.admit(who, Needs::SignIn, "api-keys").await?;
        let (of, now) = ((who.user, id), self.now());
        let revoke = move |conn: &mut Connection| {
            let revoked = api_keys::revoke(conn, of, now)?;
            let found = api_keys::find(conn, id)?;
            Ok((revoked, found.is_some_and(|found| found.user.id == of.0)))
        };
        let (revoked, own) = self.store().write(revoke).await?;
        if own {
            self.end_credential(&api_key::sid(id));
        }
        if !revoked {
            return Err(Error::not_found("key", id));
        }
        self.done(who, "key.revoked", id).await;
        Ok(())
    }
}

fn scopes(who: &Principal, asked: Option<&[String]>) -> Result<Scopes> {
    let Some(words) = asked else {
        return Ok(Scopes::usual(who.role));
    };
    let expected = "a list of read, write, admin, metrics";
    let bad = |message: &str| Error::invalid("bad_field", "scopes", message, expected);
    let scopes: Option<Vec<Scope>> = words.iter().map(|word| Scope::parse(word)).collect();
    let scopes = scopes.ok_or_else(|| bad("a scope is not known"))?;
    if scopes.is_empty() {
        return Err(bad("a key without a scope opens nothing"));
    }
    let scopes = Scopes::of(&scopes);
    match scopes.iter().find(|scope| scope.least_role() > who.role) {
        None => Ok(scopes),
        Some(scope) => Err(Error::Forbidden {
            code: "forbidden",
            message: format!("your role does not have the scope `{}`", scope.name()),
        }),
    }
}

fn expiry(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let at = Timestamp::parse_rfc3339(text).filter(|at| *at > now && *at < NEVER);
    at.map(Some).ok_or_else(|| {
        Error::invalid(
            "bad_field",
            "expiresAt",
            "the end of the key is no time to come",
            "a time to come as 2027-01-31T12:00:00Z, or nothing for a key without an end",
        )
    })
}

fn too_many() -> Error {
    Error::conflict(
        "too_many_keys",
        format!("a person has at most {MAX_KEYS} API keys: revoke one first"),
    )
}

fn reply_place(user: UserId, wanted: &str) -> String {
    // As in `store::sealed`, which has no use for the words.
    format!("{user}/api-key/{wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;

    fn someone(role: Role) -> Principal {
        Principal {
            user: UserId::generate(),
            username: "a".into(),
            role,
            scopes: Scopes::ALL.allowed(role),
            sid: "s".into(),
        }
    }

    #[test]
    fn a_key_gets_no_scope_that_its_owner_lacks() {
        let ask = |role, words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            scopes(&someone(role), Some(&words))
        };
        assert_eq!(ask(Role::Member, &["write"]).unwrap().words(), "read write");
        for (role, word) in [
            (Role::Viewer, "write"),
            (Role::Member, "admin"),
            (Role::Member, "metrics"),
        ] {
            assert_eq!(ask(role, &[word]).unwrap_err().code(), "forbidden");
        }
        assert!(ask(Role::Admin, &["metrics", "admin"]).is_ok());
        assert_eq!(ask(Role::Admin, &["root"]).unwrap_err().code(), "bad_field");
        assert_eq!(ask(Role::Admin, &[]).unwrap_err().code(), "bad_field");
        assert_eq!(
            scopes(&someone(Role::Viewer), None).unwrap().words(),
            "read"
        );
    }

    #[test]
    fn an_end_lies_ahead() {
        let now = Timestamp(1_000_000);
        let ends = |text| expiry(Some(text), now);
        assert_eq!(
            ends("1970-01-01T00:16:41Z").unwrap(),
            Some(Timestamp(1_001_000))
        );
        assert_eq!(expiry(None, now).unwrap(), None);
        for bad in ["1970-01-01T00:16:40Z", "soon", "", "30d"] {
            assert_eq!(ends(bad).unwrap_err().code(), "bad_field", "{bad}");
        }
    }
}
