//! Accounts: the rules of roles, the own profile, passwords, deletion.

use super::*;
use crate::app::until;

async fn path_of(admin: &Caller, name: &str) -> String {
    format!("{USERS}/{}", id_of(admin, name).await)
}

#[tokio::test]
async fn admins_make_list_change_and_delete_accounts() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let body = json!({"username": "Kim", "password": OTHER, "email": "kim@example.org"});
    let reply = admin.post(USERS, &body).await;
    assert!(!reply.text.contains("argon2") && !reply.text.contains(OTHER));
    let kim = reply.ok(201);
    assert_eq!(
        (&kim["role"], &kim["disabled"]),
        (&json!("member"), &json!(false))
    );
    for (field, value, status, code) in [
        ("username", json!("KIM"), 409, "username_taken"),
        ("email", json!("KIM@example.org"), 409, "email_taken"),
        ("username", json!("signal"), 400, "reserved_username"),
        ("password", json!("short"), 400, "bad_password"),
        ("role", json!("king"), 400, "bad_field"),
    ] {
        let mut body = json!({"username": "lee", "password": OTHER, "email": "lee@example.org"});
        body[field] = value;
        admin.post(USERS, &body).await.fails(status, code);
    }
    let page = admin.get(&format!("{USERS}?limit=2&offset=1")).await;
    assert!(!page.text.contains("argon2"));
    let page = page.ok(200);
    assert_eq!(
        (
            page["total"].as_u64(),
            page["users"].as_array().map(Vec::len)
        ),
        (Some(5), Some(2))
    );
    assert_eq!(page["hasMore"], true);

    let path = format!("{USERS}/{}", kim["id"].as_str().unwrap());
    let body = json!({"username": "kimberly", "role": "viewer", "unknown": 1});
    let changed = patch(&admin, &path, &body).await.ok(200);
    assert_eq!(
        (&changed["username"], &changed["role"]),
        (&json!("kimberly"), &json!("viewer"))
    );
    assert_eq!(changed["email"], "kim@example.org");
    let body = json!({"email": "ada@example.org"});
    patch(&admin, &path, &body).await.fails(409, "email_taken");
    let again = app
        .sign_in_as(&json!({"username": "kimberly", "password": OTHER}))
        .await;
    admin.delete(&path).await.ok(200);
    admin.get(&path).await.fails(404, "not_found");
    admin.delete(&path).await.fails(404, "not_found");
    patch(&admin, &path, &body).await.fails(404, "not_found");
    again.get("/api/auth/me").await.fails(401, "token_revoked");
    login(&app, "kimberly", OTHER)
        .await
        .fails(401, "bad_credentials");
    // The names are free.
    let body = json!({"username": "kimberly", "password": OTHER, "email": "kim@example.org"});
    admin.post(USERS, &body).await.ok(201);
    admin
        .get(&format!("{USERS}/none"))
        .await
        .fails(404, "not_found");
}

#[tokio::test]
async fn members_have_their_own_account_and_no_other() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let (own, foreign) = (path_of(&admin, "ada").await, path_of(&admin, "bob").await);
    ada.get(USERS).await.fails(403, "forbidden");
    let body = json!({"username": "kim", "password": OTHER});
    ada.post(USERS, &body).await.fails(403, "forbidden");
    ada.get(&foreign).await.fails(404, "not_found");
    patch(&ada, &foreign, &json!({"email": "x@y"}))
        .await
        .fails(404, "not_found");
    ada.delete(&foreign).await.fails(404, "not_found");
    ada.delete(&own).await.fails(403, "forbidden");
    assert_eq!(ada.get(&own).await.ok(200)["username"], "ada");
    for body in [json!({"role": "admin"}), json!({"disabled": false})] {
        patch(&ada, &own, &body).await.fails(403, "forbidden");
        patch(&ada, "/api/auth/me", &body)
            .await
            .fails(403, "forbidden");
    }
    let body = json!({"password": OTHER});
    patch(&ada, "/api/auth/me", &body)
        .await
        .fails(403, "own_password");
    let eve = app.sign_in("eve").await;
    let body = json!({"username": "evelyn", "email": "evelyn@example.org"});
    let me = patch(&eve, "/api/auth/me", &body).await.ok(200);
    assert_eq!(
        (&me["username"], &me["role"]),
        (&json!("evelyn"), &json!("viewer"))
    );
    assert_eq!(eve.get("/api/auth/me").await.ok(200)["username"], "evelyn");
    login(&app, "evelyn@example.org", PASSWORD).await.ok(200);
    patch(&eve, "/api/auth/me", &json!({"username": "ada"}))
        .await
        .fails(409, "username_taken");
}

