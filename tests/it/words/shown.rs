//! `callboard run` while the agent writes.
//! Never trusts one look: what is shown early is compared with what the server has by then.

use std::process::Command;

use serde_json::Value;

use super::writer;
use crate::app::{Caller, TestApp};
use crate::attach::pty::Pty;

const SAID: &str = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda omega";

async fn run(app: &TestApp, who: &Caller, more: &[&str], pace: (u64, u64)) -> Command {
    // Made for its scenario; `run` makes an agent of its own.
    writer(app, who, SAID, pace).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command
        .args(["--url", &app.url(), "run", "go", "--scenario"])
        .arg(app.dir().join("writer.json"))
        .arg("--cwd")
        .arg(app.dir())
        .args(more)
        .env("CALLBOARD_API_KEY", &who.token)
        .env("HOME", "/nonexistent")
        .env_remove("CALLBOARD_URL")
        .env_remove("NO_COLOR");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn words_appear_while_they_are_written_and_once() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let pty = Pty::open(30, 100);
    let mut command = run(&app, &ada, &["--name", "shown"], (24, 150)).await;
    let mut child = pty.spawn(&mut command);
    pty.shows("alpha");
    let list = ada.get("/api/agents?limit=100").await.ok(200);
    let agents = list["agents"].as_array().unwrap();
    let own = agents.iter().find(|one| one["name"] == "shown").unwrap();
    let history = ada.history(own["id"].as_str().unwrap()).await;
    let whole = |event: &Value| event["type"] == "assistant_message";
    assert!(!history.iter().any(whole), "it was shown when it was whole");
    assert_eq!(pty.wait(&mut child).code(), Some(0), "{}", pty.shown());
    let shown = pty.shown();
    for word in SAID.split(' ') {
        let (seen, said) = (shown.matches(word).count(), SAID.matches(word).count());
        assert_eq!(seen, said, "{word}: {shown}");
    }
    assert!(shown.contains(&format!("{SAID}\r\n")), "{shown}");
    // A thought stands back, and is not told twice either.
    assert!(shown.contains("\u{1b}[2m  ~ "), "{shown}");
    let bare = shown.replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
    assert_eq!(bare.matches("let me think").count(), 1, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_whole_messages_and_pieces_only_when_asked() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let told = |command: &mut Command| {
        let done = command.output().unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap()
    };
    let plain = told(&mut run(&app, &ada, &[], (10, 10)).await);
    assert_eq!(plain, format!("{SAID}\n"));
    ada.delete(&format!("/api/agents/{}", named(&ada).await))
        .await
        .ok(200);
    let json = told(&mut run(&app, &ada, &["--json"], (10, 10)).await);
    assert!(!json.contains("agent.delta"), "{json}");
    ada.delete(&format!("/api/agents/{}", named(&ada).await))
        .await
        .ok(200);
    let deltas = told(&mut run(&app, &ada, &["--json", "--deltas"], (20, 50)).await);
    let lines: Vec<Value> = deltas
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let pieces = lines.iter().filter(|line| line["type"] == "agent.delta");
    let said: String = pieces
        .filter(|piece| piece["kind"] == "assistant")
        .filter_map(|piece| piece["text"].as_str())
        .collect();
    assert_eq!(said, SAID);
    assert_eq!(lines.last().unwrap()["type"], "result");
}

/// The agent that `writer` made.
async fn named(who: &Caller) -> String {
    let one = who.get("/api/agents/sessions/writer").await.ok(200);
    one["id"].as_str().unwrap().to_owned()
}
