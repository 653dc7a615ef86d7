//! A wall clock that is set forward and back.

use super::*;

const HOUR_MS: i64 = 3_600_000;

/// Sets the server's wall clock off, and waits until the server has seen the jump.
async fn set_off(app: &TestApp, ms: i64, jumps: usize) {
    let file = app.dir().join("clock");
    std::fs::write(app.dir().join("clock.new"), ms.to_string()).unwrap();
    std::fs::rename(app.dir().join("clock.new"), &file).unwrap();
    soon(async || {
        let seen = app.log().matches("the wall clock jumped").count();
        match !file.exists() && seen >= jumps {
            true => Ok(()),
            false => Err(format!("{seen} jumps were seen")),
        }
    })
    .await;
}

async fn pending(who: &Caller) -> Vec<Value> {
    let all = who.get("/api/chat/approvals/pending").await.ok(200);
    all["approvals"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_clock_that_jumps_ends_no_question_and_changes_no_order() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let ask = json!([[{"ask": {"tool": "bash", "args": {"command": "ls"}}}, {"say": "done"}]]);
    let id = player(&app, &ada, &ask).await;
    let task = send(&ada, &id, "ask me").await;
    let before = soon(async || pending(&ada).await.pop().ok_or("no question".to_owned())).await;
    assert_eq!(
        health(&app).await["services"]["clock"],
        json!({"status": "healthy"})
    );

    for (ms, jumps) in [(HOUR_MS, 1), (-HOUR_MS, 2), (0, 3)] {
        set_off(&app, ms, jumps).await;
        // The log has it a moment before.
        soon(async || {
            let told = health(&app).await["services"]["clock"].clone();
            match told["message"].as_str() {
                Some(words) if words.starts_with("the wall clock jumped") => Ok(()),
                _ => Err(told.to_string()),
            }
        })
        .await;
        // A new look at the rows, as a new generation of the actor takes it.
        let open = pending(&ada).await;
        assert_eq!(open.len(), 1, "{ms} ended the question");
        assert_eq!(open[0]["requestId"], before["requestId"]);
    }
    let at = |question: &Value| {
        let text = question["expiresAt"].as_str().unwrap().to_owned();
        time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339).unwrap()
    };
    // Forward, back and forward again: it may be asked for as long as at first, once the rows have
    // followed the last jump.
    soon(async || {
        let after = pending(&ada).await.remove(0);
        match (at(&after) - at(&before)).whole_seconds().abs() {
            0..=10 => Ok(()),
            moved => Err(format!("it moved by {moved} s")),
        }
    })
    .await;

    let yes = json!({"requestId": before["requestId"], "approved": true});
    ada.post("/api/chat/approve", &yes).await.ok(200);
    until_task(&ada, &id, &task, "completed").await;
    let history = whole(&ada, &id, &[task]).await;
    let places: Vec<u64> = history
        .iter()
        .map(|event| event["pos"].as_u64().unwrap_or_default())
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(restarts(&admin).await, [""; 0], "{}", app.log());
    until_well(&app).await;
}

#[tokio::test]
async fn work_goes_on_while_the_clock_is_wrong() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"say": "done"}]])).await;
    ada.turn(&id, "one").await;
    set_off(&app, -HOUR_MS, 1).await;
    let poll = ada.history(&id).await.len();
    assert_eq!(ada.turn(&id, "two").await["outcome"], "completed");
    let second = send(&ada, &id, "three").await;
    until_task(&ada, &id, &second, "completed").await;
    let all = whole(&ada, &id, &[second]).await;
    assert!(all.len() > poll);
    // Pages by number do not care what the clock says.
    let page = format!("/api/agents/{id}/events?after={poll}");
    let page = ada.get(&page).await.ok(200);
    assert_eq!(page["events"][0]["seq"], poll + 1);
}

#[tokio::test]
async fn a_clock_that_jumps_makes_no_turn_longer_and_ends_no_sign_in() {
    let settings = "[agents.stall]\nquiet_after = \"5m\"\nstalled_after = \"10m\"\n\
                    action = \"restart\"\n";
    let app = TestApp::with(settings).await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let turns = json!([[{"sleep_ms": 6_000}, {"say": "done"}]]);
    let id = player(&app, &ada, &turns).await;
    let task = send(&ada, &id, "go").await;
    until_task(&ada, &id, &task, "running").await;
    set_off(&app, HOUR_MS, 1).await;
    // Signed while the clock is ahead; good when it is set right.
    let late = app.sign_in("ada").await;
    until_task(&ada, &id, &task, "completed").await;
    let history = whole(&ada, &id, &[task]).await;
    let end = history.iter().find(|event| event["type"] == "turn_ended");
    let ms = end.unwrap()["data"]["durationMs"].as_i64().unwrap();
    assert!(ms < HOUR_MS / 2, "it is said to have taken {ms} ms");
    let stalled = |event: &&Value| event["data"]["code"] == "stalled";
    assert!(!history.iter().any(|event| stalled(&event)));
    set_off(&app, 0, 2).await;
    late.get(&format!("/api/agents/{id}")).await.ok(200);
    assert_eq!(restarts(&admin).await, [""; 0], "{}", app.log());
}
