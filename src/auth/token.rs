//! Tokens: JWTs signed with HS256 that name a person, a row on the server's side and the key.
//!
//! Never believes a token's own algorithm, and never grants anything by itself: the row behind
//! `sid` must still be live.

mod checked;

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::checked::Checked;
use super::refused;
use crate::domain::{Error, Result, Timestamp, User, UserId};

const ISSUER: &str = "callboard";
const AUDIENCE: &str = "callboard";
const TYPE: &str = "access";
/// Longest token that is looked at.
const MAX_BYTES: usize = 4096;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The person.
    pub sub: UserId,
    /// The row on the server's side.
    pub sid: String,
    /// What it is good for.
    pub typ: String,
    /// When it was signed, in seconds since the epoch.
    pub iat: i64,
    /// From when it is good.
    pub nbf: i64,
    /// Until when it is good.
    pub exp: i64,
}

/// A token that was signed, and its times for the row behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The token.
    pub token: String,
    /// When it was signed; whole seconds.
    pub issued_at: Timestamp,
    /// When it ends; whole seconds.
    pub expires_at: Timestamp,
}

/// Signs tokens with one key, and checks them with that and the one before it.
pub struct Tokens {
    encoding: EncodingKey,
    /// The one that signs first.
    checks: Vec<Check>,
    validation: Validation,
    checked: Checked,
}

/// A key that tokens are checked with, and its name in their heads.
struct Check {
    kid: String,
    key: DecodingKey,
}

impl Check {
    fn new(key: &[u8; 32]) -> Self {
        Self {
            kid: kid(key),
            key: DecodingKey::from_secret(key),
        }
    }
}

/// The public name of a signing key: the beginning of its hash.
#[must_use]
pub fn kid(key: &[u8; 32]) -> String {
    let hash = Sha256::digest(key);
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Tokens {
    /// With the server's signing key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // The end is compared below, by the clock that also signs.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            encoding: EncodingKey::from_secret(key),
            checks: vec![Check::new(key)],
            validation,
            checked: Checked::default(),
        }
    }

    /// Also takes what an earlier key signed, until it ends.
    #[must_use]
    pub fn also(mut self, previous: Option<&[u8; 32]>) -> Self {
        self.checks.extend(previous.map(Check::new));
        self
    }

    /// Signs a token for a person.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn issue(&self, user: &User, sid: &str, ttl: Duration, now: Timestamp) -> Result<Issued> {
        let now = seconds(now);
        let life = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.id,
            sid: sid.to_owned(),
            typ: TYPE.to_owned(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(life),
        };
        let mut header = Header::new(Algorithm::HS256);
        header.kid = self.checks.first().map(|check| check.kid.clone());
        let token = encode(&header, &claims, &self.encoding).map_err(Error::internal)?;
        Ok(Issued {
            token,
            issued_at: Timestamp(claims.iat.saturating_mul(1000)),
            expires_at: Timestamp(claims.exp.saturating_mul(1000)),
        })
    }

    /// Reads a token that this server signed and that is good now. One that was signed while the clock
    /// was ahead is good all the same: its row is there.
    ///
    /// # Errors
    /// `bad_token` or `token_expired`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>> {
        let bad = || refused("bad_token", "the token is not one of this server");
        if token.len() > MAX_BYTES {
            return Err(bad());
        }
        let (known, now) = (self.checked.get(token), seconds(now));
        let claims = match &known {
            Some(claims) => Arc::clone(claims),
            None => Arc::new(self.claims(token)?.ok_or_else(bad)?),
        };
        if claims.typ != TYPE || claims.nbf > claims.exp {
            return Err(bad());
        }
        if claims.exp <= now {
            return Err(refused("token_expired", "the token is over; sign in again"));
        }
        if known.is_none() {
            self.checked.put(token, &claims, now);
        }
        Ok(claims)
    }
}

impl Tokens {
    /// The claims of a token that one of the keys signed: the one that it names, or any of them for
    /// one of an earlier version, which names none.
    fn claims(&self, token: &str) -> Result<Option<Claims>> {
        let Ok(header) = decode_header(token) else {
            return Ok(None);
        };
        let named = |check: &&Check| header.kid.as_ref().is_none_or(|kid| *kid == check.kid);
        for check in self.checks.iter().filter(named) {
            match decode::<Claims>(token, &check.key, &self.validation) {
                Ok(decoded) => return Ok(Some(decoded.claims)),
                Err(error) if matches!(error.kind(), ErrorKind::Provider(_)) => {
                    return Err(Error::internal(error));
                }
                Err(_unreadable) => {}
            }
        }
        Ok(None)
    }
}

/// A fresh, unguessable name for the row behind a token.
#[must_use]
pub fn new_sid() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000)
}

#[cfg(test)]
mod tests;
