//! The end of a key: its requests, its sockets and its waits.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{KEYS, holding, with_key};
use crate::app::{TestApp, until};
use crate::doors_terminals::{SESSIONS, attach};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_revoked_key_loses_everything_within_a_second() {
    let app = TestApp::with("[limits]\npolls_per_token = 1\n").await;
    let ada = app.sign_in("ada").await;
    let id = ada
        .agent(&json!({"agentType": "script", "name": "s"}))
        .await;
    let (key, key_id) = with_key(&ada, &["write"]).await;
    let (other, _) = with_key(&ada, &["write"]).await;
    let mut sockets = [key.ws().await, attach(&key, "s").await];
    sockets[0].wait_for("connected").await;
    sockets[1].wait_for("hello").await;
    let (mut stays, mut hers) = (other.ws().await, ada.ws().await);
    stays.wait_for("connected").await;
    hers.wait_for("connected").await;
    let ticket = key.get("/api/auth/ws-ticket").await.ok(200)["token"].clone();
    let latest = ada.history(&id).await.len();
    let path = format!("/api/agents/{id}/events?after={latest}&wait=");
    let poll = key.long_poll(format!("{path}30"));
    // It waits when a second one finds no place.
    until(async || key.get(&format!("{path}1")).await.status == 429).await;

    let ended = Instant::now();
    ada.delete(&format!("{KEYS}/{key_id}")).await.ok(200);
    for mut socket in sockets {
        assert_eq!(socket.closed().await, Some(4001));
    }
    let refused = poll.await.unwrap();
    refused.fails(401, "key_revoked");
    assert!(ended.elapsed() < SECOND, "{:?}", ended.elapsed());
    key.get("/api/agents").await.fails(401, "key_revoked");
    let path = format!("/ws?ticket={}", ticket.as_str().unwrap());
    assert_eq!(key.try_ws(&path, &[]).await.err(), Some(401));
    let path = format!("{SESSIONS}/s?api_key={}", key.token);
    assert_eq!(key.try_ws(&path, &[]).await.err(), Some(401));

    for mut socket in [stays, hers] {
        socket.say(json!({"type": "ping"})).await;
        socket.wait_for("pong").await;
    }
    other.get("/api/agents").await.ok(200);
}

#[tokio::test]
async fn a_key_ends_at_its_time_with_its_socket_and_its_wait() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    // One that starts says so at any moment, which would end the wait.
    let quiet = json!({"agentType": "script", "start": false});
    let id = ada.agent(&quiet).await;
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let ends = callboard::domain::Timestamp(i64::try_from(since.as_millis()).unwrap() + 3_000);
    let body = json!({"name": "short", "expiresAt": ends.rfc3339()});
    let made = ada.post(KEYS, &body).await.ok(201);
    assert_eq!(made["expiresAt"], ends.rfc3339());
    let key = holding(&ada, &made);
    let mut ws = key.ws().await;
    ws.wait_for("connected").await;
    let latest = ada.history(&id).await.len();
    let poll = key.long_poll(format!("/api/agents/{id}/events?after={latest}&wait=30"));
    let begun = Instant::now();
    assert_eq!(ws.closed().await, Some(4001));
    assert_eq!(poll.await.unwrap().status, 401);
    assert!(begun.elapsed() < 4 * SECOND, "{:?}", begun.elapsed());
    key.get("/api/agents").await.fails(401, "key_expired");
    // It stays on the list until it is revoked.
    ada.delete(&format!("{KEYS}/{}", made["id"].as_str().unwrap()))
        .await
        .ok(200);
}

#[tokio::test]
async fn a_key_outlives_a_restart_and_its_revocation_too() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let (key, _) = with_key(&ada, &["read"]).await;
    let (gone, id) = with_key(&ada, &["read"]).await;
    ada.delete(&format!("{KEYS}/{id}")).await.ok(200);
    assert_eq!(app.stop().await, Some(0));
    app.boot().await;
    key.at(&app).get("/api/agents").await.ok(200);
    gone.at(&app)
        .get("/api/agents")
        .await
        .fails(401, "key_revoked");
}
