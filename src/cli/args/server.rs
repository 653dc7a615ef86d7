//! Flags of the commands about a server: starting one, signing in, checking the machine.
//!
//! Never a password as a flag's value: other users of a machine can read those.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// `serve`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Examples:
  callboard serve
  callboard serve --data-dir /var/lib/callboard --bind 127.0.0.1:8080
  callboard serve --config callboard.toml --log callboard=debug
  callboard serve --bind 0.0.0.0:3030 --behind-proxy     TLS ends at a proxy in front
  callboard daemon start                                 the same in the background

The first start makes an admin; DATA_DIR/admin-credentials holds the password (or set
CALLBOARD_ADMIN_PASSWORD). SIGTERM and Ctrl-C drain; agents run on and are taken up again by the
next start, unless --stop-agents is given.")]
pub struct ServeArgs {
    /// Where the database, keys, logs and sockets live [default: ~/.callboard]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:3030]
    #[arg(long, value_name = "HOST:PORT")]
    pub bind: Option<SocketAddr>,
    /// Settings file; see config/callboard.toml for all keys and their defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A proxy in front ends TLS; needed for any bind beyond loopback
    #[arg(long)]
    pub behind_proxy: bool,
    /// End all agents when the server stops
    #[arg(long)]
    pub stop_agents: bool,
    /// Filter of the log, as RUST_LOG is written [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Begin a session of the system's of its own, so that no terminal ends it
    #[arg(long, hide = true)]
    pub detached: bool,
}

/// `demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard demo                     show everything, then keep serving until Ctrl-C
  callboard demo --once              show everything, end what it started
  callboard demo --with-claude       with your own sign-in to Claude Code, where there is one
  callboard demo --bind 127.0.0.1:8080 --data-dir /tmp/board

Claude Code is shown where it is installed, with a stand-in for its model that costs nothing; only
--with-claude lets it use your sign-in or your key, and says how to get it when it is missing.
Without a terminal the demo behaves as with --once. It uses a temporary data directory of its own, never
yours, unless --data-dir names one. Exit 1 when any step fails, with the reason.")]
pub struct DemoArgs {
    /// Data directory of the demo's server [default: a fresh temporary one]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of the demo's server [default: 127.0.0.1:3030, else a free port]
    #[arg(long, value_name = "HOST:PORT")]
    pub bind: Option<SocketAddr>,
    /// Show Claude Code with your own sign-in
    #[arg(long)]
    pub with_claude: bool,
    /// Keep serving at the end, also without a terminal
    #[arg(long, conflicts_with = "once")]
    pub keep: bool,
    /// End everything at the end, also on a terminal
    #[arg(long)]
    pub once: bool,
}

/// `login`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard login                                 on the server's machine: as its first admin
  callboard login --username ann                  asks for the password
  callboard login --url http://127.0.0.1:8080 --username ann --password-file secret.txt
  pass show callboard | callboard login --username ann

The token goes to ~/.callboard/cli-token (0600), with the server's address. CALLBOARD_API_KEY is
used instead when it is set.")]
pub struct LoginArgs {
    /// User name or e-mail address
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Where the server on this machine keeps its data [default: ~/.callboard]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// A command that looks into the server's data directory on this machine.
#[derive(Debug, Clone, Args)]
pub struct DataDirArgs {
    /// Where the server on this machine keeps its data [default: ~/.callboard]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// `doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard doctor
  callboard doctor --json | jq '.checks[] | select(.state != \"ok\")'

Exit 0 when everything that is needed is there, 1 otherwise; each trouble comes with its mend.")]
pub struct DoctorArgs {
    /// The data directory.
    #[command(flatten)]
    pub data: DataDirArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `agent script`: its words are read by the program itself.
#[derive(Debug, Clone, Args)]
#[command(disable_help_flag = true)]
pub struct ScriptArgs {
    /// FILE [--turns-done N] ...
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    pub words: Vec<String>,
}

/// `agent model`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard agent model
  callboard agent model --bind 127.0.0.1:8090 --address-file /tmp/model
  ANTHROPIC_BASE_URL=http://127.0.0.1:8090 ANTHROPIC_API_KEY=any claude -p 'SCENARIO:think'

It prints `listening on URL` and answers until SIGTERM or Ctrl-C. A mark in the prompt chooses what
the model does; docs/fake-model.md lists the marks. GET /_/requests tells what it was asked.")]
pub struct ModelArgs {
    /// Address to listen on, of loopback only
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub bind: SocketAddr,
    /// Write the URL into this file too, once it is listening
    #[arg(long, value_name = "FILE")]
    pub address_file: Option<PathBuf>,
    /// End also when stdin is closed
    #[arg(long)]
    pub until_eof: bool,
}

/// `migrate`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Examples:
  callboard migrate --check                              what is missing; changes nothing
  callboard migrate --data-dir /var/lib/callboard
  callboard migrate --compact                            once for a file of an older version
  CALLBOARD_DATABASE_URL=postgres://... callboard migrate --json | jq '.migrations[]'

A start of the server does the same; this is for doing it apart, before an upgrade. It refuses
while a server uses the database, and a database that a newer version has changed. With --check
it exits with 0 when nothing is missing, else 1. --compact needs room for a second copy of the file.
The server gives the room of removed rows back by itself, but not in a file that a version without
that has made: there it begins with one --compact.")]
pub struct MigrateArgs {
    /// Where the server keeps its data [default: ~/.callboard]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Settings file of the server
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only say what is missing
    #[arg(long)]
    pub check: bool,
    /// Then make the database's file as small as what it holds (SQLite)
    #[arg(long, conflicts_with = "check")]
    pub compact: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
