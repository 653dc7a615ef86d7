//! A mission from its creation to its completion, by REST and SSE alone, and the same told by every
//! way of reading.

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::app::{Part, Sse};

/// The numbers of stored events in what a stream told, each once.
pub fn numbers(parts: &[Part]) -> Vec<u64> {
    let mut all: Vec<u64> = Vec::new();
    for part in parts {
        if let Some(seq) = part.data["seq"].as_u64()
            && all.last() != Some(&seq)
        {
            all.push(seq);
        }
    }
    all
}

#[tokio::test]
async fn a_shell_is_driven_from_creation_to_completion() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let made = create(
        &ada,
        &json!({
            "title": "Count", "backend": "shell", "permission_mode": "bypassPermissions",
            "cwd": app.dir(), "agent": "code-reviewer",
            "limits": {"turns": 9},
        }),
    )
    .await;
    assert_eq!(made["status"], "pending");
    assert_eq!(
        (&made["title"], &made["backend"]),
        (&json!("Count"), &json!("shell"))
    );
    assert_eq!(made["agent_missing"], true);
    assert_eq!(made["limits"]["turns"], 9);
    let mission = id(&made);
    let mut all = Sse::open(&ada, "", None).await;
    let hello = all.part().await.unwrap();
    assert_eq!(hello.event, "hello");
    let standing = all.part().await.unwrap();
    assert_eq!(
        (standing.event.as_str(), &standing.data["state"]),
        ("status", &json!("idle"))
    );
    let mut one = Sse::open(&ada, &format!("?mission_id={mission}"), None).await;

    let sent = send(&ada, &mission, "echo sum-$((40+2))").await;
    assert_eq!(sent["mission_id"], mission.as_str());
    assert!(
        sent["id"].is_string() && sent["queued"].is_boolean(),
        "{sent}"
    );
    let mut told = Vec::new();
    loop {
        let part = all.part().await.unwrap();
        let over = part.event == "mission_status_changed" && part.data["status"] == "completed";
        told.push(part);
        if over {
            break;
        }
    }
    let find = |event: &str| told.iter().find(|part| part.event == event).unwrap();
    assert_eq!(find("user_message").data["content"], "echo sum-$((40+2))");
    let result = find("tool_result");
    assert!(
        result.data["result"].to_string().contains("sum-42"),
        "{result:?}"
    );
    let changes = told
        .iter()
        .filter(|part| part.event == "mission_status_changed");
    let changes: Vec<&str> = changes
        .map(|part| part.data["status"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["active", "completed"]);
    assert!(
        told.iter()
            .all(|part| part.data["mission_id"] == mission.as_str())
    );

    // By its own stream, by cursor, by place and by the other door: the same numbers.
    let mut own = Vec::new();
    loop {
        let part = one.part().await.unwrap();
        let over = part.event == "mission_status_changed" && part.data["status"] == "completed";
        own.push(part);
        if over {
            break;
        }
    }
    let own = numbers(&own);
    assert_eq!(own, numbers(&told));
    let history = ada.history(&mission).await;
    let polled: Vec<u64> = history
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert!(polled.starts_with(&own), "{polled:?} {own:?}");
    let listed = ada.get(&format!("{MISSIONS}/{mission}/events")).await;
    assert_eq!(listed.headers["x-has-more"], "false");
    let listed = listed.ok(200);
    let listed = listed.as_array().unwrap();
    let by_place: Vec<u64> = listed
        .iter()
        .map(|event| event["sequence"].as_u64().unwrap())
        .collect();
    assert!(by_place.starts_with(&own));
    for (event, other) in listed.iter().zip(&history) {
        assert_eq!(
            (&event["seq"], &event["pos"]),
            (&other["seq"], &other["pos"])
        );
        assert_eq!(event["event_type"], other["type"]);
        assert_eq!(event["metadata"], other["data"]);
    }
    let mission = show(&ada, &mission).await;
    assert_eq!(
        (&mission["status"], &mission["terminal_reason"]),
        (&json!("completed"), &json!("completed"))
    );
    assert_eq!(mission["history"][0]["content"], "echo sum-$((40+2))");
    assert_eq!(mission["turns"], 1);
}

#[tokio::test]
async fn what_a_socket_and_a_stream_are_told_has_the_same_numbers() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let flood = json!([[{"flood": {"lines": 500, "bytes": 30}}, {"say": "done"}]]);
    let mission = player(&ada, &app, &flood).await;
    let mut stream = Sse::open(&ada, "", None).await;
    let mut socket = ada.ws().await;
    socket
        .say(json!({"type": "subscribe", "channels": ["*"]}))
        .await;
    socket.wait_for("hello").await;
    turn(&ada, &mission, "go").await;
    let last = show(&ada, &mission).await["last_seq"].as_u64().unwrap();
    let mut told = Vec::new();
    while told
        .last()
        .is_none_or(|part: &Part| part.data["seq"] != last)
    {
        let part = stream.part().await.unwrap();
        if part.stored() {
            told.push(part);
        }
    }
    let mut framed: Vec<(u64, u64)> = Vec::new();
    while framed.last().is_none_or(|(seq, _)| *seq != last) {
        let Some(Ok(Message::Text(text))) = socket.stream.next().await else {
            panic!("the socket is over");
        };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if let Some(seq) = frame["seq"].as_u64() {
            framed.push((seq, frame["pos"].as_u64().unwrap()));
        }
    }
    let streamed: Vec<(u64, u64)> = told
        .iter()
        .map(|part| {
            (
                part.data["seq"].as_u64().unwrap(),
                part.data["pos"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(streamed, framed);
    assert_eq!(streamed.len(), usize::try_from(last).unwrap());
}

#[tokio::test]
async fn the_words_of_a_message_are_told_once_each_while_it_is_written() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let long = "word ".repeat(400);
    let mission = player(&ada, &app, &json!([[{"say": long}]])).await;
    turn(&ada, &mission, "first, so that it runs").await;
    let mut stream = Sse::open(&ada, &format!("?mission_id={mission}"), None).await;
    stream.until("status").await;
    turn(&ada, &mission, "again").await;
    let mut said = String::new();
    let whole = loop {
        let part = stream.part().await.unwrap();
        match part.event.as_str() {
            "text_delta" => {
                assert_eq!(part.id, None);
                assert_eq!(part.data["offset"], said.len(), "{part:?}");
                said += part.data["content"].as_str().unwrap();
            }
            "assistant_message" => break part,
            _ => {}
        }
    };
    let content = whole.data["content"].as_str().unwrap();
    assert!(
        content.starts_with(&said),
        "a piece was told twice or cumulates"
    );
    assert_eq!(whole.data["success"], true);
}
