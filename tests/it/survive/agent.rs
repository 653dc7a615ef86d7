//! The end of an agent's process under its work.
//! Never a task that is sent a second time by itself.

use serde_json::json;

use super::*;

const QUICK: &str = "[agents]\nrestart_base = \"400ms\"\nrestart_cap = \"500ms\"\n";
const LOOPING: &str = "[agents]\nrestart_base = \"30ms\"\nrestart_cap = \"60ms\"\n";

#[tokio::test]
async fn a_killed_agent_is_restarted_and_its_task_is_not_sent_again() {
    let app = TestApp::with(QUICK).await;
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"say": "{{message}}"}, {"sleep_ms": 60_000}], [{"say": "{{message}}"}]]);
    let id = player(&app, &ada, &turns).await;
    let first = send(&ada, &id, "first").await;
    let second = send(&ada, &id, "second").await;
    let events = format!("/api/agents/{id}/events?after=0&types=assistant_message");
    answer(async || {
        let page = ada.get(&events).await.json();
        if page["events"] != json!([]) {
            return Ok(());
        }
        Err(page.to_string())
    })
    .await;
    let before = agent(&ada, &id).await;
    kill9(pid_of(&before));
    let waits = agent_until(&ada, &id, |now| now["detail"] == "backoff").await;
    assert!(waits["retryAt"].is_string(), "{waits}");
    assert!(waits["pid"].is_null(), "{waits}");
    let lost = task(&ada, &id, &first).await;
    assert_eq!(
        (&lost["state"], &lost["attempt"]),
        (&json!("interrupted"), &json!(1)),
        "{lost}"
    );
    let next = settled(&ada, &id, &second).await;
    assert_eq!(next["state"], "completed", "{next}");
    let after = agent(&ada, &id).await;
    assert_ne!(after["pid"], before["pid"]);
    assert_eq!(after["incarnation"], 2);
    let tasks = [first.clone(), second];
    let history = with_ends(&ada, &id, &tasks).await;
    ended_once(&history, &tasks);
    assert_eq!(count(&history, "turn_started", &first), 1);
    let exit = history
        .iter()
        .find(|event| event["type"] == "exit")
        .unwrap();
    assert_eq!(exit["data"]["signal"], 9, "{exit}");
}

#[tokio::test]
async fn five_short_lives_are_a_crash_loop_that_a_message_ends() {
    let app = TestApp::with(LOOPING).await;
    let ada = app.sign_in("ada").await;
    let crash = json!([{"crash": {"exit": 3}}]);
    let mut turns = vec![crash; 5];
    turns.push(json!([{"say": "well"}]));
    let id = player(&app, &ada, &json!(turns)).await;
    let mut tasks = vec![];
    for n in 0..5 {
        tasks.push(send(&ada, &id, &format!("crash {n}")).await);
    }
    let loops = agent_until(&ada, &id, |now| now["detail"] == "crash_loop").await;
    assert_eq!(loops["status"], "failed", "{loops}");
    assert_eq!(loops["incarnation"], 5, "{loops}");
    for task in &tasks {
        assert_eq!(settled(&ada, &id, task).await["state"], "interrupted");
    }
    let last = send(&ada, &id, "again").await;
    let done = settled(&ada, &id, &last).await;
    assert_eq!(done["state"], "completed", "{done}");
    tasks.push(last);
    ended_once(&with_ends(&ada, &id, &tasks).await, &tasks);
}

#[tokio::test]
async fn a_crash_loop_is_ended_by_a_start() {
    let app = TestApp::with(LOOPING).await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"say": "{{message}}"}]])).await;
    for life in 1..=5 {
        let up = |now: &Value| now["detail"] == "idle" && now["incarnation"] == life;
        kill9(pid_of(&agent_until(&ada, &id, up).await));
    }
    agent_until(&ada, &id, |now| now["detail"] == "crash_loop").await;
    ada.post(&format!("/api/agents/{id}/start"), &json!({}))
        .await
        .ok(200);
    let up = agent_until(&ada, &id, |now| now["detail"] == "idle").await;
    assert_eq!(up["incarnation"], 6, "{up}");
    assert_eq!(ada.turn(&id, "hi").await["state"], "completed");
}

#[tokio::test]
async fn a_killed_shell_is_fresh_at_the_next_message() {
    let app = TestApp::with(QUICK).await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    ada.turn(&id, "MINE=kept").await;
    let task = send(&ada, &id, "echo begun; sleep 60").await;
    let busy = agent_until(&ada, &id, |now| now["detail"] == "busy").await;
    printed(&ada, &id, "begun").await;
    kill9(pid_of(&busy));
    let lost = settled(&ada, &id, &task).await;
    assert_eq!(lost["state"], "interrupted", "{lost}");
    let next = ada.turn(&id, "echo \"[$MINE]\"").await;
    assert_eq!(next["text"].as_str().map(str::trim), Some("[]"), "{next}");
    assert_ne!(agent(&ada, &id).await["pid"], busy["pid"]);
    let tasks = [task];
    ended_once(&with_ends(&ada, &id, &tasks).await, &tasks);
}
