//! Passwords to tokens, tokens to tickets, and their ends.
//!
//! Never tells a wrong name from a wrong password, neither in words nor in time.

use super::throttle::Key;
use crate::app::{App, Caller, Visit};
use crate::auth::{self, bad_credentials};
use crate::domain::{AuditNote, AuditResult, Error, Principal, Result, Timestamp, User};
use crate::store::tickets::{self, TicketRow};
use crate::store::tokens::{self, TokenRow};
use crate::store::users;

/// What somebody signs in with.
#[derive(Clone)]
pub struct Credentials {
    /// User name or address; absent only where one person alone uses the server.
    pub login: Option<String>,
    /// The password.
    pub password: String,
}

/// A successful sign-in.
#[derive(Clone)]
pub struct SignIn {
    /// The token.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whose it is.
    pub user: User,
}

/// A ticket for the address of a WebSocket.
#[derive(Clone)]
pub struct Ticket {
    /// Its text.
    pub text: String,
    /// When it ends unused.
    pub expires_at: Timestamp,
}

impl App {
    /// Signs somebody in.
    ///
    /// # Errors
    /// `bad_credentials`, `username_required`, `too_many_attempts`, `sign_in_busy`.
    pub async fn sign_in(&self, credentials: Credentials) -> Result<SignIn> {
        let typed = credentials.login.clone().unwrap_or_default();
        let user = self.named(credentials.login).await?;
        // Only the name of an account is kept: what else was typed there may be a password.
        let named = user.as_ref().map(|user| user.username.clone());
        let signed_in = self.check_password(typed, user, credentials.password).await;
        let named = named.unwrap_or_default();
        let (actor, action, result) = match &signed_in {
            Ok(signed_in) => {
                let actor = signed_in.user.id.to_string();
                (actor, "login.succeeded", AuditResult::Done)
            }
            Err(Error::Busy { .. }) => (named, "login.throttled", AuditResult::Denied),
            Err(Error::Unauthenticated { .. }) => (named, "login.failed", AuditResult::Failed),
            Err(_) => return signed_in,
        };
        self.audit(AuditNote {
            actor,
            action,
            object: String::new(),
            result,
        })
        .await;
        signed_in
    }

    async fn check_password(
        &self,
        typed: String,
        user: Option<User>,
        password: String,
    ) -> Result<SignIn> {
        let account = user.as_ref().map(|user| Key::account(user.id).hidden());
        let keys = [Some(Key::name(&typed)), account, Key::here("address")];
        let counted = self.count_try(keys.into_iter().flatten().collect()).await?;
        let user = user.filter(|_| !counted.in_vain);
        match self.enter(user, password).await {
            Ok(signed_in) => {
                self.forget_try(counted).await?;
                Ok(signed_in)
            }
            // It stays counted.
            Err(error @ Error::Unauthenticated { .. }) => Err(error),
            Err(error) => {
                self.take_back(counted).await?;
                Err(error)
            }
        }
    }

    /// A token for who knows the password of `user`.
    async fn enter(&self, user: Option<User>, password: String) -> Result<SignIn> {
        let stored = user.as_ref().map(|user| user.password_hash.clone());
        let passwords = &self.inner.base.passwords;
        let right = passwords.verify(password.clone(), stored).await?;
        let Some(mut user) = user.filter(|user| right && !user.disabled) else {
            return Err(bad_credentials());
        };
        let checked = user.password_hash.clone();
        if auth::needs_rehash(&checked) {
            user.password_hash = passwords.hash(password).await?;
        }
        self.give_token(user, checked).await
    }

    async fn named(&self, login: Option<String>) -> Result<Option<User>> {
        let found = match login {
            Some(login) => {
                self.store()
                    .read(move |conn| users::by_login(conn, &login))
                    .await?
            }
            None if self.config().auth.single_user => self.store().read(users::first_admin).await?,
            None => {
                return Err(Error::invalid(
                    "username_required",
                    "username",
                    "the name is missing",
                    "`username` or `email` beside `password`",
                ));
            }
        };
        Ok(found)
    }

    /// Gives a token to a person whose password hash is still the one that was checked, and keeps
    /// the one that they have now.
    pub(super) async fn give_token(&self, user: User, checked: String) -> Result<SignIn> {
        let sid = auth::new_sid();
        let ttl = self.config().auth.token_ttl;
        let issued = self.inner.base.tokens.issue(&user, &sid, ttl, self.now())?;
        let row = TokenRow {
            sid,
            user: user.id,
            created_at: issued.issued_at,
            expires_at: issued.expires_at,
        };
        let hash = user.password_hash.clone();
        self.store()
            .write(move |conn| {
                let now = users::by_id(conn, row.user)?;
                if now.is_none_or(|now| now.disabled || now.password_hash != checked) {
                    return Err(bad_credentials().into());
                }
                if hash != checked {
                    users::set_hash(conn, row.user, &hash)?;
                }
                tokens::insert(conn, &row)
            })
            .await?;
        Ok(SignIn {
            token: issued.token,
            expires_at: issued.expires_at,
            user,
        })
    }

    /// Ends a token: its row, and every socket that was opened with it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sign_out(&self, who: &Principal) -> Result<()> {
        let (app, sid, now) = (self.clone(), who.sid.clone(), self.now());
        Caller::whole(async move {
            let row = sid.clone();
            app.store()
                .write(move |conn| tokens::revoke(conn, &row, now))
                .await?;
            app.end_credential(&sid);
            Ok(())
        })
        .await
    }

    /// The account behind a principal.
    ///
    /// # Errors
    /// `not_found` when it was deleted just now.
    pub async fn account(&self, who: &Principal) -> Result<User> {
        let id = who.user;
        self.store()
            .read(move |conn| users::by_id(conn, id))
            .await?
            .ok_or_else(|| Error::not_found("user", id))
    }

    /// A ticket that opens one WebSocket in the place of the token or the key, with no more scopes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket(&self, who: &Principal) -> Result<Ticket> {
        let ticket = auth::Ticket::generate()?;
        let ttl = i64::try_from(self.config().auth.ticket_ttl.as_millis()).unwrap_or(i64::MAX);
        let row = TicketRow {
            hash: ticket.hash,
            sid: who.sid.clone(),
            expires_at: self.now().plus_ms(ttl),
        };
        let expires_at = row.expires_at;
        self.store()
            .write(move |conn| tickets::insert(conn, &row))
            .await?;
        Ok(Ticket {
            text: ticket.text,
            expires_at,
        })
    }

    /// Uses up a ticket.
    ///
    /// # Errors
    /// `bad_ticket` when it was used, is over or never was.
    pub async fn redeem(&self, ticket: &str) -> Result<Visit> {
        let (hash, now) = (auth::Ticket::hash(ticket), self.now());
        // A look first: who brings no ticket that was given out does not come as far as the writer.
        let known = self
            .store()
            .read(move |conn| tickets::known(conn, &hash))
            .await?;
        let sid = match known {
            true => {
                self.store()
                    .write(move |conn| tickets::take(conn, &hash, now))
                    .await?
            }
            false => None,
        };
        let Some(sid) = sid else {
            return Err(Error::Unauthenticated {
                code: "bad_ticket",
                message: "the ticket was used, is over or never was".into(),
            });
        };
        self.visit(&sid, now).await
    }
}
