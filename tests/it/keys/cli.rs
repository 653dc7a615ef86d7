//! `callboard key`, and real keys in the environment of the client.

use std::process::{Command, Output};

use serde_json::Value;

use crate::app::TestApp;

fn callboard(app: &TestApp, key: (&str, &str), args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["--url", &app.url()])
        .args(args)
        .env_remove("CALLBOARD_API_KEY")
        .env_remove("AGOR_API_KEY")
        .env(key.0, key.1)
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

#[track_caller]
fn ok(app: &TestApp, key: (&str, &str), args: &[&str], code: i32) -> String {
    let done = callboard(app, key, args);
    assert_eq!(done.status.code(), Some(code), "{args:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_used_and_revoked_on_the_command_line() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let login = ("CALLBOARD_API_KEY", ada.token.as_str());
    let raw = ok(&app, login, &["key", "create", "ci", "--expires", "30d"], 0);
    let raw = raw.trim();
    assert!(raw.starts_with("agor_sk_") && !raw.contains('\n'), "{raw}");
    for name in ["CALLBOARD_API_KEY", "AGOR_API_KEY"] {
        let key = (name, raw);
        assert!(ok(&app, key, &["whoami"], 0).starts_with("ada "), "{name}");
        let prompt = ["run", "go", "--agent", "script", "--rm"];
        ok(&app, key, &prompt, 0);
        ok(&app, key, &["ps", "--all", "--json"], 0);
        ok(&app, key, &["key", "create", "more"], 9);
    }
    let listed: Value =
        serde_json::from_str(&ok(&app, login, &["key", "list", "--json"], 0)).unwrap();
    assert_eq!(listed[0]["name"], "ci");
    assert!(ok(&app, login, &["key", "list"], 0).contains("read,write"));
    let read = ["key", "create", "look", "--scope", "read", "--json"];
    let made: Value = serde_json::from_str(&ok(&app, login, &read, 0)).unwrap();
    let looks = ("AGOR_API_KEY", made["rawKey"].as_str().unwrap());
    ok(&app, looks, &["ps"], 0);
    let refused = callboard(&app, looks, &["run", "go", "--agent", "script"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(9), "{told}");
    assert!(told.contains("write") && told.contains("--scope"), "{told}");
    ok(&app, login, &["key", "revoke", "ci"], 0);
    ok(&app, ("CALLBOARD_API_KEY", raw), &["ps"], 3);
    ok(&app, login, &["key", "revoke", "ci"], 4);
    ok(&app, login, &["key", "create", "x", "--expires", "30"], 2);
    ok(&app, login, &["key", "create", "x", "--scope", "root"], 2);
}
