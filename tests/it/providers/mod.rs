//! Providers of models: keys and accounts of people, as their clients and their agents see them.
//! Never a provider of somebody else's: the tests have their own.

mod accounts;
mod cli;
mod keys;
mod provider;
mod renewal;

use serde_json::{Value, json};

use crate::app::{Caller, TestApp};

pub const PROVIDERS: &str = "/api/providers";

/// A provider with keys for the built-in shell.
pub const HOUSE: &str = r#"
[providers.house]
title = "House"
kinds = ["shell"]
key_env = "HOUSE_KEY"
base_url_env = "HOUSE_URL"
base_url = "https://models.example.org/v1"
"#;

/// A provider as somebody sees it.
pub async fn seen(who: &Caller, name: &str) -> Value {
    let all = who.get(PROVIDERS).await.ok(200);
    let all = all["providers"].as_array().unwrap();
    let found = all.iter().find(|one| one["id"] == name);
    found.unwrap().clone()
}

pub async fn status(who: &Caller, name: &str) -> Value {
    seen(who, name).await["status"].clone()
}

/// A shell of somebody's that starts with its first prompt.
pub async fn shell(who: &Caller, app: &TestApp) -> String {
    shell_with(who, app, json!({})).await
}

pub async fn shell_with(who: &Caller, app: &TestApp, env: Value) -> String {
    let body = json!({
        "agentType": "shell", "permissionMode": "bypassPermissions", "cwd": app.dir(), "start": false,
        "env": env,
    });
    who.agent(&body).await
}

/// What a variable is in the process of an agent. The agent says it aloud as well.
pub async fn variable(who: &Caller, app: &TestApp, agent: &str, name: &str) -> String {
    let file = app.dir().join(uuid::Uuid::new_v4().to_string());
    let words = format!(
        "printf %s \"${name}\" > {}; echo \"is-${name}\"",
        file.display()
    );
    let done = who.turn(agent, &words).await;
    assert_eq!(done["outcome"], "completed", "{done}");
    let found = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    found
}

pub async fn stopped(who: &Caller, agent: &str) {
    let path = format!("/api/agents/{agent}/stop");
    who.post(&path, &json!({})).await.ok(200);
}

/// Fails when a secret is in anything that the server shows or keeps of an agent, apart from the raw
/// output of its process.
pub async fn covered(who: &Caller, app: &TestApp, agent: &str, secret: &str) {
    for path in [
        format!("/api/agents/{agent}/events?limit=500"),
        format!("/api/agents/{agent}"),
        PROVIDERS.to_owned(),
    ] {
        let shown = who.get(&path).await;
        assert_eq!(shown.status, 200, "{path}");
        assert!(!shown.text.contains(secret), "{path}: {}", shown.text);
    }
    assert!(!app.log().contains(secret), "the log");
    let stored = crate::canary::places::stored(app);
    assert!(stored.contains(agent), "nothing to look at");
    assert!(!stored.contains(secret), "the database");
}
