//! A start on another database, a second server on one file, and a forced restore: agents live on.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use super::player;
use crate::app::{TestApp, until};

fn told(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn start(app: &TestApp, database: &Path) -> Output {
    let mut command = app.command();
    command.env(
        "CALLBOARD_DATABASE_URL",
        format!("sqlite:{}", database.display()),
    );
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_another_database_is_refused_and_ends_no_agent() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = player(&app, &ada, &json!([[{"hang": true}]])).await;
    let path = format!("/api/agents/{id}");
    ada.post(&format!("{path}/message"), &json!({"message": "hang"}))
        .await
        .ok(202);
    until(async || ada.get(&path).await.ok(200)["pid"].is_number()).await;
    let pid = ada.get(&path).await.ok(200)["pid"].clone();
    let copy = tempfile::tempdir().unwrap();
    let callboard = || Command::new(env!("CARGO_BIN_EXE_callboard"));
    let made = callboard()
        .arg("backup")
        .arg(copy.path())
        .arg("--data-dir")
        .arg(app.dir())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", told(&made));
    app.kill9();

    let elsewhere = tempfile::tempdir().unwrap();
    let refused = start(&app, &elsewhere.path().join("other.db"));
    assert_eq!(refused.status.code(), Some(1));
    let words = told(&refused);
    assert!(words.contains("do not belong together"), "{words}");
    assert!(words.contains("CALLBOARD_DATABASE_URL"), "{words}");
    let forced = callboard()
        .args(["restore", "--force", "--data-dir"])
        .arg(app.dir())
        .arg(copy.path())
        .output()
        .unwrap();
    assert_eq!(forced.status.code(), Some(1));
    assert!(told(&forced).contains("live on"), "{}", told(&forced));

    app.boot().await;
    let ada = ada.at(&app);
    assert_eq!(ada.get(&path).await.ok(200)["pid"], pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_file_of_the_first_is_refused() {
    let first = TestApp::start().await;
    let second = TestApp::in_place(tempfile::tempdir().unwrap(), "");
    let refused = start(&second, &first.dir().join("callboard.db"));
    assert_eq!(refused.status.code(), Some(1));
    let words = told(&refused);
    assert!(
        words.contains("another server uses this database"),
        "{words}"
    );
    assert!(words.contains(&first.pid().to_string()), "{words}");
}
