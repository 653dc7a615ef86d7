//! Missions over the control door, as its REST and SSE clients drive them.
//! Never a look past the doors at what they tell.

mod browser;
mod claude;
mod cli;
mod facts;
mod input;
mod life;
mod many;
mod queue;
mod resume;
mod status;
mod stream;
mod tree;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Caller, TestApp, until};

pub const MISSIONS: &str = "/api/control/missions";

/// Makes a mission.
pub async fn create(who: &Caller, body: &Value) -> Value {
    who.post(MISSIONS, body).await.ok(200)
}

/// Makes a mission of the shell that asks nothing, in the server's own directory.
pub async fn shell(who: &Caller, app: &TestApp) -> String {
    let body = json!({
        "backend": "shell", "permission_mode": "bypassPermissions", "cwd": app.dir(),
    });
    id(&create(who, &body).await)
}

/// Makes a mission of the player with this scenario's turns.
pub async fn player(who: &Caller, app: &TestApp, turns: &Value) -> String {
    let file = app
        .dir()
        .join(format!("{}.json", uuid::Uuid::new_v4().simple()));
    std::fs::write(&file, json!({"turns": turns}).to_string()).unwrap();
    let body = json!({"backend": "script", "scenario": file, "cwd": app.dir()});
    id(&create(who, &body).await)
}

pub fn id(mission: &Value) -> String {
    mission["id"].as_str().unwrap().to_owned()
}

/// Sends a prompt to a mission.
pub async fn send(who: &Caller, mission: &str, words: &str) -> Value {
    let body = json!({"content": words, "mission_id": mission});
    who.post("/api/control/message", &body).await.ok(200)
}

/// Sends a prompt to a mission and waits for its end: the task.
pub async fn turn(who: &Caller, mission: &str, words: &str) -> Value {
    let body = json!({"content": words, "mission_id": mission});
    let path = "/api/control/message?wait=50";
    let done = who.post(path, &body).await.ok(200);
    assert!(done["outcome"].is_string(), "{done}");
    done
}

pub async fn show(who: &Caller, mission: &str) -> Value {
    who.get(&format!("{MISSIONS}/{mission}")).await.ok(200)
}

/// Waits until the mission stands so.
pub async fn stands(who: &Caller, mission: &str, status: &str) -> Value {
    until(async || show(who, mission).await["status"] == status).await;
    show(who, mission).await
}

/// Waits until its agent does that.
pub async fn does(who: &Caller, mission: &str, detail: &str) -> Value {
    until(async || show(who, mission).await["detail"] == detail).await;
    show(who, mission).await
}

pub async fn set(who: &Caller, mission: &str, status: &str) -> crate::app::Answer {
    let path = format!("{MISSIONS}/{mission}/status");
    who.post(&path, &json!({"status": status})).await
}

pub async fn order(who: &Caller, mission: &str, what: &str) -> crate::app::Answer {
    let path = format!("{MISSIONS}/{mission}/{what}");
    who.ask(who.request(Method::POST, &path)).await
}
