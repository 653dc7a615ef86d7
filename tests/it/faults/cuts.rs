//! Connections that are reset amid the body of a request.
//! Never half of what was asked, and never a server that is worse for it.

use std::time::Duration;

use serde_json::json;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{Caller, TestApp, until};

/// How often each is cut.
const TIMES: usize = 8;

/// How a body says where it ends, and so that this one has not ended.
#[derive(Clone, Copy)]
enum Frame {
    Length,
    Chunks,
}

/// Sends a body that could be read as it is, but for its end, and resets the connection when the
/// server has asked for it.
async fn cut(who: &Caller, path: &str, key: &str, body: &str, frame: Frame) {
    let mut line = TcpStream::connect(&who.address).await.unwrap();
    let (says, part) = match frame {
        Frame::Length => {
            let length = body.len() + 10;
            (format!("content-length: {length}"), body.to_owned())
        }
        Frame::Chunks => {
            let chunk = format!("{:x}\r\n{body}\r\n", body.len());
            ("transfer-encoding: chunked".to_owned(), chunk)
        }
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\nidempotency-key: {key}\r\n\
         expect: 100-continue\r\n{says}\r\n\r\n",
        who.token
    );
    line.write_all(head.as_bytes()).await.unwrap();
    let mut word = [0; 12];
    let asked = tokio::time::timeout(Duration::from_secs(30), line.read_exact(&mut word));
    asked.await.unwrap().unwrap();
    assert_eq!(&word, b"HTTP/1.1 100");
    line.write_all(part.as_bytes()).await.unwrap();
    // Without a wait the close is a reset.
    let socket = SockRef::from(&line);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(line);
}

fn open_files(app: &TestApp) -> usize {
    let all = std::fs::read_dir(format!("/proc/{}/fd", app.pid())).unwrap();
    all.count()
}

#[tokio::test]
async fn a_body_that_is_cut_off_by_a_reset_does_nothing() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = ada.ready_agent(&json!({"agentType": "script"})).await;
    let message = format!("/api/agents/{id}/message");
    let new = json!({"agentType": "script", "start": false}).to_string();
    let prompt = json!({"message": "hello"}).to_string();
    let before = open_files(&app);
    for n in 0..TIMES {
        for frame in [Frame::Length, Frame::Chunks] {
            cut(&ada, "/api/agents", &format!("new-{n}"), &new, frame).await;
            cut(&ada, &message, &format!("prompt-{n}"), &prompt, frame).await;
        }
    }
    // Every connection is given back, and the server answers as before.
    until(async || open_files(&app) < before + TIMES).await;
    ada.turn(&id, "whole").await;
    // An orderly end lets everything that was begun run out.
    assert_eq!(app.stop().await, Some(0));
    app.boot().await;
    let ada = ada.at(&app);
    let agents = ada.get("/api/agents").await.ok(200);
    assert_eq!(agents["total"], 1, "{agents}");
    let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
    assert_eq!(tasks["tasks"].as_array().map(Vec::len), Some(1), "{tasks}");
    // Nor was a key used up by what never came.
    let request = ada.request(reqwest::Method::POST, "/api/agents");
    let request = request.header("idempotency-key", "new-0");
    let again = crate::app::answer(request.json(&json!({"agentType": "script", "start": false})));
    again.await.ok(201);
    assert!(!app.log().contains("panicked"), "{}", app.log());
}
