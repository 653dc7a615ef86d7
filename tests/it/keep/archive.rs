//! `callboard backup` and `restore`: of a running server, back to life, and refused where they must.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::player;
use crate::app::{TestApp, until};

fn callboard(words: &[&str], paths: &[(&str, &Path)], rest: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command.args(words).env("HOME", "/nonexistent");
    for (flag, path) in paths {
        if !flag.is_empty() {
            command.arg(flag);
        }
        command.arg(path);
    }
    command.args(rest).output().unwrap()
}

fn told(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn restore(from: &Path, to: &Path, rest: &[&str]) -> Output {
    callboard(&["restore"], &[("", from), ("--data-dir", to)], rest)
}

/// What a forced restore has put aside beside this directory.
fn aside(dir: &Path) -> Vec<PathBuf> {
    let name = dir.file_name().unwrap().to_str().unwrap();
    let start = format!("{name}.before-");
    let entries = std::fs::read_dir(dir.parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(&start)
        })
        .collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_copied_while_it_runs_and_comes_back_with_another_epoch() {
    let parent = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir_in(parent.path()).unwrap();
    let mut app = TestApp::prepared(dir, "").await;
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"say": "one"}], [{"say": "two"}, {"hang": true}]]);
    let id = player(&app, &ada, &turns).await;
    ada.turn(&id, "it's \"odd\" \u{1f980}").await;
    let path = format!("/api/agents/{id}/message");
    let running = ada.post(&path, &json!({"message": "hang"})).await.ok(202);
    let waiting = ada.post(&path, &json!({"message": "later"})).await.ok(202);
    let task = |sent: &Value| {
        let task = sent["taskId"].as_str().unwrap();
        format!("/api/agents/{id}/tasks/{task}")
    };
    until(async || ada.get(&task(&running)).await.ok(200)["state"] == "running").await;

    let copy = parent.path().join("copy");
    let made = callboard(&["backup"], &[("", &copy), ("--data-dir", app.dir())], &[]);
    assert!(made.status.success(), "{}", told(&made));
    assert!(told(&made).contains("holds the keys"), "{}", told(&made));
    let history = ada.history(&id).await;
    let manifest = std::fs::read(copy.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["format"], 1);
    assert!(manifest["keys"].as_array().unwrap().len() >= 2);
    for (path, expected) in [
        (copy.clone(), 0o700),
        (copy.join("keys"), 0o700),
        (copy.join("keys/master.key"), 0o600),
        (copy.join("tables/events.jsonl"), 0o600),
    ] {
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
    let again = callboard(&["backup"], &[("", &copy), ("--data-dir", app.dir())], &[]);
    assert_eq!(again.status.code(), Some(1), "it would be overwritten");
    let beside = restore(&copy, app.dir(), &["--force"]);
    assert_eq!(beside.status.code(), Some(1), "a server runs there");
    assert!(
        told(&beside).contains("another server"),
        "{}",
        told(&beside)
    );

    // What comes after the copy is lost with the restore.
    ada.delete(&path.replace("/message", "")).await.ok(200);
    assert_eq!(app.stop().await, Some(0));
    let occupied = restore(&copy, app.dir(), &[]);
    assert_eq!(occupied.status.code(), Some(1));
    assert!(told(&occupied).contains("--force"), "{}", told(&occupied));
    let done = restore(&copy, app.dir(), &["--force"]);
    assert!(done.status.success(), "{}", told(&done));
    assert_eq!(aside(app.dir()).len(), 1);
    assert!(aside(app.dir())[0].join("callboard.db").is_file());
    assert_eq!(mode(app.dir()), 0o700);
    assert_eq!(mode(&app.dir().join("callboard.db")), 0o600);

    app.boot().await;
    // The keys came along: the token holds.
    let ada = ada.at(&app);
    let back = ada.history(&id).await;
    let len = history.len().min(back.len());
    assert_eq!(back[..len - 1], history[..len - 1]);
    let ended = ["interrupted", "uncertain", "stopped"];
    until(async || {
        let state = ada.get(&task(&running)).await.ok(200)["state"].clone();
        ended.contains(&state.as_str().unwrap())
    })
    .await;
    assert_eq!(
        ada.get(&task(&waiting)).await.status,
        200,
        "it was accepted"
    );
    let epoch = manifest["epoch"].as_str().unwrap();
    let events = format!("/api/agents/{id}/events?after={epoch}:1");
    ada.get(&events).await.fails(410, "epoch_changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_damaged_newer_or_without_keys_is_told() {
    let mut app = TestApp::start().await;
    let parent = tempfile::tempdir().unwrap();
    let (copy, place) = (parent.path().join("copy"), parent.path().join("data"));
    assert_eq!(app.stop().await, Some(0));
    let paths = [("", copy.as_path()), ("--data-dir", app.dir())];
    let made = callboard(&["backup", "--without-keys"], &paths, &[]);
    assert!(made.status.success(), "{}", told(&made));
    assert!(!copy.join("keys").exists());

    let manifest = copy.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let newer = text.replacen("\"schema\": [", "\"schema\": [\n\"20991231000001\",", 1);
    assert_ne!(newer, text);
    std::fs::write(&manifest, newer).unwrap();
    let refused = restore(&copy, &place, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        told(&refused).contains("20991231000001"),
        "{}",
        told(&refused)
    );
    std::fs::write(&manifest, &text).unwrap();

    let users = copy.join("tables/users.jsonl");
    let rows = std::fs::read_to_string(&users).unwrap();
    std::fs::write(&users, rows.replacen("ada", "eda", 1)).unwrap();
    let refused = restore(&copy, &place, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("damaged"), "{}", told(&refused));
    std::fs::write(&users, rows).unwrap();
    let left: Vec<_> = std::fs::read_dir(parent.path()).unwrap().collect();
    assert_eq!(
        left.len(),
        1,
        "nothing is left of a refused restore: {left:?}"
    );

    let done = restore(&copy, &place, &[]);
    assert!(done.status.success(), "{}", told(&done));
    assert!(told(&done).contains("has no keys"), "{}", told(&done));
    assert!(place.join("callboard.db").is_file() && !place.join("keys").exists());
    let nothing = callboard(
        &["backup"],
        &[
            ("", &parent.path().join("x")),
            ("--data-dir", parent.path()),
        ],
        &[],
    );
    assert_eq!(nothing.status.code(), Some(1));
    assert!(told(&nothing).contains("no database"), "{}", told(&nothing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_named_below_the_directory_is_restored_with_it() {
    let mut app = TestApp::start().await;
    let parent = tempfile::tempdir().unwrap();
    let (copy, place) = (parent.path().join("copy"), parent.path().join("data"));
    assert_eq!(app.stop().await, Some(0));
    let paths = [("", copy.as_path()), ("--data-dir", app.dir())];
    let made = callboard(&["backup"], &paths, &[]);
    assert!(made.status.success(), "{}", told(&made));
    let file = place.join("rows/own.db");
    let restored = || {
        Command::new(env!("CARGO_BIN_EXE_callboard"))
            .args(["restore", "--force", "--data-dir"])
            .args([&place, &copy])
            .env("HOME", "/nonexistent")
            .env(
                "CALLBOARD_DATABASE_URL",
                format!("sqlite:{}", file.display()),
            )
            .output()
            .unwrap()
    };
    // The second one puts the first aside: nothing is found where it is to be.
    for _time in 0..2 {
        let done = restored();
        assert!(done.status.success(), "{}", told(&done));
        assert!(file.is_file() && place.join("database-id").is_file());
    }
    assert_eq!(aside(&place).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_words_nobody_takes_is_written_all_the_same() {
    let mut app = TestApp::start().await;
    app.kill9();
    let parent = tempfile::tempdir().unwrap();
    let to = parent.path().join("bk");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let done = Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["backup", "--data-dir"])
        .arg(app.dir())
        .arg(&to)
        .env("HOME", "/nonexistent")
        .stderr(full.unwrap())
        .status()
        .unwrap();
    assert!(done.success(), "{done}");
    assert!(to.join("manifest.json").is_file());
}
