//! Every door with a key, and what its scopes keep it from.

use futures_util::SinkExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{KEYS, with_key};
use crate::app::{Caller, TestApp, answer};
use crate::doors_terminals::{SESSIONS, make};

/// The two headers that carry a key.
fn headers(key: &Caller) -> [(&'static str, String); 2] {
    [
        ("authorization", format!("Bearer {}", key.token)),
        ("x-api-key", key.token.clone()),
    ]
}

#[tokio::test]
async fn a_key_opens_every_door_by_both_headers() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada
        .agent(&json!({"agentType": "script", "name": "s"}))
        .await;
    let (key, _) = with_key(&ada, &["write"]).await;
    for (header, value) in headers(&key) {
        for path in [
            "/api/agents".to_owned(),
            format!("/api/agents/{id}"),
            format!("/api/agents/{id}/events?after=0"),
            SESSIONS.to_owned(),
            format!("{SESSIONS}/s"),
            "/api/chat/approvals/pending".to_owned(),
            "/api/models/cli/status".to_owned(),
            "/api/auth/me".to_owned(),
            "/api/auth/verify".to_owned(),
            KEYS.to_owned(),
        ] {
            let request = app.http.get(app.url() + &path).header(header, &value);
            answer(request).await.ok(200);
        }
        let path = format!("{}/api/agents/{id}/message?wait=30", app.url());
        let request = app.http.post(path).header(header, &value);
        answer(request.json(&json!({"message": "hi"})))
            .await
            .ok(200);
        let mut ws = key.try_ws("/ws", &[(header, &value)]).await.unwrap();
        ws.wait_for("connected").await;
        let path = format!("{SESSIONS}/s");
        let mut ws = key.try_ws(&path, &[(header, &value)]).await.unwrap();
        ws.wait_for("hello").await;
    }
    // In the address it is taken for sockets alone.
    for name in ["token", "access_token", "api_key"] {
        for path in ["/ws".to_owned(), format!("{SESSIONS}/s")] {
            let path = format!("{path}?{name}={}", key.token);
            key.try_ws(&path, &[]).await.unwrap();
        }
        let path = format!("{}/api/agents?{name}={}", app.url(), key.token);
        answer(app.http.get(path)).await.fails(401, "missing_token");
    }
}

#[tokio::test]
async fn a_key_that_reads_changes_nothing() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    let (key, _) = with_key(&ada, &["read"]).await;
    key.get(&format!("/api/agents/{id}")).await.ok(200);
    for (method, path) in [
        (Method::POST, "/api/agents".to_owned()),
        (Method::POST, format!("/api/agents/{id}/message")),
        (Method::POST, format!("/api/agents/{id}/stop")),
        (Method::PATCH, format!("/api/agents/{id}")),
        (Method::PUT, format!("/api/agents/{id}/queue/order")),
        (Method::DELETE, format!("/api/agents/{id}")),
        (Method::POST, "/api/chat/approve".to_owned()),
        (Method::POST, "/nowhere".to_owned()),
    ] {
        let body = json!({"message": "x"});
        let reply = answer(key.request(method.clone(), &path).json::<Value>(&body)).await;
        let refused = reply.fails(403, "missing_scope");
        assert_eq!(refused["scope"], "write", "{method} {path}");
    }
    // The same over a socket that it may watch, also with a ticket.
    let ticket = key.get("/api/auth/ws-ticket").await.ok(200)["token"].clone();
    let path = format!("/ws?ticket={}", ticket.as_str().unwrap());
    for mut ws in [key.ws().await, key.try_ws(&path, &[]).await.unwrap()] {
        ws.wait_for("connected").await;
        ws.say(json!({"type": "subscribe", "channels": ["*"], "agentId": id}))
            .await;
        ws.wait_for("hello").await;
        ws.say(json!({"type": "message", "agentId": id, "content": "x", "id": 7}))
            .await;
        let refused = ws.wait_for("error").await;
        assert_eq!(refused["code"], "missing_scope", "{refused}");
        assert_eq!(
            (&refused["scope"], &refused["id"]),
            (&json!("write"), &json!(7))
        );
    }
    let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    assert_eq!(tasks["total"], 0);
}

#[tokio::test]
async fn a_terminal_is_watched_with_read_and_driven_with_write() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    make(&ada, &app, "t", &json!({})).await;
    let (key, _) = with_key(&ada, &["read"]).await;
    let path = format!("{SESSIONS}/t?api_key={}", key.token);
    let mut ws = key.try_ws(&path, &[]).await.unwrap();
    let hello = ws.wait_for("hello").await;
    assert_eq!(hello["sessionType"], "pty", "{hello}");
    ws.stream
        .send(Message::binary(b"touch never\r".to_vec()))
        .await
        .unwrap();
    assert_eq!(ws.wait_for("error").await["code"], "missing_scope");
    ws.say(json!({"type": "resize", "rows": 30, "cols": 90}))
        .await;
    assert_eq!(ws.wait_for("error").await["code"], "missing_scope");
}

#[tokio::test]
async fn an_admins_key_is_no_admin_unless_it_says_so() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = ada.agent(&json!({"agentType": "script"})).await;
    let path = format!("/api/agents/{id}");
    let (plain, _) = with_key(&admin, &["write"]).await;
    plain.get(&path).await.fails(404, "not_found");
    assert_eq!(plain.get("/api/agents").await.ok(200)["total"], 0);
    for path in ["/api/supervisor/tree", "/api/audit"] {
        let refused = plain.get(path).await.fails(403, "missing_scope");
        assert_eq!(refused["scope"], "admin");
    }
    let (looks, _) = with_key(&admin, &["admin"]).await;
    looks.get(&path).await.ok(200);
    looks.get("/api/supervisor/tree").await.ok(200);
    looks
        .post(&format!("{path}/stop"), &json!({}))
        .await
        .fails(403, "missing_scope");
    let (drives, _) = with_key(&admin, &["admin", "write"]).await;
    drives
        .post(&format!("{path}/stop"), &json!({}))
        .await
        .ok(200);
    let (scrapes, _) = with_key(&admin, &["metrics"]).await;
    for path in ["/api/agents", "/api/auth/me", "/ws"] {
        let refused = scrapes.get(path).await.fails(403, "missing_scope");
        assert_eq!(refused["scope"], "read", "{path}");
    }
}

#[tokio::test]
async fn a_key_makes_no_keys_and_signs_nobody_out() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let (key, id) = with_key(&admin, &["read", "write", "admin", "metrics"]).await;
    let own = format!("{KEYS}/{id}");
    for (method, path) in [
        (Method::POST, KEYS),
        (Method::POST, "/api/v1/us%65r/api-keys"),
        (Method::PATCH, own.as_str()),
        (Method::DELETE, own.as_str()),
        (Method::POST, "/api/auth/logout"),
        (Method::POST, "/api/auth/l%6fgout"),
    ] {
        let request = key.request(method.clone(), path);
        let reply = answer(request.json(&json!({"name": "x"}))).await;
        reply.fails(403, "login_required");
    }
    key.get("/api/auth/me").await.ok(200);
    admin.get("/api/auth/me").await.ok(200);
    assert_eq!(key.get(KEYS).await.ok(200).as_array().unwrap().len(), 1);
}
