//! Flags of `mission`.
//!
//! Never a default that depends on the server: what is absent is left to it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::work::MakingArgs;

/// `mission`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard mission create \"fix the build\" --title Build --follow
  callboard mission list --status active
  callboard mission send \"and now the tests\"        to the loaded mission
  callboard mission follow                          watches it, words as they come
  callboard mission cancel 1f0c && callboard mission resume 1f0c

A mission is a session: `callboard ps` lists it as well. Where no ID is given, the loaded mission is
meant: the one of `mission load`, else the newest that you made.")]
pub struct MissionArgs {
    /// What to do
    #[command(subcommand)]
    pub action: MissionAction,
}

/// What to do with missions.
#[derive(Debug, Clone, Subcommand)]
pub enum MissionAction {
    /// Make a mission; it starts with its first message
    Create(Box<CreateMissionArgs>),
    /// List missions, the last changed first
    List(ListMissionsArgs),
    /// Show a mission with its last messages
    #[command(
        after_help = "Examples:\n  callboard mission show\n  callboard mission show 1f0c --json"
    )]
    Show(MissionIdArgs),
    /// Send a message to a mission; it waits its turn
    Send(SendMissionArgs),
    /// Watch a mission, or all of them
    Follow(FollowMissionArgs),
    /// Load a mission: what names none goes to it
    #[command(after_help = "Examples:\n  callboard mission load 1f0c")]
    Load(NamedMissionArgs),
    /// End what runs of a mission and of the agents below it
    #[command(
        after_help = "Examples:\n  callboard mission cancel\n  callboard mission cancel 1f0c"
    )]
    Cancel(MissionIdArgs),
    /// Let a mission go on that was interrupted, failed or is paused
    Resume(ResumeMissionArgs),
    /// Say how a mission stands: completed, failed, interrupted, active or pending
    #[command(after_help = "Examples:\n  callboard mission status 1f0c completed")]
    Status(StatusMissionArgs),
    /// Print a mission's events, and follow them
    Events(EventsMissionArgs),
    /// Draw what runs, with what comes from it
    #[command(
        after_help = "Examples:\n  callboard mission tree\n  callboard mission tree 1f0c --json"
    )]
    Tree(MissionIdArgs),
    /// Stop a mission and take it from the lists
    #[command(after_help = "Examples:\n  callboard mission rm 1f0c")]
    Rm(NamedMissionArgs),
}

/// `mission create`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard mission create --title Notes
  callboard mission create \"df -h\" --backend shell --follow
  callboard mission create - --backend claude --max-usd 2 < prompt.txt")]
pub struct CreateMissionArgs {
    /// Its first message; `-` reads it from stdin
    pub message: Option<String>,
    /// What it is about
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Program: claude, shell, script [default: the server's choice]
    #[arg(long, value_name = "KIND")]
    pub backend: Option<String>,
    /// Agent of the library, or a kind of program
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Model, for programs that have one
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Workspace that it runs in
    #[arg(long, value_name = "WORKSPACE")]
    pub workspace: Option<String>,
    /// Working directory [default: this one, without --workspace]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Mission that it works for
    #[arg(long, value_name = "ID")]
    pub parent: Option<String>,
    /// Scenario of the program `script`
    #[arg(long, value_name = "NAME|FILE")]
    pub scenario: Option<String>,
    /// How far it may go, and with what
    #[command(flatten)]
    pub making: MakingArgs,
    /// Watch it from here on
    #[arg(long)]
    pub follow: bool,
    /// Print one JSON document; with --follow events as JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `mission list`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard mission list
  callboard mission list --status active,interrupted
  callboard mission list --json | jq -r '.[].id'")]
pub struct ListMissionsArgs {
    /// Only these: pending, active, completed, failed, interrupted
    #[arg(long, value_name = "WORDS")]
    pub status: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub limit: u64,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// A mission, or the loaded one.
#[derive(Debug, Clone, Args)]
pub struct MissionIdArgs {
    /// Mission [default: the loaded one]
    pub id: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// A mission.
#[derive(Debug, Clone, Args)]
pub struct NamedMissionArgs {
    /// Mission
    pub id: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `mission send`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard mission send \"run the tests again\"
  git diff | callboard mission send - --mission 1f0c
  callboard mission send \"make\" --follow")]
pub struct SendMissionArgs {
    /// The message; `-` reads it from stdin
    pub text: String,
    /// Mission [default: the loaded one]
    #[arg(short, long, value_name = "ID")]
    pub mission: Option<String>,
    /// Agent of the library, for this message alone
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Watch the mission from here on
    #[arg(long)]
    pub follow: bool,
    /// A key of your own: a repeated request gets the first answer
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Print one JSON document; with --follow events as JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `mission follow`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard mission follow
  callboard mission follow 1f0c --keep
  callboard mission follow --all
  callboard mission follow --all --json | jq -c 'select(.type == \"tool_call\")'

Begins with the last turn, ends when the mission has come to an end and
nothing waits, and exits as the mission stands: 0 completed, 1 failed,
6 interrupted. --keep watches on until Ctrl-C, which never touches the mission.")]
pub struct FollowMissionArgs {
    /// Mission [default: the loaded one]
    #[arg(conflicts_with = "all")]
    pub id: Option<String>,
    /// Watch all missions, one line for each event
    #[arg(long)]
    pub all: bool,
    /// Watch on when it has come to an end
    #[arg(long)]
    pub keep: bool,
    /// Print events as JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `mission resume`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard mission resume
  callboard mission resume 1f0c --message \"go on, but leave the tests\"
  callboard mission resume 1f0c --quiet          starts it, and says nothing")]
pub struct ResumeMissionArgs {
    /// Mission [default: the loaded one]
    pub id: Option<String>,
    /// What its program is told, in the place of the usual words
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Say nothing to its program
    #[arg(long, conflicts_with = "message")]
    pub quiet: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `mission status`.
#[derive(Debug, Clone, Args)]
pub struct StatusMissionArgs {
    /// Mission
    pub id: String,
    /// How it stands
    pub status: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `mission events`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard mission events 1f0c
  callboard mission events 1f0c --types user_message,assistant_message
  callboard mission events 1f0c --after 200 --follow --json")]
pub struct EventsMissionArgs {
    /// Mission [default: the loaded one]
    pub id: Option<String>,
    /// Only what comes behind this number; `latest` is what comes from now on
    #[arg(long, value_name = "SEQ", default_value = "0")]
    pub after: String,
    /// Only these types, with commas
    #[arg(long, value_name = "TYPES")]
    pub types: Option<String>,
    /// Print new events as they come
    #[arg(short, long)]
    pub follow: bool,
    /// Print events as JSON lines
    #[arg(long)]
    pub json: bool,
}
