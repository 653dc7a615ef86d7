//! Answers over `/ws` and over a terminal's WebSocket.

use serde_json::json;

use super::*;
use crate::app::Ws;
use crate::doors_terminals::{attach, make};

/// One answer, and the reply of this type.
async fn say(ws: &mut Ws, frame: &Value, kind: &str) -> Value {
    ws.say(frame.clone()).await;
    ws.wait_for(kind).await
}

#[tokio::test]
async fn answers_over_ws_are_remembered_and_reach_their_call_or_are_refused() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    let mut ws = ada.ws().await;
    let task = send(&ada, &id, "echo ws").await;
    let request = question(&ada, &id).await["requestId"].clone();
    let frame = |request: &Value, remember: Value| json!({"type": "approve", "requestId": request, "approved": true, "remember": remember});
    for bad in [json!("forever"), json!(7)] {
        let refused = say(&mut ws, &frame(&request, bad), "error").await;
        assert_eq!(
            (&refused["code"], &refused["field"]),
            (&json!("bad_remember"), &json!("remember"))
        );
    }
    let unknown = json!(uuid::Uuid::new_v4());
    let refused = say(&mut ws, &frame(&unknown, json!("once")), "error").await;
    assert_eq!(refused["code"], "not_found");
    let said = say(
        &mut ws,
        &frame(&request, json!("session")),
        "approval.resolved",
    )
    .await;
    assert_eq!(
        (&said["status"], &said["remember"]),
        (&json!("approved"), &json!("session"))
    );
    assert_eq!(
        said["remembered"]["matches"],
        "shell, exactly the command `echo ws`"
    );
    let again = say(&mut ws, &frame(&request, json!("once")), "error").await;
    assert_eq!(again["code"], "already_resolved");
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    assert_eq!(ada.get(&path).await.ok(200)["outcome"], "completed");
    unasked(&ada, &id, "echo ws", "completed").await;

    // Whoever asked is gone.
    send(&ada, &id, "echo gone").await;
    let request = question(&ada, &id).await["requestId"].clone();
    ada.post(&format!("/api/agents/{id}/kill"), &json!({}))
        .await
        .ok(200);
    until(async || open(&ada, &id).await.is_empty()).await;
    let late = say(&mut ws, &frame(&request, json!("always")), "error").await;
    assert_eq!(late["code"], "already_resolved");
    let body = json!({"requestId": request, "approved": true});
    let late = ada.post("/api/chat/approve", &body).await;
    let late = late.fails(409, "already_resolved");
    assert!(
        late["error"].as_str().unwrap().contains("cancelled"),
        "{late}"
    );
    // What was not answered is not remembered either.
    assert_eq!(ada.get(OVERRIDES).await.ok(200)["total"], 1);
}

#[tokio::test]
async fn answers_at_a_terminal_are_remembered_and_reach_their_call_or_are_refused() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let made = make(&ada, &app, "t", &json!({"permissionMode": "default"})).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let mut ws = attach(&ada, "t?tty=none&events=none").await;
    for (kind, field, how) in [
        ("tool_answer", "toolId", json!(true)),
        ("approve", "requestId", json!("always")),
    ] {
        let message = format!("echo {kind}");
        let task = send(&ada, &id, &message).await;
        let request = question(&ada, &id).await["requestId"].clone();
        let mut frame = json!({"type": kind, "approved": true, "remember": "forever", "id": 1});
        frame[field] = request.clone();
        let refused = say(&mut ws, &frame, "error").await;
        assert_eq!(
            (&refused["code"], &refused["id"]),
            (&json!("bad_remember"), &json!(1))
        );
        frame["remember"] = how.clone();
        let said = say(&mut ws, &frame, "resolved").await;
        let scope = if how == json!(true) {
            "session"
        } else {
            "always"
        };
        assert_eq!(said["remember"], scope, "{said}");
        assert_eq!(said["remembered"]["matcher"]["text"], message);
        let again = say(&mut ws, &frame, "error").await;
        assert_eq!(again["code"], "already_resolved");
        let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
        assert_eq!(ada.get(&path).await.ok(200)["outcome"], "completed");
        unasked(&ada, &id, &message, "completed").await;
    }
    let unknown = json!({"type": "approve", "requestId": uuid::Uuid::new_v4(), "approved": true});
    assert_eq!(say(&mut ws, &unknown, "error").await["code"], "not_found");
    send(&ada, &id, "echo gone").await;
    let request = question(&ada, &id).await["requestId"].clone();
    ada.post(&format!("/api/agents/{id}/interrupt"), &json!({}))
        .await
        .ok(202);
    until(async || open(&ada, &id).await.is_empty()).await;
    let late = json!({"type": "approve", "requestId": request, "approved": true});
    assert_eq!(
        say(&mut ws, &late, "error").await["code"],
        "already_resolved"
    );
}
