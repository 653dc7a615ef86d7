//! Flags of the commands that watch and steer agents.
//!
//! Never a flag that changes the meaning of another command's flag of the same name.

use clap::{Args, Subcommand};

/// A command about one agent.
#[derive(Debug, Clone, Args)]
pub struct AgentId {
    /// Agent
    pub id: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `ps`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard ps
  callboard ps --all --watch
  callboard ps --json | jq -r '.agents[] | select(.detail == \"uncertain\") | .id'

Without --all, agents whose process is not running and that have nothing to do are left out.")]
pub struct ListArgs {
    /// Also those that are stopped, or never started
    #[arg(long)]
    pub all: bool,
    /// Print again every two seconds
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON document (with --watch: one a line)
    #[arg(long)]
    pub json: bool,
}

/// `stats`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard stats
  callboard stats --watch
  callboard stats --json | jq .disk.freeBytes

Admins see the figures of the server, everybody else their own; the machine's are for all.")]
pub struct StatsArgs {
    /// Print again every two seconds
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON document (with --watch: one a line)
    #[arg(long)]
    pub json: bool,
}

/// `events`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard events build
  callboard events build --after 120 --follow
  callboard events 1f0c --follow --types status,turn_ended --json
  callboard events 1f0c --after latest --follow

Numbers are per agent, from 1, without holes. --follow goes on over a restart of the server, without
a duplicate; what is missing is printed as a gap. With --json each event is one line, a gap is
{\"type\":\"gap\",...}.")]
pub struct EventsArgs {
    /// Agent
    pub id: String,
    /// Begin behind this number; `latest` begins at the end
    #[arg(long, value_name = "N", default_value = "0", value_parser = after)]
    pub after: String,
    /// Go on with new ones as they come
    #[arg(long, short)]
    pub follow: bool,
    /// Only these types, separated by commas
    #[arg(long, value_name = "TYPES")]
    pub types: Option<String>,
    /// Print JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `logs`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard logs build
  callboard logs build --follow
  callboard logs 1f0c --incarnation 1 --raw > typescript

Terminal control is taken out, colours stay on a terminal; --raw prints every byte as it was.")]
pub struct LogsArgs {
    /// Agent
    pub id: String,
    /// Which life of its process [default: the latest]
    #[arg(long, value_name = "N")]
    pub incarnation: Option<u64>,
    /// Go on with new output as it comes
    #[arg(long, short)]
    pub follow: bool,
    /// Print the bytes as they are
    #[arg(long)]
    pub raw: bool,
}

/// `approve`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard approve                          lists the open questions
  callboard approve 01929f3a                 yes
  callboard approve 01929f3a --deny --response \"use the staging database\"
  callboard approve 01929f3a --remember session
  callboard approve 01929f3a --response 2    the second of a question's options, or any words
  callboard approve --overrides              lists the answers that are remembered
  callboard approve --forget 4be1            asks again from now on

The first answer counts; a later one is refused (9). A remembered answer holds for the same command,
the same file, or a tool that has neither; what can destroy is asked every time.")]
pub struct ApproveArgs {
    /// The question, or the end or beginning of its id
    pub request: Option<String>,
    /// Say no
    #[arg(long, requires = "request")]
    pub deny: bool,
    /// Words that go with the answer
    #[arg(long, value_name = "TEXT", requires = "request")]
    pub response: Option<String>,
    /// Answer the same request so from now on: in its session, or in all of yours
    #[arg(long, value_name = "HOW_LONG", requires = "request",
          value_parser = ["once", "session", "always"])]
    pub remember: Option<String>,
    /// List the answers that are remembered
    #[arg(long, conflicts_with = "request")]
    pub overrides: bool,
    /// Forget a remembered answer: the end or beginning of its id
    #[arg(long, value_name = "OVERRIDE", conflicts_with_all = ["request", "overrides"])]
    pub forget: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `pause`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard pause build            the running turn ends first
  callboard pause build --now      the running turn is interrupted")]
pub struct PauseArgs {
    /// Agent
    pub id: String,
    /// Interrupt the running turn; it is not sent again
    #[arg(long)]
    pub now: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `queue`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "\
Examples:
  callboard queue build
  callboard queue build edit 01929f3a \"run the tests, quietly\"
  callboard queue build cancel 01929f3a
  callboard queue build move 01929f3a 1

A TASK is a task's id, or the end or beginning of it.",
    args_conflicts_with_subcommands = false
)]
pub struct QueueArgs {
    /// Agent
    pub id: String,
    /// What to do; nothing lists.
    #[command(subcommand)]
    pub action: Option<QueueAction>,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done with waiting tasks.
#[derive(Debug, Clone, Subcommand)]
pub enum QueueAction {
    /// Change the words of a waiting task
    Edit {
        /// Task
        task: String,
        /// The new words; `-` reads them from stdin
        text: String,
    },
    /// Withdraw a waiting task
    Cancel {
        /// Task
        task: String,
    },
    /// Put a waiting task at a place, counted from 1
    Move {
        /// Task
        task: String,
        /// Its new place
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        position: u64,
    },
}

/// `why`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard why build
  callboard why 1f0c --json | jq .because")]
pub struct WhyArgs {
    /// Agent
    pub id: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

fn after(text: &str) -> Result<String, String> {
    if text == "latest" || text.parse::<u64>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(String::from("expected a number, or latest"))
}
