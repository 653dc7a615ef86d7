//! Agents, prompts, queues and questions through the agents door.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, Caller, TestApp, answer, until};

async fn keyed(caller: &Caller, path: &str, key: &str, body: &Value) -> Answer {
    let request = caller
        .request(Method::POST, path)
        .header("idempotency-key", key);
    answer(request.json(body)).await
}

#[tokio::test]
async fn a_prompt_is_answered_with_its_place_and_ends_with_its_outcome() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let made = ada
        .post(
            "/api/agents",
            &json!({"agentType": "script", "scenario": "hello", "name": "first",
            "cwd": app.dir(), "metadata": {"a": 1}, "env": {"SECRET_WORD": "sesame"}}),
        )
        .await
        .ok(201);
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["sessionId"], *id);
    assert_eq!(made["agentType"], "script");
    assert_eq!(made["permissionMode"], "default");
    assert_eq!(made["metadata"], json!({"a": 1}));
    assert_eq!(made["cwd"], app.dir().to_str().unwrap());
    assert!(!made.to_string().contains("sesame"));

    let done = ada.turn(id, "good morning").await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["outcome"], "completed");
    assert_eq!(done["message"], "good morning");
    assert!(
        done["text"].as_str().is_some_and(|text| !text.is_empty()),
        "{done}"
    );
    assert!(done["startedAt"].is_string() && done["endedAt"].is_string());

    let agent = ada.get(&format!("/api/agents/{id}")).await.ok(200);
    assert_eq!(agent["status"], "completed", "{agent}");
    assert_eq!(agent["iteration"], 1);
    assert!(agent["pid"].as_u64().is_some());
    assert!(agent["lastSeq"].as_u64().unwrap() > 3);
    let list = ada.get("/api/agents?status=completed").await.ok(200);
    assert_eq!(list["agents"][0]["id"], *id);
    assert_eq!(
        ada.get("/api/agents?status=failed").await.ok(200)["total"],
        0
    );
    let tasks = ada
        .get(&format!("/api/agents/{id}/tasks?status=completed"))
        .await
        .ok(200);
    assert_eq!(tasks["tasks"][0]["taskId"], done["taskId"]);

    ada.delete(&format!("/api/agents/{id}")).await.ok(200);
    ada.get(&format!("/api/agents/{id}"))
        .await
        .fails(404, "not_found");
    assert_eq!(ada.get("/api/agents").await.ok(200)["total"], 0);
    let database = std::fs::read(app.dir().join("callboard.db")).unwrap();
    let wal = std::fs::read(app.dir().join("callboard.db-wal")).unwrap_or_default();
    for bytes in [database, wal] {
        assert!(
            !bytes.windows(6).any(|part| part == b"sesame"),
            "the secret is stored in plain"
        );
    }
}

#[tokio::test]
async fn the_first_message_goes_with_the_creation() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let made = ada
        .post(
            "/api/agents",
            &json!({"agentType": "script", "message": "hi"}),
        )
        .await
        .ok(201);
    let (id, task) = (
        made["id"].as_str().unwrap(),
        made["taskId"].as_str().unwrap(),
    );
    let done = ada
        .get(&format!("/api/agents/{id}/tasks/{task}?wait=30"))
        .await
        .ok(200);
    assert_eq!(done["outcome"], "completed");
}

#[tokio::test]
async fn a_key_makes_one_agent_and_one_task() {
    one_agent_and_one_task(&TestApp::start().await).await;
}

/// See the test above.
pub async fn one_agent_and_one_task(app: &TestApp) {
    let ada = app.sign_in("ada").await;
    let body = json!({"agentType": "script", "name": "once", "message": "hi"});
    let first = keyed(&ada, "/api/agents", "k1", &body).await;
    let id = first.ok(201)["id"].as_str().unwrap().to_owned();
    let again = keyed(&ada, "/api/agents", "k1", &body).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    let other = json!({"agentType": "script", "name": "twice"});
    keyed(&ada, "/api/agents", "k1", &other)
        .await
        .fails(422, "idempotency_key_reused");

    let path = format!("/api/agents/{id}/message");
    let first = keyed(&ada, &path, "k2", &json!({"message": "one"})).await;
    first.ok(202);
    let again = keyed(&ada, &path, "k2", &json!({"message": "one"})).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    keyed(&ada, &path, "k2", &json!({"message": "two"}))
        .await
        .fails(422, "idempotency_key_reused");
    // Keys belong to their owner.
    let bob = app.sign_in("bob").await;
    keyed(&bob, "/api/agents", "k1", &body).await.ok(201);

    let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    assert_eq!(tasks["total"], 2, "{tasks}");
    assert_eq!(ada.get("/api/agents").await.ok(200)["total"], 1);
}

