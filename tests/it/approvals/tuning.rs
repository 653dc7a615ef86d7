//! Permission mode and model, changed while a program runs.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_shell_asks_as_its_mode_says_from_the_change_on() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    is_asked(&ada, &id, "echo asked").await;
    let tuned = patch(&ada, &id, &json!({"permissionMode": "yolo"}))
        .await
        .ok(200);
    assert_eq!(tuned["permissionMode"], "bypassPermissions");
    unasked(&ada, &id, "echo free", "completed").await;
    patch(&ada, &id, &json!({"permissionMode": "plan"}))
        .await
        .ok(200);
    let refused = ada.turn(&id, "echo plan").await;
    assert_eq!(
        (&refused["outcome"], &refused["reason"]),
        (&json!("failed"), &json!("plan_mode"))
    );
    let told = events(&ada, &id, "session").await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        (&told[1]["action"], &told[1]["permissionMode"]),
        (&json!("tuned"), &json!("plan"))
    );
    assert_eq!(told[1]["by"], "ada");

    // It holds through a crash of the server, for the process that lived on.
    let pid = ada.get(&format!("/api/agents/{id}")).await.ok(200)["pid"].clone();
    app.kill9();
    app.boot().await;
    let ada = ada.at(&app);
    let shown = ada.get(&format!("/api/agents/{id}")).await.ok(200);
    assert_eq!(
        (&shown["pid"], &shown["permissionMode"]),
        (&pid, &json!("plan"))
    );
    assert_eq!(ada.turn(&id, "echo plan").await["reason"], "plan_mode");
}

#[tokio::test]
async fn a_question_that_is_open_stays_open() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    let task = send(&ada, &id, "echo open").await;
    let shown = question(&ada, &id).await;
    patch(&ada, &id, &json!({"permissionMode": "bypassPermissions"}))
        .await
        .ok(200);
    answer(&ada, &shown, true, json!("once")).await.ok(200);
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    assert_eq!(ada.get(&path).await.ok(200)["outcome"], "completed");
    unasked(&ada, &id, "echo free", "completed").await;
}

#[tokio::test]
async fn a_player_asks_as_its_mode_says_with_and_without_a_process() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let made = json!({"agentType": "script", "scenario": "ask", "start": false});
    let id = ada.agent(&made).await;
    // Nothing runs: the process is started with it.
    patch(&ada, &id, &json!({"permissionMode": "dontAsk"}))
        .await
        .ok(200);
    unasked(&ada, &id, "go", "completed").await;
    assert_eq!(events(&ada, &id, "approval_requested").await.len(), 0);
    patch(&ada, &id, &json!({"permissionMode": "default"}))
        .await
        .ok(200);
    let (_, done) = asked(&ada, &id, "go", (true, json!("once"))).await;
    assert_eq!(done["outcome"], "completed");
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let id = shell(&app, &ada).await;
    for (body, code) in [
        (json!({}), "bad_field"),
        (json!({"permissionMode": 1}), "bad_field"),
        (json!({"permissionMode": "root"}), "bad_permission_mode"),
        (json!({"model": 1}), "bad_field"),
        (json!({"model": "m\u{0}"}), "bad_field"),
        (json!({"permissionMode": "plan", "name": "x"}), "bad_field"),
        (
            json!({"permissionMode": "plan", "limits": {"turns": 1}}),
            "bad_field",
        ),
    ] {
        patch(&ada, &id, &body).await.fails(400, code);
    }
    let both = json!({"permissionMode": "plan", "model": "opus"});
    patch(&ada, &id, &both).await.fails(409, "unsupported");
    patch(&bob, &id, &json!({"permissionMode": "plan"}))
        .await
        .fails(404, "not_found");
    let unknown = uuid::Uuid::new_v4().to_string();
    patch(&ada, &unknown, &json!({"permissionMode": "plan"}))
        .await
        .fails(404, "not_found");
    let shown = ada.get(&format!("/api/agents/{id}")).await.ok(200);
    assert_eq!(
        (&shown["permissionMode"], &shown["model"]),
        (&json!("default"), &json!(null))
    );
}
