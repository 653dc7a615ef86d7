//! Accounts: made, listed, changed and deleted by admins, and the own one by everyone.
//!
//! Never gives a role above the giver's own, and never leaves the server without a superadmin.

mod password;
mod rules;

use super::auth::add;
use super::{App, Caller, Ending, Page};
use crate::auth;
use crate::domain::{
    AuditNote, AuditResult, Error, Principal, Result, Role, User, UserId, account,
};
use crate::store::{api_keys, tokens, users};
use rules::{asker, idle, one_stays, rewrite};

pub use password::NewPassword;
pub(super) use rules::stands;

/// An account to make.
#[derive(Clone)]
pub struct NewUser {
    /// The name to sign in with.
    pub username: String,
    /// An address, another name to sign in with.
    pub email: Option<String>,
    /// The password.
    pub password: String,
    /// What they may do; a member by default.
    pub role: Option<Role>,
}

/// What is changed of an account; what is not named stays.
#[derive(Clone, Default)]
pub struct UserPatch {
    /// The name to sign in with.
    pub username: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// What they may do.
    pub role: Option<Role>,
    /// Whether they are shut out.
    pub disabled: Option<bool>,
    /// The password; ends every token and API key of theirs.
    pub password: Option<String>,
}

impl UserPatch {
    /// Whether it is about more than one's own profile.
    fn for_admins(&self) -> bool {
        self.role.is_some() || self.disabled.is_some() || self.password.is_some()
    }
}

