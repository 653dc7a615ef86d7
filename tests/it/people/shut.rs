//! What ends with somebody's rights, and when: tokens, tickets, polls, waits and sockets.

use std::time::{Duration, Instant};

use super::*;
use crate::app::until;
use crate::doors_terminals::{attach, make};

/// How long anything may go on (decisions.md 7).
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn whoever_is_shut_out_loses_everything_within_a_second() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let second = app.sign_in("ada").await;
    let path = format!("{USERS}/{}", id_of(&admin, "ada").await);
    make(&ada, &app, "t", &json!({})).await;
    let id = ada
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let mut sockets = vec![ada.ws().await, second.ws().await, attach(&ada, "t").await];
    for ws in &mut sockets {
        ws.next().await;
    }
    sockets[0]
        .say(json!({"type": "subscribe", "channels": ["*"]}))
        .await;
    sockets[0].wait_for("hello").await;
    let ticket = ada.get("/api/auth/ws-ticket").await.ok(200);
    let ticket = format!("/ws?ticket={}", ticket["token"].as_str().unwrap());
    let poll = ada.long_poll(format!("/api/agents/{id}/events?after=latest&wait=30"));
    let hangs = json!({"message": "sleep 60"});
    let waiting = {
        let (ada, hangs) = (second.clone(), hangs.clone());
        tokio::spawn(async move {
            ada.post("/api/agents/sessions/t/message?wait=30", &hangs)
                .await
        })
    };
    until(async || {
        let found = admin.get("/api/agents?limit=50").await.ok(200);
        let agents = found["agents"].as_array().unwrap().clone();
        agents.iter().any(|agent| agent["detail"] == "busy")
    })
    .await;
    let began = Instant::now();
    let body = json!({"disabled": true});
    assert_eq!(patch(&admin, &path, &body).await.ok(200)["disabled"], true);
    for ws in &mut sockets {
        assert_eq!(ws.closed().await, Some(4001));
    }
    poll.await.unwrap().fails(401, "token_revoked");
    waiting.await.unwrap().fails(401, "token_revoked");
    for caller in [&ada, &second] {
        caller.get("/api/agents").await.fails(401, "token_revoked");
    }
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(ada.try_ws(&ticket, &[]).await.err(), Some(401));
    login(&app, "ada", PASSWORD)
        .await
        .fails(401, "bad_credentials");
    // Nobody else notices, and her agents go on.
    let list = admin.get("/api/agents").await.ok(200);
    let agents = list["agents"].as_array().unwrap();
    assert!(
        agents.iter().any(|agent| agent["detail"] == "busy"),
        "{list}"
    );
    patch(&admin, &path, &json!({"disabled": false}))
        .await
        .ok(200);
    ada.get("/api/agents").await.fails(401, "token_revoked");
    let again = app.sign_in("ada").await;
    assert_eq!(again.get("/api/agents").await.ok(200)["total"], 2);
}

#[tokio::test]
async fn a_deleted_person_loses_sockets_and_polls() {
    let app = TestApp::start().await;
    let (admin, bob) = (app.sign_in("admin").await, app.sign_in("bob").await);
    let path = format!("{USERS}/{}", id_of(&admin, "bob").await);
    let id = bob
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let mut ws = bob.ws().await;
    ws.wait_for("connected").await;
    let poll = bob.long_poll(format!("/api/agents/{id}/events?after=latest&wait=30"));
    let began = Instant::now();
    admin.delete(&path).await.ok(200);
    assert_eq!(ws.closed().await, Some(4001));
    let reply = poll.await.unwrap();
    assert_eq!(reply.status, 401, "{}", reply.text);
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_sign_out_ends_the_polls_of_its_token_alone() {
    let app = TestApp::with("[limits]\npolls_per_token = 1\n").await;
    let (ada, other) = (app.sign_in("ada").await, app.sign_in("ada").await);
    let id = ada
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let path = format!("/api/agents/{id}/events?after=latest&wait=3");
    let (ends, stays) = (ada.long_poll(path.clone()), other.long_poll(path.clone()));
    // A further one is refused as soon as the first waits.
    until(async || ada.get(&format!("{path}&limit=1")).await.status == 429).await;
    ada.post("/api/auth/logout", &json!({})).await.ok(200);
    assert_eq!(ends.await.unwrap().status, 401);
    stays.await.unwrap().ok(200);
}

#[tokio::test]
async fn other_rights_hold_within_a_second_everywhere() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let (ada, boss) = (
        app.sign_in("ada").await,
        hire(&app, &admin, "boss", "admin").await,
    );
    let path = format!("{USERS}/{}", id_of(&admin, "boss").await);
    let id = ada.ready_agent(&json!({"agentType": "script"})).await;
    let mut ws = boss.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["*"]}))
        .await;
    ws.wait_for("hello").await;
    ada.turn(&id, "hello").await;
    let seen = ws.wait_for("agent.message").await;
    assert_eq!(seen["agentId"], *id);
    // One that has no process says nothing, which would end the wait.
    let quiet = json!({"agentType": "script", "start": false});
    let quiet = ada.agent(&quiet).await;
    let poll = boss.long_poll(format!("/api/agents/{quiet}/events?after=latest&wait=30"));
    let began = Instant::now();
    patch(&admin, &path, &json!({"role": "viewer"}))
        .await
        .ok(200);
    assert_eq!(ws.closed().await, Some(1012));
    poll.await.unwrap().fails(404, "not_found");
    boss.get(&format!("/api/agents/{id}"))
        .await
        .fails(404, "not_found");
    boss.get("/api/supervisor/tree")
        .await
        .fails(403, "forbidden");
    boss.get(USERS).await.fails(403, "forbidden");
    boss.post("/api/agents", &json!({}))
        .await
        .fails(403, "forbidden");
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    // The token stands; a new socket has the new rights.
    let mut ws = boss.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["*"]}))
        .await;
    ws.wait_for("hello").await;
    ada.turn(&id, "again").await;
    ws.say(json!({"type": "ping"})).await;
    loop {
        let frame = ws.next().await;
        assert_ne!(frame["agentId"], *id, "{frame}");
        if frame["type"] == "pong" {
            break;
        }
    }
}

#[tokio::test]
async fn a_member_who_may_only_look_from_now_on_types_no_more() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let path = format!("{USERS}/{}", id_of(&admin, "ada").await);
    make(&ada, &app, "t", &json!({})).await;
    let mut terminal = attach(&ada, "t").await;
    terminal.next().await;
    patch(&admin, &path, &json!({"role": "viewer"}))
        .await
        .ok(200);
    assert_eq!(terminal.closed().await, Some(1012));
    let mut terminal = attach(&ada, "t").await;
    let hello = terminal.next().await;
    assert_eq!(hello["writable"], false, "{hello}");
}

#[tokio::test]
async fn no_socket_outlives_the_logout_in_whose_instant_it_was_opened() {
    let app = TestApp::start().await;
    for _ in 0..25 {
        let ada = app.sign_in("ada").await;
        let token = format!("Bearer {}", ada.token);
        let headers = [("authorization", token.as_str())];
        let (opened, out) = tokio::join!(
            ada.try_ws("/ws", &headers),
            answer(ada.request(Method::POST, "/api/auth/logout"))
        );
        out.ok(200);
        match opened {
            Err(status) => assert_eq!(status, 401),
            Ok(mut ws) => {
                let closed = tokio::time::timeout(SECOND * 2, ws.closed()).await;
                assert_eq!(closed.expect("it lives on"), Some(4001));
            }
        }
    }
}
