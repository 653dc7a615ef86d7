//! What cannot be read or does not fit, and objects that are not there: refused by code and field, and
//! nothing is done.

use super::*;

#[tokio::test]
async fn an_optional_body_that_cannot_be_read_is_refused() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    for (body, code, field) in [
        (r#"{"title":5}"#, "bad_field", Some("title")),
        (r#"{"title":"#, "bad_json", None),
        ("[]", "bad_json", None),
        (r#"{"backend":"nope"}"#, "unknown_agent_kind", None),
        (r#"{"permission_mode":"nope"}"#, "bad_permission_mode", None),
        (
            r#"{"limits":{"turns":0}}"#,
            "bad_field",
            Some("limits.turns"),
        ),
        (
            r#"{"model_effort":"huge"}"#,
            "bad_field",
            Some("model_effort"),
        ),
        (r#"{"title":"a\u0000b"}"#, "bad_field", Some("title")),
        (r#"{"message":"  "}"#, "bad_field", Some("message")),
        (r#"{"agent":""}"#, "bad_field", Some("agent")),
        (r#"{"cwd":"/nowhere/at/all"}"#, "cwd_missing", None),
        (r#"{"parent_id":"x"}"#, "bad_field", Some("parent_id")),
    ] {
        let request = ada.request(Method::POST, MISSIONS);
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let refused = ada.ask(request).await.fails(400, code);
        if let Some(field) = field {
            assert_eq!(refused["field"], field, "{body}");
        }
    }
    let mission = shell(&ada, &app).await;
    for (path, body) in [
        ("resume", r#"{"skip_message":"yes"}"#),
        ("resume", r#"{"content":"#),
        ("status", r#"{"status":7}"#),
        ("status", r#"{"status":"blocked"}"#),
        ("status", "{}"),
    ] {
        let request = ada.request(Method::POST, &format!("{MISSIONS}/{mission}/{path}"));
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let refused = ada.ask(request).await;
        assert_eq!(refused.status, 400, "{path} {body}: {}", refused.text);
    }
    let listed = ada.get(MISSIONS).await;
    assert_eq!(listed.headers["x-total-count"], "1");
    assert_eq!(listed.ok(200)[0]["status"], "pending");
}

#[tokio::test]
async fn a_mission_that_is_not_there_is_404_on_every_path() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let own = shell(&ada, &app).await;
    for gone in [uuid::Uuid::new_v4().to_string(), own, "not-an-id".into()] {
        for what in ["load", "cancel", "resume"] {
            let refused = order(&bob, &gone, what).await.fails(404, "not_found");
            assert!(
                refused["error"].as_str().unwrap().contains("mission"),
                "{refused}"
            );
        }
        set(&bob, &gone, "completed").await.fails(404, "not_found");
        for what in [
            "",
            "/events",
            "/events?after=0",
            "/tree",
            "/queue",
            "/tasks",
        ] {
            let path = format!("{MISSIONS}/{gone}{what}");
            bob.get(&path).await.fails(404, "not_found");
        }
        bob.delete(&format!("{MISSIONS}/{gone}"))
            .await
            .fails(404, "not_found");
        if gone != "not-an-id" {
            let body = json!({"content": "x", "mission_id": gone});
            bob.post("/api/control/message", &body)
                .await
                .fails(404, "not_found");
            let refused = crate::app::Sse::ask(&bob, &format!("?mission_id={gone}"), None).await;
            refused.err().unwrap().fails(404, "not_found");
        }
    }
}

#[tokio::test]
async fn the_seeds_example_is_taken_as_it_stands() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let made = create(
        &ada,
        &json!({
            "title": "My Mission", "agent": "code-reviewer", "model_override": "gpt-5-codex",
            "model_effort": "medium",
        }),
    )
    .await;
    assert_eq!(made["agent"], "code-reviewer");
    assert_eq!(made["model_override"], "gpt-5-codex");
    assert_eq!(made["model_effort"], "medium");
    // A kind as the agent is the program.
    let shell = create(&ada, &json!({"agent": "shell"})).await;
    assert_eq!(
        (&shell["backend"], &shell["agent_missing"]),
        (&json!("shell"), &json!(false))
    );
}

#[tokio::test]
async fn a_creation_is_done_once_for_its_key() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let make = async |body: &Value| {
        let request = ada.request(Method::POST, MISSIONS).json(body);
        ada.ask(request.header("idempotency-key", "k1")).await
    };
    let body = json!({"title": "one", "backend": "script"});
    let first = make(&body).await;
    let again = make(&body).await;
    assert_eq!(first.text, again.text);
    make(&json!({"title": "two"}))
        .await
        .fails(422, "idempotency_key_reused");
    assert_eq!(ada.get(MISSIONS).await.headers["x-total-count"], "1");
}
