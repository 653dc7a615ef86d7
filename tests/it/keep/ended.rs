//! Ended tasks, answered questions and earlier processes go in time; what a client may still ask for
//! stays, and numbers go on.

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use reqwest::Method;
use serde_json::{Value, json};

use super::{again, player, tidied};
use crate::app::{Answer, Caller, TestApp, until};

/// A message with a key, waited for.
async fn keyed(who: &Caller, id: &str, key: &str) -> Answer {
    let path = format!("/api/agents/{id}/message?wait=30");
    let request = who.request(Method::POST, &path);
    let request = request.header("idempotency-key", key);
    who.ask(request.json(&json!({"message": "go"}))).await
}

/// An answered question, on the way of a turn.
async fn asked(who: &Caller, id: &str) -> (String, String) {
    let path = format!("/api/agents/{id}/message");
    let sent = who.post(&path, &json!({"message": "ask"})).await.ok(202);
    let open = "/api/chat/approvals/pending";
    let list = async || who.get(open).await.ok(200)["approvals"].clone();
    until(async || !list().await.as_array().unwrap().is_empty()).await;
    let question = list().await[0]["requestId"].as_str().unwrap().to_owned();
    let yes = json!({"requestId": question, "approved": true});
    who.post("/api/chat/approve", &yes).await.ok(200);
    let task = sent["taskId"].as_str().unwrap().to_owned();
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    assert_eq!(who.get(&path).await.ok(200)["status"], "completed");
    (task, question)
}

async fn stop(who: &Caller, id: &str) {
    let path = format!("/api/agents/{id}/stop");
    who.post(&path, &json!({})).await.ok(200);
}

async fn task_ids(who: &Caller, id: &str) -> Vec<Value> {
    let page = who.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    let tasks = page["tasks"].as_array().unwrap();
    assert_eq!(page["total"], tasks.len());
    tasks.iter().map(|task| task["taskId"].clone()).collect()
}

/// Makes everything that has ended two days older; the server does not run.
fn age(app: &TestApp) {
    let two_days = 2 * 86_400_000;
    let mut conn = SqliteConnection::establish(&app.database()).unwrap();
    conn.batch_execute(&format!(
        "UPDATE tasks SET ended_at = ended_at - {two_days}; \
         UPDATE approvals SET resolved_at = resolved_at - {two_days}; \
         UPDATE incarnations SET started_at = started_at - {two_days}"
    ))
    .unwrap();
}

fn removed(stats: &Value) -> [Value; 3] {
    let removed = &stats["retention"]["lastSweep"]["removed"];
    ["tasks", "approvals", "incarnations"].map(|kind| removed[kind].clone())
}

const NOTHING: [u64; 3] = [0; 3];

#[tokio::test]
async fn what_is_over_goes_after_its_day_and_numbers_go_on() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let ask = json!([{"ask": {"tool": "bash", "args": {"command": "ls"}}}, {"say": "done"}]);
    let turns = json!([ask, [{"say": "one"}], [{"say": "two"}], [{"say": "three"}]]);
    let id = player(&app, &ada, &turns).await;
    let (first, question) = asked(&ada, &id).await;
    stop(&ada, &id).await;
    let second = keyed(&ada, &id, "k2").await.ok(200)["taskId"].clone();
    stop(&ada, &id).await;
    let third = keyed(&ada, &id, "k3").await.ok(200)["taskId"].clone();
    let answered = json!({"requestId": question, "approved": true});

    // Within a day nothing goes, whatever the settings say, and a repeated request finds its task.
    let soon = [
        ("CALLBOARD_RETENTION__TASKS_AGE", "1ms"),
        ("CALLBOARD_RETENTION__TASKS_PER_AGENT", "1"),
    ];
    again(&mut app, &soon).await;
    assert_eq!(removed(&tidied(&app).await), NOTHING);
    let ada = ada.at(&app);
    assert_eq!(keyed(&ada, &id, "k2").await.ok(200)["taskId"], second);
    assert_eq!(task_ids(&ada, &id).await.len(), 3);
    let late = ada.post("/api/chat/approve", &answered).await;
    late.fails(409, "already_resolved");

    assert_eq!(app.stop().await, Some(0));
    age(&app);
    app.boot().await;
    let stats = tidied(&app).await;
    let gone = removed(&stats);
    assert_eq!(gone[..2], [json!(2), json!(1)], "{stats}");
    assert!(gone[2].as_u64() >= Some(1), "{stats}");
    assert_eq!(stats["tasks"]["total"], 1);
    assert_eq!(stats["approvals"]["total"], 0);
    let ada = ada.at(&app);
    assert_eq!(json!(task_ids(&ada, &id).await), json!([third]));
    for wait in ["", "?wait=5"] {
        let path = format!("/api/agents/{id}/tasks/{first}{wait}");
        ada.get(&path).await.fails(404, "not_found");
    }
    let late = ada.post("/api/chat/approve", &answered).await;
    late.fails(404, "not_found");

    // The agent goes on, with the next number of its processes and behind its last task.
    let before = incarnation(&ada, &id).await;
    let fourth = ada.turn(&id, "on").await["taskId"].clone();
    assert!(incarnation(&ada, &id).await >= before);
    let left = task_ids(&ada, &id).await;
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&third) && left.contains(&fourth), "{left:?}");
}

/// The highest number of a process that an event names.
async fn incarnation(who: &Caller, id: &str) -> Option<u64> {
    let history = who.history(id).await;
    let numbers = history.iter().map(|event| &event["data"]["incarnation"]);
    numbers.filter_map(Value::as_u64).max()
}

#[tokio::test]
async fn tasks_beyond_their_number_go_and_those_that_wait_stay() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = player(
        &app,
        &ada,
        &json!([[{"say": "a"}], [{"say": "b"}], [{"say": "c"}]]),
    )
    .await;
    let mut done = Vec::new();
    for _turn in 0..3 {
        done.push(ada.turn(&id, "go").await["taskId"].clone());
    }
    let post = async |what: &str, body: Value| {
        let path = format!("/api/agents/{id}/{what}");
        ada.post(&path, &body).await
    };
    post("pause", json!({})).await.ok(200);
    let waits = post("message", json!({"message": "later"})).await.ok(202)["taskId"].clone();
    assert_eq!(app.stop().await, Some(0));
    age(&app);
    let two = ("CALLBOARD_RETENTION__TASKS_PER_AGENT", "2".to_owned());
    app.env = vec![two];
    app.boot().await;
    assert_eq!(removed(&tidied(&app).await)[0], 2);
    let ada = ada.at(&app);
    let left = task_ids(&ada, &id).await;
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&done[2]) && left.contains(&waits), "{left:?}");
    let queue = ada.get(&format!("/api/agents/{id}/queue")).await.ok(200);
    assert_eq!(queue["queue"][0]["position"], 1, "{queue}");
}
