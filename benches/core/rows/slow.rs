//! A WebSocket that does not read while an agent floods: what it costs, and whom.
//!
//! Never without the same flood unwatched beside it.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::{Run, settings};
use crate::Res;
use crate::finding::{Finding, Target};
use crate::seed;
use crate::server::{Server, kib};
use crate::socket::Socket;
use crate::stats::{in_turns, real_len};

/// Sockets that do not read.
const STALLED: usize = 8;
/// Turns of the agent beside the flood, and lines of each.
const TURNS: usize = 5;
const CALM: usize = 20;
/// How such a line's frame begins.
const LINE: &[u8] = b"{\"type\":\"agent.message\",\"event\":\"assistant_message\"";

/// Peaks of the server's private memory, with and without them.
pub async fn run(run: &Run<'_>) -> Res<Vec<Finding>> {
    let lines = if run.quick { 20_000 } else { 60_000 };
    let place = run.database.place()?;
    seed::empty(&place).await?;
    let server = Server::start(&place, &settings("")).await?;
    let turns = json!([[{"flood": {"lines": lines, "bytes": 200}}]]);
    let id = server.player("flood", &turns).await?;
    let script = json!([[{"flood": {"lines": CALM, "bytes": 200}}, {"sleep_ms": 100}]]);
    let other = server.player("calm", &script).await?;
    // The first two grow what stays.
    server.turn(&id, "warm up").await?;
    server.turn(&id, "warm up").await?;
    let mut gaps = 0_usize;
    let pair = in_turns(
        if run.quick { 1 } else { 3 },
        async || peak(&server, server.turn(&id, "alone")).await,
        async || {
            let mut stalled = Vec::new();
            for _socket in 0..STALLED {
                stalled.push(follow(&server, None).await?);
            }
            let mut reader = follow(&server, Some(&other)).await?;
            let work = async {
                let flood = server.turn(&id, "watched");
                let calm = calm(&server, &other);
                let read = read(&mut reader);
                let (flood, calm, read) = tokio::join!(flood, calm, read);
                flood?;
                calm?;
                gaps += read?;
                Ok(())
            };
            let most = peak(&server, work).await?;
            drop(stalled);
            Ok(most)
        },
    )
    .await?;
    server.stop().await?;
    let each = (pair.ours - pair.ceiling).max(0.0) / real_len(STALLED);
    Ok(vec![
        Finding::figure(
            "a WebSocket that does not read, private",
            each,
            "KiB",
            Target::AtMost(1024.0),
        ),
        Finding::figure(
            "gaps of a reader of another agent beside them",
            real_len(gaps),
            "gaps",
            Target::AtMost(0.0),
        ),
    ])
}

async fn calm(server: &Server, agent: &str) -> Res<()> {
    for _turn in 0..TURNS {
        server.turn(agent, "calm").await?;
    }
    Ok(())
}

/// Reads all lines of the calm agent and counts the gaps between them.
async fn read(reader: &mut Socket) -> Res<usize> {
    let (mut gaps, mut came) = (0, 0);
    let reading = async {
        while came < TURNS * CALM {
            let each = |frame: &[u8]| {
                gaps += usize::from(frame.starts_with(b"{\"after"));
                came += usize::from(frame.starts_with(LINE));
            };
            reader.read(each).await?;
        }
        Res::Ok(())
    };
    match timeout(Duration::from_secs(60), reading).await {
        Ok(done) => done?,
        Err(_late) => return Err(format!("{came} lines and {gaps} gaps came").into()),
    }
    Ok(gaps)
}

async fn follow(server: &Server, agent: Option<&str>) -> Res<Socket> {
    let mut socket = Socket::open(&server.address, &server.token).await?;
    let follow = json!({"type": "subscribe", "channels": ["*"], "agentId": agent});
    socket.say(&follow.to_string()).await?;
    socket.wait_for("\"type\":\"hello\"").await?;
    Ok(socket)
}

/// Most private memory while `work` runs, in KiB.
async fn peak(server: &Server, work: impl Future<Output = Res<()>>) -> Res<f64> {
    let mut work = std::pin::pin!(work);
    let mut most = kib(server.pid(), "RssAnon")?;
    loop {
        tokio::select! {
            done = &mut work => {
                done?;
                return Ok(most);
            }
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                most = most.max(kib(server.pid(), "RssAnon")?);
            }
        }
    }
}
