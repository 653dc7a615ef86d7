//! Two members, a viewer and an admin, over every door: what is foreign is not there.

use std::time::Duration;

use super::*;
use crate::app::{Ws, until};
use crate::doors_terminals::{SESSIONS, make, try_attach};

const PENDING: &str = "/api/chat/approvals/pending";
const OVERRIDES: &str = "/api/chat/approvals/overrides";

/// Everything up to the answer to a ping that was sent behind it.
async fn heard(ws: &mut Ws) -> Vec<Value> {
    ws.say(json!({"type": "ping", "id": "end"})).await;
    let mut heard = Vec::new();
    loop {
        let frame = ws.next().await;
        if frame["type"] == "pong" && frame["id"] == "end" {
            return heard;
        }
        heard.push(frame);
    }
}

async fn follows_all(who: &Caller) -> Ws {
    let mut ws = who.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["*"]}))
        .await;
    ws.wait_for("hello").await;
    ws
}

/// The question that ada's agent asks.
async fn question(who: &Caller) -> Value {
    let open = async || {
        let all = who.get(PENDING).await.ok(200);
        all["approvals"].as_array().unwrap().clone()
    };
    until(async || !open().await.is_empty()).await;
    open().await.remove(0)
}

#[tokio::test]
async fn streams_over_everything_carry_nothing_foreign() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let (eve, admin) = (app.sign_in("eve").await, app.sign_in("admin").await);
    let before = {
        let mut ws = bob.ws().await;
        ws.wait_for("connected").await["latestPos"]
            .as_u64()
            .unwrap()
    };
    let mut strangers = vec![follows_all(&bob).await, follows_all(&eve).await];
    let (mut own, mut all) = (follows_all(&ada).await, follows_all(&admin).await);
    let hers = ada
        .agent(&json!({"agentType": "script", "scenario": "words"}))
        .await;
    ada.turn(&hers, "hello").await;
    for ws in [&mut own, &mut all] {
        let mut frames = Vec::new();
        let ended = |frames: &[Value]| frames.iter().any(|frame| frame["event"] == "turn_ended");
        while !ended(&frames) {
            frames.extend(heard(ws).await);
        }
        assert!(
            frames.iter().any(|frame| frame["type"] == "agent.delta"),
            "{frames:?}"
        );
    }
    for ws in &mut strangers {
        assert_eq!(heard(ws).await, [Value::Null; 0]);
    }
    // A replay by pos gives the same.
    for (who, sees) in [(&bob, false), (&eve, false), (&ada, true), (&admin, true)] {
        let mut ws = who.ws().await;
        let start = json!({"type": "subscribe", "channels": ["*"], "after": before});
        ws.say(start).await;
        ws.wait_for("hello").await;
        let found = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                let frames = heard(&mut ws).await;
                let some = frames.iter().any(|frame| frame["agentId"] == *hers);
                if some || !sees {
                    return some;
                }
            }
        });
        assert_eq!(found.await.expect("nothing is replayed"), sees);
    }
}

#[tokio::test]
async fn sockets_refuse_what_is_foreign_as_what_is_missing() {
    let app = TestApp::start().await;
    let (ada, bob, eve) = (
        app.sign_in("ada").await,
        app.sign_in("bob").await,
        app.sign_in("eve").await,
    );
    make(&ada, &app, "t", &json!({"permissionMode": "default"})).await;
    let session = ada.get(&format!("{SESSIONS}/t")).await.ok(200);
    let id = session["id"]
        .as_str()
        .or(session["sessionId"].as_str())
        .unwrap();
    let body = json!({"message": "echo asked"});
    ada.post(&format!("{SESSIONS}/t/message"), &body)
        .await
        .ok(202);
    let asked = question(&ada).await["requestId"].clone();
    let missing = uuid::Uuid::new_v4().to_string();
    for who in [&bob, &eve] {
        let mut ws = who.ws().await;
        ws.wait_for("connected").await;
        for (id, request) in [(id, &asked), (missing.as_str(), &json!(missing))] {
            for frame in [
                json!({"type": "subscribe", "channels": ["*"], "agentId": id}),
                json!({"type": "subscribe", "channels": ["*"], "agentId": id, "after": 0}),
                json!({"type": "message", "agentId": id, "content": "x"}),
                json!({"type": "approve", "requestId": request, "approved": true}),
            ] {
                ws.say(frame.clone()).await;
                let refused = ws.wait_for("error").await;
                assert_eq!(refused["code"], "not_found", "{frame}: {refused}");
            }
        }
        for name in ["t", id] {
            for tail in ["", "/ws", "/terminal"] {
                let refused = try_attach(who, &format!("{name}{tail}")).await.err();
                assert_eq!(refused, Some(404), "{name}{tail}");
            }
            for (method, tail) in [
                (Method::GET, ""),
                (Method::GET, "/tasks"),
                (Method::GET, "/queue"),
                (Method::POST, "/message"),
                (Method::POST, "/reset"),
                (Method::POST, "/complete"),
                (Method::DELETE, ""),
            ] {
                let path = format!("{SESSIONS}/{name}{tail}");
                let request = who.request(method.clone(), &path).json(&body);
                let reply = answer(request).await;
                assert_eq!(reply.status, 404, "{method} {path}: {}", reply.text);
            }
        }
    }
    assert_eq!(
        question(&ada).await["requestId"],
        asked,
        "somebody answered"
    );
}

