//! Prompts over the services: they run, wait, end and are told as the other doors tell them.

use super::*;

fn slow(app: &TestApp) -> Value {
    let scenario = app.dir().join("slow.json");
    let turns = json!({"turns": [[{"say": "{{message}}"}, {"sleep_ms": 600_000}]]});
    std::fs::write(&scenario, turns.to_string()).unwrap();
    json!({"scenario": scenario, "cwd": app.dir()})
}

async fn prompt(who: &Caller, session: &str, words: &str) -> Value {
    let path = format!("/sessions/{session}/prompt");
    who.post(&path, &json!({"prompt": words})).await.ok(201)
}

async fn task(who: &Caller, id: &Value) -> Value {
    let path = format!("/tasks/{}", id.as_str().unwrap());
    who.get(&path).await.ok(200)
}

#[tokio::test]
async fn a_prompt_runs_and_its_task_is_told() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let body = json!({"title": "t", "cwd": app.dir(), "permission_config": {"mode": "yolo"},
        "custom_context": {"own": 1}, "name": "board", "unknown": true});
    let one = session(&ada, &body).await;
    assert_eq!(one["status"], "idle");
    assert_eq!(one["permission_config"]["mode"], "bypassPermissions");
    assert_eq!(one["custom_context"], json!({"own": 1}));
    assert_eq!(one["ready_for_prompt"], false);
    let sent = prompt(&ada, id(&one), "hello").await;
    assert_eq!(
        (&sent["success"], &sent["streaming"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(sent["taskId"], sent["task_id"]);
    assert_eq!(sent["full_prompt"], "hello");
    until(async || task(&ada, &sent["task_id"]).await["status"] == "completed").await;
    let done = task(&ada, &sent["task_id"]).await;
    assert!(done["started_at"].is_string() && done["completed_at"].is_string());
    assert!(done["duration_ms"].as_i64().unwrap() >= 0);
    let path = format!("/sessions/{}", id(&one));
    until(async || ada.get(&path).await.ok(200)["ready_for_prompt"] == true).await;
    // The same session over another door.
    let agent = ada.get(&format!("/api/agents/{}", id(&one))).await.ok(200);
    assert_eq!(
        (&agent["topic"], &agent["name"]),
        (&json!("t"), &json!("board"))
    );
    let found = format!("/tasks?session_id={}&status=completed", id(&one));
    let found = ada.get(&found).await.ok(200);
    assert_eq!(found["total"], 1);
    assert_eq!(found["data"][0]["task_id"], sent["task_id"]);
}

#[tokio::test]
async fn prompts_behind_a_busy_session_wait_in_order_and_a_stop_skips_the_running_one() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let one = session(&ada, &slow(&app)).await;
    let first = prompt(&ada, id(&one), "first").await;
    until(async || task(&ada, &first["task_id"]).await["status"] == "running").await;
    let mut waiting = Vec::new();
    for (place, words) in (1_u64..).zip(["second", "third", "fourth"]) {
        let sent = prompt(&ada, id(&one), words).await;
        assert_eq!(
            (&sent["queued"], &sent["queue_position"]),
            (&json!(true), &json!(place))
        );
        assert_eq!(sent["message"]["status"], "queued");
        assert_eq!(sent["status"], "queued");
        waiting.push(sent["task_id"].clone());
    }
    let queue = format!("/sessions/{}/tasks/queue", id(&one));
    let told = ada.get(&queue).await.ok(200);
    let ids: Vec<&Value> = told["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["task_id"])
        .collect();
    assert_eq!(ids, waiting.iter().collect::<Vec<_>>());
    // One is withdrawn, one gets other words.
    let third = format!("/tasks/{}", waiting[1].as_str().unwrap());
    assert_eq!(ada.delete(&third).await.ok(200)["task_id"], waiting[1]);
    let fourth = format!("/tasks/{}", waiting[2].as_str().unwrap());
    let edited = patch(&ada, &fourth, &json!({"full_prompt": "last"}))
        .await
        .ok(200);
    assert_eq!(edited["full_prompt"], "last");
    // Nothing that is changed changes nothing, also while it runs.
    let path = format!("/sessions/{}", id(&one));
    let same = patch(&ada, &path, &json!({"model_config": null}))
        .await
        .ok(200);
    assert_eq!(same["status"], "running");
    let running = format!("/tasks/{}", first["task_id"].as_str().unwrap());
    ada.delete(&running).await.fails(409, "invalid_state");
    let stop = format!("/sessions/{}/stop", id(&one));
    let stopped = ada.post(&stop, &json!({})).await.ok(201);
    assert_eq!(
        (&stopped["success"], &stopped["taskId"]),
        (&json!(true), &first["task_id"])
    );
    until(async || task(&ada, &waiting[0]).await["status"] == "running").await;
    assert_eq!(task(&ada, &first["task_id"]).await["status"], "stopped");
    assert_eq!(task(&ada, &waiting[1]).await["status"], "stopped");
    let told = ada.get(&queue).await.ok(200);
    assert_eq!(told["total"], 1);
    assert_eq!(told["data"][0]["task_id"], waiting[2]);
    let removed = ada.delete(&format!("/sessions/{}", id(&one))).await.ok(200);
    assert_eq!(removed["session_id"], one["session_id"]);
    ada.get(&format!("/sessions/{}", id(&one)))
        .await
        .fails(404, "not_found");
}

/// Three at once run one by one (contract/agor.md 0).
#[tokio::test]
async fn three_prompts_at_once_run_one_by_one() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let one = session(&ada, &json!({"cwd": app.dir()})).await;
    let three = ["a", "b", "c"].map(|words| prompt(&ada, id(&one), words));
    let sent = futures_util::future::join_all(three).await;
    for one in &sent {
        until(async || task(&ada, &one["task_id"]).await["status"] == "completed").await;
    }
    let mut spans = Vec::new();
    for one in &sent {
        let done = task(&ada, &one["task_id"]).await;
        let at = |name: &str| done[name].as_str().unwrap().to_owned();
        spans.push((at("started_at"), at("completed_at")));
    }
    spans.sort();
    for pair in spans.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "{spans:?}");
    }
}

