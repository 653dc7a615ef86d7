//! The wire of the real-time client, where the public one would never go.
//! Never a refusal without the words that the public client knows.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{TestApp, answer};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

async fn ask(app: &TestApp, method: Method, path: &str, body: String) -> (u16, String) {
    let request = app.http.request(method, app.url() + path).body(body);
    let reply = answer(request).await;
    (reply.status.as_u16(), reply.text)
}

async fn opened(app: &TestApp) -> String {
    let (status, text) = ask(app, Method::GET, POLLING, String::new()).await;
    assert_eq!(status, 200, "{text}");
    let open: Value = serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
    format!("{POLLING}&sid={}", open["sid"].as_str().unwrap())
}

async fn bring(app: &TestApp, place: &str, packets: &str) {
    let (status, text) = ask(app, Method::POST, place, packets.into()).await;
    assert_eq!((status, text.as_str()), (200, "ok"));
}

async fn take(app: &TestApp, place: &str) -> String {
    let (status, text) = ask(app, Method::GET, place, String::new()).await;
    assert_eq!(status, 200, "{text}");
    text
}

#[tokio::test]
async fn what_is_no_request_of_the_protocol_is_refused_by_number() {
    let app = TestApp::start().await;
    for (method, path, code) in [
        (Method::GET, "/socket.io/", 0),
        (Method::GET, "/socket.io/?EIO=4&transport=flash", 0),
        (Method::GET, "/socket.io/?EIO=4&transport=polling&sid=x", 1),
        (Method::POST, "/socket.io/?EIO=4&transport=polling&sid=x", 1),
        (Method::POST, "/socket.io/?EIO=4&transport=polling", 2),
        (Method::GET, "/socket.io/?EIO=4&transport=websocket", 3),
        (Method::GET, "/socket.io/?EIO=3&transport=polling", 5),
        (Method::GET, "/socket.io/?transport=polling", 5),
    ] {
        let (status, text) = ask(&app, method.clone(), path, String::new()).await;
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (status, &body["code"]),
            (400, &json!(code)),
            "{method} {path}: {text}"
        );
    }
    let (status, _) = ask(&app, Method::DELETE, POLLING, String::new()).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn packets_of_a_guest_are_answered_in_one_payload() {
    let app = TestApp::start().await;
    let place = opened(&app).await;
    bring(&app, &place, "40").await;
    assert!(take(&app, &place).await.starts_with("40{\"sid\":"));
    bring(
        &app,
        &place,
        "420[\"find\",\"users\",{}]\u{1e}421[\"get\",\"users\",\"x\",{}]",
    )
    .await;
    let mut acks = String::new();
    while acks.matches("NotAuthenticated").count() < 2 {
        acks += &take(&app, &place).await;
    }
    assert!(acks.contains("430[{") && acks.contains("431[{"), "{acks}");
    bring(&app, &place, "41").await;
    assert_eq!(take(&app, &place).await, "1");
}

/// Whatever breaks the protocol ends its own connection and no other.
#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection() {
    let app = TestApp::start().await;
    let other = opened(&app).await;
    bring(&app, &other, "40").await;
    for packets in [
        "2",
        "0{}",
        "5",
        "9",
        "",
        "4",
        "49",
        "4x",
        "42[\"early\"]",
        "42[",
        "40[]",
    ] {
        let place = opened(&app).await;
        let (status, text) = ask(&app, Method::POST, &place, packets.into()).await;
        assert!([200, 400].contains(&status), "{packets}: {text}");
        let (status, text) = ask(&app, Method::GET, &place, String::new()).await;
        let ended = (status, text.as_str()) == (200, "1") || status == 400;
        assert!(ended, "{packets}: {status} {text}");
    }
    let place = opened(&app).await;
    let bytes = app.http.post(app.url() + &place).body(vec![0x34, 0xff]);
    assert_eq!(answer(bytes).await.status, 400);
    assert!(take(&app, &other).await.starts_with("40"));
}

#[tokio::test]
async fn a_second_request_that_waits_ends_the_connection() {
    let app = TestApp::start().await;
    let place = opened(&app).await;
    let (one, two) = tokio::join!(
        ask(&app, Method::GET, &place, String::new()),
        ask(&app, Method::GET, &place, String::new()),
    );
    let mut both = [one, two];
    both.sort();
    assert_eq!(both[0], (200, "1".to_owned()));
    assert_eq!(both[1].0, 400);
}

#[tokio::test]
async fn a_guest_says_little_at_a_time() {
    let app = TestApp::start().await;
    let place = opened(&app).await;
    let large = format!("4{}", "x".repeat(64 * 1024));
    let reply = answer(app.http.post(app.url() + &place).body(large)).await;
    reply.fails(413, "too_large");
}

/// A name that is known for an address which keeps coming.
#[tokio::test]
async fn guests_of_one_address_are_bounded() {
    let app = TestApp::start().await;
    for _ in 0..64 {
        opened(&app).await;
    }
    let reply = answer(app.http.get(app.url() + POLLING)).await;
    reply.fails(429, "too_many_connections");
}
