//! Invitations to register: made by an admin, good once.
//!
//! Never the code itself.

use super::id::{InviteId, Timestamp, UserId};
use super::principal::Role;

/// One invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// What its guest may do.
    pub role: Role,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When it ends unused.
    pub expires_at: Timestamp,
    /// Who registered with it.
    pub used_by: Option<UserId>,
    /// When.
    pub used_at: Option<Timestamp>,
}

/// Where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    /// It can be used.
    Open,
    /// Somebody registered with it.
    Used,
    /// Nobody did in time.
    Expired,
}

impl InviteState {
    /// The shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Expired => "expired",
        }
    }
}

impl Invite {
    /// Where it stands now.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> InviteState {
        if self.used_at.is_some() {
            InviteState::Used
        } else if self.expires_at <= now {
            InviteState::Expired
        } else {
            InviteState::Open
        }
    }
}
