//! The command line: every command, its flags, and help that teaches by examples.
//!
//! Never does anything: it only names what can be asked for.

mod access;
mod archive;
mod attach;
mod daemon;
mod keys;
mod mission;
mod operate;
mod people;
mod provider;
mod secrets;
mod server;
mod work;
mod workspace;

use std::time::Duration;

use clap::{Parser, Subcommand};

pub use access::{
    AuditAction, AuditArgs, AuditListArgs, AuditVerifyArgs, KeyAction, KeyArgs, KeyCreateArgs,
};
pub use archive::{BackupArgs, RestoreArgs};
pub use attach::{AttachArgs, CompletionsArgs, ExportArgs};
pub use daemon::{
    DaemonAction, DaemonArgs, ServerLogArgs, StartArgs, StatusArgs, StopArgs, WhichArgs,
};
pub use keys::Keys;
pub use mission::{
    CreateMissionArgs, EventsMissionArgs, FollowMissionArgs, ListMissionsArgs, MissionAction,
    MissionArgs, MissionIdArgs, ResumeMissionArgs, SendMissionArgs,
};
pub use operate::{
    AgentId, ApproveArgs, EventsArgs, ListArgs, LogsArgs, PauseArgs, QueueAction, QueueArgs,
    StatsArgs, WhyArgs,
};
pub use people::{CreateUserArgs, InviteArgs, PasswordArgs, UnlockArgs, UserAction, UserArgs};
pub use provider::{ProviderAction, ProviderArgs, ProviderLoginArgs};
pub use secrets::{GiveUpArgs, RekeyArgs, SecretsAction, SecretsArgs, SecretsStatusArgs};
pub use server::{
    DataDirArgs, DemoArgs, DoctorArgs, LoginArgs, MigrateArgs, ModelArgs, ScriptArgs, ServeArgs,
};
pub use work::{MakingArgs, RunArgs, SendArgs};
pub use workspace::{
    WorkspaceAction, WorkspaceArgs, WorkspaceCreateArgs, WorkspaceExecArgs, WorkspaceShowArgs,
};

const AFTER: &str = "\
Exit codes:
  0 done, the turn ended well      5 the server is not reachable
  1 failed                         6 the turn was stopped or interrupted
  2 wrong usage or input           7 uncertain: nobody knows whether it was received
  3 not signed in                  8 timed out
  4 no such agent, task, question  9 refused, or busy
  130 Ctrl-C

