//! Every action that the server writes down, done as a person does it; and that none is left out.
//! Never what is only read: that is not noted.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::audit::entries;
use crate::app::{Caller, PASSWORD, TestApp, answer, until};
use crate::approvals::asked;
use crate::people::{id_of, patch};

const USERS: &str = "/api/users";
const INVITES: &str = "/api/v1/invites";
const OVERRIDES: &str = "/api/chat/approvals/overrides";
/// Another password than everybody's.
const OTHER: &str = "staple battery horse";

/// Waits until this stands there: who, what, to what, and how it ended.
async fn noted(admin: &Caller, [actor, action, object, result]: [&str; 4]) {
    let found = async || {
        let all = entries(admin).await;
        all.iter().any(|one| {
            one["action"] == action
                && one["actor"] == actor
                && one["object"].as_str().unwrap().starts_with(object)
                && one["result"] == result
        })
    };
    until(async || found().await).await;
}

#[tokio::test]
async fn what_is_done_to_accounts_is_written() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let by = id_of(&admin, "admin").await;
    let hers = id_of(&admin, "ada").await;
    let made = json!({"username": "kim", "password": PASSWORD});
    let kim = admin.post(USERS, &made).await.ok(201)["id"].clone();
    let kim = kim.as_str().unwrap();
    let path = format!("{USERS}/{kim}");
    for change in [
        json!({"role": "viewer"}),
        json!({"disabled": true}),
        json!({"disabled": false}),
        json!({"password": OTHER}),
        json!({"email": "kim@example.org"}),
    ] {
        patch(&admin, &path, &change).await.ok(200);
    }
    admin.delete(&path).await.ok(200);
    let role = format!("{kim} member viewer");
    for (action, object) in [
        ("user.created", kim),
        ("user.role_changed", &role),
        ("user.disabled", kim),
        ("user.enabled", kim),
        ("user.password_set", kim),
        ("user.changed", kim),
        ("user.deleted", kim),
    ] {
        noted(&admin, [&by, action, object, "done"]).await;
    }

    // What somebody may not is written with who tried.
    ada.get(USERS).await.fails(403, "forbidden");
    noted(&admin, [&hers, "user.listed", "", "denied"]).await;
    ada.post(USERS, &made).await.fails(403, "forbidden");
    noted(&admin, [&hers, "user.created", "", "denied"]).await;

    let change = |current: &str| json!({"currentPassword": current, "newPassword": OTHER});
    let own = "/api/auth/password";
    ada.post(own, &change("wrong"))
        .await
        .fails(403, "wrong_password");
    noted(&admin, [&hers, "password.changed", &hers, "failed"]).await;
    ada.post(own, &change(PASSWORD)).await.ok(200);
    noted(&admin, [&hers, "password.changed", &hers, "done"]).await;

    let guess = json!({"username": "bob", "password": "wrong"});
    until(async || {
        let tried = app.http.post(app.url() + "/api/auth/login").json(&guess);
        answer(tried).await.status == 429
    })
    .await;
    noted(&admin, ["bob", "login.throttled", "", "denied"]).await;
}

#[tokio::test]
async fn what_becomes_of_invitations_is_written() {
    let app = TestApp::with("[auth]\nregistration = \"invite\"\n").await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let (by, hers) = (id_of(&admin, "admin").await, id_of(&admin, "ada").await);
    ada.get(INVITES).await.fails(403, "forbidden");
    noted(&admin, [&hers, "invite.listed", "", "denied"]).await;
    let taken_back = admin.post(INVITES, &json!({})).await.ok(201);
    let id = taken_back["id"].as_str().unwrap();
    noted(&admin, [&by, "invite.created", id, "done"]).await;
    admin.delete(&format!("{INVITES}/{id}")).await.ok(200);
    noted(&admin, [&by, "invite.revoked", id, "done"]).await;

    let used = admin.post(INVITES, &json!({})).await.ok(201)["code"].clone();
    let register = async |code: &Value| {
        let body = json!({"username": "kim", "password": OTHER, "inviteCode": code});
        answer(app.http.post(app.url() + "/api/auth/register").json(&body)).await
    };
    register(&json!("no such code"))
        .await
        .fails(403, "bad_invite");
    noted(&admin, ["kim", "account.registered", "kim", "denied"]).await;
    register(&used).await.ok(201);
    let kim = id_of(&admin, "kim").await;
    noted(&admin, [&kim, "account.registered", "kim", "done"]).await;
    noted(&admin, [&kim, "invite.used", "", "done"]).await;
}

