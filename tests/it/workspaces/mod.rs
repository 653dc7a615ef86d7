//! Workspaces of people, and commands in them, as their clients drive them.
//! Never a command that a test leaves behind.

mod agents;
mod cli;
mod ends;
mod exec;
mod life;
mod place;

use serde_json::{Value, json};

use crate::app::{Answer, Caller, TestApp, until};
use crate::keeper::kill::standing_in;

pub const WORKSPACES: &str = "/api/workspaces";

/// Makes a workspace below the server's own directory: its id.
pub async fn made(who: &Caller, app: &TestApp, name: &str) -> String {
    let body = json!({"name": name, "path": app.dir().join(name)});
    let made = who.post(WORKSPACES, &body).await.ok(200);
    assert_eq!(made["status"], "ready", "{made}");
    made["id"].as_str().unwrap().to_owned()
}

pub async fn show(who: &Caller, id: &str) -> Value {
    who.get(&format!("{WORKSPACES}/{id}")).await.ok(200)
}

/// Asks for a command.
pub async fn asked(who: &Caller, id: &str, body: &Value) -> Answer {
    who.post(&format!("{WORKSPACES}/{id}/exec"), body).await
}

/// Runs a command to its end.
pub async fn run(who: &Caller, id: &str, body: &Value) -> Value {
    asked(who, id, body).await.ok(200)
}
