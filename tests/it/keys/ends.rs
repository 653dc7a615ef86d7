//! The end of a key: its requests, its sockets and its waits.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{KEYS, holding, with_key};
use crate::app::{Caller, PASSWORD, TestApp, Ws, answer, until};
use crate::doors_terminals::{SESSIONS, attach};
use crate::people::{hire, id_of};
use crate::survive::panics::arm;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_revoked_key_loses_everything_within_a_second() {
    let app = TestApp::with("[limits]\npolls_per_token = 1\n").await;
    let ada = app.sign_in("ada").await;
    let quiet = json!({"agentType": "script", "name": "s", "start": false});
    let id = ada.agent(&quiet).await;
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

/// Another password than everybody's.
const OTHER: &str = "staple battery horse";

/// A key with an open socket, and a wait that has begun.
struct Used {
    key: Caller,
    ws: Ws,
    poll: tokio::task::JoinHandle<crate::app::Answer>,
}

impl Used {
    /// A key of this person, on a server where a token may wait once.
    async fn by(who: &Caller) -> Self {
        let quiet = json!({"agentType": "script", "start": false});
        let id = who.agent(&quiet).await;
        let (key, _) = with_key(who, &["write"]).await;
        let mut ws = key.ws().await;
        ws.wait_for("connected").await;
        let path = format!("/api/agents/{id}/events?after=latest&wait=");
        let poll = key.long_poll(format!("{path}30"));
        until(async || key.get(&format!("{path}1")).await.status == 429).await;
        Self { key, ws, poll }
    }

    /// It has lost everything within a second of `began`, which is behind the reply: hashing takes its
    /// time.
    async fn loses_all(mut self, began: Instant) {
        assert_eq!(self.ws.closed().await, Some(4001));
        self.poll.await.unwrap().fails(401, "key_revoked");
        let refused = self.key.get("/api/agents").await;
        refused.fails(401, "key_revoked");
        assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn keys_end_with_what_an_admin_does_to_their_account() {
    let app = TestApp::with("[limits]\npolls_per_token = 1\n").await;
    let admin = app.sign_in("admin").await;
    let password = json!({"password": OTHER});
    for (name, method, body) in [
        ("off", Method::PATCH, json!({"disabled": true})),
        ("gone", Method::DELETE, Value::Null),
        ("new", Method::PATCH, password),
    ] {
        let who = hire(&app, &admin, name, "member").await;
        let used = Used::by(&who).await;
        let path = format!("/api/users/{}", id_of(&admin, name).await);
        let request = admin.request(method, &path);
        let request = match body.is_null() {
            true => request,
            false => request.json(&body),
        };
        answer(request).await.ok(200);
        let began = Instant::now();
        let key = used.key.clone();
        used.loses_all(began).await;
        if name == "off" {
            // It stays so when the account is opened again.
            let again = admin.request(Method::PATCH, &path);
            answer(again.json(&json!({"disabled": false})))
                .await
                .ok(200);
            key.get("/api/agents").await.fails(401, "key_revoked");
        }
    }
}

#[tokio::test]
async fn keys_stand_with_a_change_of_the_own_password_unless_they_are_to_end_too() {
    let app = TestApp::with("[limits]\npolls_per_token = 1\n").await;
    let (ada, second) = (app.sign_in("ada").await, app.sign_in("ada").await);
    let mut used = Used::by(&ada).await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": OTHER});
    ada.post("/api/auth/password", &change).await.ok(200);
    second.get("/api/agents").await.fails(401, "token_revoked");
    used.key.get("/api/agents").await.ok(200);
    used.ws.say(json!({"type": "ping"})).await;
    used.ws.wait_for("pong").await;
    assert!(!used.poll.is_finished(), "its wait was ended");

    let change = json!({
        "currentPassword": OTHER, "newPassword": PASSWORD, "revokeApiKeys": true,
    });
    ada.post("/api/auth/password", &change).await.ok(200);
    let began = Instant::now();
    used.loses_all(began).await;
    // Whoever changed it stays signed in.
    assert_eq!(ada.get(KEYS).await.ok(200), json!([]));
}

/// The first of them is on its way when the key ends; the others waited behind it.
#[tokio::test]
async fn what_waits_of_a_socket_is_not_done_once_its_key_is_revoked() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.ready_agent(&json!({"agentType": "script"})).await;
    let (key, key_id) = with_key(&ada, &["write"]).await;
    let mut ws = key.ws().await;
    ws.wait_for("connected").await;
    arm(&app, &["queue.Enqueue=1*sleep(2000)->off".to_owned()]).await;
    for _ in 0..40 {
        ws.say(json!({"type": "message", "agentId": id, "content": "late"}))
            .await;
    }
    // As many wait as may.
    assert_eq!(ws.wait_for("error").await["code"], "rate_limited");
    ada.delete(&format!("{KEYS}/{key_id}")).await.ok(200);
    assert_eq!(ws.closed().await, Some(4001));
    for _ in 0..3 {
        assert_eq!(ada.turn(&id, "mine").await["outcome"], "completed");
    }
    let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    let tasks = tasks["tasks"].as_array().unwrap();
    let late = tasks.iter().filter(|task| task["message"] == "late");
    assert!(late.count() <= 1, "{tasks:?}");
}
