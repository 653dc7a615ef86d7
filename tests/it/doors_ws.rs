//! `/ws`: greeting, subscriptions, replay and live, commands, ends.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::app::{TestApp, Ws, until};
use crate::doors_events::flood;

/// Reads numbered frames until `last` of this agent came; checks that each follows the one before.
async fn follow(ws: &mut Ws, agent: &str, mut seq: u64, last: u64) -> Vec<Value> {
    let mut frames = Vec::new();
    while seq < last {
        let frame = ws.next().await;
        if frame["agentId"] != *agent || frame["seq"].is_null() {
            assert_ne!(frame["type"], "gap", "{frame}");
            assert_ne!(frame["type"], "error", "{frame}");
            continue;
        }
        seq += 1;
        assert_eq!(frame["seq"], seq, "a hole or a double");
        frames.push(frame);
    }
    frames
}

#[tokio::test]
async fn a_connection_is_greeted_and_silent_until_it_subscribes() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mut ws = ada.ws().await;
    let hello = ws.next().await;
    assert_eq!(hello["type"], "connected");
    let me = ada.get("/api/auth/me").await.ok(200);
    assert_eq!(hello["userId"], me["id"]);
    assert!(hello["connectionId"].is_string() && hello["epoch"].is_string());
    assert!(hello["latestPos"].is_u64());
    let id = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hi").await;
    ws.say(json!({"type": "ping", "id": 1})).await;
    let next = ws.next().await;
    assert_eq!((&next["type"], &next["id"]), (&json!("pong"), &json!(1)));
    ws.stream.close(None).await.unwrap();
    assert_eq!(ws.closed().await, Some(1000));
}

#[tokio::test]
async fn replay_and_live_are_one_stream() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&flood(&app, 3_000, 100)).await;
    ada.turn(&id, "first").await;
    // Replay from the beginning while a second flood runs.
    let path = format!("/api/agents/{id}/message");
    ada.post(&path, &json!({"message": "second"})).await.ok(202);
    let mut ws = ada.ws().await;
    ws.wait_for("connected").await;
    ws.say(json!({"type": "subscribe", "channels": ["*"], "agentId": id, "after": 0, "id": "s"}))
        .await;
    let subscribed = ws.next().await;
    assert_eq!(
        (&subscribed["type"], &subscribed["id"]),
        (&json!("subscribed"), &json!("s"))
    );
    let hello = ws.next().await;
    assert_eq!(
        (&hello["type"], &hello["agentId"]),
        (&json!("hello"), &json!(id))
    );
    let frames = follow(&mut ws, &id, 0, 6_000).await;
    let history = ada.history(&id).await;
    for (frame, event) in frames.iter().zip(&history) {
        assert_eq!(frame["event"], event["type"]);
        for name in ["seq", "pos", "agentId", "sessionId", "timestamp", "data"] {
            assert_eq!(frame[name], event[name]);
        }
    }
}

#[tokio::test]
async fn a_stream_over_all_agents_goes_on_from_its_pos() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let one = ada.agent(&flood(&app, 400, 50)).await;
    let foreign = bob.agent(&json!({"agentType": "script"})).await;
    bob.turn(&foreign, "hi").await;
    ada.turn(&one, "go").await;
    let mut ws = ada.ws().await;
    let epoch = ws.wait_for("connected").await["epoch"]
        .as_str()
        .unwrap()
        .to_owned();
    let after = format!("{epoch}:p0");
    ws.say(json!({"type": "subscribe", "channels": ["agent.*"], "after": after}))
        .await;
    let hello = ws.wait_for("hello").await;
    assert!(hello["latestPos"].as_u64().unwrap() > 400);
    let two = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&two, "hi").await;
    let last = ada.history(&two).await.last().unwrap()["pos"]
        .as_u64()
        .unwrap();
    let (mut pos, mut seqs) = (0, HashMap::<String, u64>::new());
    while pos < last {
        let frame = ws.next().await;
        assert!(frame["pos"].is_u64(), "{frame}");
        assert_ne!(frame["agentId"], *foreign);
        let now = frame["pos"].as_u64().unwrap();
        assert!(now > pos);
        pos = now;
        let seq = seqs
            .entry(frame["agentId"].as_str().unwrap().to_owned())
            .or_default();
        *seq += 1;
        assert_eq!(frame["seq"], *seq);
    }
    assert_eq!(seqs.len(), 2);

    // An admin sees everyone's.
    let mut ws = app.sign_in("admin").await.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["*"], "after": 0}))
        .await;
    loop {
        if ws.next().await["agentId"] == *foreign {
            break;
        }
    }
}

