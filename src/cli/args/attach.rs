//! Flags of `attach`, `export` and `completions`.
//!
//! Never a flag that ends the program on the other side.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::keys::Keys;

/// `attach`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard attach build
  callboard attach build --start         starts its process if need be
  callboard attach 1f0c --read-only      looks on; Ctrl-C leaves
  callboard attach build --detach-keys ctrl-p,ctrl-q
  printf 'make\\nexit\\n' | callboard attach build

Your terminal becomes the agent's: every key goes to it, also Ctrl-C. Two times
ctrl-] within a second leaves it running; a single one goes to the program.
When the server restarts, it goes on where it was. What you type is no task: it
stands in no queue and in no event.

A piped stdin is typed to its end; printing goes on until the program ends.
Exit 0 when you detach or the program ends with 0, 1 when it fails, 6 when
somebody stops it.")]
pub struct AttachArgs {
    /// Agent
    pub id: String,
    /// Keys that detach, separated by commas; `none` switches them off
    #[arg(
        long,
        value_name = "KEYS",
        env = "CALLBOARD_DETACH_KEYS",
        default_value = "ctrl-],ctrl-]"
    )]
    pub detach_keys: Keys,
    /// Send nothing, neither keys nor the size of this terminal
    #[arg(long)]
    pub read_only: bool,
    /// Start its process first when it is not running
    #[arg(long)]
    pub start: bool,
    /// Leave stdin alone; Ctrl-C ends the command
    #[arg(long)]
    pub no_stdin: bool,
    /// Begin with what comes, without the last output
    #[arg(long)]
    pub no_history: bool,
}

/// `export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard export build > build.jsonl
  callboard export build --output build.jsonl
  callboard export 1f0c | jq -c 'select(.record == \"event\") | .event'

One JSON object a line, each with its kind in `record`: `session` first, then
each `task`, each open `approval`, each `event` in order, a `gap` where
retention removed some, and `end` with the counts. A file without `end` is not
complete; --output gives the file its name only when it is.")]
pub struct ExportArgs {
    /// Agent
    pub id: String,
    /// Write to this file (0600) instead of stdout
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  source <(callboard completions bash)       for this shell only
  callboard completions zsh > ~/.zfunc/_callboard
  callboard completions fish > ~/.config/fish/completions/callboard.fish
  dir=~/.local/share/bash-completion/completions
  mkdir -p $dir && callboard completions bash > $dir/callboard")]
pub struct CompletionsArgs {
    /// Shell
    pub shell: Shell,
}
