//! Words while they are written: pieces of messages on every socket and at the terminal.
//! Never a test of the record: numbered events are tested elsewhere, here they end a message.

mod shown;

use serde_json::{Value, json};

use crate::app::{Caller, TestApp, Ws};
use crate::doors_terminals::attach;

/// An agent that writes these words in so many pieces, after a moment of quiet.
pub async fn writer(app: &TestApp, who: &Caller, said: &str, pace: (u64, u64)) -> String {
    let (chunks, ms) = pace;
    let turns = json!([[
        {"sleep_ms": 300},
        {"stream": {"think": "let me think", "chunks": 3, "ms": 20}},
        {"stream": {"say": said, "chunks": chunks, "ms": ms}},
    ]]);
    let file = app.dir().join("writer.json");
    std::fs::write(&file, json!({ "turns": turns }).to_string()).unwrap();
    who.ready_agent(&json!({"agentType": "script", "scenario": file, "name": "writer"}))
        .await
}

pub async fn prompt(who: &Caller, id: &str) -> String {
    let path = format!("/api/agents/{id}/message");
    let sent = who.post_once(&path, &json!({"message": "go"})).await;
    sent.ok(202)["taskId"].as_str().unwrap().to_owned()
}

async fn follow(who: &Caller, frame: Value) -> Ws {
    let mut ws = who.ws().await;
    ws.say(frame).await;
    ws.wait_for("hello").await;
    ws
}

/// A message as one reader sees it.
#[derive(Debug, Default)]
pub struct Heard {
    /// Offset and words of each piece.
    pub pieces: Vec<(usize, String)>,
    /// The event that it ended with.
    pub event: Value,
}

impl Heard {
    /// Takes a piece. None begins before the end of another: nothing is told twice.
    pub fn take(&mut self, frame: &Value) {
        assert!(
            frame["seq"].is_null() && frame["role"] == "assistant",
            "{frame}"
        );
        let offset = usize::try_from(frame["offset"].as_u64().unwrap()).unwrap();
        let text = frame["text"].as_str().unwrap().to_owned();
        let end = self.pieces.last().map_or(0, |(at, text)| at + text.len());
        assert!(offset >= end, "told twice: {frame} behind {end}");
        self.pieces.push((offset, text));
    }

    pub fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Every piece stands where it says in the message.
    pub fn is_true_to(&self, content: &str) {
        for (offset, text) in &self.pieces {
            assert_eq!(
                content.get(*offset..offset + text.len()),
                Some(text.as_str())
            );
        }
    }
}

/// Reads the next message of this event's type, with its pieces.
pub async fn message(ws: &mut Ws, event: &str) -> Heard {
    let mut heard = Heard::default();
    let mut id = Value::Null;
    loop {
        let frame = ws.next().await;
        assert_ne!(frame["type"], "gap", "{frame}");
        let kind = if event == "thinking" {
            "thinking"
        } else {
            "assistant"
        };
        if frame["type"] == "agent.delta" && frame["kind"] == kind {
            assert!(id.is_null() || id == frame["messageId"], "{frame}");
            id = frame["messageId"].clone();
            heard.take(&frame);
        } else if frame["event"] == event {
            assert!(id.is_null() || id == frame["data"]["messageId"], "{frame}");
            heard.event = frame;
            return heard;
        }
    }
}

#[tokio::test]
async fn every_reader_hears_the_words_before_the_message() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let said = "Words, \u{e4} and \u{20ac} too. ".repeat(20);
    let id = writer(&app, &ada, &said, (30, 20)).await;
    let mut of_one = follow(
        &ada,
        json!({"type": "subscribe", "channels": ["agent.message"], "agentId": id}),
    )
    .await;
    let mut of_all = follow(&ada, json!({"type": "subscribe", "channels": ["*"]})).await;
    let mut without = follow(
        &ada,
        json!({"type": "subscribe", "channels": ["*"], "agentId": id, "deltas": false}),
    )
    .await;
    let mut foreign = follow(&bob, json!({"type": "subscribe", "channels": ["*"]})).await;
    let mut named = attach(&ada, "writer").await;
    named.wait_for("hello").await;
    let mut quiet = attach(&ada, "writer?deltas=none").await;
    quiet.wait_for("hello").await;
    prompt(&ada, &id).await;

    for ws in [&mut of_one, &mut of_all] {
        let thought = message(ws, "thinking").await;
        assert_eq!(thought.text(), "let me think");
        let heard = message(ws, "assistant_message").await;
        assert!(heard.pieces.len() > 5, "{heard:?}");
        assert_eq!(heard.text(), said);
        assert_eq!(heard.event["data"]["content"], said);
        assert!(heard.event["seq"].is_u64());
    }
    let mut heard = Heard::default();
    loop {
        let frame = named.next().await;
        if frame["type"] == "delta" && frame["kind"] == "assistant" {
            assert_eq!(frame["session"], "writer");
            heard.take(&frame);
        } else if frame["event"]["type"] == "assistant_message" {
            assert_eq!(frame["event"]["content"], said);
            break;
        }
    }
    assert_eq!(heard.text(), said);
    loop {
        let frame = without.next().await;
        assert_ne!(frame["type"], "agent.delta", "{frame}");
        if frame["event"] == "turn_ended" {
            break;
        }
    }
    loop {
        let frame = quiet.next().await;
        assert_ne!(frame["type"], "delta", "{frame}");
        if frame["event"]["type"] == "turn_ended" {
            break;
        }
    }
    foreign.say(json!({"type": "ping"})).await;
    assert_eq!(foreign.next().await["type"], "pong");
    // The poll has the messages and no pieces.
    let history = ada.history(&id).await;
    assert!(history.iter().all(|event| event["seq"].is_u64()));
}