#[tokio::test]
async fn a_named_agent_and_all_do_not_double() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hi").await;
    let mut ws = ada.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["*"]}))
        .await;
    ws.wait_for("hello").await;
    ws.say(json!({"type": "subscribe", "channels": ["*"], "agentId": id, "after": 0}))
        .await;
    ws.wait_for("hello").await;
    ada.turn(&id, "more").await;
    let last = u64::try_from(ada.history(&id).await.len()).unwrap();
    follow(&mut ws, &id, 0, last).await;
    ws.say(json!({"type": "unsubscribe", "channels": ["*"], "id": 2}))
        .await;
    ws.wait_for("unsubscribed").await;
    ada.turn(&id, "unseen").await;
    ws.say(json!({"type": "ping"})).await;
    assert_eq!(ws.next().await["type"], "pong");
}

#[tokio::test]
async fn channels_leave_out_the_rest() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    let mut ws = ada.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["agent.message"], "agentId": id, "after": 0}))
        .await;
    ws.wait_for("hello").await;
    ada.turn(&id, "hi").await;
    let expected = ada
        .history(&id)
        .await
        .iter()
        .filter(|event| {
            let kind = event["type"].as_str().unwrap();
            ["user_message", "assistant_message", "thinking"].contains(&kind)
        })
        .count();
    assert!(expected >= 3);
    for _ in 0..expected {
        assert_eq!(ws.next().await["type"], "agent.message");
    }
    ws.say(json!({"type": "ping"})).await;
    assert_eq!(ws.next().await["type"], "pong");
}

#[tokio::test]
async fn prompts_and_answers_travel_over_the_socket() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.sign_in("ada").await, app.sign_in("eve").await);
    let id = ada
        .ready_agent(&json!({"agentType": "script", "scenario": "ask"}))
        .await;
    let mut ws = ada.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["approval.required"], "agentId": id}))
        .await;
    ws.wait_for("hello").await;
    let message = json!({"type": "message", "agentId": id, "content": "go", "id": "m",
        "idempotencyKey": "k"});
    ws.say(message.clone()).await;
    let ack = ws.wait_for("ack").await;
    assert_eq!((&ack["id"], &ack["agentId"]), (&json!("m"), &json!(id)));
    assert_eq!(
        (&ack["status"], &ack["queued"], &ack["position"]),
        (&json!("running"), &json!(false), &json!(0))
    );
    let question = ws.wait_for("agent.event").await;
    assert_eq!(question["event"], "approval_requested");
    ws.say(message).await;
    assert_eq!(ws.wait_for("ack").await["taskId"], ack["taskId"]);

    let pending = ada.get("/api/chat/approvals/pending").await.ok(200);
    let request = pending["approvals"][0]["requestId"].clone();
    let mut other = eve.ws().await;
    let answer = json!({"type": "approve", "requestId": request, "approved": true, "id": 9});
    other.say(answer.clone()).await;
    assert_eq!(other.wait_for("error").await["code"], "not_found");
    ws.say(answer.clone()).await;
    let resolved = ws.wait_for("approval.resolved").await;
    assert_eq!(
        (&resolved["status"], &resolved["id"]),
        (&json!("approved"), &json!(9))
    );
    ws.say(answer).await;
    let again = ws.wait_for("error").await;
    assert_eq!(
        (&again["code"], &again["id"]),
        (&json!("already_resolved"), &json!(9))
    );
    let task = ack["taskId"].as_str().unwrap();
    let done = ada
        .get(&format!("/api/agents/{id}/tasks/{task}?wait=30"))
        .await
        .ok(200);
    assert_eq!(done["outcome"], "completed");
}

