//! How long an answer holds, for what, and through what.

use serde_json::json;

use super::*;

#[tokio::test]
async fn once_is_once_and_a_session_is_one_session() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let (one, two) = (shell(&app, &ada).await, shell(&app, &ada).await);
    for how in [json!("once"), json!(false), json!(null)] {
        let (reply, done) = asked(&ada, &one, "echo one", (true, how)).await;
        assert_eq!(done["outcome"], "completed", "{done}");
        assert_eq!(
            (&reply["remember"], &reply["remembered"]),
            (&json!("once"), &json!(null))
        );
    }
    let task = send(&ada, &one, "echo one").await;
    let shown = question(&ada, &one).await;
    assert_eq!(shown["remembers"], "shell, exactly the command `echo one`");
    let reply = answer(&ada, &shown, true, json!("session")).await.ok(200);
    let rule = &reply["remembered"];
    assert_eq!(
        (&reply["status"], &reply["remember"]),
        (&json!("approved"), &json!("session"))
    );
    assert_eq!(
        (&rule["scope"], &rule["agentId"]),
        (&json!("session"), &json!(one))
    );
    assert_eq!(
        (&rule["toolName"], &rule["agentType"]),
        (&json!("shell"), &json!("shell"))
    );
    assert_eq!(rule["matches"], shown["remembers"]);
    assert_eq!(
        rule["matcher"],
        json!({"by": "command", "text": "echo one"})
    );
    assert_eq!(
        (&rule["decision"], &rule["by"]),
        (&json!("allow"), &json!("ada"))
    );
    let path = format!("/api/agents/{one}/tasks/{task}?wait=30");
    assert_eq!(ada.get(&path).await.ok(200)["outcome"], "completed");

    unasked(&ada, &one, "echo one", "completed").await;
    // Another command, and the same in another session, are asked about.
    is_asked(&ada, &one, "echo one ").await;
    is_asked(&ada, &two, "echo one").await;
    // A flag means the session.
    let (reply, _) = asked(&ada, &two, "echo one", (true, json!(true))).await;
    assert_eq!(reply["remember"], "session");
    unasked(&ada, &two, "echo one", "completed").await;
}

#[tokio::test]
async fn what_an_override_answers_is_on_record_and_nobody_waits() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    let (reply, _) = asked(&ada, &id, "echo kept", (true, json!("session"))).await;
    let own = format!("override:{}", reply["remembered"]["id"].as_str().unwrap());
    let before = ada.history(&id).await.len();
    unasked(&ada, &id, "echo kept", "completed").await;

    let resolved = events(&ada, &id, "approval_resolved").await;
    assert_eq!(resolved.len(), 2);
    assert_eq!(resolved[0]["remember"]["id"], reply["remembered"]["id"]);
    assert_eq!(
        (&resolved[1]["by"], &resolved[1]["status"]),
        (&json!(own), &json!("approved"))
    );
    let requested = events(&ada, &id, "approval_requested").await;
    assert_eq!(requested[0]["decidedBy"], json!(null));
    assert_eq!(
        (&requested[1]["decidedBy"], &requested[1]["status"]),
        (&json!(own), &json!("approved"))
    );
    assert_eq!(resolved[1]["requestId"], requested[1]["requestId"]);
    let history = ada.history(&id).await;
    let waited = history[before..].iter().filter(|event| {
        event["type"] == "status" && event["data"]["detail"] == "awaiting_approval"
    });
    assert_eq!(waited.count(), 0);
    // A person comes too late for it.
    answer(&ada, &requested[1], false, json!("once"))
        .await
        .fails(409, "already_resolved");
}

#[tokio::test]
async fn always_is_every_session_of_the_owner_and_kind_at_once_and_after_a_crash() {
    let mut app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let (one, two) = (shell(&app, &ada).await, shell(&app, &ada).await);
    let foreign = shell(&app, &bob).await;
    let (reply, _) = asked(&ada, &one, "echo all", (true, json!("always"))).await;
    assert_eq!(reply["remembered"]["scope"], "always");
    assert_eq!(reply["remembered"]["agentId"], json!(null));
    unasked(&ada, &one, "echo all", "completed").await;
    unasked(&ada, &two, "echo all", "completed").await;
    let later = shell(&app, &ada).await;
    unasked(&ada, &later, "echo all", "completed").await;
    is_asked(&bob, &foreign, "echo all").await;

    app.kill9();
    app.boot().await;
    let (ada, bob) = (ada.at(&app), bob.at(&app));
    unasked(&ada, &two, "echo all", "completed").await;
    is_asked(&bob, &foreign, "echo all").await;
}