#[tokio::test]
async fn nobody_reaches_above_themselves() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let boss = hire(&app, &admin, "boss", "admin").await;
    let (top, own) = (
        path_of(&admin, "admin").await,
        path_of(&admin, "boss").await,
    );
    for body in [
        json!({"role": "member"}),
        json!({"disabled": true}),
        json!({"password": OTHER}),
        json!({"email": "x@example.org"}),
    ] {
        patch(&boss, &top, &body).await.fails(403, "role_too_high");
    }
    boss.delete(&top).await.fails(403, "role_too_high");
    let body = json!({"username": "kim", "password": OTHER, "role": "superadmin"});
    boss.post(USERS, &body).await.fails(403, "role_too_high");
    for path in [own, path_of(&admin, "ada").await] {
        let body = json!({"role": "superadmin"});
        patch(&boss, &path, &body).await.fails(403, "role_too_high");
    }
    let ada = path_of(&admin, "ada").await;
    patch(&boss, &ada, &json!({"role": "admin"})).await.ok(200);
    login(&app, "admin", PASSWORD).await.ok(200);
    app.told("denied").await;
}

#[tokio::test]
async fn the_last_superadmin_stays() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let own = path_of(&admin, "admin").await;
    for body in [json!({"role": "admin"}), json!({"disabled": true})] {
        patch(&admin, &own, &body)
            .await
            .fails(409, "last_superadmin");
    }
    admin.delete(&own).await.fails(409, "last_superadmin");
    let second = hire(&app, &admin, "second", "superadmin").await;
    let body = json!({"disabled": true});
    let path = path_of(&admin, "second").await;
    patch(&admin, &path, &body).await.ok(200);
    // One that is shut out does not count.
    admin.delete(&own).await.fails(409, "last_superadmin");
    patch(&admin, &path, &json!({"disabled": false}))
        .await
        .ok(200);
    second.get("/api/auth/me").await.fails(401, "token_revoked");
    let second = app.sign_in("second").await;
    patch(&second, &own, &json!({"role": "member"}))
        .await
        .ok(200);
    until(async || admin.get(USERS).await.status == 403).await;
    patch(&second, &path, &json!({"role": "member"}))
        .await
        .fails(409, "last_superadmin");
}

