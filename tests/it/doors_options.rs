//! What a creation says beside program, place and prompt: taken, shown, kept, or refused.
//! Never a secret that comes back, or stands in the database.

use serde_json::{Value, json};

use crate::app::TestApp;

const SECRET: &str = "hush-0b5e3d";

fn servers() -> Value {
    json!({
        "notes": {"command": "notes-server", "args": ["--token", SECRET], "env": {"T": SECRET}},
        "web-1": {"type": "http", "url": "http://127.0.0.1:1", "headers": {"x": SECRET}},
    })
}

/// A session of claude's that is stored and not started.
fn claude(more: &Value) -> Value {
    let mut body = json!({"agentType": "claude-code", "start": false});
    let all = body.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn options_are_kept_and_shown_on_both_doors_without_their_secrets() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let limits = json!({"spendUsd": 0.29, "turns": 7, "busySeconds": 90.5, "turnSeconds": 60});
    let body = claude(&json!({
        "name": "fix", "model": "opus", "effort": "high", "mcpServers": servers(),
        "limits": limits, "permissionMode": "dontAsk", "env": {"KEY": SECRET},
    }));
    let made = ada.post("/api/agents", &body).await;
    assert!(!made.text.contains(SECRET), "{}", made.text);
    let made = made.ok(201);
    let id = made["id"].as_str().unwrap();
    let mut shown = vec![made.clone()];
    for path in ["/api/agents", "/api/agents/sessions"] {
        let name = if path == "/api/agents" { id } else { "fix" };
        for path in [path.to_owned(), format!("{path}/{name}")] {
            let reply = ada.get(&path).await;
            assert!(!reply.text.contains(SECRET), "{path}: {}", reply.text);
            let reply = reply.ok(200);
            let all = reply.as_array().or_else(|| reply["agents"].as_array());
            let one = all.map_or(&reply, |all| &all[0]).clone();
            shown.push(one);
        }
    }
    for one in &shown {
        assert_eq!(one["agentType"], "claude", "{one}");
        assert_eq!(one["effort"], "high", "{one}");
        assert_eq!(one["model"], "opus", "{one}");
        assert_eq!(one["limits"], limits, "{one}");
        assert_eq!(one["permissionMode"], "dontAsk", "{one}");
        let mut names: Vec<&str> = one["mcpServers"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["notes", "web-1"], "{one}");
    }
    for entry in std::fs::read_dir(app.dir()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("callboard.db") || name.ends_with(".log") {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
            assert!(!found, "the secret stands in {name}");
        }
    }
    // The other door takes them as well, and a plain session shows none of them.
    let body = json!({
        "name": "other", "agentType": "shell", "limits": {"turns": 2}, "workingDirectory": app.dir(),
    });
    let other = ada.post("/api/agents/sessions", &body).await.ok(201);
    assert_eq!(other["limits"], json!({"turns": 2}), "{other}");
    for absent in ["effort", "mcpServers", "forkOf"] {
        assert!(other.get(absent).is_none(), "{other}");
    }
}

#[tokio::test]
async fn what_a_kind_would_ignore_is_refused_with_its_field() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let many: serde_json::Map<String, Value> = (0..65)
        .map(|n| (format!("s{n}"), json!({"command": "x"})))
        .collect();
    for (body, code, field) in [
        (json!({"effort": "high"}), "option_not_supported", "effort"),
        (
            json!({"agentType": "shell", "model": "opus"}),
            "option_not_supported",
            "model",
        ),
        (
            json!({"agentType": "script", "mcpServers": servers()}),
            "option_not_supported",
            "mcpServers",
        ),
        (
            json!({"agentType": "shell", "limits": {"spendUsd": 1}}),
            "option_not_supported",
            "limits.spendUsd",
        ),
        (claude(&json!({"effort": "huge"})), "bad_field", "effort"),
        (claude(&json!({"effort": 3})), "bad_field", "effort"),
        (claude(&json!({"model": "--x"})), "bad_field", "model"),
        (claude(&json!({"model": ""})), "bad_field", "model"),
        (
            claude(&json!({"mcpServers": []})),
            "bad_field",
            "mcpServers",
        ),
        (
            claude(&json!({"mcpServers": {"a": SECRET}})),
            "bad_field",
            "mcpServers.a",
        ),
        (
            claude(&json!({"mcpServers": {"a b": {"command": SECRET}}})),
            "bad_field",
            "mcpServers.a b",
        ),
        (
            claude(&json!({"mcpServers": {"a": {"command": SECRET.repeat(7_000)}}})),
            "bad_field",
            "mcpServers",
        ),
        (
            claude(&json!({ "mcpServers": many })),
            "bad_field",
            "mcpServers",
        ),
        (claude(&json!({"limits": 5})), "bad_field", "limits"),
        (
            claude(&json!({"limits": {"turns": 0}})),
            "bad_field",
            "limits.turns",
        ),
        (
            claude(&json!({"limits": {"turns": 1.5}})),
            "bad_field",
            "limits.turns",
        ),
        (
            claude(&json!({"limits": {"spendUsd": "1"}})),
            "bad_field",
            "limits.spendUsd",
        ),
        (
            claude(&json!({"limits": {"spendUsd": -1}})),
            "bad_field",
            "limits.spendUsd",
        ),
        (
            claude(&json!({"limits": {"dollars": 1}})),
            "bad_field",
            "limits.dollars",
        ),
        (claude(&json!({"forkOf": 7})), "bad_field", "forkOf"),
    ] {
        for path in ["/api/agents", "/api/agents/sessions"] {
            let mut body = body.clone();
            body["name"] = json!("refused");
            let reply = ada.post(path, &body).await;
            assert!(!reply.text.contains(SECRET), "{}", reply.text);
            let failure = reply.fails(400, code);
            assert_eq!(failure["field"], field, "{body}");
            assert!(failure["expected"].is_string(), "{failure}");
        }
    }
    let list = ada.get("/api/agents").await.ok(200);
    assert_eq!(list["total"], 0, "a refused creation left something");
}

#[tokio::test]
async fn a_fork_needs_a_conversation_of_ones_own() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let fork = |of: &str| claude(&json!({ "forkOf": of, "name": "branch" }));
    let nobody = uuid::Uuid::new_v4().to_string();
    for missing in ["nobody", nobody.as_str()] {
        ada.post("/api/agents", &fork(missing))
            .await
            .fails(404, "not_found");
    }
    let silent = ada.agent(&claude(&json!({"name": "silent"}))).await;
    for of in ["silent", silent.as_str()] {
        for path in ["/api/agents", "/api/agents/sessions"] {
            ada.post(path, &fork(of))
                .await
                .fails(409, "no_conversation");
        }
    }
    // Somebody else's is not told from a missing one, also for an admin.
    bob.post("/api/agents", &fork(&silent))
        .await
        .fails(404, "not_found");
    let admin = app.sign_in("admin").await;
    admin
        .post("/api/agents", &fork(&silent))
        .await
        .fails(404, "not_found");
    let shell = json!({"agentType": "shell", "start": false, "name": "plain"});
    ada.agent(&shell).await;
    ada.post("/api/agents", &fork("plain"))
        .await
        .fails(409, "cannot_fork");
}
