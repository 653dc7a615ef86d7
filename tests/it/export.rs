//! `callboard export`: what a session was, as a file.
//!
//! Never compared with itself: the server's own answers are the measure.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::app::{Caller, TestApp};

fn export(app: &TestApp, caller: &Caller, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["--url", &app.url(), "export"])
        .args(args)
        .env("CALLBOARD_API_KEY", &caller.token)
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

fn records(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records
        .iter()
        .filter(|record| record["record"] == kind)
        .map(|record| &record[kind])
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_exported_whole_and_in_order_over_many_pages() {
    let app = TestApp::with("").await;
    let caller = app.sign_in("ada").await;
    let shell = json!({
        "agentType": "shell", "name": "build", "permissionMode": "bypassPermissions",
    });
    let id = caller.ready_agent(&shell).await;
    for n in 0..60 {
        let done = caller.turn(&id, &format!("echo turn-{n}")).await;
        assert_eq!(done["outcome"], "completed");
    }
    let history = caller.history(&id).await;
    assert!(history.len() > 200, "one page only: {}", history.len());

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("build.jsonl");
    std::fs::write(&file, "an older one").unwrap();
    let done = export(&app, &caller, &["build", "-o", file.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    assert!(
        done.stdout.is_empty() && told.contains("60 tasks"),
        "{told}"
    );
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

    let text = std::fs::read_to_string(&file).unwrap();
    let records = records(&text);
    assert_eq!(records[0]["session"]["id"], id.as_str());
    let events: Vec<Value> = of(&records, "event").into_iter().cloned().collect();
    assert_eq!(events, history);
    let said: Vec<&Value> = of(&records, "task")
        .iter()
        .map(|task| &task["message"])
        .collect();
    let wanted: Vec<Value> = (0..60).map(|n| json!(format!("echo turn-{n}"))).collect();
    assert_eq!(said, wanted.iter().collect::<Vec<_>>());
    let end = records.last().unwrap();
    assert_eq!(
        (
            &end["record"],
            &end["tasks"],
            &end["events"],
            &end["missingEvents"]
        ),
        (&json!("end"), &json!(60), &json!(history.len()), &json!(0))
    );

    let printed = export(&app, &caller, &[&id]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_questions_are_exported_and_strangers_get_nothing() {
    let app = TestApp::with("").await;
    let caller = app.sign_in("ada").await;
    let asking = json!({"agentType": "shell", "permissionMode": "default", "message": "date"});
    let id = caller.agent(&asking).await;
    super::app::until(async || {
        let agent = caller.get(&format!("/api/agents/{id}")).await.ok(200);
        agent["pendingApprovals"] == 1
    })
    .await;
    let done = export(&app, &caller, &[&id]);
    let records = records(&String::from_utf8(done.stdout).unwrap());
    let open = of(&records, "approval");
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["agentId"], id.as_str());

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("stolen.jsonl");
    let bob = app.sign_in("bob").await;
    let refused = export(&app, &bob, &[&id, "--output", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
