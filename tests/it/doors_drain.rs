//! Starting and stopping the server.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::app::{PATIENCE, TestApp, answer, until};

#[tokio::test]
async fn a_signal_drains() {
    let mut app = TestApp::with("[limits]\npolls_per_token = 1\n").await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    ada.turn(&id, "hi").await;
    let mut ws = ada.ws().await;
    ws.wait_for("connected").await;
    // One that has no process says nothing, which would end the wait.
    let quiet = json!({"agentType": "script", "start": false});
    let path = format!(
        "/api/agents/{}/events?after=latest&wait=",
        ada.agent(&quiet).await
    );
    let poll = ada.long_poll(format!("{path}30"));
    // The poll is in when another of its token is counted beside it.
    until(async || ada.get(&format!("{path}1")).await.status == 429).await;
    app.signal(Signal::SIGTERM);
    assert_eq!(ws.closed().await, Some(1001));
    let page = poll.await.unwrap().ok(200);
    assert_eq!(page["events"], json!([]));
    let begun = Instant::now();
    assert_eq!(app.ended().await, Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    app.boot().await;
}

#[tokio::test]
async fn a_second_server_is_refused_with_the_pid_of_the_first() {
    let app = TestApp::start().await;
    let mut second = app.command().stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = second.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut text = String::new();
    second
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("pid {}", app.pid())), "{text}");
    assert!(text.contains("--data-dir"), "{text}");
    answer(app.http.get(app.url() + "/health/ready"))
        .await
        .ok(200);
}

#[tokio::test]
async fn a_taken_address_is_told() {
    let app = TestApp::start().await;
    let other = tempfile::tempdir().unwrap();
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["serve", "--bind", &app.address, "--data-dir"])
        .arg(other.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!("cannot listen on {}", app.address)),
        "{text}"
    );
}

#[tokio::test]
async fn health_tells_strangers_enough_and_no_more() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    ada.agent(&json!({"agentType": "script", "name": "secret-name"}))
        .await;
    let look = async || answer(app.http.get(app.url() + "/health/detailed")).await;
    until(async || look().await.ok(200)["services"]["journal"]["pending"] == 0).await;
    let detailed = look().await;
    for hidden in ["secret-name", app.dir().to_str().unwrap(), "ada"] {
        assert!(!detailed.text.contains(hidden), "{}", detailed.text);
    }
    let health = detailed.ok(200);
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(health["agents"]["running"], 1);
    for service in ["database", "journal", "supervisor", "keeper"] {
        assert_eq!(health["services"][service]["status"], "healthy", "{health}");
    }
    assert_eq!(health["services"]["keeper"]["binary"], "callboard-keeper");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(app.dir()).unwrap());
    assert_eq!(mode & 0o777, 0o700);
}
