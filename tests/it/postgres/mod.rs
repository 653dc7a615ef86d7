//! The server on PostgreSQL: what crashes and readers show on the embedded database holds here too,
//! and PostgreSQL itself may go away and come back.
//! Never another body for the same promise: those of the embedded database are run.

#[path = "../../../src/store/tests/cluster.rs"]
pub mod cluster;
mod copies;
mod hangs;
mod restart;
mod tls;
mod upgrade;

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::app::TestApp;
use crate::keep::lines;
use crate::people::throttle;
use crate::survive::{drain, queue, readers, server};
use cluster::Cluster;

/// A server on a database of its own.
pub async fn app(settings: &str) -> TestApp {
    let database = tokio::task::spawn_blocking(|| {
        let cluster = Cluster::shared();
        cluster.url(&cluster.create(None))
    });
    TestApp::on(database.await.unwrap(), settings).await
}

#[tokio::test]
async fn a_crash_at_any_point_loses_and_repeats_nothing() {
    queue::crashes_at_any_point(app(queue::QUICK).await).await;
}

#[tokio::test]
async fn a_flood_goes_on_without_a_server() {
    server::flood_without_a_server(app("").await).await;
}

#[tokio::test]
async fn every_reader_sees_the_same_events() {
    readers::readers_agree(app("").await).await;
}

#[tokio::test]
async fn agents_live_on_through_a_restart() {
    drain::agents_live_on(app("").await).await;
}

#[tokio::test]
async fn a_key_makes_one_agent_and_one_task() {
    crate::doors_tasks::one_agent_and_one_task(&app("").await).await;
}

#[tokio::test]
async fn notes_and_lines_go_while_the_server_runs() {
    lines::go_in_time(&app(lines::BRIEF).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_by_the_command_while_no_server_runs() {
    throttle::opened_by_the_command(app(throttle::PROXIED).await).await;
}

/// Two servers with directories of their own on one database: the second one does not start, and
/// neither does a migration. Both say who is there; with the first one gone both work.
#[tokio::test]
async fn one_database_has_one_server() {
    let mut first = app("").await;
    let other = tempfile::tempdir().unwrap();
    let pid = format!("pid {}", first.pid());
    let refused = run(&first, &["serve", "--bind", "127.0.0.1:0"], other.path()).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(words(&refused).contains(&pid), "{}", words(&refused));
    let refused = run(&first, &["migrate"], other.path()).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(words(&refused).contains(&pid), "{}", words(&refused));
    let looked = run(&first, &["migrate", "--check"], other.path()).await;
    assert!(looked.status.success(), "{looked:?}");
    first.stop().await;
    let done = run(&first, &["migrate", "--json"], other.path()).await;
    assert!(done.status.success(), "{}", words(&done));
    let done: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&done["ran"], &done["pending"]),
        (&0.into(), &0.into()),
        "{done}"
    );
    assert_eq!(done["migrations"][0]["state"], "applied", "{done}");
    first.boot().await;
}

/// A password in the address is in no file and no word of the server.
#[tokio::test]
async fn a_password_is_told_to_nobody() {
    let secret = tokio::task::spawn_blocking(|| {
        let cluster = Cluster::shared();
        let (name, dir) = (cluster.create(None), cluster.dir().to_str().unwrap());
        let dir = dir.replace('/', "%2F");
        format!("postgres://callboard:open%53esame@/{name}?host={dir}")
    });
    let secret = secret.await.unwrap();
    let mut app = TestApp::on(secret, "").await;
    let ada = app.sign_in("ada").await;
    ada.turn(
        &ada.agent(&serde_json::json!({"agentType": "script"})).await,
        "hi",
    )
    .await;
    app.stop().await;
    assert!(app.log().contains("postgres://callboard@"), "{}", app.log());
    for file in files(app.dir()) {
        let bytes = std::fs::read(&file).unwrap();
        for word in ["open%53esame", "openSesame"] {
            let there = bytes
                .windows(word.len())
                .any(|part| part == word.as_bytes());
            assert!(!there, "{word} stands in {}", file.display());
        }
    }
}

fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// The program beside a server: on the same database, in another directory.
async fn run(app: &TestApp, words: &[&str], dir: &std::path::Path) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_callboard"));
    command
        .args(words)
        .arg("--data-dir")
        .arg(dir)
        .env("CALLBOARD_DATABASE_URL", app.database())
        .stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// What it said to a person, on one line.
fn words(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}
