//! Invitations to register: made, listed and taken back by admins.
//!
//! Never shows a code a second time.

use super::people::deny;
use super::{App, Page};
use crate::auth::Ticket;
use crate::domain::{Error, Invite, InviteId, Principal, Result, Role};
use crate::store::invites;

/// How long an invitation is good: by default, at least, at most.
const DAYS: i64 = 86_400;
const LIFE_S: (i64, i64, i64) = (7 * DAYS, 60, 90 * DAYS);

/// An invitation that was made just now.
#[derive(Clone)]
pub struct NewInvite {
    /// What is kept of it.
    pub invite: Invite,
    /// What its guest registers with.
    pub code: String,
}

impl App {
    /// Makes an invitation for somebody with this role (a member by default), good for so many
    /// seconds (a week).
    ///
    /// # Errors
    /// `forbidden`, `role_too_high`, `bad_field`.
    pub async fn invite(
        &self,
        who: &Principal,
        role: Option<Role>,
        seconds: Option<i64>,
    ) -> Result<NewInvite> {
        let role = role.unwrap_or(Role::Member);
        self.admin(who, "invite.created", role.name()).await?;
        if role > who.role {
            return Err(self.too_high(who, "invite.created", role).await);
        }
        let (life, least, most) = LIFE_S;
        let life = seconds.unwrap_or(life);
        if !(least..=most).contains(&life) {
            return Err(Error::invalid(
                "bad_field",
                "expiresIn",
                "the invitation would be good for too short or too long",
                format!("seconds from {least} to {most}"),
            ));
        }
        let (ticket, now) = (Ticket::generate()?, self.now());
        let invite = Invite {
            id: InviteId::generate(),
            role,
            created_by: who.user,
            created_at: now,
            expires_at: now.plus_ms(life.saturating_mul(1_000)),
            used_by: None,
            used_at: None,
        };
        let row = invite.clone();
        self.store()
            .write(move |conn| invites::insert(conn, &row, &ticket.hash))
            .await?;
        let object = format!("{} {}", invite.id, role.name());
        self.done(who, "invite.created", object).await;
        Ok(NewInvite {
            invite,
            code: ticket.text,
        })
    }

    /// Invitations, newest first, used and expired ones too.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn invites(&self, who: &Principal, range: (usize, usize)) -> Result<Page<Invite>> {
        self.admin(who, "invite.listed", "").await?;
        let read = move |conn: &mut _| invites::list(conn, range);
        let (items, total) = self.store().read(read).await?;
        Ok(Page { items, total })
    }

    /// Takes an invitation back that nobody used.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `role_too_high`.
    pub async fn revoke_invite(&self, who: &Principal, id: InviteId) -> Result<()> {
        let action = "invite.revoked";
        self.admin(who, action, &id.to_string()).await?;
        let missing = || Error::not_found("invite", id);
        let found = self.store().read(move |conn| invites::by_id(conn, id));
        let invite = found.await?.ok_or_else(missing)?;
        if invite.role > who.role {
            return Err(self.too_high(who, action, invite.role).await);
        }
        let gone = self.store().write(move |conn| invites::remove(conn, id));
        gone.await?.then_some(()).ok_or_else(missing)?;
        self.done(who, action, id.to_string()).await;
        Ok(())
    }

    /// Refuses everyone but admins, and writes the refusal down.
    pub(super) async fn admin(
        &self,
        who: &Principal,
        action: &'static str,
        object: &str,
    ) -> Result<()> {
        let allowed = who.need_admin();
        if allowed.is_err() {
            self.audit(deny(who, action, object)).await;
        }
        allowed
    }

    pub(super) async fn too_high(
        &self,
        who: &Principal,
        action: &'static str,
        role: Role,
    ) -> Error {
        self.audit(deny(who, action, role.name())).await;
        super::people::too_high()
    }
}
