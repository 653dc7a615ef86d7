//! Three kinds of readers and the database, through broken connections and killed servers.
//! Never two that disagree about an event.

use std::collections::BTreeMap;

use callboard::store::{Store, events};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::watch;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::*;

/// What a reader has: each number with its event.
type Seen = BTreeMap<u64, Value>;

/// Where the server is now, and the number that ends the reading once it is known.
type News = watch::Receiver<(Caller, Option<u64>)>;

#[tokio::test]
async fn every_reader_sees_the_same_events() {
    readers_agree(TestApp::start().await).await;
}

/// See the test above.
pub async fn readers_agree(mut app: TestApp) {
    let ada = app.sign_in("ada").await;
    let id = player(
        &app,
        &ada,
        &json!([[{"flood": {"lines": 8000, "bytes": 40}}]]),
    )
    .await;
    let (tell, news) = watch::channel((ada.clone(), None));
    let readers = [
        tokio::spawn(poll(news.clone(), id.clone(), 0, 11)),
        tokio::spawn(poll(news.clone(), id.clone(), 10, 12)),
        tokio::spawn(socket(news, id.clone(), 13)),
    ];
    let mut tasks = vec![];
    for n in 0..3 {
        tasks.push(send(&ada, &id, &format!("flood {n}")).await);
    }
    for seen in [4_000, 12_000] {
        beyond(&ada.at(&app), &id, seen).await;
        app.kill9();
        app.boot().await;
        tell.send((ada.at(&app), None)).unwrap();
    }
    let ada = ada.at(&app);
    for task in &tasks {
        assert_eq!(settled(&ada, &id, task).await["state"], "completed");
    }
    let history = whole(&ada, &id).await;
    let last = u64::try_from(history.len()).unwrap();
    tell.send((ada.clone(), Some(last))).unwrap();
    for reader in readers {
        let seen = tokio::time::timeout(LONG, reader).await.unwrap().unwrap();
        for (event, (seq, own)) in history.iter().zip(&seen) {
            assert_eq!(event["seq"], *seq);
            assert_eq!(&shape(event, "type"), own);
        }
        assert_eq!(seen.len(), history.len());
    }
    app.stop().await;
    compare_rows(&app, &history).await;
}

/// The rows say the same as the readers.
async fn compare_rows(app: &TestApp, history: &[Value]) {
    let store = Store::open(app.database()).unwrap();
    let first = &history[0];
    let id = serde_json::from_value(first["agentId"].clone()).unwrap();
    let count = history.len() + 1_000;
    let rows = store
        .read(move |conn| events::page(conn, id, 0, count, None))
        .await
        .unwrap();
    for (event, row) in history.iter().zip(&rows) {
        let data: Value = serde_json::from_str(&row.data).unwrap();
        assert_eq!(
            (&event["seq"], &event["pos"]),
            (&json!(row.seq), &json!(row.pos))
        );
        assert_eq!(
            (&event["type"], &event["data"]),
            (&json!(row.kind.name()), &data)
        );
    }
    assert!(
        rows.len() >= history.len(),
        "{} rows of {}",
        rows.len(),
        history.len()
    );
    store.close();
}

/// An event without what is different between the doors by design.
fn shape(event: &Value, name: &str) -> Value {
    json!([
        event["seq"],
        event["pos"],
        event[name],
        event["timestamp"],
        event["data"]
    ])
}

/// Takes an event; a number that was not next is a hole or a double.
fn keep(seen: &mut Seen, cursor: &mut u64, event: &Value, name: &str) {
    let seq = event["seq"].as_u64().unwrap();
    assert_eq!(seq, *cursor + 1, "a hole or a double");
    *cursor = seq;
    seen.insert(seq, shape(event, name));
}

fn over(news: &News, cursor: u64) -> bool {
    news.borrow().1 == Some(cursor)
}

/// Polls; five of its requests are given up in the middle.
async fn poll(news: News, id: String, wait: u64, seed: u64) -> Seen {
    let (mut seen, mut cursor, mut dice, mut given_up) = (Seen::new(), 0, Dice(seed), 0);
    let mut requests = 0;
    while !over(&news, cursor) {
        let who = news.borrow().0.clone();
        let wait = if news.borrow().1.is_some() { 0 } else { wait };
        let path = format!("/api/agents/{id}/events?after={cursor}&wait={wait}");
        let asked = crate::app::try_answer(who.request(reqwest::Method::GET, &path));
        requests += 1;
        if given_up < 5 && requests % 3 == 0 {
            given_up += 1;
            let brief = Duration::from_micros(dice.below(3_000));
            let _cut = tokio::time::timeout(brief, asked).await;
            continue;
        }
        let Ok(reply) = asked.await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let page = reply.json();
        if reply.status != 200 {
            assert!(matches!(reply.status.as_u16(), 429 | 503), "{page}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        assert!(page["gap"].is_null(), "{page}");
        for event in page["events"].as_array().unwrap() {
            keep(&mut seen, &mut cursor, event, "type");
        }
        if wait == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(given_up, 5, "it was never disconnected");
    seen
}

/// Reads a socket; five times it goes away and comes back with its cursor.
async fn socket(news: News, id: String, seed: u64) -> Seen {
    let (mut seen, mut cursor, mut dice, mut lives) = (Seen::new(), 0, Dice(seed), 0);
    while !over(&news, cursor) {
        lives += 1;
        let who = news.borrow().0.clone();
        let until = (lives <= 5).then(|| cursor + 1 + dice.below(2_000));
        let mut request = format!("{}/ws", who.base().replacen("http", "ws", 1))
            .into_client_request()
            .unwrap();
        let bearer = format!("Bearer {}", who.token).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let Ok((stream, _)) = connect_async(request).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let mut ws = crate::app::Ws { stream };
        ws.say(json!({"type": "subscribe", "channels": ["*"], "agentId": id, "after": cursor}))
            .await;
        while !over(&news, cursor) && until != Some(cursor) {
            let quiet = Duration::from_millis(200);
            let frame = match tokio::time::timeout(quiet, ws.stream.next()).await {
                Err(_quiet) => continue,
                Ok(Some(Ok(message))) if message.is_text() => message.into_text().unwrap(),
                Ok(Some(Ok(message))) if message.is_close() => break,
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(_)) | None) => break,
            };
            let frame: Value = serde_json::from_str(&frame).unwrap();
            assert!(
                frame["type"] != "error" && frame["type"] != "gap",
                "{frame}"
            );
            if frame["agentId"] == *id && frame["seq"].is_u64() {
                keep(&mut seen, &mut cursor, &frame, "event");
            }
        }
    }
    assert!(lives > 5, "it was never disconnected");
    seen
}
