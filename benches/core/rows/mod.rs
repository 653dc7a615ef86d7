//! The rows of the benchmark, by name.
//!
//! Never one that leaves a process or a file behind.

mod durable;
mod fanout;
mod latency;
mod memory;
mod ready;
mod requests;
mod slow;
mod start;

use super::Res;
use super::finding::Finding;

/// All rows in the order in which they run; `usage.txt` says what each is.
pub const ALL: &[&str] = &[
    "floor", "list", "poll", "growth", "fanout", "durable", "start", "latency", "ready", "memory",
    "slow",
];

/// Runs one.
pub async fn run(name: &str, quick: bool) -> Res<Vec<Finding>> {
    match name {
        "floor" => requests::floor(quick).await,
        "list" => requests::list(quick).await,
        "poll" => requests::poll(quick).await,
        "growth" => requests::growth(quick).await,
        "fanout" => fanout::run(quick).await,
        "durable" => durable::run(quick).await,
        "start" => start::run(quick).await,
        "latency" => latency::run(quick).await,
        "ready" => ready::run(quick).await,
        "memory" => memory::run(quick).await,
        "slow" => slow::run(quick).await,
        _ => Err(format!("there is no row `{name}`").into()),
    }
}

/// Settings that bounds of daily use would stand in the way of, with more of the outermost table.
fn settings(more: &str) -> String {
    format!(
        "agents.roots = [\"/\"]\n{more}\n[limits]\nsockets_per_user = 5000\n\
         max_live_agents = 1000\n"
    )
}
