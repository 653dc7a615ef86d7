//! Requests against a server of our own.

use super::super::testing::{Answer, Fake};
use super::*;
use serde_json::json;

fn ok() -> Answer {
    Answer::Json(200, "{\"ok\":true}".into())
}

#[test]
fn a_request_carries_bearer_key_query_and_body() {
    let fake = Fake::start(|_, _| ok());
    let client = Client::new(&fake.url, Some("t0k".into())).unwrap();
    let request = Request::post("/api/x")
        .with("queue", "false")
        .body(json!({"message": "a b"}))
        .key("k1");
    let reply: Value = client.json(&request).unwrap();
    assert_eq!(reply, json!({"ok": true}));
    let got = &fake.seen()[0];
    assert_eq!(got.line, "POST /api/x?queue=false");
    assert_eq!(got.header("authorization").unwrap(), "Bearer t0k");
    assert_eq!(got.header("idempotency-key").unwrap(), "k1");
    assert_eq!(got.body, r#"{"message":"a b"}"#);
}

#[test]
fn a_keyed_request_is_repeated_after_a_cut_and_a_plain_one_is_not() {
    let fake = Fake::start(|number, _| if number < 2 { Answer::Cut } else { ok() });
    let client = Client::new(&fake.url, None).unwrap();
    let failure = client.send(&Request::post("/plain")).unwrap_err();
    assert_eq!(failure.exit, Exit::Unreachable);
    let before = fake.seen().len();
    client.send(&Request::post("/keyed").key("k")).unwrap();
    let keyed: Vec<_> = fake.seen().split_off(before);
    assert_eq!(
        keyed.last().unwrap().header("idempotency-key").unwrap(),
        "k"
    );
}

#[test]
fn a_refusal_is_never_repeated() {
    let fake =
        Fake::start(|_, _| Answer::Json(409, r#"{"error":"busy","code":"agent_busy"}"#.into()));
    let client = Client::new(&fake.url, None).unwrap();
    let failure = client.send(&Request::post("/x").key("k")).unwrap_err();
    assert_eq!(failure.exit, Exit::Refused);
    assert_eq!(failure.code.as_deref(), Some("agent_busy"));
    assert_eq!(fake.seen().len(), 1);
}

#[test]
fn nobody_there_is_unreachable_at_once_also_with_a_key() {
    // Bound and dropped, so that nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let client = Client::new(&format!("http://127.0.0.1:{port}"), None).unwrap();
    let failure = client.send(&Request::post("/x").key("k")).unwrap_err();
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(
        failure.what.starts_with("no server answers at"),
        "{failure:?}"
    );
}

#[test]
fn without_a_token_401_says_how_to_sign_in() {
    let fake = Fake::start(|_, _| Answer::Json(401, r#"{"error":"no","code":"x"}"#.into()));
    let client = Client::new(&fake.url, None).unwrap();
    let failure = client.send(&Request::get("/x")).unwrap_err();
    assert_eq!(failure, signed_out(&fake.url));
}

#[test]
fn an_answer_that_is_no_json_is_told_as_that() {
    let fake = Fake::start(|_, _| Answer::Json(200, "<html>".into()));
    let client = Client::new(&fake.url, None).unwrap();
    let failure = client.json::<Value>(&Request::get("/x")).unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    assert!(failure.mend.unwrap().contains("doctor"));
}

#[test]
fn addresses_that_cannot_be_used_say_so() {
    for base in ["", "127.0.0.1:3030", "ftp://x", "https://x", "http://"] {
        let failure = Client::new(base, None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage, "{base}");
    }
    assert!(Client::new("http://[::1]:3030/", None).unwrap().is_local());
    assert!(!Client::new("http://example.org", None).unwrap().is_local());
}
