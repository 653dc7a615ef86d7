//! The server dies at each point of a task's life.
//! Never an accepted prompt without an end, and never one that is run twice.

use reqwest::Method;
use serde_json::json;

use super::*;

/// Every point that a prompt, its turn and the end of its program go through, with the passes
/// before the one that kills.
const POINTS: [(&str, u32); 21] = [
    ("queue_before_accept", 0),
    ("queue_before_accept", 1),
    ("queue_after_accept", 0),
    ("queue_after_accept", 2),
    ("journal_commit", 9),
    ("journal_committed", 9),
    ("offer_before_commit", 0),
    ("offer_after_commit", 0),
    ("offer_after_commit", 1),
    ("send_before_commit", 0),
    ("send_after_commit", 0),
    ("input_before_write", 1),
    ("input_after_write", 0),
    ("input_acknowledged", 0),
    ("turn_start_before_commit", 0),
    ("turn_start_after_commit", 0),
    ("turn_end_before_commit", 0),
    ("turn_end_after_commit", 0),
    ("turn_end_after_commit", 1),
    ("exit_before_commit", 0),
    ("exit_after_commit", 0),
];

#[tokio::test]
async fn a_crash_at_any_point_loses_and_repeats_nothing() {
    crashes_at_any_point(TestApp::with(QUICK).await).await;
}

/// What the server needs for it: lives that end quickly.
pub const QUICK: &str =
    "[agents]\nrestart_base = \"30ms\"\nrestart_cap = \"60ms\"\nshort_life = \"1ms\"\n";

/// See the test above.
pub async fn crashes_at_any_point(mut app: TestApp) {
    let turns = json!([[{"say": "{{message}}"}], [{"say": "{{message}}"}, {"crash": {"exit": 4}}],
        [{"say": "{{message}}"}]]);
    let ada = app.sign_in("ada").await;
    let quiet = player(&app, &ada, &turns).await;
    ada.delete(&format!("/api/agents/{quiet}")).await.ok(200);
    for (point, passes) in POINTS {
        app.kill9();
        app.env = vec![("FAILPOINTS", format!("{point}={passes}*off->return"))];
        app.boot().await;
        let ada = ada.at(&app);
        let id = player(&app, &ada, &turns).await;
        let sent = three(&ada, &id).await;
        assert!(died(&mut app).await, "the server did not die at {point}");
        app.reap();
        app.env = vec![];
        app.boot().await;
        let ada = ada.at(&app);
        let tasks = retried(&ada, &id, &sent).await;
        check(&ada, &id, &tasks, (point, passes)).await;
        ada.delete(&format!("/api/agents/{id}")).await.ok(200);
    }
}

/// The last point kills at the latest when the third prompt has been answered.
async fn died(app: &mut TestApp) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while !app.has_ended() {
        if Instant::now() > end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

/// Sends three prompts with a key each; the task of each that was answered.
async fn three(who: &Caller, id: &str) -> Vec<Option<String>> {
    let mut sent = vec![];
    for n in 0..3 {
        let reply = crate::app::try_answer(prompt(who, id, n)).await;
        let task = match reply {
            Ok(reply) if reply.status == 202 => {
                Some(reply.json()["taskId"].as_str().unwrap().to_owned())
            }
            Ok(_) | Err(_) => None,
        };
        sent.push(task);
    }
    sent
}

fn prompt(who: &Caller, id: &str, n: usize) -> reqwest::RequestBuilder {
    who.request(Method::POST, &format!("/api/agents/{id}/message"))
        .header("Idempotency-Key", format!("{id}-{n}"))
        .json(&json!({"message": format!("prompt {n}")}))
}

/// Repeats each request under its key: what was answered gets the same task, what was not gets one.
async fn retried(who: &Caller, id: &str, sent: &[Option<String>]) -> Vec<String> {
    let mut tasks = vec![];
    for (n, first) in sent.iter().enumerate() {
        let again = crate::app::answer(prompt(who, id, n)).await.ok(202);
        let again = again["taskId"].as_str().unwrap().to_owned();
        if let Some(first) = first {
            assert_eq!(first, &again, "another task for the same key");
        }
        tasks.push(again);
    }
    tasks
}

async fn check(who: &Caller, id: &str, tasks: &[String], point: (&str, u32)) {
    for task in tasks {
        let now = answered(who, id, task).await;
        let state = now["state"].as_str().unwrap();
        assert!(
            matches!(state, "completed" | "failed" | "interrupted"),
            "{point:?}: {now}"
        );
    }
    let list = who
        .get(&format!("/api/agents/{id}/tasks?limit=200"))
        .await
        .ok(200);
    assert_eq!(list["total"], 3, "{point:?}: {list}");
    let history = with_ends(who, id, tasks).await;
    ended_once(&history, tasks);
    let said = |event: &&Value| event["type"] == "user_message";
    let mut prompts: Vec<&str> = history
        .iter()
        .filter(said)
        .map(|e| e["data"]["content"].as_str().unwrap())
        .collect();
    prompts.dedup();
    assert_eq!(prompts, ["prompt 0", "prompt 1", "prompt 2"], "{point:?}");
    truthful(who, id).await;
}

/// Waits for the task's end; an uncertain one is answered with a no.
async fn answered(who: &Caller, id: &str, name: &str) -> Value {
    loop {
        let now = settled(who, id, name).await;
        if now["state"] != "uncertain" {
            return now;
        }
        let open = who.get("/api/chat/approvals/pending").await.ok(200);
        let about = |one: &&Value| one["taskId"] == *name && one["kind"] == "uncertain";
        let found = open["approvals"]
            .as_array()
            .unwrap()
            .iter()
            .find(about)
            .cloned();
        let request = found.expect("nobody is asked about an uncertain task")["requestId"].clone();
        let no = json!({"requestId": request, "approved": false});
        who.post("/api/chat/approve", &no).await.ok(200);
    }
}
