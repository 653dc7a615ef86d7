//! Making, listing, renaming and limits.

use reqwest::Method;
use serde_json::{Value, json};

use super::{KEYS, holding, with_key};
use crate::app::{TestApp, answer, until};

/// What of a key must be nowhere else.
fn secret(raw: &str) -> &str {
    raw.get(12..).unwrap()
}

#[tokio::test]
async fn a_key_is_shown_once_and_listed_without_its_text() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let made = ada.post(KEYS, &json!({"name": " ci "})).await.ok(201);
    let raw = made["rawKey"].as_str().unwrap();
    assert_eq!(raw.len(), "agor_sk_".len() + 71, "{raw}");
    assert!(raw.starts_with(made["prefix"].as_str().unwrap()));
    assert_eq!(
        (&made["name"], &made["id"]),
        (&json!("ci"), &made["key"]["id"])
    );
    assert_eq!(made["scopes"], json!(["read", "write"]));
    for none in ["expiresAt", "lastUsedAt"] {
        assert_eq!(made[none], Value::Null, "{none}");
    }
    let list = ada.get(KEYS).await;
    assert!(!list.text.contains(secret(raw)), "{}", list.text);
    let list = list.ok(200);
    assert_eq!(list[0]["id"], made["id"]);
    assert_eq!(
        list[0]["user_id"],
        ada.get("/api/auth/me").await.ok(200)["id"]
    );

    // The last use is written beside the request.
    holding(&ada, &made).get("/api/agents").await.ok(200);
    until(async || ada.get(KEYS).await.ok(200)[0]["lastUsedAt"].is_string()).await;

    let one = format!("{KEYS}/{}", made["id"].as_str().unwrap());
    let rename = ada
        .request(Method::PATCH, &one)
        .json(&json!({"name": "build"}));
    assert_eq!(answer(rename).await.ok(200)["name"], "build");
    ada.delete(&one).await.ok(200);
    ada.delete(&one).await.fails(404, "not_found");
    assert_eq!(ada.get(KEYS).await.ok(200), json!([]));
    assert!(!app.log().contains(secret(raw)), "the log has a key");
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_with_its_field() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.sign_in("ada").await, app.sign_in("eve").await);
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": "a", "scopes": "read"}), "scopes"),
        (json!({"name": "a", "scopes": [1]}), "scopes"),
        (json!({"name": "a", "scopes": []}), "scopes"),
        (json!({"name": "a", "scopes": ["root"]}), "scopes"),
        (json!({"name": "a", "expiresAt": "soon"}), "expiresAt"),
        (
            json!({"name": "a", "expiresAt": "2001-01-01T00:00:00Z"}),
            "expiresAt",
        ),
        (json!({"name": "a", "expires_at": 5}), "expires_at"),
    ] {
        let refused = ada.post(KEYS, &body).await.fails(400, "bad_field");
        assert_eq!(refused["field"], field, "{body}");
    }
    for (who, scope) in [(&ada, "admin"), (&ada, "metrics"), (&eve, "write")] {
        let body = json!({"name": "a", "scopes": [scope]});
        who.post(KEYS, &body).await.fails(403, "forbidden");
    }
    let made = eve.post(KEYS, &json!({"name": "a"})).await.ok(201);
    assert_eq!(made["scopes"], json!(["read"]));
    ada.delete(&format!("{KEYS}/nonsense"))
        .await
        .fails(404, "not_found");
}

#[tokio::test]
async fn a_repeated_creation_gets_the_same_key_and_it_is_stored_nowhere() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let make = |body: &Value| {
        let request = ada.request(Method::POST, KEYS).json(body);
        answer(request.header("idempotency-key", "once"))
    };
    let first = make(&json!({"name": "ci"})).await;
    let again = make(&json!({"name": "ci"})).await;
    assert_eq!(first.text, again.text);
    assert_eq!(again.status, 201);
    make(&json!({"name": "other"}))
        .await
        .fails(422, "idempotency_key_reused");
    assert_eq!(ada.get(KEYS).await.ok(200).as_array().unwrap().len(), 1);
    let raw = first.json()["rawKey"].as_str().unwrap().to_owned();
    let secret = &raw.as_bytes()[30..70];
    for file in ["callboard.db", "callboard.db-wal", "test-server.log"] {
        let bytes = std::fs::read(app.dir().join(file)).unwrap_or_default();
        let found = bytes.windows(secret.len()).any(|part| part == secret);
        assert!(!found, "{file} has the key");
    }
}

#[tokio::test]
async fn a_person_has_a_bounded_number_of_keys() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let mut last = String::new();
    for _ in 0..50 {
        last = with_key(&ada, &["read"]).await.1;
    }
    let body = json!({"name": "one more"});
    ada.post(KEYS, &body).await.fails(409, "too_many_keys");
    bob.post(KEYS, &body).await.ok(201);
    ada.delete(&format!("{KEYS}/{last}")).await.ok(200);
    ada.post(KEYS, &body).await.ok(201);
}

#[tokio::test]
async fn a_key_that_is_not_ours_opens_nothing() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let (key, id) = with_key(&ada, &["write"]).await;
    let raw = &key.token;
    let with = |token: String| {
        let request = app.http.get(app.url() + "/api/agents");
        answer(request.header("x-api-key", token))
    };
    // The last character is of the checksum, one in the middle of the secret.
    for place in [raw.len() - 1, 40, 12] {
        let mut other = raw.clone().into_bytes();
        other[place] = if other[place] == b'a' { b'b' } else { b'a' };
        let other = String::from_utf8(other).unwrap();
        with(other).await.fails(401, "bad_key");
    }
    with(raw.get(..60).unwrap().to_owned())
        .await
        .fails(401, "bad_key");
    with(format!("agor_sk_{}", "0".repeat(71)))
        .await
        .fails(401, "bad_key");
    with(raw.replacen("agor_sk_", "other_sk_", 1))
        .await
        .fails(401, "bad_token");
    // Somebody else's key looks as if it were not there.
    assert_eq!(bob.get(KEYS).await.ok(200), json!([]));
    bob.delete(&format!("{KEYS}/{id}"))
        .await
        .fails(404, "not_found");
    key.get("/api/agents").await.ok(200);
    assert!(!app.log().contains(secret(raw)));
}

#[tokio::test]
async fn the_beginning_of_keys_is_a_setting() {
    let app = TestApp::with("[auth]\napi_key_prefix = \"cb_sk_\"\n").await;
    let ada = app.sign_in("ada").await;
    let (key, _) = with_key(&ada, &["read"]).await;
    assert!(key.token.starts_with("cb_sk_"));
    key.get("/api/agents").await.ok(200);
}
