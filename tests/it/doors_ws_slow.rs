//! Readers of `/ws` that do not read: bounded, level again when they come back, closed, cut.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::app::{Caller, TestApp, Ws, until};
use crate::doors_events::flood;
use crate::faults::figure;

async fn stalled(callers: &[Caller], count: usize) -> Vec<Ws> {
    let mut sockets = Vec::new();
    for caller in callers.iter().cycle().take(count) {
        let mut ws = caller.ws().await;
        ws.say(json!({"type": "subscribe", "channels": ["*"]}))
            .await;
        ws.wait_for("hello").await;
        sockets.push(ws);
    }
    sockets
}

#[tokio::test]
async fn readers_that_do_not_read_cost_little_and_are_cut() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = ada.agent(&flood(&app, 60_000, 200)).await;
    // The same flood with nobody watching shows what the flood itself takes; the second one,
    // because the first also grows what stays, and the first reader what the database keeps at hand.
    ada.turn_long(&id).await;
    ada.history(&id).await;
    let alone = peak(&app, ada.turn_long(&id)).await;

    const SOCKETS: usize = 8;
    let mut sockets = stalled(&[ada.clone(), admin.clone()], SOCKETS).await;
    let begun = Instant::now();
    let watched = peak(&app, ada.turn_long(&id)).await;
    let each = watched.saturating_sub(alone) / u64::try_from(SOCKETS).unwrap();
    println!(
        "alone {alone}, watched {watched}: {} KiB a stalled socket",
        each / 1024
    );
    assert!(each <= 1024 * 1024, "{each} bytes for a socket");

    // 10 s of overflow, 1 s for the close frame, then the line is cut whether or not it is read.
    let descriptors = || {
        let all = std::fs::read_dir(format!("/proc/{}/fd", app.pid())).unwrap();
        all.flatten()
            .filter(|fd| {
                std::fs::read_link(fd.path())
                    .is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
            })
            .count()
    };
    let open = descriptors();
    until(async || descriptors() + SOCKETS <= open).await;
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    for ws in &mut sockets {
        let code = ws.closed().await;
        assert!(code.is_none() || code == Some(4008), "{code:?}");
    }
    let cut = figure(&admin, "callboard_slow_readers_cut_total").await;
    assert!((cut - 8.0).abs() < f64::EPSILON, "{cut} are counted");
}

/// Most memory that the server took while `work` ran.
async fn peak(app: &TestApp, work: impl Future<Output = ()>) -> u64 {
    let mut work = std::pin::pin!(work);
    let mut most = app.memory();
    loop {
        tokio::select! {
            () = &mut work => return most,
            () = tokio::time::sleep(Duration::from_millis(20)) => most = most.max(app.memory()),
        }
    }
}

async fn settled(app: &TestApp, ada: &Caller, id: &str, lines: u64) {
    let path = format!("/api/agents/{id}/events?after=latest");
    let begun = Instant::now();
    while ada.get(&path).await.ok(200)["latestSeq"].as_u64().unwrap() < lines {
        assert!(begun.elapsed() < Duration::from_secs(120), "{}", app.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_reader_that_comes_back_in_time_misses_nothing() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 40_000, 200)).await;
    let mut ws = ada.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["*"], "agentId": id}))
        .await;
    let from = ws.wait_for("hello").await["latestSeq"].as_u64().unwrap();
    ada.post(
        &format!("/api/agents/{id}/message"),
        &json!({"message": "go"}),
    )
    .await
    .ok(202);
    // Not reading while the flood runs, for less than the grace.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut seq = from;
    loop {
        let frame = ws.next().await;
        seq += 1;
        assert_eq!(frame["seq"], seq, "{frame}");
        if frame["event"] == "turn_ended" {
            break;
        }
    }
    assert!(seq > from + 40_000);
}

#[tokio::test]
async fn a_replay_never_overflows() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 20_000, 300)).await;
    ada.post(
        &format!("/api/agents/{id}/message"),
        &json!({"message": "go"}),
    )
    .await
    .ok(202);
    settled(&app, &ada, &id, 20_000).await;
    let mut ws = ada.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["*"], "agentId": id, "after": 0}))
        .await;
    ws.wait_for("hello").await;
    for seq in 1..=20_000u64 {
        if seq == 5_000 {
            // A reader that pauses in the middle of its replay misses nothing.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let frame = ws.next().await;
        assert_eq!(frame["seq"], seq, "{frame}");
    }
}

/// Many events of 32 kB: a connection holds a page of 1 MiB of them, not one of 200 events.
#[tokio::test]
async fn a_replay_of_large_events_costs_little() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 400, 32_000)).await;
    ada.turn_long(&id).await;
    let subscribe = json!({"type": "subscribe", "channels": ["*"], "agentId": id, "after": 0});
    // The first reader shows what the database keeps at hand.
    let mut first = ada.ws().await;
    first.say(subscribe.clone()).await;
    for seq in 1..=400_u64 {
        while first.next().await["seq"] != seq {}
    }
    let before = app.memory();
    const SOCKETS: u64 = 8;
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let mut ws = ada.ws().await;
        ws.say(subscribe.clone()).await;
        // Its page has come, and the rest of it waits.
        while ws.next().await["seq"] != 5 {}
        sockets.push(ws);
    }
    let each = app.memory().saturating_sub(before) / SOCKETS;
    println!("{} KiB a socket in its replay", each / 1024);
    assert!(each <= 6 * 1024 * 1024, "{each} bytes for a socket");
    for ws in &mut sockets {
        for seq in 6..=400_u64 {
            assert_eq!(ws.next().await["seq"], seq);
        }
    }
}

/// What a client asks in the middle of its replay is answered, all of it, and costs it no event.
#[tokio::test]
async fn who_asks_much_while_behind_misses_no_event_and_no_answer() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 6_000, 300)).await;
    ada.turn_long(&id).await;
    let mut ws = ada.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["*"], "agentId": id, "after": 0}))
        .await;
    ws.wait_for("hello").await;
    const BURST: u64 = 400;
    let (mut seq, mut asked, mut answered) = (0_u64, 0_u64, 0_u64);
    let mut done = 0_u64;
    while seq < 6_000 || answered < asked {
        if seq < 6_000 && answered == asked && seq / 1_000 >= asked / BURST {
            for id in asked + 1..=asked + BURST {
                let ping = Message::text(json!({"type": "ping", "id": id}).to_string());
                ws.stream.feed(ping).await.unwrap();
            }
            ws.stream.flush().await.unwrap();
            asked += BURST;
        }
        let frame = ws.next().await;
        if frame["seq"].is_u64() {
            seq += 1;
            assert_eq!(frame["seq"], seq, "{frame}");
            continue;
        }
        let refused = frame["type"] == "error" && frame["code"] == "rate_limited";
        assert!(refused || frame["type"] == "pong", "{frame}");
        answered += 1;
        done += u64::from(!refused);
    }
    assert_eq!(answered, asked);
    assert!(asked >= 5 * BURST && done > 0, "{asked} asked, {done} done");
}
