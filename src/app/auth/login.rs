//! Passwords to tokens, tokens to tickets, and their ends.
//!
//! Never tells a wrong name from a wrong password, neither in words nor in time.

use crate::app::{App, Visit};
use crate::auth::{self, bad_credentials};
use crate::domain::{Error, Principal, Result, Timestamp, User};
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
    /// `bad_credentials`, `username_required`, `sign_in_busy`.
    pub async fn sign_in(&self, credentials: Credentials) -> Result<SignIn> {
        let user = self.named(credentials.login).await?;
        let stored = user.as_ref().map(|user| user.password_hash.clone());
        let passwords = &self.inner.base.passwords;
        let password = credentials.password;
        if !passwords.verify(password.clone(), stored).await? {
            return Err(bad_credentials());
        }
        let Some(user) = user.filter(|user| !user.disabled) else {
            return Err(bad_credentials());
        };
        if auth::needs_rehash(&user.password_hash) {
            let hash = passwords.hash(password).await?;
            let id = user.id;
            self.store()
                .write(move |conn| users::set_hash(conn, id, &hash))
                .await?;
        }
        self.give_token(user).await
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

    async fn give_token(&self, user: User) -> Result<SignIn> {
        let sid = auth::new_sid();
        let ttl = self.config().auth.token_ttl;
        let issued = self.inner.base.tokens.issue(&user, &sid, ttl)?;
        let row = TokenRow {
            sid,
            user: user.id,
            created_at: issued.issued_at,
            expires_at: issued.expires_at,
        };
        self.store()
            .write(move |conn| tokens::insert(conn, &row))
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
        let (sid, now) = (who.sid.clone(), self.now());
        self.store()
            .write(move |conn| tokens::revoke(conn, &sid, now))
            .await?;
        self.inner.known.forget(&who.sid);
        self.inner.connections.end_sid(&who.sid);
        Ok(())
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

    /// A ticket that opens one WebSocket in the place of the token.
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
        let sid = self
            .store()
            .write(move |conn| tickets::take(conn, &hash, now))
            .await?;
        let Some(sid) = sid else {
            return Err(Error::Unauthenticated {
                code: "bad_ticket",
                message: "the ticket was used, is over or never was".into(),
            });
        };
        self.visit(sid, now).await
    }
}
