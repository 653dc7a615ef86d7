//! The way of a line from a busy agent to a subscriber, beside pipe, socket and WebSocket alone.
//!
//! Never at the machine's limit on purpose: the agents keep a pace, as busy agents do.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::{Run, settings};
use crate::Res;
use crate::agent;
use crate::finding::{Finding, Target};
use crate::seed;
use crate::server::{Bare, Server};
use crate::socket::{Socket, has};
use crate::stats::{Pair, in_turns, quantile, real_len};

/// Milliseconds between two lines of one agent.
const PERIOD: &str = "20";
/// The aim: p99 within so many times the bare one.
const AIM: f64 = 3.0;

/// A few agents, and 100 with 5,000 lines a second in all; one subscriber.
pub async fn run(run: &Run<'_>) -> Res<Vec<Finding>> {
    let sizes: &[usize] = if run.quick { &[20] } else { &[20, 100] };
    let mut found = Vec::new();
    for agents in sizes {
        found.extend(of(*agents, run).await?);
    }
    Ok(found)
}

async fn of(agents: usize, run: &Run<'_>) -> Res<Vec<Finding>> {
    let (lines, rounds) = if run.quick { (100, 2) } else { (200, 5) };
    let place = run.database.place()?;
    seed::empty(&place).await?;
    let exe = std::env::current_exe()?;
    let more = format!("kinds.script.command = {}", json!(exe));
    let server = Server::start(&place, &settings(&more)).await?;
    let mut ids = Vec::new();
    for _agent in 0..agents {
        let body = json!({"agentType": "script", "scenario": "hello", "cwd": server.dir()});
        ids.push(server.agent(&body).await?);
    }
    for id in &ids {
        server.idle(id).await?;
    }
    let all = agents * lines;
    let (mut bare_tail, mut our_tail, mut unseen) = (Vec::new(), Vec::new(), 0);
    let half = in_turns(
        rounds,
        async || {
            let mut times = relayed(place.path(), agents, lines, all).await?;
            bare_tail.push(quantile(&mut times, 990));
            Ok(quantile(&mut times, 500))
        },
        async || {
            let mut times = supervised(&server, &ids, lines, all).await?;
            unseen += times.iter().filter(|time| time.is_infinite()).count();
            our_tail.push(quantile(&mut times, 990));
            Ok(quantile(&mut times, 500))
        },
    )
    .await?;
    server.stop().await?;
    let tail = Pair::of(&bare_tail, &our_tail);
    let rate = real_len(agents) * 1000.0 / PERIOD.parse::<f64>()?;
    let name = |which: &str| format!("line to subscriber, {which}, {agents} busy agents");
    let mut note = format!("{rate:.0} lines a second in all, each durable before it is seen");
    if unseen > 0 {
        note.push_str(&format!("; {unseen} lines in gaps count as never seen"));
    }
    Ok(vec![
        Finding::ratio(&name("p50"), &half, "ms", Target::None).noting(note),
        Finding::ratio(&name("p99"), &tail, "ms", Target::AtMost(AIM)),
    ])
}

async fn supervised(server: &Server, ids: &[String], lines: usize, all: usize) -> Res<Vec<f64>> {
    let mut socket = Socket::open(&server.address, &server.token).await?;
    let follow = json!({"type": "subscribe", "channels": ["agent.message"], "agentIds": ids});
    socket.say(&follow.to_string()).await?;
    for _agent in ids {
        socket.wait_for("\"type\":\"hello\"").await?;
    }
    for id in ids {
        let path = format!("/api/agents/{id}/message");
        let message: Value = json!({"message": format!("{lines} {PERIOD}")});
        server.post(&path, &message).await?;
    }
    let times = collect(&mut socket, all).await?;
    for id in ids {
        server.idle(id).await?;
    }
    Ok(times)
}

async fn relayed(dir: &Path, agents: usize, lines: usize, all: usize) -> Res<Vec<f64>> {
    let path = dir.join("hub.sock");
    // Of the round before.
    let _old = std::fs::remove_file(&path);
    let name = path.to_string_lossy();
    let hub = Bare::start(&["hub", &name])?;
    let mut socket = Socket::open(&hub.address, "").await?;
    socket.wait_for("\"type\":\"hello\"").await?;
    let end = Instant::now() + Duration::from_secs(5);
    while !path.exists() && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let count = lines.to_string();
    let mut pipes = (0..agents)
        .map(|_pipe| Bare::start(&["pipe", &name, &count, PERIOD]))
        .collect::<Res<Vec<Bare>>>()?;
    for pipe in &mut pipes {
        // The end of its input is the sign.
        drop(pipe.orders.take());
    }
    collect(&mut socket, all).await
}

/// Milliseconds of each line's way, infinite for one that a gap swallowed; the first quarter warms
/// up.
async fn collect(socket: &mut Socket, all: usize) -> Res<Vec<f64>> {
    let mut times = Vec::with_capacity(all);
    let collecting = async {
        while times.len() < all {
            socket
                .read(|frame| {
                    if let Some(said) = agent::said_at(frame) {
                        let took = agent::now().saturating_sub(said);
                        let took = u64::try_from(took).unwrap_or(u64::MAX);
                        times.push(Duration::from_nanos(took).as_secs_f64() * 1000.0);
                    } else if has(frame, "\"type\":\"gap\"") {
                        times.extend(std::iter::repeat_n(f64::INFINITY, dropped(frame)));
                    }
                })
                .await?;
        }
        Res::Ok(())
    };
    match timeout(Duration::from_secs(60), collecting).await {
        Ok(done) => done?,
        Err(_late) => return Err(format!("{} of {all} lines came", times.len()).into()),
    }
    Ok(times.split_off(all / 4))
}

/// How many frames a gap stands for.
fn dropped(gap: &[u8]) -> usize {
    let gap: Value = serde_json::from_slice(gap).unwrap_or_default();
    let dropped = gap.get("dropped").and_then(Value::as_u64);
    usize::try_from(dropped.unwrap_or(1)).unwrap_or(1)
}
