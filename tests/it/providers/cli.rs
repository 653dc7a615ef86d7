//! `callboard provider` against a real server.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::accounts::stage;
use super::*;

async fn cli(app: &TestApp, who: &Caller, args: &[&str], input: String) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command
        .arg("provider")
        .args(args)
        .env("CALLBOARD_URL", app.url())
        .env("CALLBOARD_API_KEY", &who.token)
        .env("HOME", app.dir())
        .current_dir(app.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let running = move || {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may be gone by now.
        let _read = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(running).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_read_from_stdin_and_a_sign_in_is_shown_and_forgotten() {
    let app = TestApp::with(HOUSE).await;
    let ada = app.sign_in("ada").await;
    let key = "sk-typed-0123456789";
    let done = cli(&app, &ada, &["login", "house"], format!("{key}\n")).await;
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(!text(&done.stderr).contains(key));
    assert_eq!(status(&ada, "house").await, "key");
    let agent = shell(&ada, &app).await;
    assert_eq!(variable(&ada, &app, &agent, "HOUSE_KEY").await, key);
    let listed = cli(&app, &ada, &["ls"], String::new()).await;
    let table = text(&listed.stdout);
    let row = table.lines().find(|line| line.contains("House")).unwrap();
    assert!(row.contains("key") && row.contains("shell"), "{table}");
    assert!(!table.contains(key));
    let json = cli(&app, &ada, &["ls", "--json"], String::new()).await;
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["providers"].as_array().unwrap().len(), 2);

    let short = cli(&app, &ada, &["login", "house"], "x\n".into()).await;
    assert_eq!(short.status.code(), Some(2), "{}", text(&short.stderr));
    let none = cli(&app, &ada, &["login", "nobody"], format!("{key}\n")).await;
    assert_eq!(none.status.code(), Some(4), "{}", text(&none.stderr));
    let given = cli(&app, &ada, &["login", "house", key], String::new()).await;
    assert_eq!(given.status.code(), Some(2), "no key is an argument");
    for words in ["signed out of house", "not signed in"] {
        let done = cli(&app, &ada, &["logout", "house"], String::new()).await;
        assert_eq!(done.status.code(), Some(0));
        assert!(text(&done.stderr).contains(words), "{}", text(&done.stderr));
    }
    assert_eq!(status(&ada, "house").await, "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_signed_in_by_the_code_of_the_page() {
    let (provider, app) = stage().await;
    let ada = app.sign_in("ada").await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command
        .args(["provider", "login", "acme", "--account"])
        .env("CALLBOARD_URL", app.url())
        .env("CALLBOARD_API_KEY", &ada.token)
        .env("HOME", app.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut page = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut page).unwrap();
    let back = provider.agree(&app, page.trim()).await;
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{back}").unwrap();
    drop(stdin);
    let done = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let done = done.await.unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(status(&ada, "acme").await, "oauth");

    let nothing = cli(&app, &ada, &["login", "acme", "--account"], "\n".into()).await;
    assert_eq!(nothing.status.code(), Some(0), "{}", text(&nothing.stderr));
    let out = cli(&app, &ada, &["logout", "acme"], String::new()).await;
    assert_eq!(out.status.code(), Some(0));
    let nothing = cli(&app, &ada, &["login", "acme", "--account"], "\n".into()).await;
    assert_eq!(nothing.status.code(), Some(3), "{}", text(&nothing.stderr));
}