#[tokio::test]
async fn questions_and_remembered_answers_are_their_owners() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let (eve, admin) = (app.sign_in("eve").await, app.sign_in("admin").await);
    let shell = json!({"agentType": "shell", "cwd": app.dir(), "permissionMode": "default"});
    let id = ada.ready_agent(&shell).await;
    let path = format!("/api/agents/{id}/message");
    ada.post(&path, &json!({"message": "echo one"}))
        .await
        .ok(202);
    let asked = question(&ada).await["requestId"].clone();
    let yes = json!({"requestId": asked, "approved": true, "remember": "always"});
    for who in [&bob, &eve] {
        let open = who.get(PENDING).await.ok(200);
        assert_eq!(open["approvals"], json!([]));
        who.post("/api/chat/approve", &yes)
            .await
            .fails(404, "not_found");
        who.get(&format!("{OVERRIDES}?agentId={id}"))
            .await
            .fails(404, "not_found");
    }
    assert_eq!(question(&admin).await["requestId"], asked);
    let rule = ada.post("/api/chat/approve", &yes).await.ok(200)["remembered"].clone();
    let rule = format!("{OVERRIDES}/{}", rule["id"].as_str().unwrap());
    for who in [&bob, &eve] {
        assert_eq!(who.get(OVERRIDES).await.ok(200)["total"], 0);
        who.delete(&rule).await.fails(404, "not_found");
    }
    // Hers answers nothing of his.
    let his = bob.ready_agent(&shell).await;
    let path = format!("/api/agents/{his}/message");
    bob.post(&path, &json!({"message": "echo one"}))
        .await
        .ok(202);
    assert_eq!(question(&bob).await["agentId"], *his);
    assert_eq!(ada.get(OVERRIDES).await.ok(200)["total"], 1);
    assert_eq!(admin.get(OVERRIDES).await.ok(200)["total"], 1);
    admin.delete(&rule).await.ok(200);
}

#[tokio::test]
async fn lists_and_filters_show_ones_own_and_the_operators_door_is_shut() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let (eve, admin) = (app.sign_in("eve").await, app.sign_in("admin").await);
    let hers = ada
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let user = id_of(&admin, "ada").await;
    for who in [&bob, &eve] {
        for query in [
            String::new(),
            format!("?sessionId={hers}"),
            format!("?owner={user}"),
            format!("?userId={user}"),
            "?status=idle".into(),
        ] {
            let list = who.get(&format!("/api/agents{query}")).await.ok(200);
            assert_eq!(list["total"], 0, "{query}");
        }
        let named = who.get(SESSIONS).await.ok(200);
        assert!(!named.to_string().contains(&hers), "{named}");
        for path in [
            "/api/supervisor/tree".to_owned(),
            "/api/supervisor/events".to_owned(),
            format!("/api/supervisor/events?agentId={hers}"),
            USERS.to_owned(),
            INVITES.to_owned(),
        ] {
            who.get(&path).await.fails(403, "forbidden");
        }
        // Into her group, or out of her conversation, leads no way.
        for (field, code) in [("sessionId", "not_found"), ("forkOf", "not_found")] {
            let mut body = json!({"agentType": "script", "start": false});
            body[field] = json!(hers);
            let reply = who.post("/api/agents", &body).await;
            let viewer = reply.status == 403;
            assert!(viewer || reply.code() == code, "{field}: {}", reply.text);
        }
    }
    let all = admin
        .get(&format!("/api/agents?sessionId={hers}"))
        .await
        .ok(200);
    assert_eq!(all["total"], 1);
}
