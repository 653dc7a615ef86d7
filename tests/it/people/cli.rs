//! `callboard user` against a real server.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::*;

/// Runs the client with this token and these words on stdin.
fn run(app: &TestApp, who: &Caller, args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(args)
        .env("CALLBOARD_URL", app.url())
        .env("CALLBOARD_API_KEY", &who.token)
        .env("HOME", app.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing has closed it.
    let _unread = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn good(app: &TestApp, who: &Caller, args: &[&str], stdin: &str) -> String {
    let done = run(app, who, args, stdin);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{args:?}: {told}");
    assert!(!told.contains(OTHER), "a password is shown");
    String::from_utf8(done.stdout).unwrap()
}

fn refused(app: &TestApp, who: &Caller, args: &[&str], code: i32) -> String {
    let done = run(app, who, args, "");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(code), "{args:?}: {told}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_kept_from_the_command_line() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.sign_in("admin").await, app.sign_in("ada").await);
    let new = format!("{OTHER}\n");
    good(
        &app,
        &admin,
        &["user", "create", "kim", "--email", "kim@example.org"],
        &new,
    );
    let kim = login(&app, "kim", OTHER).await.ok(200);
    assert_eq!(kim["user"]["role"], "member");
    let list = good(&app, &admin, &["user", "list"], "");
    assert!(
        list.lines().any(|line| line.contains("kim@example.org")),
        "{list}"
    );
    let list: Value =
        serde_json::from_str(&good(&app, &admin, &["user", "list", "--json"], "")).unwrap();
    assert_eq!(list["users"].as_array().map(Vec::len), Some(5));

    let role = good(
        &app,
        &admin,
        &["user", "role", "kim", "viewer", "--json"],
        "",
    );
    assert_eq!(
        serde_json::from_str::<Value>(&role).unwrap()["role"],
        "viewer"
    );
    good(&app, &admin, &["user", "disable", "kim@example.org"], "");
    login(&app, "kim", OTHER)
        .await
        .fails(401, "bad_credentials");
    let shown = good(&app, &admin, &["user", "show", "kim"], "");
    assert!(shown.contains("disabled"), "{shown}");
    good(&app, &admin, &["user", "enable", "kim"], "");
    let file = app.dir().join("new-password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let file = file.to_str().unwrap();
    good(
        &app,
        &admin,
        &["user", "password", "kim", "--password-file", file],
        "",
    );
    login(&app, "kim", PASSWORD).await.ok(200);
    good(&app, &admin, &["user", "delete", "kim"], "");
    let told = refused(&app, &admin, &["user", "show", "kim"], 4);
    assert!(told.contains("user list"), "{told}");

    let own = format!("{PASSWORD}\n{OTHER}\n");
    good(&app, &ada, &["user", "password"], &own);
    login(&app, "ada", OTHER).await.ok(200);
    assert!(good(&app, &ada, &["user", "show"], "").contains("ada"));
    refused(&app, &ada, &["user", "list"], 9);
    refused(&app, &admin, &["user", "role", "admin", "member"], 9);
    refused(&app, &admin, &["user", "role", "ada", "king"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_are_made_listed_and_taken_back() {
    let app = TestApp::with("[auth]\nregistration = \"invite\"\n").await;
    let admin = app.sign_in("admin").await;
    let code = good(
        &app,
        &admin,
        &["user", "invite", "--role", "viewer", "--days", "2"],
        "",
    );
    let body = json!({"username": "kim", "password": OTHER, "inviteCode": code.trim()});
    let request = app.http.post(app.url() + "/api/auth/register").json(&body);
    assert_eq!(answer(request).await.ok(201)["role"], "viewer");
    let made = good(&app, &admin, &["user", "invite", "--json"], "");
    let made: Value = serde_json::from_str(&made).unwrap();
    let list = good(&app, &admin, &["user", "invite", "--list"], "");
    assert!(list.contains("used") && list.contains("open"), "{list}");
    good(
        &app,
        &admin,
        &["user", "invite", "--revoke", made["id"].as_str().unwrap()],
        "",
    );
    let list = good(&app, &admin, &["user", "invite", "--list", "--json"], "");
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["invites"].as_array().map(Vec::len), Some(1));
    refused(&app, &admin, &["user", "invite", "--revoke", "ffff"], 4);
}
