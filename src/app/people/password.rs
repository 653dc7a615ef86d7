//! The own password.
//!
//! Never changed without the one that is in force, whoever holds the token.

use super::{deny, forbidden};
use crate::app::auth::Key;
use crate::app::{App, Caller, Ending};
use crate::auth;
use crate::domain::{AuditNote, AuditResult, Error, Principal, Result};
use crate::store::{Connection, api_keys, tokens, users};

/// The own password, to be another one.
#[derive(Clone)]
pub struct NewPassword {
    /// The one that is in force.
    pub current: String,
    /// The one to come.
    pub new: String,
    /// Whether the own API keys are revoked too.
    pub revoke_keys: bool,
}

impl App {
    /// Changes the own password and ends every other token; API keys stand unless they are to go
    /// too.
    ///
    /// # Errors
    /// `wrong_password`, `bad_password`, `too_many_attempts`.
    pub async fn change_password(&self, who: &Principal, asked: NewPassword) -> Result<()> {
        let (app, who) = (self.clone(), who.clone());
        Caller::whole(async move { app.exchange_password(&who, asked).await }).await
    }

    async fn exchange_password(&self, who: &Principal, asked: NewPassword) -> Result<()> {
        let NewPassword {
            current,
            new,
            revoke_keys,
        } = asked;
        auth::acceptable(&new).map_err(|error| renamed(error, "newPassword"))?;
        let keys = [Some(Key::account(who.user)), Key::here("address")];
        let counted = self.count_try(keys.into_iter().flatten().collect()).await?;
        let passwords = &self.inner.base.passwords;
        let user = self.account(who).await?;
        let checked = user.password_hash.clone();
        if !passwords.verify(current, Some(checked.clone())).await? {
            self.audit(AuditNote {
                result: AuditResult::Failed,
                ..deny(who, "password.changed", &who.user.to_string())
            })
            .await;
            return Err(forbidden("wrong_password", "the current password is wrong"));
        }
        self.forget_try(counted).await?;
        let hash = passwords.hash(new).await?;
        let (id, sid, now) = (who.user, who.sid.clone(), self.now());
        let write = move |conn: &mut Connection| {
            let user = users::by_id(conn, id)?;
            if user.is_none_or(|user| user.disabled || user.password_hash != checked) {
                return Err(auth::token_revoked().into());
            }
            users::set_hash(conn, id, &hash)?;
            if revoke_keys {
                api_keys::revoke_user(conn, id, now)?;
            }
            tokens::revoke_user(conn, id, Some(&sid), now)
        };
        self.store().write(write).await?;
        if revoke_keys {
            self.turn(id, Some(&who.sid), Ending::AuthEnded);
        } else {
            self.turn_sign_ins(id, &who.sid);
        }
        self.done(who, "password.changed", id.to_string()).await;
        Ok(())
    }
}

/// The same refusal about another field.
fn renamed(error: Error, name: &str) -> Error {
    let Error::Invalid {
        code,
        message,
        expected,
        ..
    } = error
    else {
        return error;
    };
    Error::Invalid {
        code,
        field: name.to_owned(),
        message,
        expected,
    }
}
