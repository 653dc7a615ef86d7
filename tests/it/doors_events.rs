//! The cursor contract of `GET /api/agents/{id}/events` (decisions.md 5).

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Caller, TestApp, answer};

/// A scenario with a flood of so many lines.
pub fn flood(app: &TestApp, lines: u64, bytes: u64) -> Value {
    let file = app.dir().join(format!("flood-{lines}-{bytes}.json"));
    let scenario = json!({
        "name": "lines",
        "turns": [[{"flood": {"lines": lines, "bytes": bytes}}]],
    });
    std::fs::write(&file, scenario.to_string()).unwrap();
    json!({"agentType": "script", "scenario": file})
}

async fn events(caller: &Caller, id: &str, query: &str) -> Value {
    caller
        .get(&format!("/api/agents/{id}/events?{query}"))
        .await
        .ok(200)
}

fn seqs(page: &Value) -> Vec<u64> {
    let events = page["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn the_whole_history_is_read_in_pages_without_a_hole() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 700, 20)).await;
    ada.turn(&id, "go").await;
    let history = ada.history(&id).await;
    let numbers: Vec<u64> = history.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (1..=u64::try_from(history.len()).unwrap()).collect();
    assert_eq!(numbers, expected);
    assert!(history.len() > 700);
    let mut last = 0;
    for event in &history {
        assert_eq!(event["agentId"], *id);
        assert!(event["pos"].as_u64().unwrap() > last);
        last = event["pos"].as_u64().unwrap();
        assert!(event["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    let total = u64::try_from(history.len()).unwrap();
    let first = events(&ada, &id, "after=0&limit=5").await;
    assert_eq!(seqs(&first), [1, 2, 3, 4, 5]);
    assert_eq!(first["source"], "persisted");
    assert_eq!(
        (&first["oldestSeq"], &first["latestSeq"]),
        (&json!(1), &json!(total))
    );
    assert_eq!(
        (&first["hasMore"], &first["gap"]),
        (&json!(true), &Value::Null)
    );
    let ring = events(&ada, &id, "").await;
    assert_eq!(ring["source"], "live");
    assert_eq!(seqs(&ring).len(), 200);
    assert_eq!(ring["nextCursor"], total);
    let tail = events(&ada, &id, "after=latest").await;
    assert!(seqs(&tail).is_empty());
    assert_eq!(
        (&tail["nextCursor"], &tail["hasMore"]),
        (&json!(total), &json!(false))
    );

    // A filter moves the cursor over what it leaves out.
    let filtered = events(&ada, &id, "after=0&types=plan&limit=200").await;
    assert!(seqs(&filtered).is_empty());
    assert!(filtered["nextCursor"].as_u64().unwrap() > 0);
    let statuses = events(&ada, &id, "after=0&types=status,turn_ended").await;
    for event in statuses["events"].as_array().unwrap() {
        assert!(["status", "turn_ended"].contains(&event["type"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn cursors_that_cannot_be_served_are_told_apart() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hi").await;
    let page = events(&ada, &id, "after=0").await;
    let (epoch, latest) = (
        page["epoch"].as_str().unwrap(),
        page["latestSeq"].as_u64().unwrap(),
    );
    let get = async |query: String| ada.get(&format!("/api/agents/{id}/events?{query}")).await;
    for bad in [
        "after=",
        "after=-1",
        "after=x",
        "after=1.5",
        "after=:1",
        "after=18446744073709551615",
    ] {
        get(bad.to_owned()).await.fails(400, "bad_cursor");
    }
    for bad in ["limit=0", "wait=x", "types=nope", "types="] {
        let reply = get(bad.to_owned()).await;
        if bad != "types=" {
            reply.fails(400, "bad_field");
        }
    }
    let ahead = get(format!("after={}", latest + 1))
        .await
        .fails(410, "epoch_changed");
    assert_eq!(
        (&ahead["latestSeq"], &ahead["epoch"]),
        (&json!(latest), &json!(epoch))
    );
    let other = get("after=1&epoch=other".into())
        .await
        .fails(410, "epoch_changed");
    assert_eq!(other["latestSeq"], latest);
    get("after=other:1".into())
        .await
        .fails(410, "epoch_changed");
    let good = get(format!("after={epoch}:1")).await.ok(200);
    assert_eq!(seqs(&good)[0], 2);
    get(format!("after=1&epoch={epoch}")).await.ok(200);
}

#[tokio::test]
async fn an_unchanged_answer_is_304() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hi").await;
    let path = format!("/api/agents/{id}/events?after=2");
    let first = ada.get(&path).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let again = |tag: String| answer(ada.request(Method::GET, &path).header("if-none-match", tag));
    let unchanged = again(tag.clone()).await;
    assert_eq!(
        (unchanged.status.as_u16(), unchanged.text.as_str()),
        (304, "")
    );
    ada.turn(&id, "more").await;
    let changed = again(tag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.headers["etag"], first.headers["etag"]);
}

#[tokio::test]
async fn a_long_poll_ends_with_the_first_event() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hi").await;
    let latest = events(&ada, &id, "after=latest").await["latestSeq"]
        .as_u64()
        .unwrap();
    let begun = Instant::now();
    let empty = events(&ada, &id, &format!("after={latest}&wait=1")).await;
    assert!(seqs(&empty).is_empty());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let waiting = [latest.to_string(), "latest".to_owned()].map(|after| {
        let (ada, id) = (ada.clone(), id.clone());
        tokio::spawn(async move { events(&ada, &id, &format!("after={after}&wait=30")).await })
    });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    // One that names the end by a word may be asked after the first of these already.
    for more in ["more", "still more"] {
        ada.turn(&id, more).await;
    }
    for (page, at_most) in waiting.into_iter().zip([1, 200]) {
        let first = seqs(&page.await.unwrap())[0];
        assert!((latest + 1..=latest + at_most).contains(&first), "{first}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn waiting_polls_of_a_token_are_bounded() {
    let app = TestApp::with("[limits]\npolls_per_token = 2\n").await;
    let (ada, again) = (app.sign_in("ada").await, app.sign_in("ada").await);
    let id = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hi").await;
    let path = format!("/api/agents/{id}/events?after=latest&wait=30");
    let held = [ada.long_poll(path.clone()), ada.long_poll(path.clone())];
    let begun = Instant::now();
    loop {
        // Until both are in, this one waits its second out.
        let third = ada.get(&path.replace("wait=30", "wait=1")).await;
        if third.status == 429 {
            third.fails(429, "too_many_polls");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never bounded");
    }
    // Another token, and answers that do not wait, are not concerned.
    again.get(&path.replace("wait=30", "wait=1")).await.ok(200);
    ada.get(&path.replace("&wait=30", "")).await.ok(200);
    // A prompt that waits is refused before it is accepted, not after.
    let prompt = format!("/api/agents/{id}/message?wait=5");
    ada.post(&prompt, &json!({"message": "no"}))
        .await
        .fails(429, "too_many_polls");
    let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    assert_eq!(tasks["total"], 1);
    again.turn(&id, "more").await;
    for poll in held {
        poll.await.unwrap().ok(200);
    }
}

#[tokio::test]
async fn numbers_go_on_after_a_restart() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hi").await;
    assert_eq!(app.stop().await, Some(0));
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let before = ada.history(&id).await;
    ada.turn(&id, "again").await;
    let after = ada.history(&id).await;
    assert_eq!(after[..before.len()], before[..]);
    let numbers: Vec<u64> = after.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(
        numbers,
        (1..=u64::try_from(after.len()).unwrap()).collect::<Vec<_>>()
    );
}
