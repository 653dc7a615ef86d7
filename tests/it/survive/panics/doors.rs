//! Panics in the handlers of requests and in every part of a WebSocket.
//! Never a connection that is lost where an answer could be given.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::*;
use super::house::{House, answer};

/// One connection that is kept: a request must not end it.
struct Line<'a> {
    stream: BufReader<TcpStream>,
    who: &'a Caller,
}

impl<'a> Line<'a> {
    async fn open(app: &TestApp, who: &'a Caller) -> Self {
        let stream = TcpStream::connect(&app.address).await.unwrap();
        let stream = BufReader::new(stream);
        Self { stream, who }
    }

    /// One request and its answer.
    async fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.who.token,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            let count = self.stream.read_line(&mut line).await.unwrap();
            assert!(count > 0, "{method} {path}: the connection was lost");
            let line = line.trim_end().to_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                let code = rest.split(' ').next().unwrap();
                status = code.parse().unwrap();
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        if method == "HEAD" {
            length = 0;
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).await.unwrap();
        (status, String::from_utf8(text).unwrap())
    }
}

/// Routes as the document names them: method and pattern.
async fn routes(who: &Caller) -> BTreeSet<(String, String)> {
    let document = who.get("/openapi.json").await.ok(200);
    let mut routes = BTreeSet::new();
    for (pattern, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete", "head"] {
            if item.get(method).is_some() {
                routes.insert((method.to_uppercase(), pattern.clone()));
            }
        }
    }
    routes
}

#[tokio::test]
async fn a_request_whose_handler_panics_is_answered() {
    let house = House::new().await;
    let routes = routes(&house.admin).await;
    assert!(routes.len() > 70, "{routes:?}");
    let id = house.sibling.as_str();
    let task = send(&house.ada, id, "true").await;
    let pid = house.pid(id).await;
    let mut line = Line::open(&house.app, &house.admin).await;
    // The sockets have a test of their own.
    let socket = |pattern: &str| pattern.ends_with("/ws") || pattern.ends_with("/terminal");
    let names = routes.iter().filter(|(_, pattern)| !socket(pattern));
    for (method, pattern) in names {
        house.arm(&[format!("{method} {pattern}=1*panic")]).await;
        let path = pattern.replace("{id}", id).replace("{name}", id);
        let path = path.replace("{task}", &task);
        let path = path.replace("{taskId}", &task);
        let (status, text) = line.ask(method, &path, &Value::Null).await;
        assert_eq!(status, 500, "{method} {pattern}: {text}");
        if method != "HEAD" {
            let body: Value = serde_json::from_str(&text).unwrap();
            // The services number theirs, and have ours inside.
            let ours = match body["code"].is_number() {
                true => &body["data"],
                false => &body,
            };
            assert_eq!(ours["code"], "internal", "{method} {pattern}: {body}");
            assert_eq!(ours["requestId"].as_str().map(str::len), Some(32), "{body}");
            assert!(!text.contains("failpoint"), "it says too much: {text}");
        }
        house.says(&format!("{method} {pattern}")).await;
    }
    let (status, text) = line.ask("GET", "/health/ready", &Value::Null).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(house.pid(id).await, pid);
}

#[tokio::test]
async fn a_prompt_that_was_taken_before_the_panic_is_not_taken_again() {
    let house = House::new().await;
    let id = house.sibling.as_str();
    let point = "POST /api/agents/{id}/message answered";
    house.arm(&[format!("{point}=1*panic")]).await;
    let path = format!("/api/agents/{id}/message");
    let ask = || {
        let ask = house.ada.request(reqwest::Method::POST, &path);
        let ask = ask
            .header("idempotency-key", "once")
            .json(&json!({"message": "true"}));
        crate::app::answer(ask)
    };
    assert_eq!(ask().await.fails(500, "internal")["code"], "internal");
    let task = ask().await.ok(202)["taskId"].as_str().unwrap().to_owned();
    house.ends(id, &task, "completed").await;
    let all = house.get(&format!("/api/agents/{id}/tasks")).await;
    assert_eq!(all["total"], 1, "{all}");
    let tasks = [task];
    ended_once(&with_ends(&house.ada, id, &tasks).await, &tasks);
}

#[tokio::test]
async fn an_agent_whose_creation_panics_is_made_once() {
    let house = House::new().await;
    for point in ["app.created", "app.worked", "app.kept"] {
        house.arm(&[format!("{point}=1*panic")]).await;
        let make = || {
            let make = house.ada.request(reqwest::Method::POST, "/api/agents");
            let make = make.header("idempotency-key", format!("{point}-once"));
            let body = json!({"agentType": "shell", "permissionMode": "bypassPermissions",
                              "name": point.replace('.', "-"), "message": "true"});
            crate::app::answer(make.json(&body))
        };
        make().await.fails(500, "internal");
        let made = make().await.ok(201);
        let (id, task) = (
            made["id"].as_str().unwrap(),
            made["taskId"].as_str().unwrap(),
        );
        house.ends(id, task, "completed").await;
        let all = house.get(&format!("/api/agents/{id}/tasks")).await;
        assert_eq!(all["total"], 1, "{all}");
    }
    assert_eq!(house.get("/api/agents").await["total"], 4);
}

