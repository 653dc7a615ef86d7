//! From the start of the process to the first good answer.
//!
//! Never with a warm process: each round starts anew on the same files.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::settings;
use crate::Res;
use crate::finding::{Finding, Target};
use crate::seed;
use crate::server::{Bare, Server, data_dir};
use crate::stats::{Pair, in_turns, median, ms};

/// Empty, with 10,000 sessions, and the very first start.
pub async fn run(quick: bool) -> Res<Vec<Finding>> {
    let rounds = if quick { 3 } else { 7 };
    let (empty, full) = (data_dir()?, data_dir()?);
    seed::empty(empty.path()).await?;
    seed::fill(full.path(), 10_000, 2, 2).await?;
    let mut found = Vec::new();
    for (what, dir, most) in [
        ("start to ready, empty", empty.path(), 200.0),
        ("start to ready, 10,000 sessions", full.path(), 1_000.0),
    ] {
        let pair = beside(dir, rounds).await?;
        found.push(Finding::figure(what, pair.ours, "ms", Target::AtMost(most)));
        let what = format!("{what}, to a process that opens the file");
        found.push(Finding::ratio(&what, &pair, "ms", Target::None));
    }
    let mut first = Vec::new();
    for _round in 0..rounds {
        let dir = data_dir()?;
        first.push(started(dir.path()).await?);
    }
    let name = "the very first start: schema, keys, first admin";
    found.push(Finding::figure(name, median(&first), "ms", Target::None));
    found.push(attached(if quick { 10 } else { 100 }).await?);
    Ok(found)
}

/// A start after a crash, until every agent is taken up from its keeper.
async fn attached(agents: u32) -> Res<Finding> {
    let dir = data_dir()?;
    seed::empty(dir.path()).await?;
    let server = Server::start(dir.path(), &settings("")).await?;
    let mut ids = Vec::new();
    for _agent in 0..agents {
        let body = json!({"agentType": "script", "scenario": "hello", "cwd": server.dir()});
        ids.push(server.agent(&body).await?);
    }
    for id in &ids {
        server.idle(id).await?;
    }
    let token = server.token.clone();
    server.crash()?;
    let begun = Instant::now();
    let mut server = Server::spawn(dir.path(), &settings(""))?;
    server.token = token;
    server.ready().await?;
    for id in &ids {
        server.idle(id).await?;
    }
    let time = ms(begun.elapsed());
    server.stop().await?;
    // 1,000 in 5 s; few of them still need a start.
    let aim = Target::AtMost((5.0 * f64::from(agents)).max(500.0));
    let name = format!("start after a crash, {agents} keepers attached again");
    Ok(Finding::figure(&name, time, "ms", aim))
}

async fn beside(dir: &Path, rounds: usize) -> Res<Pair> {
    let file = dir.join("callboard.db");
    in_turns(
        rounds,
        async || {
            let begun = Instant::now();
            let bare = Bare::start(&["open", &file.to_string_lossy()])?;
            let time = begun.elapsed();
            if !bare.address.ends_with("sessions") {
                return Err("the file was not opened".into());
            }
            Ok(ms(time))
        },
        async || started(dir).await,
    )
    .await
}

async fn started(dir: &Path) -> Res<f64> {
    let begun = Instant::now();
    let mut server = Server::spawn(dir, &settings(""))?;
    server.ready().await?;
    let time: Duration = begun.elapsed();
    server.stop().await?;
    Ok(ms(time))
}