#[tokio::test]
async fn a_key_makes_one_session_and_one_task() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let again = |path: String, body: Value| {
        let request = ada.request(reqwest::Method::POST, &path);
        answer(request.header("Idempotency-Key", "k1").json(&body))
    };
    let body = json!({"agentic_tool": "script", "cwd": app.dir()});
    let made = again("/sessions".into(), body.clone()).await.ok(201);
    assert_eq!(again("/sessions".into(), body).await.ok(201), made);
    let path = format!("/sessions/{}/prompt", id(&made));
    let other = |key: &str, words: &str| {
        let request = ada.request(reqwest::Method::POST, &path);
        answer(
            request
                .header("Idempotency-Key", key)
                .json(&json!({"prompt": words})),
        )
    };
    let first = other("k2", "hi").await.ok(201);
    assert_eq!(other("k2", "hi").await.ok(201)["task_id"], first["task_id"]);
    other("k2", "else")
        .await
        .fails(422, "idempotency_key_reused");
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_by_its_field() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    for (body, status, code, field) in [
        (
            json!({"agentic_tool": "hal"}),
            400,
            "unknown_agent_kind",
            "agentic_tool",
        ),
        (json!({"title": 5}), 400, "bad_field", "title"),
        (
            json!({"permission_config": {"mode": "never"}}),
            400,
            "bad_permission_mode",
            "permission_config.mode",
        ),
        (
            json!({"permission_config": "x"}),
            400,
            "bad_field",
            "permission_config",
        ),
        (
            json!({"custom_context": []}),
            400,
            "bad_field",
            "custom_context",
        ),
    ] {
        let refused = ada.post("/sessions", &body).await.fails(status, code);
        assert_eq!(refused["data"]["field"], field, "{body}");
    }
    let worktree = json!({"worktree_id": "0199c0de-0000-4000-8000-000000000000"});
    ada.post("/sessions", &worktree)
        .await
        .fails(404, "not_found");
    let one = session(&ada, &json!({"cwd": app.dir()})).await;
    let path = format!("/sessions/{}/prompt", id(&one));
    let empty = ada.post(&path, &json!({})).await.fails(400, "bad_field");
    assert_eq!(empty["data"]["field"], "prompt");
    let stop = format!("/sessions/{}/stop", id(&one));
    let idle = ada.post(&stop, &json!({})).await.ok(201);
    assert_eq!(idle["success"], false);
    assert_eq!(ada.get("/sessions").await.ok(200)["total"], 1);
    // Many at once: one event and one record each.
    let many = json!([{"agentic_tool": "script"}, {"agentic_tool": "script", "title": "x"}]);
    let made = ada.post("/sessions", &many).await.ok(201);
    assert_eq!(made.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn where_a_session_comes_from_is_told() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let top = session(&ada, &json!({"title": "top"})).await;
    let below = session(
        &ada,
        &json!({"title": "below", "parent_session_id": id(&top)}),
    )
    .await;
    assert_eq!(below["genealogy"]["parent_session_id"], top["session_id"]);
    let path = format!("/sessions/{}/genealogy", id(&below));
    let told = ada.get(&path).await.ok(200);
    assert_eq!(told["session"]["title"], "below");
    assert_eq!(told["ancestors"][0]["title"], "top");
    assert_eq!(told["children"], json!([]));
    let top = ada
        .get(&format!("/sessions/{}/genealogy", id(&top)))
        .await
        .ok(200);
    assert_eq!(top["children"][0]["session_id"], below["session_id"]);
    assert_eq!(
        top["session"]["genealogy"]["children"],
        json!([below["session_id"]])
    );
}
