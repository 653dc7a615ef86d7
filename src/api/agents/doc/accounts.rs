//! Accounts of others, registration and invitations, as the agents' door words them.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use utoipa::ToSchema;

use super::people::{Account, SignedIn, User};
use crate::api::shared::schema::{self, joined};
use crate::domain::{InviteId, UserId};

/// Who wants an account.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RegisterBody {
    /// To sign in with; spaces around it are cut.
    #[schema(
        min_length = 3,
        max_length = 50,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]+$"
    )]
    username: String,
    /// Another name to sign in with.
    #[schema(max_length = 254)]
    email: Option<String>,
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    /// The code of an invitation, where registration needs one.
    invite_code: Option<String>,
    /// Another spelling of `inviteCode`.
    #[schema(rename = "invite_code")]
    invite_code_snake: Option<String>,
    /// Another spelling of `inviteCode`.
    invite: Option<String>,
    /// Another spelling of `inviteCode`.
    code: Option<String>,
}

joined! {
    /// A new account, and its first token.
    Registered as "Registered": User, SignedIn;
    /// An invitation, with the code that is shown once.
    InviteMade as "InviteMade": Invite, InviteCode;
}

/// Another password for oneself. One of the spellings of each has to be there.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PasswordBody {
    /// The one in force.
    current_password: Option<String>,
    /// Another spelling of `currentPassword`.
    #[schema(rename = "current_password")]
    current_password_snake: Option<String>,
    /// Another spelling of `currentPassword`.
    password: Option<String>,
    /// The one from now on.
    #[schema(min_length = 8, max_length = 128)]
    new_password: Option<String>,
    /// Another spelling of `newPassword`.
    #[schema(rename = "new_password", min_length = 8, max_length = 128)]
    new_password_snake: Option<String>,
    /// Whether the own API keys are revoked too; they stand otherwise.
    revoke_api_keys: Option<bool>,
}

/// An account to make.
#[derive(ToSchema)]
pub struct AccountBody {
    /// To sign in with; spaces around it are cut.
    #[schema(
        min_length = 3,
        max_length = 50,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]+$"
    )]
    username: String,
    /// Another name to sign in with.
    #[schema(max_length = 254)]
    email: Option<String>,
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    /// `viewer`, `member`, `admin` or `superadmin`; `member` without it.
    role: Option<String>,
}

/// What is changed of an account; what is not named stays.
#[derive(ToSchema)]
pub struct AccountPatch {
    /// To sign in with.
    #[schema(
        min_length = 3,
        max_length = 50,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]+$"
    )]
    username: Option<String>,
    /// Another name to sign in with.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// By admins: `viewer`, `member`, `admin` or `superadmin`.
    role: Option<String>,
    /// By admins: whether they are shut out.
    disabled: Option<bool>,
    /// By admins, of others: it ends every token of theirs.
    #[schema(min_length = 8, max_length = 128)]
    password: Option<String>,
}

/// A page of accounts, the oldest first.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AccountPage {
    users: Vec<Account>,
    total: u64,
    limit: u64,
    offset: u64,
    has_more: bool,
}

/// An invitation to make.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct InviteBody {
    /// What its guest may do: `viewer`, `member`, `admin` or `superadmin`; `member` without it.
    role: Option<String>,
    /// For how many seconds it is good; a week without it.
    #[schema(minimum = 60, maximum = 7_776_000)]
    expires_in: Option<u64>,
    /// Another spelling of `expiresIn`.
    #[schema(rename = "expires_in", minimum = 60, maximum = 7_776_000)]
    expires_in_snake: Option<u64>,
}

/// An invitation to register.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Invite {
    id: InviteId,
    /// What its guest may do.
    #[schema(schema_with = schema::role)]
    role: String,
    #[schema(schema_with = schema::invite_state)]
    status: String,
    created_by: UserId,
    created_at: String,
    expires_at: String,
    #[schema(required)]
    used_by: Option<UserId>,
    #[schema(required)]
    used_at: Option<String>,
}

/// The code of an invitation.
#[derive(ToSchema)]
pub struct InviteCode {
    /// What its guest registers with.
    code: String,
}

/// A page of invitations, the newest first.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Invites {
    invites: Vec<Invite>,
    total: u64,
    limit: u64,
    offset: u64,
    has_more: bool,
}
