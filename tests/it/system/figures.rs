//! `GET /api/stats` and the channel `system.stats` of `/ws`.

use super::*;

/// Fact 1 of the note on the original, as its document has it: the route to look at a token is there,
/// an end of the token has both spellings, and the figures have processors and memory.
#[tokio::test]
async fn what_the_document_tells_of_signing_in_and_of_figures_is_there() {
    let app = TestApp::start().await;
    let login = format!("{}/api/auth/login", app.url());
    let body = json!({"username": "ada", "password": PASSWORD});
    let signed_in = answer(app.http.post(&login).json(&body)).await.ok(200);
    let exp = signed_in["exp"].as_i64().unwrap();
    let at = signed_in["expires_at"].as_str().unwrap();
    let whole = callboard::domain::Timestamp(exp * 1_000).rfc3339();
    assert_eq!(whole.split('.').next(), at.split('.').next());
    let token = signed_in["token"].as_str().unwrap();
    let verify = format!("{}/api/auth/verify", app.url());
    let good = answer(app.http.get(&verify).bearer_auth(token))
        .await
        .ok(200);
    assert_eq!(good["exp"], exp);
    answer(app.http.get(&verify).bearer_auth("no"))
        .await
        .fails(401, "bad_token");
    let stats = format!("{}/api/stats", app.url());
    let stats = answer(app.http.get(&stats).bearer_auth(token))
        .await
        .ok(200);
    assert!(stats["cpu"]["percent"].is_f64(), "{stats}");
    assert_eq!(stats["cpu_percent"], stats["cpu"]["percent"]);
    let (used, total) = (
        &stats["memory"]["usedBytes"],
        &stats["memory"]["totalBytes"],
    );
    assert!(
        used.as_u64() > Some(0) && used.as_u64() <= total.as_u64(),
        "{stats}"
    );
    assert!(stats["disk"]["freeBytes"].as_u64() > Some(0), "{stats}");
    assert!(stats["network"]["rxBytes"].is_u64(), "{stats}");
}

/// The form without a name is that of the one person of a server.
#[tokio::test]
async fn a_password_alone_is_for_a_server_of_one() {
    for (settings, status) in [("[auth]\nsingle_user = true\n", 200), ("", 400)] {
        let app = TestApp::with(settings).await;
        let login = format!("{}/api/auth/login", app.url());
        let reply = answer(app.http.post(&login).json(&json!({"password": PASSWORD}))).await;
        match status {
            200 => assert!(reply.ok(200)["token"].is_string()),
            _ => drop(reply.fails(400, "username_required")),
        }
    }
}

#[tokio::test]
async fn missions_and_their_cost_are_counted() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let usage = json!({"usage": {"inputTokens": 10, "outputTokens": 5, "costUsd": 0.25}});
    let file = app.dir().join("costs.json");
    let turns = json!({"turns": [[usage, {"say": "done"}], [{"fail": "no"}]]});
    std::fs::write(&file, turns.to_string()).unwrap();
    let body = json!({"backend": "script", "scenario": file, "cwd": app.dir()});
    let made = ada.post("/api/control/missions", &body).await.ok(200);
    ada.post("/api/control/missions", &json!({"backend": "shell"}))
        .await
        .ok(200);
    let words = json!({"content": "go", "mission_id": made["id"]});
    ada.post("/api/control/message?wait=50", &words)
        .await
        .ok(200);
    let stands = async |missions: Value| {
        until(async || ada.get("/api/stats").await.ok(200)["missions"] == missions).await;
    };
    stands(json!({
        "total": 2, "pending": 1, "active": 0, "completed": 1, "failed": 0, "interrupted": 0,
    }))
    .await;
    let stats = ada.get("/api/stats").await.ok(200);
    assert_eq!(
        (&stats["total_tasks"], &stats["completed_tasks"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(stats["success_rate"], 1.0);
    let path = format!("/api/control/missions/{}", made["id"].as_str().unwrap());
    let shown = ada.get(&path).await.ok(200);
    assert_eq!(
        stats["total_cost_cents"].as_f64(),
        shown["cost_cents"].as_f64()
    );
    assert_eq!(stats["cost"]["tokens"], shown["tokens"]);
    ada.post("/api/control/message?wait=50", &words)
        .await
        .ok(200);
    stands(json!({
        "total": 2, "pending": 1, "active": 0, "completed": 0, "failed": 1, "interrupted": 0,
    }))
    .await;
    assert_eq!(ada.get("/api/stats").await.ok(200)["success_rate"], 0.0);
    // Nobody's missions but one's own, and the machine's figures for everybody.
    let his = bob.get("/api/stats").await.ok(200);
    assert_eq!(
        (&his["missions"]["total"], &his["cost"]["usd"]),
        (&json!(0), &json!(0.0))
    );
    assert!(his["cpu"]["percent"].is_f64(), "{his}");
}

/// The same figures over `/ws`, again and again; what runs moves them; who leaves the channel hears no
/// more of it, and the rest of the socket goes on.
#[tokio::test]
async fn a_socket_is_told_what_the_machine_does() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let mut ws = ada.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["system.stats"], "id": 1}))
        .await;
    assert_eq!(
        ws.wait_for("subscribed").await["channels"],
        json!(["system.stats"])
    );
    let first = ws.wait_for("system.stats").await;
    let second = ws.wait_for("system.stats").await;
    assert_ne!(first["timestamp"], second["timestamp"]);
    let polled = ada.get("/api/stats").await.ok(200);
    for part in ["cpu", "memory", "network"] {
        let names = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&first[part]), names(&polled[part]), "{part}");
    }
    // One of the processors works for as long as it takes to be seen.
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let works = std::thread::spawn({
        let over = std::sync::Arc::clone(&over);
        move || while !over.load(std::sync::atomic::Ordering::Relaxed) {}
    });
    loop {
        let told = ws.wait_for("system.stats").await;
        let cores = told["cpu"]["cores"].as_array().unwrap().clone();
        if cores.iter().any(|core| core.as_f64() > Some(50.0)) {
            break;
        }
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    works.join().unwrap();
    // It is no channel of events.
    let id = ada
        .agent(&json!({"agentType": "script", "cwd": app.dir()}))
        .await;
    ws.say(json!({"type": "unsubscribe", "channels": ["system.stats"], "id": 2}))
        .await;
    ws.wait_for("unsubscribed").await;
    ws.say(json!({"type": "subscribe", "channels": ["agent.status"], "id": 3}))
        .await;
    ws.wait_for("hello").await;
    ada.turn(&id, "go").await;
    let mut heard = 0;
    while heard < 2 {
        let frame = ws.next().await;
        // One may have been on its way.
        assert!(frame["type"] != "system.stats" || heard == 0, "{frame}");
        heard += usize::from(frame["type"] == "agent.status");
    }
}
