//! `callboard workspace` against a real server.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::*;

async fn cli(app: &TestApp, who: &Caller, args: &[&str], input: Option<&'static str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command
        .arg("workspace")
        .args(args)
        .env("CALLBOARD_URL", app.url())
        .env("CALLBOARD_API_KEY", &who.token)
        .env("HOME", app.dir())
        .current_dir(app.dir())
        .stdin(input.map_or_else(Stdio::null, |_| Stdio::piped()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let running = move || {
        let mut child = command.spawn().unwrap();
        if let Some(text) = input {
            child
                .stdin
                .take()
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
        }
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(running).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_driven_from_the_command_line() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let dir = app.dir().join("site");
    let path = dir.to_str().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let done = cli(
        &app,
        &ada,
        &["create", "site", "--path", path, "--env", "A=seen-by-none"],
        None,
    )
    .await;
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(dir.is_dir());
    let done = cli(&app, &ada, &["ls"], None).await;
    let table = text(&done.stdout);
    assert!(table.contains("site") && table.contains("host"), "{table}");
    assert!(!table.contains("seen-by-none"), "{table}");

    // Without `-i` nobody reads the input: it may never end.
    let held = cli(
        &app,
        &ada,
        &["exec", "site", "--", "cat; echo on"],
        Some("kept\n"),
    )
    .await;
    assert_eq!(text(&held.stdout), "on\n");
    let words = [
        "exec",
        "-i",
        "site",
        "--",
        "cat; echo $A; echo err >&2; exit 7",
    ];
    let done = cli(&app, &ada, &words, Some("given\n")).await;
    assert_eq!(text(&done.stdout), "given\nseen-by-none\n");
    assert_eq!(text(&done.stderr), "err\n");
    assert_eq!(done.status.code(), Some(7));
    let late = cli(
        &app,
        &ada,
        &[
            "exec",
            "site",
            "--timeout",
            "1s",
            "--",
            "echo on; sleep 100",
        ],
        None,
    )
    .await;
    assert_eq!(
        (text(&late.stdout).as_str(), late.status.code()),
        ("on\n", Some(8))
    );
    let none = cli(&app, &ada, &["exec", "nowhere", "--", "true"], None).await;
    assert_eq!(none.status.code(), Some(4), "{}", text(&none.stderr));

    let done = cli(&app, &ada, &["rm", "site"], None).await;
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let listed = ada.get(WORKSPACES).await;
    assert_eq!(listed.headers["x-total-count"], "1");
}
