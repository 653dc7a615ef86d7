//! Which agent programs there are: told over HTTP, chosen by `run`, and missed with a mend.
//! Never with what is installed on the machine that runs the tests.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::app::{Caller, TestApp};

const STATUS: &str = "/api/models/cli/status";
const KEY: &str = "sk-hush-71";

/// A program that says a version, and what its environment was, to a file beside it.
fn fake(dir: &Path) -> PathBuf {
    let file = dir.join("claude");
    let text = "#!/bin/sh\nenv > \"$0.env\"\necho '9.8.7 (fake)'\n";
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// Settings under which claude is looked for in this directory, at home there too.
fn settings(dir: &Path) -> String {
    let dir = dir.display();
    format!("[kinds.claude]\nenv = {{ PATH = \"{dir}:/usr/bin:/bin\", HOME = \"{dir}\" }}\n")
}

fn of(status: &Value, name: &str) -> Value {
    let tools = status["tools"].as_array().unwrap();
    tools
        .iter()
        .find(|tool| tool["name"] == name)
        .unwrap()
        .clone()
}

fn run(app: &TestApp, who: &Caller, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["--url", &app.url(), "run"])
        .args(args)
        .env("CALLBOARD_API_KEY", &who.token)
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_program_is_told_with_its_version_and_its_sign_in() {
    let home = tempfile::tempdir().unwrap();
    let program = fake(home.path());
    let app = TestApp::with(&settings(home.path())).await;
    let ada = app.sign_in("ada").await;
    let status = ada.get(STATUS).await.ok(200);
    let tool = of(&status, "claude");
    assert_eq!(tool["installed"], true, "{tool}");
    assert_eq!(tool["version"], "9.8.7", "{tool}");
    assert_eq!(tool["path"], program.to_str().unwrap(), "{tool}");
    assert_eq!(
        (&tool["signedIn"], &tool["available"]),
        (&json!(false), &json!(false))
    );
    assert!(
        tool["mend"].as_str().unwrap().contains("env_from"),
        "{tool}"
    );
    assert!(tool["modelPatterns"].is_array() && tool["quota"].is_null());
    assert_eq!(status["choice"]["agentType"], "shell", "{status}");
    // It was asked in its own environment alone.
    let env = std::fs::read_to_string(home.path().join("claude.env")).unwrap();
    assert!(env.contains("DISABLE_AUTOUPDATER=1"), "{env}");
    assert!(!env.contains("CALLBOARD"), "{env}");
    for (name, ready) in [("shell", true), ("script", true)] {
        let tool = of(&status, name);
        assert_eq!(tool["available"], ready, "{tool}");
        assert!(
            tool["signedIn"].is_null() && tool["mend"].is_null(),
            "{tool}"
        );
    }
    // A session that brings a key of its own needs no sign-in.
    let brought = ada.get(&format!("{STATUS}?env=A,ANTHROPIC_API_KEY")).await;
    assert_eq!(brought.ok(200)["choice"]["agentType"], "claude");
    // A sign-in is seen at once, the version is not asked for again.
    std::fs::remove_file(home.path().join("claude.env")).unwrap();
    let dir = home.path().join(".claude");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(
        dir.join(".credentials.json"),
        format!("{{\"key\":\"{KEY}\"}}"),
    )
    .unwrap();
    let reply = ada.get(STATUS).await;
    assert!(!reply.text.contains(KEY), "{}", reply.text);
    let status = reply.ok(200);
    assert_eq!(of(&status, "claude")["signedInBy"], ".credentials.json");
    assert_eq!(status["choice"]["agentType"], "claude");
    assert_eq!(status["choice"]["says"], "claude 9.8.7 (signed in)");
    assert!(!home.path().join("claude.env").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_servers_is_a_sign_in_and_is_not_shown() {
    let home = tempfile::tempdir().unwrap();
    fake(home.path());
    let settings = settings(home.path()) + "env_from = [\"ANTHROPIC_API_KEY\"]\n";
    let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), &settings).await;
    app.env.push(("ANTHROPIC_API_KEY", KEY.to_owned()));
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let reply = ada.get(STATUS).await;
    assert!(!reply.text.contains(KEY), "{}", reply.text);
    let status = reply.ok(200);
    let tool = of(&status, "claude");
    assert_eq!(tool["signedInBy"], "ANTHROPIC_API_KEY", "{tool}");
    assert_eq!(tool["available"], true, "{tool}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_is_named_with_the_command_that_brings_it() {
    let home = tempfile::tempdir().unwrap();
    // Nothing is found in this PATH, whatever the machine has.
    let settings = format!(
        "[kinds.claude]\nenv = {{ PATH = \"{}\" }}\n",
        home.path().display()
    );
    let app = TestApp::with(&settings).await;
    let ada = app.sign_in("ada").await;
    let install = "npm install -g @anthropic-ai/claude-code";
    let tool = of(&ada.get(STATUS).await.ok(200), "claude");
    assert_eq!(tool["installed"], false, "{tool}");
    assert!(tool["mend"].as_str().unwrap().contains(install), "{tool}");
    let refused = ada
        .post(
            "/api/agents",
            &json!({"agentType": "claude", "cwd": app.dir()}),
        )
        .await
        .fails(400, "program_not_found");
    assert!(
        refused["error"].as_str().unwrap().contains(install),
        "{refused}"
    );
    // `run` takes the shell then, and says how to get the other.
    let quick = [
        "echo hello-$((40+2))",
        "--permission-mode",
        "bypassPermissions",
    ];
    let done = run(&app, &ada, &quick);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("hello-42"));
    assert!(
        told.contains("no agent program is installed: using shell; `npm install -g"),
        "{told}"
    );
    let wrong = run(&app, &ada, &["x", "--agent", "shell", "--effort", "high"]);
    assert_eq!(wrong.status.code(), Some(2));
    let wrong = run(&app, &ada, &["x", "--env", "NO_SUCH_VARIABLE_HERE"]);
    assert_eq!(wrong.status.code(), Some(2));
}
