//! The list of what is remembered, and how it is forgotten.

use std::process::{Command, Output};

use serde_json::json;

use super::*;

#[tokio::test]
async fn overrides_are_listed_paged_and_forgotten_by_their_owner() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let admin = app.sign_in("admin").await;
    let id = shell(&app, &ada).await;
    for (message, how) in [
        ("echo 1", "session"),
        ("echo 2", "always"),
        ("echo 3", "always"),
    ] {
        asked(&ada, &id, message, (true, json!(how))).await;
    }
    let page = ada.get(&format!("{OVERRIDES}?limit=2")).await.ok(200);
    assert_eq!(
        (&page["total"], &page["hasMore"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(page["overrides"][0]["matcher"]["text"], "echo 3");
    let rest = ada
        .get(&format!("{OVERRIDES}?limit=2&offset=2"))
        .await
        .ok(200);
    assert_eq!(rest["hasMore"], false);
    assert_eq!(rest["overrides"][0]["matcher"]["text"], "echo 1");
    let own = ada.get(&format!("{OVERRIDES}?agentId={id}")).await.ok(200);
    assert_eq!(own["total"], 1);

    assert_eq!(bob.get(OVERRIDES).await.ok(200)["total"], 0);
    bob.get(&format!("{OVERRIDES}?agentId={id}"))
        .await
        .fails(404, "not_found");
    let one = |at: usize| {
        let rule = page["overrides"][at]["id"].as_str().unwrap();
        format!("{OVERRIDES}/{rule}")
    };
    bob.delete(&one(0)).await.fails(404, "not_found");
    assert_eq!(admin.get(OVERRIDES).await.ok(200)["total"], 3);

    unasked(&ada, &id, "echo 3", "completed").await;
    assert_eq!(ada.delete(&one(0)).await.ok(200), json!({"deleted": true}));
    ada.delete(&one(0)).await.fails(404, "not_found");
    is_asked(&ada, &id, "echo 3").await;
    admin.delete(&one(1)).await.ok(200);
    is_asked(&ada, &id, "echo 2").await;
    // Those of a session go with it.
    ada.delete(&format!("/api/agents/{id}")).await.ok(200);
    assert_eq!(ada.get(OVERRIDES).await.ok(200)["total"], 0);
}

#[tokio::test]
async fn a_viewer_forgets_nothing() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.sign_in("ada").await, app.sign_in("eve").await);
    let id = shell(&app, &ada).await;
    let (reply, _) = asked(&ada, &id, "echo x", (true, json!("always"))).await;
    let rule = reply["remembered"]["id"].as_str().unwrap();
    eve.delete(&format!("{OVERRIDES}/{rule}"))
        .await
        .fails(404, "not_found");
    let task = send(&ada, &id, "echo y").await;
    let shown = question(&ada, &id).await;
    answer(&eve, &shown, true, json!("always"))
        .await
        .fails(404, "not_found");
    answer(&ada, &shown, false, json!("once")).await.ok(200);
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    assert_eq!(ada.get(&path).await.ok(200)["outcome"], "stopped");
}

fn callboard(app: &TestApp, who: &Caller, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["--url", &app.url(), "approve"])
        .args(args)
        .env("CALLBOARD_API_KEY", &who.token)
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_remembers_lists_and_forgets() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let id = shell(&app, &ada).await;
    let task = send(&ada, &id, "echo cli").await;
    let shown = question(&ada, &id).await;
    let request = shown["requestId"].as_str().unwrap();
    let bad = callboard(&app, &ada, &[request, "--remember", "forever"]);
    assert_eq!(bad.status.code(), Some(2), "{}", text(&bad.stderr));
    let done = callboard(&app, &ada, &[request, "--remember", "session"]);
    let told = text(&done.stderr);
    assert!(done.status.success(), "{told}");
    assert!(
        told.contains("allowed in this session: shell, exactly the command `echo cli`"),
        "{told}"
    );
    let path = format!("/api/agents/{id}/tasks/{task}?wait=30");
    assert_eq!(ada.get(&path).await.ok(200)["outcome"], "completed");
    unasked(&ada, &id, "echo cli", "completed").await;

    let list = callboard(&app, &ada, &["--overrides"]);
    assert!(
        text(&list.stdout).contains("echo cli"),
        "{}",
        text(&list.stdout)
    );
    let list = callboard(&app, &ada, &["--overrides", "--json"]);
    let page: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(page["total"], 1);
    let rule = page["overrides"][0]["id"].as_str().unwrap();
    let tail: String = rule.chars().skip(rule.len() - 8).collect();
    let gone = callboard(&app, &ada, &["--forget", &tail]);
    assert!(gone.status.success(), "{}", text(&gone.stderr));
    let again = callboard(&app, &ada, &["--forget", &tail]);
    assert!(!again.status.success());
    is_asked(&ada, &id, "echo cli").await;
}
