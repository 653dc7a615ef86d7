//! Flags of the commands that give work to agents.
//!
//! Never a default that depends on the server: what is absent is left to it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::span;

/// What an agent is made with, whatever it is made for.
#[derive(Debug, Clone, Args)]
pub struct MakingArgs {
    /// How hard the model thinks: low, medium, high, xhigh, max
    #[arg(long, value_name = "LEVEL")]
    pub effort: Option<String>,
    /// default (asks), acceptEdits, bypassPermissions (never asks), plan, dontAsk
    #[arg(long, value_name = "MODE")]
    pub permission_mode: Option<String>,
    /// Stop it for good when its turns have cost so much
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub max_usd: Option<f64>,
    /// Take no more turns than this
    #[arg(long, value_name = "COUNT")]
    pub max_turns: Option<u64>,
    /// Longest time of each turn, which the server watches: 90, 90s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub deadline: Option<Duration>,
    /// A variable for its processes; without a value it is taken from here
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
}

/// `run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard run \"df -h\"                                     a supervised bash; asks you first
  callboard run \"make check\" --permission-mode bypassPermissions --rm > out.txt
  callboard run \"go\" --agent script --scenario demo         plays a scenario
  callboard run \"fix the build\" --agent claude --permission-mode acceptEdits --max-usd 2
  callboard run \"another way\" --fork build --deadline 10m   goes on from what `build` knows
  callboard run - < prompt.txt --name build --cwd ~/project
  callboard run \"npm test\" --timeout 10m --json | jq -c 'select(.type == \"result\")'

What the agent says and prints goes to stdout, everything about it to stderr. The exit code is the
turn's outcome. Ctrl-C interrupts the turn, a second one quits at once. The agent stays afterwards
and takes further messages (`callboard send`), unless --rm is given.
On a terminal words appear while the agent writes them.
With --json each event is one line; the last line is {\"type\":\"result\",...} with the task.")]
pub struct RunArgs {
    /// The prompt; `-` reads it from stdin
    pub prompt: String,
    /// Kind of agent: claude, shell, script [default: an agent program that is installed and signed
    /// in on the server's machine, else shell]
    #[arg(long, value_name = "KIND")]
    pub agent: Option<String>,
    /// Working directory of the agent [default: this directory]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Model, for kinds that have one
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Branch off from the conversation of this agent
    #[arg(long, value_name = "ID")]
    pub fork: Option<String>,
    /// How far it may go, and with what
    #[command(flatten)]
    pub making: MakingArgs,
    /// Scenario of a script agent: a ready one (hello, demo, tools, ask ...) or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub scenario: Option<String>,
    /// Name of the agent, unique among yours
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Interrupt this turn after this time, watched from here: 90, 90s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub timeout: Option<Duration>,
    /// Keep the agent afterwards (the default)
    #[arg(long, conflicts_with = "rm")]
    pub keep: bool,
    /// Remove the agent afterwards
    #[arg(long)]
    pub rm: bool,
    /// Print events as JSON lines
    #[arg(long)]
    pub json: bool,
    /// With --json: also lines of messages while they are being written, without a number
    #[arg(long, requires = "json")]
    pub deltas: bool,
}

/// `send`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard send build \"run the tests again\"
  git diff | callboard send 1f0c -
  callboard send build \"make\" --wait --timeout 5m
  callboard send build \"deploy\" --no-queue              refused (9) when it is busy
  callboard send build \"once\" --idempotency-key job-17  the same key never runs twice")]
pub struct SendArgs {
    /// Agent
    pub id: String,
    /// The message; `-` reads it from stdin
    pub text: String,
    /// Wait for the end of the turn, print its last words; the exit code is its outcome
    #[arg(long)]
    pub wait: bool,
    /// With --wait: stop waiting after this time (8); the task goes on
    #[arg(long, value_name = "TIME", value_parser = span, requires = "wait")]
    pub timeout: Option<Duration>,
    /// Be refused instead of waiting behind other work
    #[arg(long)]
    pub no_queue: bool,
    /// A key of your own: a repeated request gets the first answer
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Reads an amount of money.
pub fn dollars(text: &str) -> Result<f64, String> {
    let amount: Option<f64> = text.trim_start_matches('$').parse().ok();
    amount
        .filter(|amount| amount.is_finite() && *amount > 0.0)
        .ok_or_else(|| String::from("expected an amount above 0, as 0.50 or 2"))
}
