//! Flags of the commands about accounts.
//!
//! Never a password: one in an argument is seen by everyone on the machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What somebody may do.
const ROLES: [&str; 4] = ["viewer", "member", "admin", "superadmin"];

/// `user`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard user list
  callboard user create ada --role member          asks for the password
  pass show ada | callboard user create ada
  callboard user role ada admin
  callboard user disable ada                       ends every token and socket of ada's
  callboard user password                          your own
  callboard user invite --role viewer --days 2     prints a code to register with
  callboard user list --json | jq -r '.users[] | select(.disabled) | .username'

A NAME is a user name, an e-mail address or an id. All but `unlock` and `show` and `password` of your
own account need the role admin; nobody gives or touches a role above their own.")]
pub struct UserArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: UserAction,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done with accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum UserAction {
    /// List accounts
    List,
    /// Make an account
    Create(CreateUserArgs),
    /// Show an account
    Show {
        /// Account [default: your own]
        name: Option<String>,
    },
    /// Give an account a role
    Role {
        /// Account
        name: String,
        /// The role
        #[arg(value_parser = ROLES)]
        role: String,
    },
    /// Shut somebody out: their tokens and sockets end, their agents go on
    Disable {
        /// Account
        name: String,
    },
    /// Let somebody in again
    Enable {
        /// Account
        name: String,
    },
    /// Delete an account; its sessions stay for admins
    Delete {
        /// Account
        name: String,
    },
    /// Change your own password, or set somebody's
    Password(PasswordArgs),
    /// Let somebody try to sign in again who failed too often; while no server runs
    #[command(after_help = "\
Examples:
  callboard user unlock admin
  callboard user unlock admin --data-dir /var/lib/callboard --config callboard.toml

Needs the data directory for itself: stop the server first (callboard daemon stop). Agents run on
meanwhile. While it runs, an admin who sets somebody's password opens their account too. Failures of
an address are not forgotten: they end by themselves after at most 15 minutes.")]
    Unlock(UnlockArgs),
    /// Make an invitation to register, list them, or take one back
    Invite(InviteArgs),
}

/// `user create`.
#[derive(Debug, Clone, Args)]
pub struct CreateUserArgs {
    /// User name
    pub name: String,
    /// E-mail address, another name to sign in with
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// What they may do
    #[arg(long, value_name = "ROLE", default_value = "member", value_parser = ROLES)]
    pub role: String,
    /// Read the password from the first line of this file [default: ask, or stdin]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// `user password`.
#[derive(Debug, Clone, Args)]
pub struct PasswordArgs {
    /// Account of somebody else
    pub name: Option<String>,
    /// Read the new password from the first line of this file [default: ask, or stdin]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Read your present password from the first line of this file [default: ask, or stdin]
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub current_password_file: Option<PathBuf>,
}

/// `user unlock`.
#[derive(Debug, Clone, Args)]
pub struct UnlockArgs {
    /// User name or e-mail address
    pub name: String,
    /// Where the server keeps its data [default: ~/.callboard]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The server's settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `user invite`.
#[derive(Debug, Clone, Args)]
pub struct InviteArgs {
    /// What the guest may do
    #[arg(long, value_name = "ROLE", default_value = "member", value_parser = ROLES)]
    pub role: String,
    /// How long it is good
    #[arg(long, value_name = "N", default_value_t = 7,
          value_parser = clap::value_parser!(u32).range(1..=90))]
    pub days: u32,
    /// List the invitations
    #[arg(long, conflicts_with = "revoke")]
    pub list: bool,
    /// Take an unused one back: its id, or the end or beginning of it
    #[arg(long, value_name = "INVITE")]
    pub revoke: Option<String>,
}
