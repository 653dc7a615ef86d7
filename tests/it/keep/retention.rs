//! What retention removes is told to every reader, and what it must keep stays.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{again, player, tidied};
use crate::app::{Caller, TestApp, until};
use crate::doors_events::flood;

async fn page(who: &Caller, id: &str, query: &str) -> Value {
    let path = format!("/api/agents/{id}/events?{query}");
    who.get(&path).await.ok(200)
}

fn seqs(page: &Value) -> Vec<u64> {
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn what_retention_removed_is_a_gap_on_every_door() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 300, 20)).await;
    ada.turn(&id, "go").await;
    let path = format!("/api/agents/{id}/stop");
    ada.post(&path, &json!({})).await.ok(200);
    let before = ada.history(&id).await;
    let last = before.last().unwrap()["seq"].as_u64().unwrap();
    again(&mut app, &[("CALLBOARD_RETENTION__EVENTS_PER_AGENT", "50")]).await;
    let ada = ada.at(&app);
    let stats = tidied(&app).await;
    let removed = stats["retention"]["lastSweep"]["removed"]["events"].as_u64();
    assert_eq!(removed, Some(last - 50));
    let oldest = last - 49;

    let first = page(&ada, &id, "after=0&limit=7").await;
    let gap = json!({"from": 1, "to": oldest - 1, "reason": "retention"});
    assert_eq!(first["gap"], gap);
    assert_eq!(
        (&first["oldestSeq"], &first["latestSeq"]),
        (&json!(oldest), &json!(last))
    );
    assert_eq!(seqs(&first), (oldest..oldest + 7).collect::<Vec<_>>());
    let next = first["nextCursor"].as_u64().unwrap();
    let second = page(&ada, &id, &format!("after={next}")).await;
    assert_eq!(seqs(&second), (oldest + 7..=last).collect::<Vec<_>>());
    assert_eq!(second["gap"], Value::Null);
    let edge = page(&ada, &id, &format!("after={}", oldest - 1)).await;
    assert_eq!((seqs(&edge).len(), &edge["gap"]), (50, &Value::Null));
    let ring = page(&ada, &id, "").await;
    assert_eq!((seqs(&ring).len(), &ring["gap"]), (50, &Value::Null));

    // A long poll whose filter matches nothing is told at once, and its cursor moves.
    let begun = Instant::now();
    let poll = page(&ada, &id, "after=3&types=plan&wait=25").await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(poll["gap"]["from"], 4);
    assert_eq!((seqs(&poll).len(), &poll["nextCursor"]), (0, &json!(last)));

    socket_of_one(&ada, &id, (oldest, last)).await;
    socket_of_all(&ada, &before, (oldest, last)).await;

    // The numbers go on.
    ada.turn(&id, "again").await;
    let more = page(&ada, &id, &format!("after={last}")).await;
    assert_eq!(seqs(&more)[0], last + 1);
}

async fn socket_of_one(ada: &Caller, id: &str, (oldest, last): (u64, u64)) {
    let mut ws = ada.ws().await;
    ws.wait_for("connected").await;
    let subscribe = json!({"type": "subscribe", "channels": ["*"], "agentId": id, "after": 2});
    ws.say(subscribe).await;
    let gap = ws.wait_for("gap").await;
    let told = (&gap["after"], &gap["oldestSeq"], &gap["reason"]);
    assert_eq!(told, (&json!(2), &json!(oldest), &json!("retention")));
    assert_eq!(gap["dropped"], oldest - 3);
    for seq in oldest..=last {
        assert_eq!(ws.next().await["seq"], seq);
    }
}