#[tokio::test]
async fn what_is_done_at_the_control_door_is_written() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let hers = id_of(&admin, "ada").await;
    let missions = "/api/control/missions";
    let body = json!({
        "backend": "shell", "permission_mode": "bypassPermissions", "cwd": app.dir(),
    });
    let made = ada.post(missions, &body).await.ok(200);
    let mission = made["id"].as_str().unwrap();
    let fails = json!({"content": "false", "mission_id": mission});
    ada.post("/api/control/message?wait=50", &fails)
        .await
        .ok(200);
    let resume = format!("{missions}/{mission}/resume");
    until(async || {
        let words = json!({"content": "true"});
        ada.post(&resume, &words).await.status == 200
    })
    .await;
    let status = format!("{missions}/{mission}/status");
    ada.post(&status, &json!({"status": "completed"}))
        .await
        .ok(200);

    let body = json!({"name": "w", "path": app.dir().join("w")});
    let made = ada.post("/api/workspaces", &body).await.ok(200);
    let workspace = made["id"].as_str().unwrap();
    let path = format!("/api/workspaces/{workspace}");
    let put = ada.request(reqwest::Method::PUT, &path);
    ada.ask(put.json(&json!({"skills": ["a"]}))).await.ok(200);
    let exec = format!("{path}/exec");
    ada.post(&exec, &json!({"command": "true"})).await.ok(200);
    ada.delete(&path).await.ok(200);

    let auth = "/api/providers/anthropic/auth";
    let key = json!({"api_key": "sk-noted-0123456789"});
    ada.post(auth, &key).await.ok(200);
    ada.delete(auth).await.ok(200);
    for (action, object) in [
        ("mission.resumed", mission),
        ("mission.status", mission),
        ("workspace.created", workspace),
        ("workspace.changed", workspace),
        ("workspace.exec", workspace),
        ("workspace.deleted", workspace),
        ("provider.signed_in", "anthropic"),
        ("provider.signed_out", "anthropic"),
    ] {
        noted(&admin, [&hers, action, object, "done"]).await;
    }
}

#[tokio::test]
async fn answers_resets_and_the_servers_own_end_are_written() {
    let mut app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let hers = id_of(&admin, "ada").await;
    let body = json!({"agentType": "shell", "cwd": app.dir(), "permissionMode": "default"});
    let id = ada.ready_agent(&body).await;
    asked(&ada, &id, "echo no", (false, Value::Null)).await;
    noted(&admin, [&hers, "approval.denied", "", "done"]).await;
    let (reply, _) = asked(&ada, &id, "echo yes", (true, json!("always"))).await;
    noted(&admin, [&hers, "approval.approved", "", "done"]).await;
    let rule = reply["remembered"]["id"].as_str().unwrap();
    noted(&admin, [&hers, "override.made", rule, "done"]).await;
    ada.delete(&format!("{OVERRIDES}/{rule}")).await.ok(200);
    noted(&admin, [&hers, "override.removed", rule, "done"]).await;
    ada.post(&format!("/api/agents/sessions/{id}/reset"), &json!({}))
        .await
        .ok(200);
    noted(&admin, [&hers, "agent.reset", &id, "done"]).await;

    assert_eq!(app.stop().await, Some(0));
    app.boot().await;
    let admin = admin.at(&app);
    noted(&admin, ["server", "server.stopped", "version=", "done"]).await;
    noted(&admin, ["server", "server.started", "version=", "done"]).await;
}

/// The sources below a directory, without their tests.
fn sources(dir: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.push_str(&sources(&path));
            continue;
        }
        if path.to_str().unwrap().ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        all.push_str(text.split("#[cfg(test)]").next().unwrap());
    }
    all
}

/// Words of the form `noun.verb` that stand in quotation marks.
fn quoted(text: &str) -> BTreeSet<&str> {
    let plain =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    text.split('"')
        .filter(|word| {
            word.split_once('.')
                .is_some_and(|(noun, verb)| plain(noun) && plain(verb))
        })
        .collect()
}

/// What has that form there and is a file or a setting.
const OTHERS: [&str; 4] = ["audit.begun", "jwt.key", "limits.turns", "manifest.json"];

#[test]
fn every_action_is_done_in_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let written = [root.join("src/app"), root.join("src/boot")].map(|dir| sources(&dir));
    let written = written.concat();
    let tested = sources(&root.join("tests/it"));
    let (mut actions, tested) = (quoted(&written), quoted(&tested));
    actions.retain(|word| !OTHERS.contains(word));
    assert!(actions.len() > 30, "{actions:?}");
    let untested: Vec<_> = actions.difference(&tested).collect();
    assert!(untested.is_empty(), "{untested:?}");
}
