//! What belongs to somebody else looks as if it were not there.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Caller, TestApp, answer};

#[tokio::test]
async fn a_stranger_sees_nothing_and_drives_nothing() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let (eve, admin) = (app.sign_in("eve").await, app.sign_in("admin").await);
    let id = ada
        .agent(&json!({"agentType": "script", "name": "mine"}))
        .await;
    let task = ada.turn(&id, "hello").await;
    let task = task["taskId"].as_str().unwrap().to_owned();
    foreign(&bob, &id, &task).await;
    foreign(&eve, &id, &task).await;
    let list = bob.get("/api/agents").await.ok(200);
    assert_eq!(list["total"], 0);
    // The name is free for others.
    bob.agent(&json!({"agentType": "script", "name": "mine", "start": false}))
        .await;
    ada.post("/api/agents", &json!({"name": "mine"}))
        .await
        .fails(409, "name_taken");
    let all = admin.get("/api/agents").await.ok(200);
    assert_eq!(all["total"], 2);
    admin.get(&format!("/api/agents/{id}/events")).await.ok(200);
    // A viewer makes nothing.
    eve.post("/api/agents", &json!({}))
        .await
        .fails(403, "forbidden");
}

async fn foreign(caller: &Caller, id: &str, task: &str) {
    let body = json!({"message": "x", "order": [task]});
    for (method, tail) in [
        (Method::GET, String::new()),
        (Method::GET, "/events?after=0".into()),
        (Method::GET, "/tasks".into()),
        (Method::GET, format!("/tasks/{task}")),
        (Method::GET, "/queue".into()),
        (Method::GET, "/log".into()),
        (Method::GET, "/why".into()),
        (Method::POST, "/message".into()),
        (Method::POST, "/pause".into()),
        (Method::POST, "/resume".into()),
        (Method::POST, "/interrupt".into()),
        (Method::POST, "/stop".into()),
        (Method::POST, "/kill".into()),
        (Method::POST, "/start".into()),
        (Method::PATCH, format!("/queue/{task}")),
        (Method::DELETE, format!("/queue/{task}")),
        (Method::PUT, "/queue/order".into()),
        (Method::DELETE, String::new()),
    ] {
        let path = format!("/api/agents/{id}{tail}");
        let reply = answer(caller.request(method.clone(), &path).json::<Value>(&body)).await;
        reply.fails(404, "not_found");
    }
}