#[tokio::test]
async fn a_no_is_remembered_as_a_yes_is() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let (one, two) = (shell(&app, &ada).await, shell(&app, &ada).await);
    let (reply, done) = asked(&ada, &one, "echo no", (false, json!("always"))).await;
    assert_eq!(done["outcome"], "stopped");
    assert_eq!(reply["remembered"]["decision"], "deny");
    unasked(&ada, &two, "echo no", "stopped").await;
    let resolved = events(&ada, &two, "approval_resolved").await;
    assert_eq!(resolved[0]["status"], "denied");
    // Also to what can destroy.
    asked(&ada, &one, "rm -rf gone", (false, json!("always"))).await;
    unasked(&ada, &two, "rm -rf gone", "stopped").await;
}

#[tokio::test]
async fn what_can_destroy_is_asked_every_time() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    for how in ["session", "always", "once"] {
        let (reply, done) = asked(&ada, &id, "rm -rf gone", (true, json!(how))).await;
        assert_eq!(done["outcome"], "completed", "{done}");
        assert_eq!(
            (&reply["remember"], &reply["remembered"]),
            (&json!("once"), &json!(null))
        );
        assert_eq!(reply["note"].is_string(), how != "once", "{reply}");
    }
    assert_eq!(ada.get(OVERRIDES).await.ok(200)["total"], 0);
}

#[tokio::test]
async fn a_file_and_a_tool_are_remembered_by_what_they_are() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let scenario = app.dir().join("edits.json");
    let edit = |path: &str, words: &str| json!({"ask": {"tool": "Edit", "args": {"path": path, "new": words}}});
    let turns = json!([
        [edit("a.txt", "1"), {"ask": {"tool": "Search", "args": {"words": "x"}}}],
        [edit("a.txt", "2"), {"ask": {"tool": "Search", "args": {"words": "y"}}}],
        [edit("b.txt", "1")],
    ]);
    std::fs::write(&scenario, json!({ "turns": turns }).to_string()).unwrap();
    let made = json!({"agentType": "script", "scenario": scenario, "cwd": app.dir()});
    let id = ada.ready_agent(&made).await;
    let task = send(&ada, &id, "first").await;
    let path = app.dir().join("a.txt");
    for wanted in [
        format!("Edit, at the path {}", path.display()),
        "Search, every request".to_owned(),
    ] {
        let shown = question(&ada, &id).await;
        assert_eq!(shown["remembers"], wanted);
        answer(&ada, &shown, true, json!("session")).await.ok(200);
    }
    let tail = format!("/api/agents/{id}/tasks/{task}?wait=30");
    assert_eq!(ada.get(&tail).await.ok(200)["outcome"], "completed");
    unasked(&ada, &id, "second", "completed").await;
    let third = send(&ada, &id, "third").await;
    let shown = question(&ada, &id).await;
    assert_eq!(shown["args"]["path"], "b.txt");
    answer(&ada, &shown, true, json!("once")).await.ok(200);
    let tail = format!("/api/agents/{id}/tasks/{third}?wait=30");
    assert_eq!(ada.get(&tail).await.ok(200)["outcome"], "completed");
}

/// The server dies between the row that says what is answered and the answer itself.
#[tokio::test]
async fn a_decided_answer_arrives_through_a_crash_of_the_server() {
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), "").await;
    app.env = vec![("FAILPOINTS", "override_before_answer=return".into())];
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    let (reply, done) = asked(&ada, &id, "echo through", (true, json!("session"))).await;
    let rule = reply["remembered"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/agents/{id}/message");
    let prompt = ada.request(Method::POST, &path);
    // Its reply may be cut off by the crash.
    let _cut = prompt
        .json(&json!({"message": "echo through"}))
        .send()
        .await;
    app.ended().await;
    app.env = vec![];
    app.boot().await;
    let ada = ada.at(&app);
    let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    let tasks = tasks["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    let through = tasks.iter().find(|task| task["id"] != done["taskId"]);
    let task = through.unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    let done = ada.get(&path).await.ok(200);
    assert_eq!(done["outcome"], "completed", "{done}");
    let resolved = events(&ada, &id, "approval_resolved").await;
    assert_eq!(resolved.len(), 2, "{resolved:?}");
    assert_eq!(resolved[1]["by"], format!("override:{rule}"));
    let requested = events(&ada, &id, "approval_requested").await;
    assert_eq!(requested.len(), 2, "{requested:?}");
}
