//! Strategies, renewal and its misuse, signing out; no secret in any answer.

use super::*;

async fn enter(app: &TestApp, body: &Value) -> Answer {
    let request = app.http.post(app.url() + "/authentication");
    answer(request.json(body)).await
}

async fn renew(app: &TestApp, refresh: &Value) -> Answer {
    let request = app.http.post(app.url() + "/authentication/refresh");
    answer(request.json(&json!({"refreshToken": refresh}))).await
}

async fn status(app: &TestApp, token: &Value) -> u16 {
    let request = app.http.get(app.url() + "/users");
    let request = request.bearer_auth(token.as_str().unwrap());
    answer(request).await.status.as_u16()
}

fn local(email: &str) -> Value {
    json!({"strategy": "local", "email": email, "password": PASSWORD})
}

#[tokio::test]
async fn each_strategy_signs_in() {
    let app = TestApp::start().await;
    let entered = enter(&app, &local("ada@example.org")).await.ok(201);
    assert_eq!(entered["authentication"]["strategy"], "local");
    assert_eq!(entered["user"]["email"], "ada@example.org");
    assert_eq!(entered["user"]["role"], "member");
    let token = &entered["accessToken"];
    assert_eq!(status(&app, token).await, 200);
    let again = json!({"strategy": "jwt", "accessToken": token});
    let again = enter(&app, &again).await.ok(201);
    assert_eq!(&again["accessToken"], token);
    assert!(again["refreshToken"].is_null());
    let ada = app.sign_in("ada").await;
    let (holder, _) = crate::keys::with_key(&ada, &["read"]).await;
    let key = json!({"strategy": "api-key", "apiKey": holder.token});
    let by_key = enter(&app, &key).await.ok(201);
    assert_eq!(by_key["user"], entered["user"]);
    // It goes no further than the key.
    let request = app.http.post(app.url() + "/sessions").json(&json!({}));
    let token = by_key["accessToken"].as_str().unwrap();
    answer(request.bearer_auth(token))
        .await
        .fails(403, "missing_scope");
}

#[tokio::test]
async fn what_does_not_sign_in_is_refused_in_the_clients_words() {
    let app = TestApp::start().await;
    let wrong = json!({"strategy": "local", "email": "ada@example.org", "password": "no such"});
    let refused = enter(&app, &wrong).await.fails(401, "bad_credentials");
    assert_eq!(refused["name"], "NotAuthenticated");
    assert_eq!(refused["className"], "not-authenticated");
    for (body, status, code) in [
        (json!({}), 401, "bad_strategy"),
        (json!({"strategy": "anonymous"}), 401, "bad_strategy"),
        (json!({"strategy": 5}), 400, "bad_field"),
        (json!({"strategy": "local"}), 400, "bad_field"),
        (
            json!({"strategy": "jwt", "accessToken": "x"}),
            401,
            "bad_token",
        ),
        (
            json!({"strategy": "api-key", "apiKey": "agor_sk_x"}),
            401,
            "bad_key",
        ),
        (json!([1]), 400, "bad_json"),
    ] {
        enter(&app, &body).await.fails(status, code);
    }
    let nobody = answer(app.http.get(app.url() + "/sessions")).await;
    let told = nobody.fails(401, "missing_token");
    assert_eq!(
        (&told["name"], &told["code"]),
        (&json!("NotAuthenticated"), &json!(401))
    );
}

#[tokio::test]
async fn a_refresh_token_renews_once_and_a_copy_ends_the_sign_in() {
    let app = TestApp::start().await;
    let entered = enter(&app, &local("ada@example.org")).await.ok(201);
    let first = &entered["refreshToken"];
    let renewed = renew(&app, first).await.ok(201);
    assert_ne!(&renewed["refreshToken"], first);
    assert_eq!(renewed["user"], entered["user"]);
    let second = renew(&app, &renewed["refreshToken"]).await.ok(201);
    for token in [&entered["accessToken"], &second["accessToken"]] {
        assert_eq!(status(&app, token).await, 200);
    }
    // Somebody has a copy of the first one: nothing of this sign-in is good any more.
    let refused = renew(&app, first).await.fails(401, "bad_refresh_token");
    assert_eq!(refused["name"], "NotAuthenticated");
    for token in [&entered["accessToken"], &second["accessToken"]] {
        assert_eq!(status(&app, token).await, 401);
    }
    renew(&app, &second["refreshToken"])
        .await
        .fails(401, "bad_refresh_token");
    let admin = app.sign_in("admin").await;
    let action = "token.reused";
    let notes = admin
        .get(&format!("/api/audit?action={action}"))
        .await
        .ok(200);
    assert_eq!(
        notes["entries"].as_array().map(Vec::len),
        Some(1),
        "{notes}"
    );
}

#[tokio::test]
async fn who_signs_out_is_not_renewed_and_a_changed_password_ends_all() {
    let app = TestApp::start().await;
    let entered = enter(&app, &local("ada@example.org")).await.ok(201);
    let token = entered["accessToken"].as_str().unwrap();
    let leave = app.http.delete(app.url() + "/authentication");
    let left = answer(leave.bearer_auth(token)).await.ok(200);
    assert_eq!(left["user"], entered["user"]);
    assert_eq!(status(&app, &entered["accessToken"]).await, 401);
    renew(&app, &entered["refreshToken"])
        .await
        .fails(401, "bad_refresh_token");
    let entered = enter(&app, &local("bob@example.org")).await.ok(201);
    let admin = app.sign_in("admin").await;
    let path = format!("/users/{}", entered["user"]["user_id"].as_str().unwrap());
    let other = json!({"password": "another good password"});
    patch(&admin, &path, &other).await.ok(200);
    renew(&app, &entered["refreshToken"])
        .await
        .fails(401, "bad_refresh_token");
}

/// No hash, no secret in what people are shown; who is no admin sees themselves alone.
#[tokio::test]
async fn people_are_shown_without_their_secrets() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let own = ada.get("/users").await.ok(200);
    assert_eq!(own["total"], 1);
    assert_eq!(own["data"][0]["name"], "ada");
    let none = ada.get("/users?email=bob@example.org").await.ok(200);
    assert_eq!((&none["total"], &none["data"]), (&json!(0), &json!([])));
    let all = admin.get("/users?$limit=2").await;
    assert!(!all.text.contains("argon2") && !all.text.contains("password_hash"));
    let all = all.ok(200);
    assert_eq!(all["data"].as_array().map(Vec::len), Some(2));
    assert!(all["total"].as_u64().unwrap() >= 4);
    let one = admin.get("/users?email=bob@example.org").await.ok(200);
    assert_eq!(one["data"][0]["name"], "bob");
    admin.get("/users?role=admin").await.fails(400, "bad_query");
    let made = json!({"email": "kim@example.org", "password": PASSWORD, "role": "viewer"});
    let made = admin.post("/users", &made).await.ok(201);
    assert_eq!(
        (&made["name"], &made["role"]),
        (&json!("kim"), &json!("viewer"))
    );
    let path = format!("/users/{}", made["user_id"].as_str().unwrap());
    ada.get(&path).await.fails(404, "not_found");
    let removed = admin.delete(&path).await.ok(200);
    assert_eq!(removed["user_id"], made["user_id"]);
    admin.get(&path).await.fails(404, "not_found");
}