async fn socket_of_all(ada: &Caller, before: &[Value], (oldest, last): (u64, u64)) {
    let pos = |seq: u64| {
        before[usize::try_from(seq).unwrap() - 1]["pos"]
            .as_u64()
            .unwrap()
    };
    let mut ws = ada.ws().await;
    ws.wait_for("connected").await;
    let subscribe = json!({"type": "subscribe", "channels": ["*"], "after": 0});
    ws.say(subscribe).await;
    let gap = ws.wait_for("gap").await;
    assert_eq!(
        (&gap["afterPos"], &gap["reason"]),
        (&json!(0), &json!("retention"))
    );
    assert_eq!(gap["oldestPos"], pos(oldest - 1) + 1);
    for seq in oldest..=last {
        assert_eq!(ws.next().await["seq"], seq);
    }
    // Who has everything that is there hears of no gap.
    let mut ws = ada.ws().await;
    ws.wait_for("connected").await;
    let subscribe = json!({"type": "subscribe", "channels": ["*"], "after": pos(oldest - 1)});
    ws.say(subscribe).await;
    loop {
        let frame = ws.next().await;
        assert_ne!(frame["type"], "gap", "{frame}");
        if frame["seq"] == last {
            return;
        }
    }
}

#[tokio::test]
async fn a_number_is_never_given_again_when_all_events_are_old() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 20, 20)).await;
    ada.turn(&id, "go").await;
    let path = format!("/api/agents/{id}/stop");
    ada.post(&path, &json!({})).await.ok(200);
    let last = page(&ada, &id, "after=latest").await["latestSeq"]
        .as_u64()
        .unwrap();
    for _start in 0..2 {
        again(&mut app, &[("CALLBOARD_RETENTION__EVENTS_AGE", "1ms")]).await;
        tidied(&app).await;
        let ada = ada.at(&app);
        let left = page(&ada, &id, "after=0").await;
        assert_eq!(
            (seqs(&left), &left["gap"]["to"]),
            (vec![last], &json!(last - 1))
        );
    }
    again(&mut app, &[]).await;
    let ada = ada.at(&app);
    ada.turn(&id, "on").await;
    let more = page(&ada, &id, &format!("after={last}")).await;
    assert_eq!((seqs(&more)[0], &more["gap"]), (last + 1, &Value::Null));
}

#[tokio::test]
async fn events_of_a_turn_that_goes_on_stay() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    app.agents = crate::app::Agents::Stay;
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"say": "one"}], [{"say": "two"}, {"hang": true}]]);
    let id = player(&app, &ada, &turns).await;
    ada.turn(&id, "first").await;
    let path = format!("/api/agents/{id}/message");
    ada.post(&path, &json!({"message": "second"})).await.ok(202);
    let says = |event: &Value| event["type"] == "assistant_message";
    until(async || {
        ada.history(&id)
            .await
            .iter()
            .filter(|one| says(one))
            .count()
            == 2
    })
    .await;
    let before = ada.history(&id).await;
    let ended = before
        .iter()
        .find(|one| one["type"] == "turn_ended")
        .unwrap();
    again(&mut app, &[("CALLBOARD_RETENTION__EVENTS_AGE", "1ms")]).await;
    tidied(&app).await;
    let ada = ada.at(&app);
    let left = page(&ada, &id, "after=0").await;
    assert_eq!(left["gap"]["to"], ended["seq"]);
    let spoken: Vec<&Value> = left["events"].as_array().unwrap().iter().collect();
    assert_eq!(spoken.iter().filter(|one| says(one)).count(), 1);
    app.agents = crate::app::Agents::End;
    ada.post(&format!("/api/agents/{id}/kill"), &json!({}))
        .await
        .ok(200);
}

