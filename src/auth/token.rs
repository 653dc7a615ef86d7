//! Tokens: JWTs signed with HS256 that name a person and a row on the server's side.
//!
//! Never believes a token's own algorithm, and never grants anything by itself: the row behind
//! `sid` must still be live.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::refused;
use crate::domain::{Error, Result, Timestamp, User, UserId};

const ISSUER: &str = "callboard";
const AUDIENCE: &str = "callboard";
const TYPE: &str = "access";
/// A clock that was set back may make a fresh token look early by this much. The end has no
/// leeway: the server that signed a token is the one that checks it.
const EARLY_S: i64 = 60;
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

/// Signs and checks tokens with one key.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// With the server's signing key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Times are compared below, with a leeway for each.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
            validation,
        }
    }

    /// Signs a token for a person.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn issue(&self, user: &User, sid: &str, ttl: Duration) -> Result<Issued> {
        self.issue_at(user, sid, ttl, now()?)
    }

    /// Reads a token that this server signed and that is good now.
    ///
    /// # Errors
    /// `bad_token` or `token_expired`.
    pub fn verify(&self, token: &str) -> Result<Claims> {
        self.verify_at(token, now()?)
    }

    fn issue_at(&self, user: &User, sid: &str, ttl: Duration, now: i64) -> Result<Issued> {
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
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(Error::internal)?;
        Ok(Issued {
            token,
            issued_at: Timestamp(claims.iat.saturating_mul(1000)),
            expires_at: Timestamp(claims.exp.saturating_mul(1000)),
        })
    }

    fn verify_at(&self, token: &str, now: i64) -> Result<Claims> {
        let bad = || refused("bad_token", "the token is not one of this server");
        if token.len() > MAX_BYTES {
            return Err(bad());
        }
        let claims = match decode::<Claims>(token, &self.decoding, &self.validation) {
            Ok(decoded) => decoded.claims,
            Err(error) if matches!(error.kind(), ErrorKind::Provider(_)) => {
                return Err(Error::internal(error));
            }
            Err(_unreadable) => return Err(bad()),
        };
        if claims.typ != TYPE || claims.nbf > now.saturating_add(EARLY_S) {
            return Err(bad());
        }
        if claims.exp <= now {
            return Err(refused("token_expired", "the token is over; sign in again"));
        }
        Ok(claims)
    }
}

/// A fresh, unguessable name for the row behind a token.
#[must_use]
pub fn new_sid() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn now() -> Result<i64> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(Error::internal)?;
    i64::try_from(since.as_secs()).map_err(Error::internal)
}

#[cfg(test)]
mod tests;