/// What a socket sees of a panic in one of its parts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It is never opened.
    Refused,
    /// It is told that the server failed.
    Close,
    /// Its line ends without a word: what would say it is what has failed.
    Cut,
    /// Nothing: it goes on from its cursor by itself.
    Nothing,
}

#[tokio::test]
async fn a_socket_is_closed_or_goes_on_and_harms_nobody() {
    let house = House::new().await;
    let id = house.sibling.as_str();
    let pid = house.pid(id).await;
    for (point, seen) in [
        ("socket.started", Seen::Refused),
        ("socket.Result", Seen::Cut),
        ("socket.pull", Seen::Refused),
        ("socket.watch", Seen::Close),
        ("socket.act", Seen::Close),
        ("socket.replay_agent", Seen::Close),
        ("socket.replay_all", Seen::Close),
        ("socket.push", Seen::Close),
        ("feed.Follow", Seen::Nothing),
        ("hub.Follow", Seen::Nothing),
    ] {
        let mut other = house.ada.ws().await;
        other
            .say(json!({"type": "subscribe", "channels": ["*"], "agentId": id}))
            .await;
        other.wait_for("hello").await;
        house.arm(&[format!("{point}=1*panic")]).await;
        let opening = house.ada.clone();
        let opened = tokio::spawn(async move { opening.ws().await }).await;
        if seen == Seen::Refused {
            assert!(opened.is_err(), "{point}: it was opened");
            house.says(point).await;
            continue;
        }
        let mut ws = opened.unwrap();
        let all = matches!(point, "socket.replay_all" | "hub.Follow");
        let mut subscribe = json!({"type": "subscribe", "channels": ["*"]});
        if !all {
            subscribe["agentId"] = json!(id);
        }
        // The line may be gone already.
        let _said = futures_util::SinkExt::send(
            &mut ws.stream,
            tokio_tungstenite::tungstenite::Message::text(subscribe.to_string()),
        )
        .await;
        if point == "feed.Follow" || point == "hub.Follow" {
            ws.wait_for("hello").await;
            house.strike(point).await;
        } else if point != "socket.push" {
            answer(async || match house.said(point) {
                true => Ok(()),
                false => Err(format!("{point} was not passed")),
            })
            .await;
        } else {
            ws.wait_for("hello").await;
        }
        let task = send(&house.ada, id, "true").await;
        house.ends(id, &task, "completed").await;
        match seen {
            Seen::Close if point == "socket.push" => {
                // One of the two is struck, whichever comes first; the other goes on.
                house.says(point).await;
            }
            Seen::Close => assert_eq!(ws.closed().await, Some(1011), "{point}"),
            Seen::Cut => assert_eq!(ws.closed().await, None, "{point}"),
            Seen::Refused => {}
            Seen::Nothing => ended_event(&mut ws, &task).await,
        }
        if point != "socket.push" {
            ended_event(&mut other, &task).await;
        }
        assert_eq!(house.pid(id).await, pid);
        house.arm(&[]).await;
    }
}

async fn ended_event(ws: &mut crate::app::Ws, task: &str) {
    loop {
        let frame = ws.next().await;
        assert_ne!(frame["type"], "gap", "{frame}");
        if frame["event"] == "turn_ended" && frame["data"]["taskId"] == *task {
            return;
        }
    }
}

/// The line of an event stream ends; who comes back has everything.
#[tokio::test]
async fn a_stream_whose_body_panics_ends_and_harms_nobody() {
    let house = House::new().await;
    let id = house.sibling.as_str();
    let pid = house.pid(id).await;
    house.arm(&["stream.pull=1*panic".to_owned()]).await;
    let query = format!("?mission_id={id}&after=0");
    let path = format!("/api/control/stream{query}");
    let request = house.ada.request(reqwest::Method::GET, &path);
    if let Ok(mut reply) = request.send().await {
        while let Ok(Some(_)) = reply.chunk().await {}
    }
    house.says("stream.pull").await;
    let mut stream = crate::app::Sse::open(&house.ada, &query, None).await;
    let first = stream.until_like(crate::app::Part::stored).await;
    assert_eq!(first.data["seq"], 1);
    assert_eq!(house.pid(id).await, pid);
}

/// A workspace whose making was cut off is there as what it is, and can be made after all.
#[tokio::test]
async fn a_workspace_whose_making_panics_is_pending_and_can_be_mended() {
    let house = House::new().await;
    let point = "app.workspace_pending";
    house.arm(&[format!("{point}=1*panic")]).await;
    let path = house.app.dir().join("place");
    let body = json!({"name": "place", "path": path});
    house
        .ada
        .post_once("/api/workspaces", &body)
        .await
        .fails(500, "internal");
    house.says(point).await;
    let all = house.get("/api/workspaces").await;
    let found = all.as_array().unwrap().iter();
    let found = found
        .filter(|one| one["name"] == "place")
        .collect::<Vec<_>>();
    assert_eq!((found.len(), &found[0]["status"]), (1, &json!("pending")));
    let one = format!("/api/workspaces/{}", found[0]["id"].as_str().unwrap());
    let put = house.ada.request(reqwest::Method::PUT, &one);
    let mended = house.ada.ask(put.json(&json!({"path": path}))).await;
    assert_eq!(mended.ok(200)["status"], "ready");
    assert!(path.is_dir());
}
