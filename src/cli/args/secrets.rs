//! Flags of the commands about the keys of a data directory.
//!
//! Never a key as a flag's value: other users of a machine can read those.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `secrets`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard secrets status
  callboard secrets rekey
  callboard secrets status --data-dir /var/lib/callboard --config callboard.toml --json

All need the data directory for themselves: stop the server first (callboard daemon stop). Agents
run on meanwhile. While a backup is made nothing is changed (exit 9); one that begins meanwhile waits.")]
pub struct SecretsArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: SecretsAction,
    /// Where the server keeps its data [default: ~/.callboard]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// The server's settings
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// What can be done with the keys.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum SecretsAction {
    /// List the keys and how many values each seals; no contents
    #[command(after_help = "\
Examples:
  callboard secrets status
  callboard secrets status --json | jq .missing
  callboard secrets status --check

It looks which key each value needs, and whether that key fits; with --check it opens every value,
and names those that are damaged. Exit 1 when the key of a value is not at hand, or does not open
it.")]
    Status(SecretsStatusArgs),
    /// Seal every value with a new key
    #[command(after_help = "\
Examples:
  callboard secrets rekey
  callboard secrets rekey --signing
  CALLBOARD_MASTER_KEY_FILE=/etc/callboard/master.key callboard secrets rekey

Makes a key, brings every value below it, and removes the keys of the data directory that nothing
needs any more. With a key file in the settings, its first line is the new key. May be ended at any
point: the next run goes on where it was, and a server can start in between. Exit 1 when a value is
left that cannot be opened.

With --signing, tokens are signed with a new key; those of the last one stay good until they end,
those of the one before that are refused.")]
    Rekey(RekeyArgs),
    /// Remove the values that no key at hand opens
    #[command(after_help = "\
Examples:
  callboard secrets status
  callboard secrets give-up
  callboard secrets give-up --yes --data-dir /var/lib/callboard --json

Asks before it removes anything; without a terminal it takes --yes. For keys that are lost for good: without them the server does not start. Sessions lose the variables
and tool servers that they were made with; their history stays. Waiting prompts with a secret in them
are withdrawn, since nobody knows any more what they said. End agents that still run first:
what they say of those variables is known as secret no longer. Where there is no key at all, new ones
are made. Where the key of the audit table is gone, a new one is made too, and `audit verify` names
that place from then on.")]
    GiveUp(GiveUpArgs),
}

/// `secrets status`.
#[derive(Debug, Clone, Copy, Args)]
pub struct SecretsStatusArgs {
    /// Open every value, and name those that are damaged
    #[arg(long)]
    pub check: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `secrets give-up`.
#[derive(Debug, Clone, Copy, Args)]
pub struct GiveUpArgs {
    /// Remove them without a question
    #[arg(long)]
    pub yes: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `secrets rekey`.
#[derive(Debug, Clone, Copy, Args)]
pub struct RekeyArgs {
    /// Change the key that tokens are signed with, and no other
    #[arg(long)]
    pub signing: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

impl SecretsArgs {
    /// Whether the report is printed as one JSON document.
    #[must_use]
    pub fn json(&self) -> bool {
        match self.action {
            SecretsAction::Status(form) => form.json,
            SecretsAction::GiveUp(form) => form.json,
            SecretsAction::Rekey(form) => form.json,
        }
    }
}