#[tokio::test]
async fn output_of_earlier_processes_goes_and_that_of_the_latest_stays() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 5, 20)).await;
    for _life in 0..4 {
        ada.turn(&id, "go").await;
        ada.post(&format!("/api/agents/{id}/stop"), &json!({}))
            .await
            .ok(200);
    }
    let logs = || {
        let dir = app_logs(&app, &id);
        let mut all: Vec<u64> = dir.iter().map(|name| name.parse().unwrap()).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(logs(), [1, 2, 3, 4]);
    again(&mut app, &[("CALLBOARD_RETENTION__LOGS_PER_AGENT", "1")]).await;
    let stats = tidied(&app).await;
    assert_eq!(stats["retention"]["lastSweep"]["removed"]["logs"], 2);
    assert_eq!(stats["logs"]["total"], 2);
    let mut left = app_logs(&app, &id);
    left.sort_unstable();
    assert_eq!(left, ["3", "4"]);
    let ada = ada.at(&app);
    let log = |n: u64| format!("/api/agents/{id}/log?incarnation={n}");
    ada.get(&log(1)).await.fails(404, "not_found");
    assert_eq!(ada.get(&log(4)).await.status, 200);
    again(&mut app, &[("CALLBOARD_RETENTION__LOGS_AGE", "1ms")]).await;
    tidied(&app).await;
    assert_eq!(app_logs(&app, &id), ["4"]);
    let ada = ada.at(&app);
    ada.turn(&id, "on").await;
}

fn app_logs(app: &TestApp, id: &str) -> Vec<String> {
    let dir = app.dir().join("keepers").join(id);
    let entries = std::fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[tokio::test]
async fn sessions_that_rest_too_long_go_and_then_their_rows() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let rests = ada.agent(&flood(&app, 5, 20)).await;
    let waits = ada.agent(&flood(&app, 5, 20)).await;
    for id in [&rests, &waits] {
        ada.turn(id, "go").await;
    }
    ada.post(&format!("/api/agents/{waits}/pause"), &json!({}))
        .await
        .ok(200);
    ada.post(
        &format!("/api/agents/{waits}/message"),
        &json!({"message": "later"}),
    )
    .await
    .ok(202);
    ada.post(&format!("/api/agents/{rests}/stop"), &json!({}))
        .await
        .ok(200);
    again(&mut app, &[("CALLBOARD_RETENTION__REST_AGE", "1ms")]).await;
    let stats = tidied(&app).await;
    assert_eq!(
        stats["retention"]["lastSweep"]["removed"]["restingSessions"],
        1
    );
    let ada = ada.at(&app);
    ada.get(&format!("/api/agents/{rests}"))
        .await
        .fails(404, "not_found");
    let kept = ada.get(&format!("/api/agents/{waits}")).await.ok(200);
    assert_eq!(kept["queueDepth"], 1);
    assert_eq!(stats["sessions"]["deleted"], 1);
    assert!(!app.dir().join("keepers").join(&rests).exists());
    again(&mut app, &[("CALLBOARD_RETENTION__DELETED_AGE", "1ms")]).await;
    let stats = tidied(&app).await;
    assert_eq!(stats["sessions"]["deleted"], 0);
    assert_eq!(stats["retention"]["lastSweep"]["removed"]["sessions"], 1);
    let ada = ada.at(&app);
    let total = ada.get("/api/agents").await.ok(200)["total"].clone();
    assert_eq!(total, 1);
}

#[tokio::test]
async fn a_clock_that_is_months_ahead_ends_no_history() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 20, 20)).await;
    ada.turn(&id, "go").await;
    let path = format!("/api/agents/{id}/stop");
    ada.post(&path, &json!({})).await.ok(200);
    let before = ada.history(&id).await.len();
    // A go with the right clock.
    tidied(&app).await;
    assert_eq!(app.stop().await, Some(0));
    for days in [91_i64, 400] {
        std::fs::write(app.dir().join("clock"), (days * 86_400_000).to_string()).unwrap();
        app.boot().await;
        let last = tidied(&app).await["retention"]["lastSweep"].clone();
        assert_eq!(last["clockDoubted"], true, "{last}");
        let removed = last["removed"].as_object().unwrap();
        assert!(removed.values().all(|count| *count == 0), "{last}");
        app.told("the clock is off by more than a day").await;
        let ada = app.sign_in("ada").await;
        assert!(ada.history(&id).await.len() >= before);
        assert_eq!(app.stop().await, Some(0));
    }
    // With the right clock again everything goes its way.
    app.boot().await;
    let last = tidied(&app).await["retention"]["lastSweep"].clone();
    assert_eq!(last["clockDoubted"], false, "{last}");
}
