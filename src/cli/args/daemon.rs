//! Flags of `daemon`.
//!
//! Never another meaning for a flag that `serve` has too.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{ServeArgs, span};

/// `daemon`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard daemon start
  callboard daemon start --data-dir /srv/board --bind 127.0.0.1:8080
  callboard daemon status --json | jq -r .url
  callboard daemon restart               agents run on meanwhile
  callboard daemon stop --stop-agents
  callboard daemon logs --follow

The server writes to DATA_DIR/server.log, which is put aside as server.log.1
when it is over 8 MiB (`log_bytes`). `status` exits with 0 when the server is ready, else 5.")]
pub struct DaemonArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: DaemonAction,
}

/// What can be done with a server in the background.
#[derive(Debug, Clone, Subcommand)]
pub enum DaemonAction {
    /// Start it and wait until it is ready; nothing to do when it runs
    #[command(after_help = "\
Examples:
  callboard daemon start
  callboard daemon start --data-dir /srv/board --bind 127.0.0.1:8080
  callboard daemon start --config callboard.toml --json | jq -r .pid

Exit 0 also when it runs already. When it does not start, the reason is the end
of its log.")]
    Start(StartArgs),
    /// End it in order, and wait for that; agents run on
    #[command(after_help = "\
Examples:
  callboard daemon stop
  callboard daemon stop --stop-agents

Requests in flight are finished first. Exit 0 also when it does not run, 8 when
it still stops after the time.")]
    Stop(StopArgs),
    /// End it and start it again as it was; agents run on
    #[command(after_help = "\
Examples:
  callboard daemon restart
  callboard daemon restart --log callboard=debug

It listens where it did and keeps what it was started with, but for what you
say. Agents run on, unless it was started with --stop-agents.")]
    Restart(StartArgs),
    /// Say whether it runs, and where
    #[command(after_help = "\
Examples:
  callboard daemon status
  callboard daemon status --json | jq -r .url

Exit 0 when the server is ready, else 5.")]
    Status(StatusArgs),
    /// Print its log
    #[command(after_help = "\
Examples:
  callboard daemon logs -n 20
  callboard daemon logs --follow | jq -r .message")]
    Logs(ServerLogArgs),
}

/// `daemon start` and `daemon restart`.
#[derive(Debug, Clone, Args)]
pub struct StartArgs {
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// How long to wait for its end and for its start
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span)]
    pub timeout: Duration,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Which server.
#[derive(Debug, Clone, Args)]
pub struct WhichArgs {
    /// Its data directory [default: ~/.callboard]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Its settings file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `daemon stop`.
#[derive(Debug, Clone, Args)]
pub struct StopArgs {
    /// Which.
    #[command(flatten)]
    pub which: WhichArgs,
    /// End all agents too
    #[arg(long)]
    pub stop_agents: bool,
    /// How long to wait for its end
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span)]
    pub timeout: Duration,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `daemon status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Which.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `daemon logs`.
#[derive(Debug, Clone, Args)]
pub struct ServerLogArgs {
    /// Which.
    #[command(flatten)]
    pub which: WhichArgs,
    /// So many of the last lines
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub lines: usize,
    /// Go on with new lines as they come
    #[arg(long, short)]
    pub follow: bool,
}
