//! The rows of the benchmark, by name.
//!
//! Never one that leaves a process or a file behind.

mod attach;
mod durable;
mod exec;
mod fanout;
mod latency;
mod memory;
mod ready;
mod requests;
mod slow;
mod start;

use super::Res;
use super::database::Database;
use super::finding::Finding;

/// All rows in the order in which they run; `usage.txt` says what each is.
pub const ALL: &[&str] = &[
    "floor", "list", "missions", "poll", "growth", "fanout", "streams", "durable", "start", "exec",
    "latency", "ready", "memory", "slow",
];

/// Those that say nothing about the database: they run on the first one alone.
pub const ONCE: &[&str] = &["start", "exec", "slow"];

/// How to run them.
pub struct Run<'a> {
    /// On this one.
    pub database: &'a Database,
    /// With fewer and shorter rounds, without the largest sizes.
    pub quick: bool,
    /// Whether it is the first database of the run.
    pub first: bool,
}

/// Runs one.
pub async fn run(name: &str, run: &Run<'_>) -> Res<Vec<Finding>> {
    match name {
        "floor" => requests::floor(run).await,
        "list" => requests::list(run).await,
        "missions" => requests::missions(run).await,
        "poll" => requests::poll(run).await,
        "growth" => requests::growth(run).await,
        "fanout" => fanout::sockets(run).await,
        "streams" => fanout::streams(run).await,
        "durable" => durable::run(run).await,
        "exec" => exec::run(run).await,
        "start" => start::run(run).await,
        "latency" => latency::run(run).await,
        "ready" => ready::run(run).await,
        "memory" => memory::run(run).await,
        "slow" => slow::run(run).await,
        _ => Err(format!("there is no row `{name}`").into()),
    }
}

/// Settings that bounds of daily use would stand in the way of, with more of the outermost table.
fn settings(more: &str) -> String {
    format!(
        "agents.roots = [\"/\"]\n{more}\n[limits]\nsockets_per_user = 5000\n\
         max_live_agents = 1100\n"
    )
}
