//! Registration: open to everyone, by invitation, or closed.
//!
//! Never makes an account of a greater role than its invitation says, or than who made that has.

use super::login::SignIn;
use super::throttle::Key;
use crate::app::App;
use crate::auth::{self, Ticket};
use crate::config::Registration;
use crate::domain::{
    AuditNote, AuditResult, Error, InviteState, Result, Role, Timestamp, User, UserId, account,
};
use crate::store::{Connection, StoreError, invites, users};

/// Who wants an account.
#[derive(Clone)]
pub struct RegisterRequest {
    /// The name to sign in with.
    pub username: String,
    /// An address, another name to sign in with.
    pub email: Option<String>,
    /// The password.
    pub password: String,
    /// The code of an invitation.
    pub invite: Option<String>,
}

impl App {
    /// Makes an account for somebody and signs them in.
    ///
    /// # Errors
    /// `registration_closed`, `invite_required`, `bad_invite`, `bad_username`,
    /// `reserved_username`, `bad_email`, `bad_password`, `username_taken`, `email_taken`,
    /// `too_many_attempts`.
    pub async fn sign_up(&self, request: RegisterRequest) -> Result<SignIn> {
        let named: String = request.username.chars().take(64).collect();
        let invited = request.invite.is_some();
        let registered = self.take_in(request).await;
        let (actor, action, result) = match &registered {
            Ok(signed_in) => {
                let actor = signed_in.user.id.to_string();
                (actor, "account.registered", AuditResult::Done)
            }
            // Guesses at invitations and names are counted; what is refused before that anybody can
            // send as often as they like.
            Err(Error::Forbidden {
                code: "bad_invite", ..
            }) => (named.clone(), "account.registered", AuditResult::Denied),
            Err(Error::Conflict { .. }) => {
                (named.clone(), "account.registered", AuditResult::Denied)
            }
            Err(_) => return registered,
        };
        let note = |action, object| AuditNote {
            actor: actor.clone(),
            action,
            object,
            result,
        };
        self.audit(note(action, named)).await;
        if invited && registered.is_ok() {
            self.audit(note("invite.used", String::new())).await;
        }
        registered
    }

    async fn take_in(&self, request: RegisterRequest) -> Result<SignIn> {
        match (self.config().auth.registration, &request.invite) {
            (Registration::Closed, _) => {
                let message = "nobody can register here; an admin makes accounts";
                return Err(refused("registration_closed", message));
            }
            (Registration::Invite, None) => {
                let message = "registration needs an invitation";
                return Err(refused("invite_required", message));
            }
            (Registration::Invite, Some(_)) | (Registration::Open, _) => {}
        }
        let mut user = User {
            id: UserId::generate(),
            username: account::username(&request.username)?,
            email: match &request.email {
                Some(email) => account::email_of(request.username.trim(), email)?,
                None => account::no_email(request.username.trim()),
            },
            role: Role::Member,
            password_hash: String::new(),
            disabled: false,
            created_at: self.now(),
        };
        auth::acceptable(&request.password)?;
        let here = Key::here("register").into_iter().collect();
        let counted = self.count_try(here).await?;
        user.password_hash = self.inner.base.passwords.hash(request.password).await?;
        let code = request.invite.as_deref().map(Ticket::hash);
        let made = self
            .store()
            .write(move |conn| enrol(conn, user, code))
            .await?;
        if code.is_some() {
            // A guest is no guesser: many may come from one office.
            self.take_back(counted).await?;
        }
        let checked = made.password_hash.clone();
        self.give_token(made, checked).await
    }
}

/// Stores a new account and uses up its invitation, both or neither.
fn enrol(
    conn: &mut Connection,
    mut user: User,
    code: Option<[u8; 32]>,
) -> Result<User, StoreError> {
    let Some(code) = code else {
        add(conn, &user)?;
        return Ok(user);
    };
    let (invite, role) = valid(conn, &code, user.created_at)?;
    user.role = role;
    add(conn, &user)?;
    if !invites::use_up(conn, invite, user.id, user.created_at)? {
        return Err(bad_invite().into());
    }
    Ok(user)
}

/// The invitation of a code, and its role, while who made it could make it still.
fn valid(
    conn: &mut Connection,
    code: &[u8; 32],
    now: Timestamp,
) -> Result<(crate::domain::InviteId, Role), StoreError> {
    let found = invites::by_code(conn, code)?;
    let invite = found.filter(|invite| invite.state(now) == InviteState::Open);
    let invite = invite.ok_or_else(bad_invite)?;
    let maker = users::by_id(conn, invite.created_by)?;
    let stands = maker.is_some_and(|maker| {
        !maker.disabled && maker.role >= Role::Admin && maker.role >= invite.role
    });
    if !stands {
        return Err(bad_invite().into());
    }
    Ok((invite.id, invite.role))
}

/// Stores a new account whose names nobody has.
pub(in crate::app) fn add(conn: &mut Connection, user: &User) -> Result<(), StoreError> {
    free(conn, user)?;
    users::insert(conn, user)
}

/// Refuses names that somebody else has.
pub(in crate::app) fn free(conn: &mut Connection, user: &User) -> Result<(), StoreError> {
    let error = match users::taken(conn, user)? {
        None => return Ok(()),
        Some("username") => Error::conflict("username_taken", "the name is taken"),
        Some(_) => Error::conflict("email_taken", "the address is taken"),
    };
    Err(error.into())
}

fn refused(code: &'static str, message: &str) -> Error {
    Error::Forbidden {
        code,
        message: message.to_owned(),
    }
}

fn bad_invite() -> Error {
    refused(
        "bad_invite",
        "the invitation was used, is over or never was",
    )
}
