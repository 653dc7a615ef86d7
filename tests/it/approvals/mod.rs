//! Answers to questions: what is remembered of them, over every door, and how a program is driven.
//! Never a person who is asked what an override answers.

mod overrides;
mod remember;
mod sockets;
mod tuning;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, Caller, TestApp, until};

const PENDING: &str = "/api/chat/approvals/pending";
const OVERRIDES: &str = "/api/chat/approvals/overrides";

/// A shell in the app's directory that asks.
async fn shell(app: &TestApp, who: &Caller) -> String {
    who.ready_agent(&json!({"agentType": "shell", "cwd": app.dir(), "permissionMode": "default"}))
        .await
}

/// Sends a prompt without waiting for its end; the task's id.
pub async fn send(who: &Caller, id: &str, message: &str) -> String {
    let path = format!("/api/agents/{id}/message");
    let sent = who.post(&path, &json!({ "message": message })).await;
    sent.ok(202)["taskId"].as_str().unwrap().to_owned()
}

/// The open questions of an agent.
async fn open(who: &Caller, id: &str) -> Vec<Value> {
    let all = who.get(PENDING).await.ok(200);
    let all = all["approvals"].as_array().unwrap().iter();
    all.filter(|one| one["agentId"] == *id).cloned().collect()
}

/// The question that an agent asks next.
pub async fn question(who: &Caller, id: &str) -> Value {
    until(async || !open(who, id).await.is_empty()).await;
    open(who, id).await.remove(0)
}

async fn answer(who: &Caller, question: &Value, approved: bool, remember: Value) -> Answer {
    let body = json!({
        "requestId": question["requestId"], "approved": approved, "remember": remember,
    });
    who.post("/api/chat/approve", &body).await
}

/// Sends a prompt, answers its question, and returns the reply and the ended task.
pub async fn asked(who: &Caller, id: &str, message: &str, how: (bool, Value)) -> (Value, Value) {
    let task = send(who, id, message).await;
    let question = question(who, id).await;
    let reply = answer(who, &question, how.0, how.1).await.ok(200);
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    (reply, who.get(&path).await.ok(200))
}

/// Runs a prompt that nobody is asked about, to this outcome.
async fn unasked(who: &Caller, id: &str, message: &str, outcome: &str) {
    let done = who.turn(id, message).await;
    assert_eq!(done["outcome"], outcome, "{done}");
}

/// Prompts that are asked about: each is refused once and leaves nothing behind.
async fn is_asked(who: &Caller, id: &str, message: &str) {
    let (reply, done) = asked(who, id, message, (false, json!("once"))).await;
    assert_eq!(reply["remember"], "once");
    assert_eq!(done["outcome"], "stopped", "{done}");
}

async fn patch(who: &Caller, id: &str, body: &Value) -> Answer {
    let path = format!("/api/agents/{id}");
    who.ask(who.request(Method::PATCH, &path).json(body)).await
}

/// The data of every event of this type, in order.
async fn events(who: &Caller, id: &str, kind: &str) -> Vec<Value> {
    let all = who.history(id).await;
    let of = all.into_iter().filter(|event| event["type"] == *kind);
    of.map(|event| event["data"].clone()).collect()
}
