//! The notes of who did what and the lines of the supervisors' log go in time, while the server runs.

use serde_json::{Value, json};

use super::{player, stats_until};
use crate::app::{Caller, TestApp, until};
use crate::keys::audit;

/// Retention each second: notes of the last seconds alone, and few lines.
pub const BRIEF: &str = "[retention]\nevery = \"1s\"\naudit_age = \"2s\"\nsupervisor_lines = 5\n";

/// Notes of the audit table, by their numbers.
async fn numbers(admin: &Caller) -> Vec<u64> {
    let page = admin.get("/api/audit?limit=500").await.ok(200);
    let entries = page["entries"].as_array().unwrap().iter();
    entries.map(|one| one["n"].as_u64().unwrap()).collect()
}

/// Lives of an agent, each with its lines in the supervisors' log and its notes.
async fn lives(who: &Caller, id: &str) {
    for _ in 0..3 {
        for what in ["stop", "start"] {
            let path = format!("/api/agents/{id}/{what}");
            who.post(&path, &json!({})).await.ok(200);
        }
    }
}

/// The body of the test for either database.
pub async fn go_in_time(app: &TestApp) {
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = player(app, &ada, &json!([[{"say": "x"}]])).await;
    lives(&ada, &id).await;
    let first = numbers(&admin).await;
    assert!(first.len() > 6, "{first:?}");
    let last = *first.last().unwrap();

    // All that was there is gone but the last one, on which the next stands; what is left is whole.
    until(async || numbers(&admin).await.iter().all(|n| *n >= last)).await;
    let few = |stats: &Value| stats["supervisorLog"]["total"].as_u64().unwrap() <= 5;
    stats_until(&admin, few).await;
    let sweep = stats_until(&admin, |_| true).await["retention"]["lastSweep"].clone();
    assert_eq!(
        (&sweep["failed"], &sweep["clockDoubted"]),
        (&json!(0), &json!(false))
    );
    audit::whole(app);

    // It goes on: more work is written with the next numbers, and goes as well.
    lives(&ada, &id).await;
    let more = numbers(&admin).await;
    assert!(more.iter().all(|n| *n >= last), "{more:?} after {last}");
    let last = *more.last().unwrap();
    until(async || numbers(&admin).await.iter().all(|n| *n >= last)).await;
    stats_until(&admin, few).await;
    audit::whole(app);
}

#[tokio::test]
async fn notes_and_lines_go_while_the_server_runs() {
    go_in_time(&TestApp::with(BRIEF).await).await;
}