#[tokio::test]
async fn requests_with_one_key_at_the_same_time_make_one_agent() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let body = json!({"agentType": "script"});
    let many = (0..8).map(|_| keyed(&ada, "/api/agents", "k", &body));
    let replies = futures_util::future::join_all(many).await;
    let ids: std::collections::BTreeSet<String> = replies
        .iter()
        .map(|reply| reply.ok(201)["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(ada.get("/api/agents").await.ok(200)["total"], 1);
}

#[tokio::test]
async fn what_waits_can_be_seen_edited_ordered_and_withdrawn() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada
        .ready_agent(&json!({"agentType": "script", "scenario": "long"}))
        .await;
    let base = format!("/api/agents/{id}");
    let mut tasks = Vec::new();
    for n in 0..4 {
        let reply = ada
            .post(
                &format!("{base}/message"),
                &json!({"message": format!("m{n}")}),
            )
            .await
            .ok(202);
        assert_eq!(reply["position"], n);
        assert_eq!(reply["queued"], n > 0);
        assert_eq!(reply["status"], if n > 0 { "queued" } else { "running" });
        tasks.push(reply["taskId"].as_str().unwrap().to_owned());
    }
    ada.post(
        &format!("{base}/message?queue=false"),
        &json!({"message": "x"}),
    )
    .await
    .fails(409, "agent_busy");

    let words = |queue: &Value| -> Vec<String> {
        let waiting = queue["queue"].as_array().unwrap();
        waiting
            .iter()
            .map(|t| t["message"].as_str().unwrap().to_owned())
            .collect()
    };
    let queue = ada.get(&format!("{base}/queue")).await.ok(200);
    assert_eq!(queue["current"]["message"], "m0");
    assert_eq!(words(&queue), ["m1", "m2", "m3"]);
    assert_eq!(queue["queue"][2]["position"], 3);
    assert_eq!(queue["depth"], 3);

    let patch = |task: &str, body: Value| {
        answer(
            ada.request(Method::PATCH, &format!("{base}/queue/{task}"))
                .json(&body),
        )
    };
    let edited = patch(&tasks[1], json!({"message": "M1"})).await.ok(200);
    assert_eq!(
        (&edited["message"], &edited["position"]),
        (&json!("M1"), &json!(1))
    );
    patch(&tasks[0], json!({"message": "no"}))
        .await
        .fails(409, "invalid_state");
    patch(&tasks[1], json!({})).await.fails(400, "bad_field");

    let put = |order: Value| {
        answer(
            ada.request(Method::PUT, &format!("{base}/queue/order"))
                .json(&order),
        )
    };
    let order = json!({"order": [tasks[3], tasks[1], tasks[2]]});
    assert_eq!(words(&put(order).await.ok(200)), ["m3", "M1", "m2"]);
    put(json!({"order": [tasks[3]]}))
        .await
        .fails(400, "bad_order");
    put(json!({"order": "x"})).await.fails(400, "bad_field");

    ada.delete(&format!("{base}/queue/{}", tasks[3]))
        .await
        .ok(200);
    ada.delete(&format!("{base}/queue/{}", tasks[0]))
        .await
        .fails(409, "invalid_state");
    let queue = ada.get(&format!("{base}/queue")).await.ok(200);
    assert_eq!(words(&queue), ["M1", "m2"]);

    // Pause holds the queue while the turn is interrupted; resume drains it.
    let paused = ada
        .post(&format!("{base}/pause?mode=now"), &json!({}))
        .await;
    assert!(
        paused.status == 202 || paused.status == 200,
        "{}",
        paused.text
    );
    let ended = ada
        .get(&format!("{base}/tasks/{}?wait=30", tasks[0]))
        .await
        .ok(200);
    assert_ne!(ended["status"], "completed");
    until(async || ada.get(&base).await.ok(200)["status"] == "paused").await;
    assert_eq!(
        words(&ada.get(&format!("{base}/queue")).await.ok(200)),
        ["M1", "m2"]
    );
    ada.post(&format!("{base}/pause?mode=odd"), &json!({}))
        .await
        .fails(400, "bad_field");
    ada.post(&format!("{base}/resume"), &json!({}))
        .await
        .ok(200);
    until(async || ada.get(&format!("{base}/queue")).await.ok(200)["depth"] == 1).await;
}