impl App {
    /// People with an account, oldest first; with a login, the one of this name or address.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn users(
        &self,
        who: &Principal,
        login: Option<String>,
        range: (usize, usize),
    ) -> Result<Page<User>> {
        self.admin(who, "user.listed", "").await?;
        let (items, total) = self
            .store()
            .read(move |conn| {
                let Some(login) = login else {
                    return users::list(conn, range);
                };
                let found: Vec<User> = users::by_login(conn, &login)?.into_iter().collect();
                let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
                Ok((found, total))
            })
            .await?;
        Ok(Page { items, total })
    }

    /// One account: the own one, and to admins any.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn user(&self, who: &Principal, id: UserId) -> Result<User> {
        let missing = || Error::not_found("user", id);
        if !who.may_read(id) {
            return Err(missing());
        }
        let found = self
            .store()
            .read(move |conn| users::by_id(conn, id))
            .await?;
        found.ok_or_else(missing)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// `forbidden`, `role_too_high`, `bad_username`, `reserved_username`, `bad_email`,
    /// `bad_password`, `username_taken`, `email_taken`.
    pub async fn create_user(&self, who: &Principal, new: NewUser) -> Result<User> {
        let (app, who) = (self.clone(), who.clone());
        Caller::whole(async move { app.make_user(&who, new).await }).await
    }

    async fn make_user(&self, who: &Principal, new: NewUser) -> Result<User> {
        let action = "user.created";
        self.admin(who, action, "").await?;
        let mut user = User {
            id: UserId::generate(),
            username: account::username(&new.username)?,
            email: match &new.email {
                Some(email) => account::email_of(new.username.trim(), email)?,
                None => account::no_email(new.username.trim()),
            },
            role: new.role.unwrap_or(Role::Member),
            password_hash: String::new(),
            disabled: false,
            created_at: self.now(),
        };
        if user.role > who.role {
            return Err(self.too_high(who, action, user.role).await);
        }
        auth::acceptable(&new.password)?;
        user.password_hash = self.inner.base.passwords.hash(new.password).await?;
        let (actor, row) = (who.user, user.clone());
        self.store()
            .write(move |conn| {
                asker(conn, actor, row.role)?;
                add(conn, &row)
            })
            .await?;
        let object = format!("{} {} {}", user.id, user.username, user.role.name());
        self.done(who, action, object).await;
        Ok(user)
    }

    /// Changes an account: its names everyone of their own, the rest admins of others.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `role_too_high`, `last_superadmin`, and what
    /// [`App::create_user`] refuses.
    pub async fn change_user(&self, who: &Principal, id: UserId, patch: UserPatch) -> Result<User> {
        let (app, who) = (self.clone(), who.clone());
        Caller::whole(async move { app.alter_user(&who, id, patch).await }).await
    }

    async fn alter_user(&self, who: &Principal, id: UserId, patch: UserPatch) -> Result<User> {
        let before = self.user(who, id).await?;
        let own = who.user == id;
        if own && patch.password.is_some() {
            let message = "your own password is changed with the one that you have";
            return Err(forbidden("own_password", message));
        }
        if patch.for_admins() {
            self.admin(who, "user.changed", &id.to_string()).await?;
        }
        let mut wanted = before.clone();
        if let Some(name) = patch.username.filter(|name| *name != before.username) {
            wanted.username = account::username(&name)?;
        }
        if let Some(email) = patch.email.filter(|email| *email != before.email) {
            wanted.email = account::email_of(&wanted.username, &email)?;
        }
        wanted.role = patch.role.unwrap_or(before.role);
        wanted.disabled = patch.disabled.unwrap_or(before.disabled);
        if let Some(password) = patch.password {
            auth::acceptable(&password)?;
            wanted.password_hash = self.inner.base.passwords.hash(password).await?;
        }
        let (actor, now, change) = (who.user, self.now(), (before.clone(), wanted));
        let written = self
            .store()
            .write(move |conn| rewrite(conn, actor, change, now))
            .await;
        match written {
            Ok(after) => {
                self.follow_up(who, &before, &after).await;
                Ok(after)
            }
            Err(error) => Err(self.refused(who, "user.changed", id, error.into()).await),
        }
    }

    /// Deletes an account. Its sessions stay with its id; while an agent of its lives it is
    /// refused.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `role_too_high`, `last_superadmin`, `agents_alive`.
    pub async fn remove_user(&self, who: &Principal, id: UserId) -> Result<()> {
        let (app, who) = (self.clone(), who.clone());
        Caller::whole(async move { app.delete_user(&who, id).await }).await
    }

    async fn delete_user(&self, who: &Principal, id: UserId) -> Result<()> {
        let action = "user.deleted";
        if let Err(error) = self.user(who, id).await {
            // Nobody has anything open for an account that is not there.
            if matches!(error, Error::NotFound { .. }) && who.is_admin() {
                self.turn(id, None, Ending::AuthEnded);
            }
            return Err(error);
        }
        self.admin(who, action, &id.to_string()).await?;
        let (actor, now) = (who.user, self.now());
        let gone = self
            .store()
            .write(move |conn| {
                let user = users::by_id(conn, id)?.ok_or_else(|| Error::not_found("user", id))?;
                asker(conn, actor, user.role)?;
                let loses = user.role == Role::Superadmin && !user.disabled;
                one_stays(conn, loses)?;
                idle(conn, id)?;
                tokens::revoke_user(conn, id, None, now)?;
                api_keys::revoke_user(conn, id, now)?;
                users::delete(conn, id, now)
            })
            .await;
        if let Err(error) = gone {
            return Err(self.refused(who, action, id, error.into()).await);
        }
        self.turn(id, None, Ending::AuthEnded);
        self.done(who, action, id.to_string()).await;
        Ok(())
    }

    /// Ends what the person may not have any more, and writes down what was done.
    async fn follow_up(&self, who: &Principal, before: &User, after: &User) {
        let shut = after.disabled || after.password_hash != before.password_hash;
        if shut {
            self.turn(after.id, None, Ending::AuthEnded);
        } else if after.role != before.role || after.username != before.username {
            self.turn(after.id, None, Ending::RightsChanged);
        }
        let id = after.id;
        for (changed, action, object) in [
            (
                after.role != before.role,
                "user.role_changed",
                format!("{id} {} {}", before.role.name(), after.role.name()),
            ),
            (
                after.disabled && !before.disabled,
                "user.disabled",
                id.to_string(),
            ),
            (
                before.disabled && !after.disabled,
                "user.enabled",
                id.to_string(),
            ),
            (
                after.password_hash != before.password_hash,
                "user.password_set",
                id.to_string(),
            ),
            (
                (&after.username, &after.email) != (&before.username, &before.email),
                "user.changed",
                id.to_string(),
            ),
        ] {
            if changed {
                self.done(who, action, object).await;
            }
        }
    }

    /// A refusal, written down when it is one of rights.
    async fn refused(
        &self,
        who: &Principal,
        action: &'static str,
        id: UserId,
        error: Error,
    ) -> Error {
        if matches!(error, Error::Forbidden { .. } | Error::Conflict { .. }) {
            self.audit(deny(who, action, &id.to_string())).await;
        }
        error
    }
}

/// The record of a refusal.
pub(super) fn deny(who: &Principal, action: &'static str, object: &str) -> AuditNote {
    AuditNote {
        actor: who.user.to_string(),
        action,
        object: object.to_owned(),
        result: AuditResult::Denied,
    }
}

/// What somebody hears who reaches above themselves.
pub(super) fn too_high() -> Error {
    forbidden("role_too_high", "that role is above your own")
}

fn forbidden(code: &'static str, message: &str) -> Error {
    Error::Forbidden {
        code,
        message: message.to_owned(),
    }
}
