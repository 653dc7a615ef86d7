//! Secrets where texts are cut, several with signs of their own, and answers about them.
//! Never a whole secret in a prompt: see `prompts`.

use serde_json::{Value, json};

use super::places::{Canary, clean, database};
use crate::app::{Caller, TestApp, until};

/// Of a session's own variables. No half of it may stand anywhere.
const LONG: Canary = Canary("canary-8-cut-9f3e7a21c5d8b604");
const HALVES: [&str; 2] = ["canary-8-c", "a21c5d8b604"];

/// Together they hold each of the usual signs.
const SIGNS: [Canary; 2] = [
    Canary("p*ss#w~rd-canary-6-1"),
    Canary("a^b!c?d|e-canary-7-2"),
];

#[track_caller]
fn without_halves(what: &str, text: &str) {
    assert!(!text.is_empty(), "{what}: nothing to look at");
    for half in HALVES {
        let at = text.find(half);
        let from = at.unwrap_or(0).saturating_sub(100);
        let around: String = text.chars().skip(from).take(300).collect();
        assert!(at.is_none(), "{what} holds {half}: {around}");
    }
}

async fn agent(who: &Caller, mode: &str, env: Value) -> String {
    let body = json!({"agentType": "shell", "permissionMode": mode, "env": env});
    who.ready_agent(&body).await
}

async fn said(who: &Caller, id: &str, kind: &str) -> String {
    let all = who.history(id).await;
    let of = all.into_iter().filter(|event| event["type"] == *kind);
    of.map(|event| event.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_secrets_with_signs_are_all_covered() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let env = json!({"ONE_KEY": SIGNS[0].0, "TWO_KEY": SIGNS[1].0});
    let id = agent(&ada, "bypassPermissions", env).await;
    let done = ada.turn(&id, "env; echo done-$((40+2))").await;
    assert!(done.to_string().contains("done-42"), "{done}");
    clean("the task", &done.to_string(), &SIGNS);
    clean(
        "the events",
        &json!(ada.history(&id).await).to_string(),
        &SIGNS,
    );
    app.stop().await;
    clean("the database", &database(app.dir()), &SIGNS);
    clean("the log", &app.log(), &SIGNS);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_output_leaves_no_half_of_a_secret() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = agent(&ada, "bypassPermissions", json!({"OWN_KEY": LONG.0})).await;
    for command in [
        "for i in $(seq 9000); do printf '%s %s ' \"$OWN_KEY\" $i; done; echo done-$((40+2))",
        "for i in $(seq 9000); do printf '%s %s\\n' \"$OWN_KEY\" $i; done; echo done-$((40+2))",
    ] {
        let done = ada.turn(&id, command).await;
        assert!(done.to_string().contains("done-42"), "{done}");
        without_halves("the task", &done.to_string());
    }
    without_halves("the events", &json!(ada.history(&id).await).to_string());
    app.stop().await;
    without_halves("the database", &database(app.dir()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_holds_no_half_and_is_not_remembered() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = agent(&ada, "default", json!({"OWN_KEY": LONG.0})).await;
    let pending = "/api/chat/approvals/pending";
    // The summary is cut at another place of the secret each time.
    for pad in (165..200).step_by(7) {
        let command = format!(": {} {}", "x".repeat(pad), LONG.0);
        let path = format!("/api/agents/{id}/message");
        let sent = ada.post(&path, &json!({"message": command})).await.ok(202);
        let task = sent["taskId"].as_str().unwrap();
        let asked = async || {
            let all = ada.get(pending).await.ok(200)["approvals"].clone();
            let own = |one: &&Value| one["taskId"] == *task;
            all.as_array().unwrap().iter().find(own).cloned()
        };
        until(async || asked().await.is_some()).await;
        let question = asked().await.unwrap();
        without_halves("the question", &question.to_string());
        assert_eq!(question["remembers"], Value::Null, "{question}");
        let mut answer = json!({
            "requestId": question["requestId"], "approved": true, "remember": "session",
        });
        let refused = ada.post("/api/chat/approve", &answer).await;
        refused.fails(400, "remember_unsupported");
        answer["remember"] = json!("once");
        ada.post("/api/chat/approve", &answer).await.ok(200);
        let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
        assert_eq!(ada.get(&path).await.ok(200)["outcome"], "completed");
    }
    for kind in ["approval_requested", "approval_resolved"] {
        without_halves(kind, &said(&ada, &id, kind).await);
    }
}
