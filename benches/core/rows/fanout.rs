//! One agent's events to many WebSockets and event streams, in bursts that fit the outbox of each.
//!
//! Never beside a ceiling that sends other bytes.

use std::io::Write;

use serde_json::json;

use super::{Run, settings};
use crate::Res;
use crate::crowd::{BURST, Crowd, Reader, Way};
use crate::finding::{Finding, Target};
use crate::seed;
use crate::server::{Bare, Server, processor};
use crate::stats::in_turns;

/// How the frame of such an event begins, and the words of a gap: its names are sorted.
const OF_SOCKET: (&str, &str) = (
    "{\"type\":\"agent.message\",\"event\":\"assistant_message\"",
    "{\"after",
);
const OF_STREAM: (&str, &str) = ("event: assistant_message\n", "event: gap\n");

/// To WebSockets, in both sizes.
pub async fn sockets(run: &Run<'_>) -> Res<Vec<Finding>> {
    let sizes: &[u64] = if run.quick { &[100] } else { &[100, 1_000] };
    let mut found = Vec::new();
    for size in sizes {
        found.push(to(*size, false, run).await?);
    }
    Ok(found)
}

/// To event streams.
pub async fn streams(run: &Run<'_>) -> Res<Vec<Finding>> {
    let size = if run.quick { 100 } else { 500 };
    Ok(vec![to(size, true, run).await?])
}

async fn to(clients: u64, stream: bool, run: &Run<'_>) -> Res<Finding> {
    let place = run.database.place()?;
    seed::empty(&place).await?;
    let server = Server::start(&place, &settings("")).await?;
    let turns = json!([[{"flood": {"lines": BURST, "bytes": 200}}]]);
    let id = server.player("burst", &turns).await?;
    let follow = json!({"type": "subscribe", "channels": ["*"], "agentId": id}).to_string();
    let path = format!("/api/control/stream?mission_id={id}");
    let (way, words, ceiling) = match stream {
        true => (Way::Stream(&path), OF_STREAM, "parts"),
        false => (Way::Socket(Some(&follow)), OF_SOCKET, "broadcast"),
    };

    // The bare one sends a frame of ours.
    let mut one = Reader::open(&server.address, &server.token, way).await?;
    server.turn(&id, "one").await?;
    let frame = one.wait_for(words.0).await?;
    drop(one);
    let file = place.path().join("frame");
    std::fs::write(&file, &frame)?;
    let mut bare = Bare::start(&[ceiling, &file.to_string_lossy()])?;
    let mut orders = bare.orders.take().ok_or("no orders")?;

    let ours = Crowd::gather(clients, (&server.address, &server.token), way, words).await?;
    let plain = if stream { way } else { Way::Socket(None) };
    let theirs = Crowd::gather(clients, (&bare.address, ""), plain, words).await?;
    let bursts = match (run.quick, clients) {
        (true, _) => 5,
        (false, 100) => 25,
        (false, _) => 9,
    };
    let mut order = async || {
        writeln!(orders, "{BURST}")?;
        Ok(())
    };
    let (mut our_time, mut bare_time) = (0.0, 0.0);
    let pair = in_turns(
        bursts,
        async || {
            let before = processor(bare.pid())?;
            let rate = theirs.burst(order()).await;
            bare_time += processor(bare.pid())? - before;
            rate
        },
        async || {
            let before = processor(server.pid())?;
            let rate = ours.burst(server.turn(&id, "more")).await;
            our_time += processor(server.pid())? - before;
            rate
        },
    )
    .await?;
    server.stop().await?;
    let what = if stream {
        "event streams"
    } else {
        "WebSockets"
    };
    let note = format!(
        "bursts of {BURST} events, {} bytes a frame; processor time of a delivery {:.1} times \
         the bare one's",
        frame.len(),
        our_time / bare_time
    );
    let name = format!("fan-out to {clients} {what}");
    Ok(Finding::ratio(&name, &pair, "deliveries/s", Target::AtLeast(0.7)).noting(note))
}
