//! `workspace ...`: places to run, and commands in them.
//!
//! Never does anything: it only names what can be asked for.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{JsonArgs, span};

/// `workspace ...`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  callboard workspace create site --path src/site --env NODE_ENV=test\n  callboard workspace exec site \"make test\"\n  callboard workspace ls --json | jq -r '.[].path'\n\nA WORKSPACE is a name, an id or the beginning of one; `host` is there for everybody."
)]
pub struct WorkspaceArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: WorkspaceAction,
}

/// What can be done with workspaces.
#[derive(Debug, Subcommand)]
pub enum WorkspaceAction {
    /// Make one
    Create(WorkspaceCreateArgs),
    /// Run a command in one, and end with its exit code
    Exec(WorkspaceExecArgs),
    /// Forget one; its directory stays
    #[command(after_help = "Examples:\n  callboard workspace rm site")]
    Rm {
        /// Which one
        #[arg(value_name = "WORKSPACE")]
        id: String,
    },
    /// List them
    #[command(
        after_help = "Examples:\n  callboard workspace ls\n  callboard workspace ls --json | jq length"
    )]
    Ls(JsonArgs),
    /// Show one; values of variables are never shown
    #[command(after_help = "Examples:\n  callboard workspace show site --json | jq .env_vars")]
    Show(WorkspaceShowArgs),
}

/// `workspace create ...`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  callboard workspace create site\n  callboard workspace create site --path src/site --env TOKEN=abc --json"
)]
pub struct WorkspaceCreateArgs {
    /// Name, unique among your own
    pub name: String,
    /// Directory, absolute or below the server's first root [default: one of its own]
    #[arg(long, value_name = "DIR")]
    pub path: Option<String>,
    /// A variable of all that runs in it; without a value it is taken from here
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `workspace show ...`
#[derive(Debug, Args)]
pub struct WorkspaceShowArgs {
    /// Which one
    #[arg(value_name = "WORKSPACE")]
    pub id: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `workspace exec ...`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  callboard workspace exec site \"make test\"\n  callboard workspace exec site --cwd docs --timeout 5m -- make html\n  git diff | callboard workspace exec -i site \"git apply\"\n\nWhat it prints goes to stdout and stderr as it comes, and its exit code becomes this command's: 128\nand the number of the signal that ended it, 8 when its time was over. Ctrl-C ends it with all that it\nstarted. With -i standard input is read to its end, up to 1 MiB, before it begins."
)]
pub struct WorkspaceExecArgs {
    /// Which one
    #[arg(value_name = "WORKSPACE")]
    pub id: String,
    /// For the shell; several words are joined by spaces
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Directory in the workspace [default: the workspace's own]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// Gives it standard input
    #[arg(short = 'i', long = "stdin")]
    pub input: bool,
    /// Time until it is asked to end: seconds, or a number with s, m or h
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub timeout: Option<Duration>,
    /// A variable over the workspace's; without a value it is taken from here
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
}