#[tokio::test]
async fn the_queue_has_an_end() {
    let app = TestApp::with("[limits]\nwaiting_tasks = 3\n").await;
    let ada = app.sign_in("ada").await;
    let id = ada
        .ready_agent(&json!({"agentType": "script", "scenario": "hang"}))
        .await;
    let path = format!("/api/agents/{id}/message");
    for _ in 0..4 {
        ada.post(&path, &json!({"message": "x"})).await.ok(202);
    }
    let refused = ada.post(&path, &json!({"message": "x"})).await;
    refused.fails(429, "queue_full");
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_question_is_answered_once() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let id = ada
        .agent(&json!({"agentType": "script", "scenario": "ask"}))
        .await;
    let path = format!("/api/agents/{id}/message");
    let task = ada.post(&path, &json!({"message": "go"})).await.ok(202);
    let pending = async || ada.get("/api/chat/approvals/pending").await.ok(200);
    until(async || !pending().await["approvals"].as_array().unwrap().is_empty()).await;
    let shown = ada.get(&format!("/api/agents/{id}")).await.ok(200);
    assert_eq!(
        (&shown["status"], &shown["detail"]),
        (&json!("running"), &json!("awaiting_approval"))
    );
    assert_eq!(shown["pendingApprovals"], 1);

    let question = pending().await["approvals"][0].clone();
    assert_eq!(question["agentId"], *id);
    assert_eq!(question["toolName"], "Bash");
    assert_eq!(question["status"], "pending");
    let hidden = bob.get("/api/chat/approvals/pending").await.ok(200);
    assert_eq!(hidden["approvals"], json!([]));
    let yes = json!({"requestId": question["requestId"], "approved": true, "remember": "once"});
    bob.post("/api/chat/approve", &yes)
        .await
        .fails(404, "not_found");
    let answered = ada.post("/api/chat/approve", &yes).await.ok(200);
    assert_eq!(answered["status"], "approved");
    ada.post("/api/chat/approve", &yes)
        .await
        .fails(409, "already_resolved");
    let task = task["taskId"].as_str().unwrap();
    let done = ada
        .get(&format!("/api/agents/{id}/tasks/{task}?wait=30"))
        .await
        .ok(200);
    assert_eq!(done["outcome"], "completed");
}

#[tokio::test]
async fn a_process_is_stopped_started_and_explained() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    let base = format!("/api/agents/{id}");
    ada.post(&format!("{base}/interrupt"), &json!({}))
        .await
        .fails(409, "no_turn");
    let stopped = ada.post(&format!("{base}/stop"), &json!({})).await.ok(200);
    assert_eq!(stopped["stopped"], true);
    until(async || ada.get(&base).await.ok(200)["detail"] == "stopped").await;
    let agent = ada.get(&base).await.ok(200);
    assert_eq!(agent["pid"], Value::Null);
    assert_eq!(agent["lastExit"]["reason"], "killed_by_user", "{agent}");
    let again = ada.post(&format!("{base}/stop"), &json!({})).await.ok(200);
    assert_eq!(again["stopped"], false);

    let why = ada.get(&format!("{base}/why")).await.ok(200);
    assert_eq!(why["detail"], "stopped");
    let facts: Vec<&str> = why["because"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| fact["fact"].as_str().unwrap())
        .collect();
    assert!(
        facts.contains(&"intent") && facts.contains(&"last_exit"),
        "{facts:?}"
    );

    let started = ada.post(&format!("{base}/start"), &json!({})).await.ok(200);
    assert_eq!(started["incarnation"], 2, "{started}");
    let killed = ada.post(&format!("{base}/kill"), &json!({})).await.ok(200);
    assert_eq!(killed["stopped"], true);
}

#[tokio::test]
async fn the_raw_log_is_served_by_offset() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hi").await;
    let path = format!("/api/agents/{id}/log");
    let whole = ada.get(&path).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.headers["content-type"], "application/octet-stream");
    assert_eq!(whole.headers["x-log-incarnation"], "1");
    assert_eq!(whole.headers["x-log-offset"], "0");
    let length: usize = whole.headers["x-log-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(whole.text.len(), length);
    let part = ada.get(&format!("{path}?offset=5&limit=10")).await;
    assert_eq!(part.text, whole.text.get(5..15).unwrap());
    ada.get(&format!("{path}?incarnation=9"))
        .await
        .fails(404, "not_found");
    ada.get(&format!("{path}?offset=x"))
        .await
        .fails(400, "bad_field");
}