#[tokio::test]
async fn who_comes_in_the_middle_gets_the_words_so_far() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let said = "one two three four five six seven eight nine ten ".repeat(10);
    let id = writer(&app, &ada, &said, (150, 30)).await;
    let subscribe = json!({"type": "subscribe", "channels": ["agent.message"], "agentId": id});
    let mut first = follow(&ada, subscribe.clone()).await;
    prompt(&ada, &id).await;
    let mut early = Heard::default();
    while early.pieces.len() < 5 {
        let frame = first.next().await;
        if frame["kind"] == "assistant" {
            early.take(&frame);
        }
    }
    let mut of_one = follow(&ada, subscribe).await;
    let mut of_all = follow(&ada, json!({"type": "subscribe", "channels": ["*"]})).await;
    for late in [&mut of_one, &mut of_all] {
        let heard = message(late, "assistant_message").await;
        let (offset, text) = &heard.pieces[0];
        assert_eq!(*offset, 0, "the beginning is missing");
        assert!(text.starts_with(&early.text()), "{text}");
        assert!(heard.pieces.len() > 1, "it came too late");
        assert_eq!(heard.text(), said);
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_not_cut_by_words() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let said = "x".repeat(200_000);
    let id = writer(&app, &ada, &said, (8_000, 0)).await;
    let subscribe = json!({"type": "subscribe", "channels": ["*"], "agentId": id});
    let mut slow = follow(&ada, subscribe.clone()).await;
    let mut quick = follow(&ada, subscribe).await;
    let task = prompt(&ada, &id).await;
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    assert_eq!(ada.get(&path).await.ok(200)["outcome"], "completed");
    let history = ada.history(&id).await;
    for ws in [&mut quick, &mut slow] {
        // `message` refuses a gap and a piece that is told twice.
        let heard = message(ws, "assistant_message").await;
        heard.is_true_to(&said);
        let seq = heard.event["seq"].clone();
        let own = history.iter().find(|event| event["seq"] == seq).unwrap();
        assert_eq!(heard.event["data"], own["data"]);
        assert_eq!(ws.wait_for("agent.event").await["event"], "turn_ended");
    }
}

#[tokio::test]
async fn an_interrupt_ends_the_message_where_it_is() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let said = "never said to its end ".repeat(100);
    let id = writer(&app, &ada, &said, (1_000, 30)).await;
    let subscribe = json!({"type": "subscribe", "channels": ["*"], "agentId": id});
    let mut ws = follow(&ada, subscribe).await;
    let task = prompt(&ada, &id).await;
    while ws.next().await["kind"] != "assistant" {}
    let path = format!("/api/agents/{id}/interrupt");
    ada.post(&path, &json!({})).await.ok(202);
    let event = loop {
        let frame = ws.next().await;
        if frame["event"] == "assistant_message" {
            break frame;
        }
    };
    let content = event["data"]["content"].as_str().unwrap();
    assert!(!content.is_empty() && content.len() < said.len() && said.starts_with(content));
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    assert_eq!(ada.get(&path).await.ok(200)["state"], "stopped");
    // Nothing of it is left for a new reader.
    let mut late = follow(
        &ada,
        json!({"type": "subscribe", "channels": ["*"], "agentId": id}),
    )
    .await;
    late.say(json!({"type": "ping"})).await;
    loop {
        let frame = late.next().await;
        assert_ne!(frame["type"], "agent.delta", "{frame}");
        if frame["type"] == "pong" {
            break;
        }
    }
}

#[tokio::test]
async fn a_killed_server_loses_no_word_of_a_message() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let said = "before the crash, in it and behind it ".repeat(30);
    let id = writer(&app, &ada, &said, (200, 30)).await;
    let subscribe = json!({"type": "subscribe", "channels": ["*"], "agentId": id, "after": 0});
    let mut ws = follow(&ada, subscribe.clone()).await;
    let task = prompt(&ada, &id).await;
    let mut heard = Heard::default();
    while heard.pieces.len() < 10 {
        let frame = ws.next().await;
        if frame["type"] == "agent.delta" && frame["kind"] == "assistant" {
            heard.take(&frame);
        }
    }
    app.kill9();
    app.boot().await;
    let ada = ada.at(&app);
    let mut again = follow(&ada, subscribe).await;
    let rest = message(&mut again, "assistant_message").await;
    rest.is_true_to(&said);
    assert_eq!(rest.event["data"]["content"], said);
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    assert_eq!(ada.get(&path).await.ok(200)["outcome"], "completed");
    let history = ada.history(&id).await;
    let whole = |event: &&Value| event["data"]["content"] == said;
    assert_eq!(history.iter().filter(whole).count(), 1, "{history:?}");
}