#[tokio::test]
async fn mistakes_are_answered_and_the_connection_goes_on() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let id = bob
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let mut ws = ada.ws().await;
    let long = "x".repeat(50_001);
    for (frame, code) in [
        (json!([]), "bad_json"),
        (json!({"type": "dance"}), "unknown_type"),
        (
            json!({"type": "subscribe", "channels": ["nope"]}),
            "unknown_channel",
        ),
        (
            json!({"type": "subscribe", "channels": ["*"], "after": "x"}),
            "bad_cursor",
        ),
        (
            json!({"type": "subscribe", "channels": ["*"], "after": 99_999_999}),
            "epoch_changed",
        ),
        (
            json!({"type": "subscribe", "channels": ["*"], "agentId": id}),
            "not_found",
        ),
        (
            json!({"type": "message", "agentId": id, "content": "x"}),
            "not_found",
        ),
        (
            json!({"type": "message", "agentId": id, "content": long}),
            "too_large",
        ),
    ] {
        ws.say(frame.clone()).await;
        assert_eq!(ws.wait_for("error").await["code"], code, "{frame}");
    }
    ws.stream.send_raw(Message::text("{not json")).await;
    assert_eq!(ws.wait_for("error").await["code"], "bad_json");
    ws.stream.send_raw(Message::binary(vec![1, 2])).await;
    assert_eq!(ws.wait_for("error").await["code"], "bad_json");
    ws.say(json!({"type": "ping"})).await;
    ws.wait_for("pong").await;
}

/// Sends a message as it is.
trait SendRaw {
    async fn send_raw(&mut self, message: Message);
}

impl<T: futures_util::Sink<Message> + Unpin> SendRaw for T {
    async fn send_raw(&mut self, message: Message) {
        use futures_util::SinkExt;
        assert!(self.send(message).await.is_ok());
    }
}

#[tokio::test]
async fn a_frame_over_the_bound_closes_with_1009() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mut ws = ada.ws().await;
    ws.stream
        .send_raw(Message::text("x".repeat(64 * 1024 - 8)))
        .await;
    assert_eq!(ws.wait_for("error").await["code"], "bad_json");
    ws.stream
        .send_raw(Message::text("x".repeat(64 * 1024 + 1)))
        .await;
    assert_eq!(ws.closed().await, Some(1009));
    // Also when it is more than is read at once.
    let mut ws = ada.ws().await;
    ws.stream
        .send_raw(Message::text("x".repeat(1024 * 1024)))
        .await;
    assert_eq!(ws.closed().await, Some(1009));
}

#[tokio::test]
async fn the_ways_in_and_what_is_refused() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let by_query = ada.try_ws(&format!("/ws?token={}", ada.token), &[]).await;
    by_query.unwrap().wait_for("connected").await;
    let key = [("x-api-key", ada.token.as_str())];
    ada.try_ws("/ws", &key)
        .await
        .unwrap()
        .wait_for("connected")
        .await;
    for name in ["ticket", "token"] {
        let ticket = ada.get("/api/auth/ws-ticket").await.ok(200);
        let path = format!("/ws?{name}={}", ticket["token"].as_str().unwrap());
        ada.try_ws(&path, &[])
            .await
            .unwrap()
            .wait_for("connected")
            .await;
        assert_eq!(ada.try_ws(&path, &[]).await.err(), Some(401), "used twice");
    }
    for path in ["/ws", "/ws?token=", "/ws?token=a.b.c", "/ws?ticket=x"] {
        assert_eq!(ada.try_ws(path, &[]).await.err(), Some(401), "{path}");
    }
    ada.get("/ws").await.fails(400, "bad_handshake");
    assert!(!app.log().contains(&ada.token), "the log has a token");
}

#[tokio::test]
async fn a_person_has_ten_sockets() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(ada.ws().await);
    }
    let bearer = format!("Bearer {}", ada.token);
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(ada.try_ws("/ws", &headers).await.err(), Some(429));
    bob.ws().await.wait_for("connected").await;
    // None of the others was closed by it, and a place comes back.
    for ws in &mut open {
        ws.say(json!({"type": "ping"})).await;
        ws.wait_for("pong").await;
    }
    drop(open.pop());
    until(async || ada.try_ws("/ws", &headers).await.is_ok()).await;
}
