//! Refresh tokens: a sign-in lives on by handing in the last one that it got.
//!
//! Never takes one twice: a second use ends the whole sign-in, since somebody has a copy.

use crate::app::{App, Caller};
use crate::auth;
use crate::domain::{AuditNote, AuditResult, Error, Principal, Result};
use crate::store::refresh::{self, RefreshRow, Taken};
use crate::store::tokens::{self, TokenRow};
use crate::store::users;

/// A sign-in that goes on.
#[derive(Clone)]
pub struct Renewed {
    /// The new token.
    pub token: String,
    /// What renews it next time.
    pub refresh: String,
}

impl App {
    /// A token that renews this sign-in once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refresh_token(&self, who: &Principal) -> Result<String> {
        let (text, row) = self.new_refresh(&who.sid, who.user)?;
        self.store()
            .write(move |conn| refresh::insert(conn, &row))
            .await?;
        Ok(text)
    }

    fn new_refresh(&self, sid: &str, user: crate::domain::UserId) -> Result<(String, RefreshRow)> {
        let secret = auth::Ticket::generate()?;
        let ttl = self.config().auth.refresh_ttl.as_millis();
        let now = self.now();
        let row = RefreshRow {
            hash: secret.hash,
            sid: sid.to_owned(),
            user,
            created_at: now,
            expires_at: now.plus_ms(i64::try_from(ttl).unwrap_or(i64::MAX)),
        };
        Ok((secret.text, row))
    }

    /// Renews a sign-in.
    ///
    /// # Errors
    /// `bad_refresh_token`; also for one that was used before, which ends the sign-in.
    pub async fn refresh(&self, text: &str) -> Result<Renewed> {
        let (app, hash) = (self.clone(), auth::Ticket::hash(text));
        Caller::whole(async move { app.renew(hash).await }).await
    }

    async fn renew(&self, hash: [u8; 32]) -> Result<Renewed> {
        // A look first: who brings none that was given out does not come as far as the writer.
        let known = self
            .store()
            .read(move |conn| refresh::known(conn, &hash))
            .await?;
        if !known {
            return Err(bad());
        }
        let now = self.now();
        let taken = self
            .store()
            .write(move |conn| refresh::take(conn, &hash, now))
            .await?;
        match taken {
            Taken::Nothing => Err(bad()),
            Taken::First { sid, user } => self.go_on(sid, user).await,
            Taken::Again { sid, user } => {
                let row = sid.clone();
                self.store()
                    .write(move |conn| tokens::revoke(conn, &row, now))
                    .await?;
                self.end_credential(&sid);
                self.audit(AuditNote {
                    actor: user.to_string(),
                    action: "token.reused",
                    object: sid,
                    result: AuditResult::Denied,
                })
                .await;
                Err(bad())
            }
        }
    }

    async fn go_on(&self, sid: String, user: crate::domain::UserId) -> Result<Renewed> {
        let found = self
            .store()
            .read(move |conn| users::by_id(conn, user))
            .await?;
        let user = found.filter(|user| !user.disabled).ok_or_else(bad)?;
        let ttl = self.config().auth.token_ttl;
        let issued = self.inner.base.tokens.issue(&user, &sid, ttl, self.now())?;
        let (text, next) = self.new_refresh(&sid, user.id)?;
        let row = TokenRow {
            sid: sid.clone(),
            user: user.id,
            created_at: issued.issued_at,
            expires_at: issued.expires_at,
        };
        self.store()
            .write(move |conn| {
                refresh::prolong(conn, &row)?;
                refresh::insert(conn, &next)
            })
            .await?;
        self.inner.known.forget(&sid);
        Ok(Renewed {
            token: issued.token,
            refresh: text,
        })
    }
}

fn bad() -> Error {
    Error::Unauthenticated {
        code: "bad_refresh_token",
        message: "the refresh token was used, is over or never was: sign in again".into(),
    }
}
