//! A server on PostgreSQL, copied and brought back: into another database of PostgreSQL, and into a file.
//! Never over what is there without being told to.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use super::cluster::Cluster;
use crate::app::TestApp;

async fn callboard(words: &[&str], paths: [&Path; 2], database: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command
        .args(words)
        .arg(paths[0])
        .arg("--data-dir")
        .arg(paths[1])
        .env("HOME", "/nonexistent")
        .env_remove("CALLBOARD_DATABASE_URL")
        .envs(database.map(|url| ("CALLBOARD_DATABASE_URL", url)))
        .stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_comes_back_in_another_database_and_in_a_file() {
    let mut app = super::app("").await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    assert_eq!(ada.turn(&id, "hello").await["outcome"], "completed");
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy");
    let database = app.database();
    let made = callboard(&["backup"], [&copy, app.dir()], Some(&database)).await;
    assert!(made.status.success(), "{made:?}");
    let over = callboard(&["restore"], [&copy, app.dir()], Some(&database)).await;
    assert!(!over.status.success(), "a server runs there: {over:?}");
    let history = ada.history(&id).await;
    assert_eq!(app.stop().await, Some(0));
    drop(app);

    let fresh = tokio::task::spawn_blocking(|| {
        let cluster = Cluster::shared();
        cluster.url(&cluster.create(None))
    });
    let fresh = fresh.await.unwrap();
    for database in [Some(fresh.as_str()), None] {
        let dir = tempfile::tempdir().unwrap();
        let back = callboard(&["restore"], [&copy, dir.path()], database).await;
        assert!(back.status.success(), "{back:?}");
        let mut app = TestApp::in_place(dir, "");
        app.env
            .extend(database.map(|url| ("CALLBOARD_DATABASE_URL", url.to_owned())));
        app.boot().await;
        // The keys came along, so the token holds.
        let ada = ada.at(&app);
        let again = ada.history(&id).await;
        assert_eq!(again[..history.len() - 1], history[..history.len() - 1]);
        let done = ada.turn(&id, "and on").await;
        assert_eq!(done["outcome"], "completed", "{database:?}: {done}");
        assert_eq!(app.stop().await, Some(0));
    }
}
