//! Refusals, asked for or earned.

use super::*;

#[actix_web::test]
async fn refusals_have_the_form_of_the_api() {
    let model = Model::default();
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ] {
        let answer = model
            .say(&format!("SCENARIO:err{status} retry=no"), true)
            .await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.json()["type"], "error");
        assert_eq!(answer.json()["error"]["type"], kind);
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert!(answer.header("request-id").unwrap().starts_with("req_"));
    }
    assert_eq!(
        model.say("SCENARIO:stream_error 500", false).await.status,
        500
    );
    let falter = model.say("SCENARIO:stream_error", true).await;
    assert_eq!(falter.status, 200);
    let last = falter.events().pop().unwrap();
    assert_eq!(
        (&last["type"], &last["error"]["type"]),
        (&json!("error"), &json!("overloaded_error"))
    );
}

#[actix_web::test]
async fn the_first_requests_of_a_mark_are_refused_and_told_when_to_come_again() {
    let model = Model::default();
    let prompt = "SCENARIO:rate_limit 2 after=2500ms limit=five_hour";
    for _ in 0..2 {
        let answer = model.say(prompt, true).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.header("retry-after"), Some("3"));
        assert_eq!(
            answer.header("anthropic-ratelimit-requests-remaining"),
            Some("0")
        );
        assert!(
            answer
                .header("anthropic-ratelimit-tokens-reset")
                .unwrap()
                .ends_with('Z')
        );
        assert_eq!(
            answer.header("anthropic-ratelimit-unified-status"),
            Some("rejected")
        );
        let reset: i64 = answer
            .header("anthropic-ratelimit-unified-reset")
            .unwrap()
            .parse()
            .unwrap();
        let left = reset - time::OffsetDateTime::now_utc().unix_timestamp();
        assert!((1..=3).contains(&left), "{left}");
    }
    assert_eq!(model.say(prompt, true).await.status, 200);
    assert_eq!(
        model.say(&format!("{prompt} other"), true).await.status,
        429
    );
    let forgotten = model
        .send(local(service::TestRequest::delete().uri("/_/requests")))
        .await;
    assert_eq!(forgotten.status, 204);
    assert_eq!(model.say(prompt, true).await.status, 429);
}

#[actix_web::test]
async fn bad_requests_are_told_what_was_expected() {
    let model = Model::default();
    let post = |text: &'static str| {
        local(service::TestRequest::post().uri("/v1/messages")).set_payload(text)
    };
    for (text, words) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "struct Request"),
        (r#"{"messages":[]}"#, "missing field `model`"),
        (r#"{"model":"m","messages":[]}"#, "at least one message"),
        (
            r#"{"model":"m","messages":[{"role":"dog","content":""}]}"#,
            "role `dog`",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":7}]}"#,
            "Content",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"SCENARIO:dance"}]}"#,
            "`dance` is unknown",
        ),
    ] {
        let answer = model.send(post(text)).await;
        assert_eq!(answer.status, 400, "{text}");
        let told = answer.json()["error"]["message"].to_string();
        assert!(told.contains(words), "{text}: {told}");
    }
    let big = local(service::TestRequest::post().uri("/v1/messages")).set_payload(vec![
        b' ';
        super::super::BODY
            + 1
    ]);
    let answer = model.send(big).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["type"]),
        (413, &json!("request_too_large"))
    );
    assert_eq!(
        model.get("/v2/messages").await.json()["error"]["type"],
        "not_found_error"
    );
    assert_eq!(model.get("/v1/messages").await.status, 404);
}

#[actix_web::test]
async fn a_web_page_is_refused() {
    let model = Model::default();
    for request in [
        service::TestRequest::get().insert_header(("host", "model.example:80")),
        service::TestRequest::get(),
        local(service::TestRequest::get()).insert_header(("origin", "http://x.example")),
    ] {
        assert_eq!(model.send(request.uri("/_/requests")).await.status, 403);
    }
    for host in ["localhost", "localhost:9", "[::1]", "[::1]:9", "127.0.0.1"] {
        let request = service::TestRequest::get()
            .uri("/")
            .insert_header(("host", host));
        assert_eq!(model.send(request).await.status, 200, "{host}");
    }
}
