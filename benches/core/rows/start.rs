//! How fast agents start: keeper, namespaces and rows included, beside the bare spawn.
//!
//! Never another program on the bare side: the same one with the same words.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::time::Instant;

use super::{Run, settings};
use crate::Res;
use crate::finding::{Finding, Target};
use crate::http::{Line, post};
use crate::seed;
use crate::server::{PROGRAM, Server, command};
use crate::socket::{Socket, has};
use crate::stats::{in_turns, median, real_len};

/// Clients that make agents at the same time.
const CLIENTS: usize = 4;

/// Agents of one round, made over HTTP, until each says that it is ready.
pub async fn run(run: &Run<'_>) -> Res<Vec<Finding>> {
    let agents = if run.quick { 12 } else { 40 };
    let place = run.database.place()?;
    seed::empty(&place).await?;
    let server = Server::start(&place, &settings("")).await?;
    let mut plain = Vec::new();
    let pair = in_turns(
        if run.quick { 2 } else { 5 },
        async || {
            plain.push(spawned(agents * 4, Path::new("/bin/true"), &[])?);
            spawned(
                agents * 2,
                Path::new(PROGRAM),
                &["agent", "script", "hello"],
            )
        },
        async || made(&server, agents).await,
    )
    .await?;
    server.stop().await?;
    let to_true = pair.ours / median(&plain);
    let note = format!("to the spawn of /bin/true {to_true:.2} x");
    let name = "start rate of agents";
    Ok(vec![
        Finding::ratio(name, &pair, "starts/s", Target::AtLeast(0.25)).noting(note),
    ])
}

/// Bare: spawn, the first line of output if there is one, wait.
fn spawned(count: usize, program: &Path, args: &[&str]) -> Res<f64> {
    let begun = Instant::now();
    for _start in 0..count {
        let mut child = command(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut String::new())?;
        }
        drop(child.stdin.take());
        child.wait()?;
    }
    Ok(real_len(count) / begun.elapsed().as_secs_f64())
}

async fn made(server: &Server, agents: usize) -> Res<f64> {
    let mut socket = Socket::open(&server.address, &server.token).await?;
    socket
        .say(&json!({"type": "subscribe", "channels": ["agent.status"]}).to_string())
        .await?;
    socket.wait_for("\"type\":\"hello\"").await?;
    let body = json!({"agentType": "script", "scenario": "hello", "cwd": server.dir()});
    let request = post("/api/agents", Some(&server.token), &body);
    let begun = Instant::now();
    let mut clients = Vec::new();
    for _client in 0..CLIENTS {
        let (address, request) = (server.address.clone(), request.clone());
        clients.push(tokio::spawn(async move {
            let mut line = Line::open(&address).await?;
            let mut ids = Vec::new();
            for _agent in 0..agents / CLIENTS {
                let answer = line.ask(&request).await?;
                let made: serde_json::Value = serde_json::from_slice(answer.body)?;
                let id = made.get("id").and_then(|id| id.as_str());
                ids.push(id.ok_or("an agent without an id")?.to_owned());
            }
            Res::Ok(ids)
        }));
    }
    let mut idle = 0;
    while idle < agents {
        socket
            .read(|frame| {
                idle += usize::from(has(frame, "\"detail\":\"idle\""));
            })
            .await?;
    }
    let rate = real_len(agents) / begun.elapsed().as_secs_f64();
    for client in clients {
        for id in client.await?? {
            server
                .post(&format!("/api/agents/{id}/kill"), &json!({}))
                .await?;
        }
    }
    Ok(rate)
}
