//! Signing in and out, and the token before everything.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp, answer};

#[tokio::test]
async fn tokens_that_are_not_ours_are_refused() {
    let app = TestApp::start().await;
    let caller = app.sign_in("ada").await;
    let mut parts = caller.token.split('.');
    let (head, claims, mark) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    // {"alg":"none","typ":"JWT"}
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
    let flipped = if mark.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{claims}.{flipped}{}", mark.get(1..).unwrap());
    for token in [
        "x",
        "",
        "a.b.c",
        none.as_str(),
        forged.as_str(),
        &"x".repeat(5_000),
    ] {
        let request = app.http.get(app.url() + "/api/agents");
        let reply = answer(request.header("authorization", format!("Bearer {token}"))).await;
        assert_eq!(reply.status, 401, "{token}");
    }
    for value in ["", "Bearer", "Basic YTpi", "bearer"] {
        let request = app.http.get(app.url() + "/api/agents");
        let reply = answer(request.header("authorization", value)).await;
        reply.fails(401, "missing_token");
    }
}

#[tokio::test]
async fn signing_in_gives_a_token_and_tells_no_secrets() {
    let app = TestApp::start().await;
    let login = |body: Value| answer(app.http.post(app.url() + "/api/auth/login").json(&body));
    let body = login(json!({"username": "ADA", "password": PASSWORD}))
        .await
        .ok(200);
    assert_eq!(body["user"]["username"], "ada");
    assert_eq!(body["user"]["isAdmin"], false);
    assert_eq!(body["expires_at"], body["expiresAt"]);
    let week = 7 * 24 * 3_600;
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(body["exp"].as_u64().unwrap().abs_diff(now + week) < 60);
    login(json!({"email": "ada@example.org", "password": PASSWORD}))
        .await
        .ok(200);

    let unknown = login(json!({"username": "nobody", "password": PASSWORD})).await;
    let wrong = login(json!({"username": "ada", "password": "wrong"})).await;
    let (unknown, wrong) = (
        unknown.fails(401, "bad_credentials"),
        wrong.fails(401, "bad_credentials"),
    );
    assert_eq!(unknown["error"], wrong["error"]);

    login(json!({"password": PASSWORD}))
        .await
        .fails(400, "username_required");
    login(json!({"username": "ada"}))
        .await
        .fails(400, "bad_field");
    login(json!({"username": 5, "password": PASSWORD}))
        .await
        .fails(400, "bad_field");
    login(json!([])).await.fails(400, "bad_json");
    assert!(!app.log().contains(PASSWORD), "the log has a password");
}

#[tokio::test]
async fn one_person_alone_signs_in_with_the_password() {
    let app = TestApp::with("[auth]\nsingle_user = true\n").await;
    let caller = app.sign_in_as(&json!({"password": PASSWORD})).await;
    let me = caller.get("/api/auth/me").await.ok(200);
    assert_eq!(me["username"], "admin");
    let health = answer(app.http.get(app.url() + "/api/health"))
        .await
        .ok(200);
    assert_eq!(health["auth_mode"], "single_tenant");
}

#[tokio::test]
async fn an_account_is_shown_without_its_hash() {
    let app = TestApp::start().await;
    let eve = app.sign_in("eve").await;
    let me = eve.get("/api/auth/me").await;
    assert!(!me.text.contains("argon2"));
    let me = me.ok(200);
    assert_eq!(me["role"], "viewer");
    assert_eq!(me["totpEnabled"], false);
    let checked = eve.get("/api/auth/verify").await.ok(200);
    assert_eq!(checked["valid"], true);
    assert_eq!(checked["user"]["username"], "eve");
    assert!(checked["exp"].is_number());
}

#[tokio::test]
async fn signing_out_ends_the_token_and_its_sockets_at_once() {
    let app = TestApp::start().await;
    let (ada, other) = (app.sign_in("ada").await, app.sign_in("ada").await);
    let (mut ws, mut stays) = (ada.ws().await, other.ws().await);
    ws.wait_for("connected").await;
    stays.wait_for("connected").await;
    let ended = Instant::now();
    ada.post("/api/auth/logout", &json!({})).await.ok(200);
    assert_eq!(ws.closed().await, Some(4001));
    assert!(ended.elapsed() < Duration::from_secs(1));
    ada.get("/api/auth/me").await.fails(401, "token_revoked");
    other.get("/api/auth/me").await.ok(200);
    stays.say(json!({"type": "ping"})).await;
    stays.wait_for("pong").await;
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let app = TestApp::with("[auth]\ntoken_ttl = \"3s\"\n").await;
    let ada = app.sign_in("ada").await;
    let mut ws = ada.ws().await;
    let opened = Instant::now();
    assert_eq!(ws.closed().await, Some(4001));
    assert!(
        opened.elapsed() < Duration::from_secs(5),
        "{:?}",
        opened.elapsed()
    );
    ada.get("/api/auth/me").await.fails(401, "token_expired");
}

#[tokio::test]
async fn the_first_admin_is_made_once_and_not_shown() {
    let mut app = TestApp::empty().await;
    let file = app.dir().join("admin-credentials");
    let text = std::fs::read_to_string(&file).unwrap();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    let (username, password) = (value("username"), value("password"));
    app.told("admin-credentials").await;
    assert!(!app.log().contains(&password));
    let body = json!({"username": username, "password": password});
    let admin = app.sign_in_as(&body).await;
    admin.get("/api/supervisor/tree").await.ok(200);
    assert_eq!(app.stop().await, Some(0));
    app.boot().await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let again = app.sign_in_as(&body).await;
    again.get("/api/auth/me").await.ok(200);
    // The signing key and the row outlive the restart.
    let request = app
        .http
        .get(app.url() + "/api/auth/me")
        .bearer_auth(&admin.token);
    answer(request).await.ok(200);
}

#[tokio::test]
async fn the_operators_door_is_for_admins() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    for path in [
        "/api/supervisor/tree",
        "/api/supervisor/events",
        "/api/audit",
    ] {
        ada.get(path).await.fails(403, "forbidden");
        admin.get(path).await.ok(200);
    }
    let tree = admin.get("/api/supervisor/tree").await.ok(200);
    assert!(!tree["children"].as_array().unwrap().is_empty(), "{tree}");
}

#[tokio::test]
async fn signing_in_leaves_no_memory_behind() {
    let app = TestApp::start().await;
    app.sign_in("ada").await;
    let before = app.memory();
    for _ in 0..12 {
        app.sign_in("ada").await;
    }
    let more = app.memory().saturating_sub(before);
    // A hash takes 19 MiB while it runs.
    assert!(more < 8 * 1024 * 1024, "{more} bytes after 12 sign-ins");
}
