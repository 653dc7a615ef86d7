//! The ends that nobody asked for: the client goes, the server stops or is killed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::*;

const DEAF: &str = "trap '' TERM HUP; (env -i setsid sleep 1000 >/dev/null 2>&1 &); touch up; \
                    sleep 1000; sleep 1000";

/// A command that has started, and the request that waits for it.
async fn begun(who: &Caller, app: &TestApp, words: &str, query: &str) -> (PathBuf, Waiting) {
    let name = uuid::Uuid::new_v4().simple().to_string();
    let id = made(who, app, &name).await;
    let dir = app.dir().join(name);
    let path = format!("{WORKSPACES}/{id}/exec{query}");
    let request = who.request(reqwest::Method::POST, &path);
    let request = request.json(&json!({"command": words}));
    let waiting = tokio::spawn(crate::app::try_answer(request));
    until(async || dir.join("up").exists()).await;
    assert!(!standing_in(&dir).is_empty());
    (dir, waiting)
}

type Waiting = tokio::task::JoinHandle<reqwest::Result<Answer>>;

async fn empty(dir: &Path) {
    until(async || standing_in(dir).is_empty()).await;
}

#[tokio::test]
async fn a_client_that_goes_takes_its_command_with_it() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    for query in ["", "?stream=true"] {
        let (dir, waiting) = begun(&ada, &app, DEAF, query).await;
        waiting.abort();
        empty(&dir).await;
    }
    // The places are free again.
    let id = made(&ada, &app, "last").await;
    for _ in 0..6 {
        assert_eq!(
            run(&ada, &id, &json!({"command": "true"})).await["exit_code"],
            0
        );
    }
}

#[tokio::test]
async fn a_server_that_stops_asks_commands_to_end_and_answers() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let polite = "trap 'echo bye; exit 4' TERM; echo up; touch up; sleep 1000 & wait";
    let (first, told) = begun(&ada, &app, polite, "").await;
    let (second, _cut) = begun(&ada, &app, DEAF, "?stream=true").await;
    app.signal(nix::sys::signal::Signal::SIGTERM);
    let told = told.await.unwrap().unwrap().ok(200);
    assert_eq!(
        (&told["stdout"], &told["exit_code"]),
        (&json!("up\nbye\n"), &json!(4))
    );
    assert_eq!(
        (&told["draining"], &told["timed_out"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(app.ended().await, Some(0));
    for dir in [first, second] {
        assert_eq!(standing_in(&dir), Vec::<u32>::new());
    }
}

#[tokio::test]
async fn a_killed_server_leaves_no_command_behind() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let (dir, _lost) = begun(&ada, &app, DEAF, "").await;
    app.kill9();
    empty(&dir).await;
    app.boot().await;
    let ada = ada.at(&app);
    let id = made(&ada, &app, "next").await;
    assert_eq!(
        run(&ada, &id, &json!({"command": "true"})).await["exit_code"],
        0
    );
}

/// Who was shut out neither runs on nor hears more, in both forms, also where nobody reads.
#[tokio::test]
async fn who_is_shut_out_runs_no_command_any_more() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    for query in ["", "?stream=true"] {
        let again = app.sign_in("ada").await;
        let (dir, told) = begun(&again, &app, DEAF, query).await;
        again.post("/api/auth/logout", &json!({})).await.ok(200);
        let told = told.await.unwrap().unwrap();
        empty(&dir).await;
        match query {
            "" => drop(told.fails(401, "token_revoked")),
            _ => assert!(told.text.contains("token_revoked"), "{}", told.text),
        }
    }
    let id = made(&ada, &app, "left").await;
    assert_eq!(
        run(&ada, &id, &json!({"command": "true"})).await["exit_code"],
        0
    );
}

/// Follows a command without ever reading.
async fn unread(app: &TestApp, who: &Caller, id: &str, words: &str) -> TcpStream {
    let body = json!({"command": words});
    asked_without_reading(app, who, (id, "?stream=true"), &body).await
}

async fn asked_without_reading(
    app: &TestApp,
    who: &Caller,
    (id, query): (&str, &str),
    body: &Value,
) -> TcpStream {
    let body = body.to_string();
    let socket = TcpSocket::new_v4().unwrap();
    // Little of an answer fits into what the client's side holds.
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut line = socket.connect(app.address.parse().unwrap()).await.unwrap();
    let request = format!(
        "POST {WORKSPACES}/{id}/exec{query} HTTP/1.1\r\nhost: localhost\r\n\
         authorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        who.token,
        body.len()
    );
    line.write_all(request.as_bytes()).await.unwrap();
    line
}

/// Answers of every size, handed out whole or in part, to clients that never read.
#[tokio::test]
async fn what_was_handed_out_and_is_not_taken_does_not_hold_up_the_end() {
    let mut app = TestApp::with("[exec]\nper_user = 40\nat_once = 40\n").await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "w").await;
    let dir = app.dir().join("w");
    let mut lines = Vec::new();
    for size in (1..=32).map(|step| step * 4_096) {
        let words = format!("yes | head -c {size}; touch up-{size}");
        lines.push(unread(&app, &ada, &id, &words).await);
    }
    let smallest = dir.join("up-4096");
    until(async || smallest.exists()).await;
    let begun = Instant::now();
    app.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(app.ended().await, Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    drop(lines);
    assert_eq!(standing_in(&dir), Vec::<u32>::new());
}

/// A follower that never reads keeps its place, and does not hold up a server that stops.
#[tokio::test]
async fn a_follower_that_does_not_read_does_not_hold_up_the_end() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "w").await;
    let dir = app.dir().join("w");
    let words = "touch up; yes | head -c 20000000";
    let unread = unread(&app, &ada, &id, words).await;
    until(async || dir.join("up").exists()).await;
    let begun = Instant::now();
    app.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(app.ended().await, Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    drop(unread);
    assert_eq!(standing_in(&dir), Vec::<u32>::new());
}

/// Answers that nobody reads hold their places: what they take of the memory is bounded.
#[tokio::test]
async fn who_does_not_read_the_answers_gets_no_more_of_them() {
    let app = TestApp::with("[exec]\nper_user = 2\n").await;
    let ada = app.sign_in("ada").await;
    let id = made(&ada, &app, "w").await;
    let dir = app.dir().join("w");
    let many = |name: &str| {
        let words = format!("head -c 4194304 /dev/zero; touch {name}");
        json!({"command": words, "max_output_bytes": 4_194_304})
    };
    let mut held = Vec::new();
    for name in ["one", "two"] {
        held.push(asked_without_reading(&app, &ada, (&id, ""), &many(name)).await);
        until(async || dir.join(name).exists()).await;
    }
    asked(&ada, &id, &json!({"command": "true"}))
        .await
        .fails(429, "too_many_execs");
    drop(held);
    until(async || asked(&ada, &id, &json!({"command": "true"})).await.status == 200).await;
}