#[tokio::test]
async fn a_changed_password_ends_every_other_token() {
    let app = TestApp::start().await;
    let (ada, other) = (app.sign_in("ada").await, app.sign_in("ada").await);
    let (mut kept, mut ends) = (ada.ws().await, other.ws().await);
    kept.wait_for("connected").await;
    ends.wait_for("connected").await;
    let change = async |current: &str, new: &str| {
        let body = json!({"currentPassword": current, "newPassword": new});
        ada.post("/api/auth/password", &body).await
    };
    change("wrong", OTHER).await.fails(403, "wrong_password");
    let refused = change(PASSWORD, "short").await.fails(400, "bad_password");
    assert_eq!(refused["field"], "newPassword");
    let body = json!({"newPassword": OTHER});
    ada.post("/api/auth/password", &body)
        .await
        .fails(400, "bad_field");
    change(PASSWORD, OTHER).await.ok(200);
    assert_eq!(ends.closed().await, Some(4001));
    other.get("/api/auth/me").await.fails(401, "token_revoked");
    ada.get("/api/auth/me").await.ok(200);
    kept.say(json!({"type": "ping"})).await;
    kept.wait_for("pong").await;
    login(&app, "ada", PASSWORD)
        .await
        .fails(401, "bad_credentials");
    login(&app, "ada", OTHER).await.ok(200);
    // A stolen token is no way to guess the password.
    let mut looked_at = 0;
    loop {
        let reply = change("wrong", PASSWORD).await;
        if reply.status == 429 {
            break;
        }
        reply.fails(403, "wrong_password");
        looked_at += 1;
        assert!(looked_at <= 5, "it is never refused");
    }
    change(OTHER, PASSWORD)
        .await
        .fails(429, "too_many_attempts");
    assert!(!app.log().contains(OTHER), "the log has a password");
}

#[tokio::test]
async fn a_password_that_an_admin_sets_ends_the_persons_tokens() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let path = path_of(&admin, "ada").await;
    patch(&admin, &path, &json!({"password": "short"}))
        .await
        .fails(400, "bad_password");
    patch(&admin, &path, &json!({"password": OTHER}))
        .await
        .ok(200);
    ada.get("/api/auth/me").await.fails(401, "token_revoked");
    login(&app, "ada", PASSWORD)
        .await
        .fails(401, "bad_credentials");
    login(&app, "ada", OTHER).await.ok(200);
}

#[tokio::test]
async fn an_account_whose_agents_live_is_not_deleted_and_its_sessions_stay() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let path = path_of(&admin, "ada").await;
    let id = ada.ready_agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hello").await;
    admin.delete(&path).await.fails(409, "agents_alive");
    ada.get("/api/auth/me").await.ok(200);
    admin
        .post(&format!("/api/agents/{id}/stop"), &json!({}))
        .await
        .ok(200);
    admin.delete(&path).await.ok(200);
    ada.get("/api/auth/me").await.fails(401, "token_revoked");
    let left = admin.get(&format!("/api/agents/{id}")).await.ok(200);
    assert_eq!(
        format!("{USERS}/{}", left["userId"].as_str().unwrap()),
        path
    );
    assert!(!admin.history(&id).await.is_empty());
    // A new person of the same name is somebody else.
    let body = json!({"username": "ada", "password": OTHER});
    admin.post(USERS, &body).await.ok(201);
    let ada = app.sign_in_as(&body).await;
    assert_eq!(ada.get("/api/agents").await.ok(200)["total"], 0);
    ada.get(&format!("/api/agents/{id}"))
        .await
        .fails(404, "not_found");
}

#[tokio::test]
async fn no_process_is_started_for_a_person_who_was_deleted() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let body = json!({"agentType": "script", "start": false});
    let id = ada.agent(&body).await;
    admin.delete(&path_of(&admin, "ada").await).await.ok(200);
    // As a start that was let in before the deletion and is committed behind it.
    let path = format!("/api/agents/{id}");
    let start = admin.post(&format!("{path}/start"), &json!({})).await;
    start.fails(409, "owner_deleted");
    let message = json!({"message": "hello"});
    admin.post(&format!("{path}/message"), &message).await;
    crate::app::until(async || {
        let agent = admin.get(&path).await.ok(200);
        assert_eq!(agent["pid"], Value::Null, "{agent}");
        agent["detail"] == "failed"
    })
    .await;
    // Whoever is only shut out keeps what runs, and an admin may start more of it.
    let bob = app.sign_in("bob").await;
    let id = bob.agent(&body).await;
    let disabled = json!({"disabled": true});
    patch(&admin, &path_of(&admin, "bob").await, &disabled)
        .await
        .ok(200);
    let path = format!("/api/agents/{id}/start");
    admin.post(&path, &json!({})).await.ok(200);
}
