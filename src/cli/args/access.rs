//! Flags of `key` and `audit`.
//!
//! Never a key as a flag's value: other users of a machine can read those.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// `key`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard key create ci --expires 30d
  export CALLBOARD_API_KEY=$(callboard key create ci --scope write)
  callboard key create grafana --scope metrics
  callboard key list
  callboard key revoke 1f0c

A key is shown once. Keys are made and revoked by somebody who is signed in, not with a key.")]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: KeyAction,
}

/// What can be done with API keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyAction {
    /// Make a key and print it
    #[command(after_help = "\
Examples:
  callboard key create ci
  callboard key create board --scope read --expires 12h
  callboard key create ops --scope admin --scope write --json | jq -r .rawKey

read looks at your agents, write drives them, admin does what takes the role
admin, metrics reads /metrics. Without --scope it may do what you may, but for
what takes the role admin.")]
    Create(KeyCreateArgs),
    /// List your keys
    #[command(after_help = "Examples:\n  callboard key list\n  callboard key list --json")]
    List(super::JsonArgs),
    /// Revoke a key: what it opened ends at once
    #[command(after_help = "Examples:\n  callboard key revoke 1f0c")]
    Revoke {
        /// The key's id, the beginning or the end of it, or its name
        id: String,
    },
}

/// `key create`.
#[derive(Debug, Clone, Args)]
pub struct KeyCreateArgs {
    /// What you call it
    pub name: String,
    /// What it may be used for: read, write, admin, metrics; may be given again
    #[arg(long, value_name = "SCOPE", value_parser = ["read", "write", "admin", "metrics"])]
    pub scope: Vec<String>,
    /// When it ends: 30d, 12h, 90m [default: never]
    #[arg(long, value_name = "TIME", value_parser = life)]
    pub expires: Option<Duration>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `audit`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard audit list --action login.
  callboard audit list --after 1200 --json | jq '.entries[] | {n, actor, action}'
  callboard audit verify                 reads the data directory, also of a server that runs")]
pub struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: AuditAction,
}

/// What can be done with the audit table.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditAction {
    /// Print who did what (admins)
    #[command(after_help = "\
Examples:
  callboard audit list
  callboard audit list --actor 7c9e6679-7425-40de-944b-e07fc1f90ae7
  callboard audit list --action agent. --limit 500")]
    List(AuditListArgs),
    /// Check that no row was changed, moved or removed
    #[command(after_help = "\
Examples:
  callboard audit verify
  callboard audit verify --data-dir /srv/board --json | jq .broken.n

It needs no server and no sign-in, but the data directory with its keys. Exit 0
when the chain is whole, 1 with the first row that is not.")]
    Verify(AuditVerifyArgs),
}

/// `audit list`.
#[derive(Debug, Clone, Args)]
pub struct AuditListArgs {
    /// Only rows behind this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub after: u64,
    /// So many rows
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub limit: u64,
    /// Only of this user's id, or of `server`
    #[arg(long, value_name = "ID")]
    pub actor: Option<String>,
    /// Only of this action; with a dot at its end, of all that begin so
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `audit verify`.
#[derive(Debug, Clone, Args)]
pub struct AuditVerifyArgs {
    /// Where the server on this machine keeps its data [default: ~/.callboard]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Its settings file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Reads how long a key lives: a number with m, h or d.
fn life(text: &str) -> Result<Duration, String> {
    let wrong = || String::from("expected a number with m, h or d: 90m, 12h, 30d");
    let digits = text.trim_end_matches(['m', 'h', 'd']);
    let number: u64 = digits.parse().map_err(|_number| wrong())?;
    let unit = match text.strip_prefix(digits) {
        Some("m") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_have_a_unit() {
        assert_eq!(life("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(life("90m"), Ok(Duration::from_secs(5_400)));
        for wrong in [
            "30",
            "0d",
            "d",
            "1w",
            "-1d",
            "99999999999999999999d",
            "1.5h",
        ] {
            assert!(life(wrong).is_err(), "{wrong}");
        }
    }
}
