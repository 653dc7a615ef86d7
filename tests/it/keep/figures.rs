//! `GET /api/stats`: the server's figures for admins, their own for everybody else.

use std::process::Command;

use serde_json::{Value, json};

use super::{stats_until, tidied};
use crate::app::{TestApp, until};
use crate::doors_events::flood;

#[tokio::test]
async fn an_admin_sees_everything_and_a_member_their_own() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let first = tidied(&app).await;
    assert_eq!(first["events"], json!({"total": 0, "oldest": null}));
    let id = ada.agent(&flood(&app, 50, 20)).await;
    ada.turn(&id, "go").await;
    let path = format!("/api/agents/{id}");
    until(async || ada.get(&path).await.ok(200)["detail"] == "idle").await;
    let history = ada.history(&id).await;
    let gone = bob.agent(&json!({"agentType": "script"})).await;
    bob.delete(&format!("/api/agents/{gone}")).await.ok(200);

    let own = stats_until(&ada, |now| now["events"]["total"] == history.len()).await;
    assert_eq!(own["scope"], "own");
    assert_eq!(
        own["sessions"],
        json!({"total": 1, "byStatus": {"idle": 1}, "deleted": 0})
    );
    assert_eq!(
        own["tasks"],
        json!({"total": 1, "byState": {"completed": 1}})
    );
    assert_eq!(own["events"]["oldest"], history[0]["timestamp"]);
    assert_eq!(own["approvals"], json!({"total": 0, "byState": {}}));
    assert_eq!(own["incarnations"], json!({"total": 1}));
    for part in ["database", "logs", "audit", "supervisorLog"] {
        assert_eq!(own.get(part), None, "{part}");
    }
    assert_eq!(own["retention"]["settings"]["eventsPerAgent"], 100_000);
    let settings = &own["retention"]["settings"];
    assert_eq!(settings["tasksAgeSeconds"], 90 * 86_400);
    assert_eq!(settings["tasksPerAgent"], 10_000);
    assert_eq!(own["retention"].get("lastSweep"), None);
    let others = stats_until(&bob, |now| now["sessions"]["deleted"] == 1).await;
    assert_eq!(others["sessions"]["total"], 0);

    let admin = app.sign_in("admin").await;
    let all = stats_until(&admin, |now| now["sessions"]["deleted"] == 1).await;
    assert_eq!(
        (&all["scope"], &all["sessions"]["total"]),
        (&json!("server"), &json!(1))
    );
    let events = all["events"]["total"].as_u64().unwrap();
    assert!(events >= u64::try_from(history.len()).unwrap(), "{events}");
    assert!(all["database"]["bytes"].as_u64().unwrap() > 4_096);
    assert!(all["audit"]["total"].as_u64() >= Some(1), "{all}");
    assert!(all["supervisorLog"]["total"].is_u64(), "{all}");
    assert!(all["incarnations"]["total"].as_u64() >= Some(1), "{all}");
    let (free, total) = (&all["disk"]["freeBytes"], &all["disk"]["totalBytes"]);
    assert!(free.as_u64() <= total.as_u64() && free.is_u64(), "{all}");
    assert_eq!(
        all["retention"]["settings"]["eventsAgeSeconds"],
        90 * 86_400
    );

    let shown = Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["--url", &app.url(), "stats", "--json"])
        .env("CALLBOARD_API_KEY", &admin.token)
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    assert!(shown.status.success());
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["scope"], "server");
}
