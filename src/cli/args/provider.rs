//! `provider ...`: what you are signed in to at providers of models.
//!
//! Never a key as an argument: others on the machine can read those.

use clap::{Args, Subcommand};

use super::JsonArgs;

/// `provider ...`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  callboard provider ls\n  callboard provider login anthropic\n\nWhat you are signed in with is given to your agents when they start, and to nobody else's."
)]
pub struct ProviderArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ProviderAction,
}

/// What can be done with providers.
#[derive(Debug, Subcommand)]
pub enum ProviderAction {
    /// List them, and how you are signed in
    #[command(
        after_help = "Examples:\n  callboard provider ls\n  callboard provider ls --json | jq -r '.providers[].status'"
    )]
    Ls(JsonArgs),
    /// Sign in with a key, asked for without showing it or read from stdin
    #[command(
        after_help = "Examples:\n  callboard provider login anthropic\n  pass anthropic | callboard provider login anthropic\n  callboard provider login NAME --account"
    )]
    Login(ProviderLoginArgs),
    /// Forget a sign-in; agents that run keep what they were given
    #[command(after_help = "Examples:\n  callboard provider logout anthropic")]
    Logout {
        /// Its name in `callboard provider ls`
        #[arg(value_name = "PROVIDER")]
        name: String,
    },
}

/// `provider login ...`
#[derive(Debug, Args)]
pub struct ProviderLoginArgs {
    /// Its name in `callboard provider ls`
    #[arg(value_name = "PROVIDER")]
    pub name: String,
    /// With an account there, on a page in a browser
    #[arg(long)]
    pub account: bool,
}