Start here:
  callboard demo                        everything once, in a minute, without any set-up
  callboard daemon start                a server on http://127.0.0.1:3030, in the background
  callboard login                       sign in (on the server's machine without arguments)
  callboard run \"df -h\"                 a supervised bash runs it, and you watch
  callboard ps                          what runs
  callboard doctor                      what is missing on this machine

An ID is an agent's id, the beginning of it, or its name.";

/// Runs agent programs as supervised processes, and gives you one place to drive and watch them.
#[derive(Debug, Parser)]
#[command(name = "callboard", version, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    /// Server [default: the one you signed in to, else http://127.0.0.1:3030]
    #[arg(
        long,
        global = true,
        env = "CALLBOARD_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub url: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order of the help.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server
    Serve(ServeArgs),
    /// Start, stop and look at a server in the background
    Daemon(DaemonArgs),
    /// Show everything once, on a server of its own
    Demo(DemoArgs),
    /// Sign in and remember it
    Login(LoginArgs),
    /// Sign out, here and on the server
    #[command(after_help = "Examples:\n  callboard logout")]
    Logout,
    /// Say who is signed in, and where
    #[command(
        after_help = "Examples:\n  callboard whoami\n  callboard whoami --json | jq -r .role"
    )]
    Whoami(JsonArgs),
    /// Make, list and change accounts, passwords and invitations
    User(UserArgs),
    /// Start an agent with a prompt and follow it to the end
    Run(RunArgs),
    /// List agents
    Ps(ListArgs),
    /// Draw the supervisor tree (admins)
    #[command(after_help = "Examples:\n  callboard tree\n  callboard tree --json | jq .children")]
    Tree(JsonArgs),
    /// Send a message to an agent; it waits its turn
    Send(SendArgs),
    /// Print an agent's events, and follow them
    Events(EventsArgs),
    /// Print what an agent's process wrote
    Logs(LogsArgs),
    /// Make this terminal the agent's
    Attach(AttachArgs),
    /// Write a session as JSON lines
    Export(ExportArgs),
    /// Answer an agent's question, or list the open ones
    Approve(ApproveArgs),
    /// End the running turn; the process stays
    #[command(after_help = "Examples:\n  callboard interrupt build")]
    Interrupt(AgentId),
    /// Start an agent's process, also after a stop or a crash loop
    #[command(after_help = "Examples:\n  callboard start build")]
    Start(AgentId),
    /// End an agent's process in order; the next message starts it again
    #[command(
        after_help = "Examples:\n  callboard stop build\n  callboard stop 1f0c && callboard start 1f0c"
    )]
    Stop(AgentId),
    /// End an agent's process and all it started, at once
    #[command(after_help = "Examples:\n  callboard kill 1f0c")]
    Kill(AgentId),
    /// Take nothing more from an agent's queue
    Pause(PauseArgs),
    /// Take from the queue again
    #[command(after_help = "Examples:\n  callboard resume build")]
    Resume(AgentId),
    /// List and change what waits for an agent
    Queue(QueueArgs),
    /// Make, drive and watch missions
    Mission(MissionArgs),
    /// Stop an agent and take it from the lists
    #[command(after_help = "Examples:\n  callboard rm 1f0c")]
    Rm(AgentId),
    /// Print the facts behind an agent's status
    Why(WhyArgs),
    /// Make, list and remove places to run, and run commands in them
    Workspace(WorkspaceArgs),
    /// Sign in to providers of models, for your agents
    Provider(ProviderArgs),
    /// Make, list and revoke API keys
    Key(KeyArgs),
    /// Print who did what, and check that nobody changed it
    Audit(AuditArgs),
    /// Show what runs, what it costs, what is kept, and what the machine does
    Stats(StatsArgs),
    /// Write what the server keeps into a directory, also while it runs
    Backup(BackupArgs),
    /// Make a data directory of a backup
    Restore(RestoreArgs),
    /// Check this machine and the server
    Doctor(DoctorArgs),
    /// Bring the server's database to this version's schema
    Migrate(MigrateArgs),
    /// Look at the keys that secrets are sealed with, and change them
    Secrets(SecretsArgs),
    /// Print the document of the API (OpenAPI 3.1)
    #[command(
        after_help = "Examples:\n  callboard openapi > openapi.json\n  callboard openapi | jq -r '.paths | keys[]'"
    )]
    Openapi,
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Programs that come with Callboard and run as agents
    #[command(hide = true)]
    Agent {
        /// Which one.
        #[command(subcommand)]
        program: AgentProgram,
    },
}

/// The built-in agent programs. The server starts them; people rarely do.
#[derive(Debug, Subcommand)]
pub enum AgentProgram {
    /// Play a scenario
    Script(ScriptArgs),
    /// Serve a model whose answers are scripted, for agent programs of others
    Model(ModelArgs),
}

/// A command whose only choice is the form of its output.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct JsonArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Reads a span of time: seconds, or a number with s, m or h.
///
/// # Errors
/// A text for people, when it is none.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = || String::from("expected seconds, or a number with s, m or h: 90, 90s, 5m, 1h");
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    let number: u64 = digits.parse().map_err(|_number| wrong())?;
    let unit = match text.strip_prefix(digits) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(number.saturating_mul(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_shown_command_teaches_by_an_example() {
        for command in Cli::command().get_subcommands() {
            if command.is_hide_set() || command.get_name() == "help" {
                continue;
            }
            let help = command.get_after_help().map(ToString::to_string);
            let name = command.get_name();
            let example = format!("callboard {name}");
            assert!(help.is_some_and(|help| help.contains(&example)), "{name}");
        }
    }

    #[test]
    fn the_parts_of_a_command_teach_by_their_own_examples() {
        let command = Cli::command();
        for whole in ["daemon", "key", "audit", "mission", "provider"] {
            for part in command.find_subcommand(whole).unwrap().get_subcommands() {
                let help = part.get_after_help().map(ToString::to_string).unwrap();
                let name = part.get_name();
                assert!(
                    help.contains(&format!("callboard {whole} {name}")),
                    "{help}"
                );
                assert!(help.lines().all(|line| line.len() < 80), "{help}");
            }
        }
    }

    #[test]
    fn spans_read_with_and_without_a_unit() {
        assert_eq!(span("90"), Ok(Duration::from_secs(90)));
        assert_eq!(span("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(span("1h"), Ok(Duration::from_secs(3_600)));
        for wrong in ["", "m", "1d", "5ms", "-3", "1.5"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
