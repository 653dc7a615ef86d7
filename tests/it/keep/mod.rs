//! What is kept and for how long, the room on the disk, and copies of it all.
//! Never a wait for a time: every wait is for a state, with a deadline.

mod archive;
mod binding;
mod disk;
mod ended;
mod figures;
mod gone;
pub mod lines;
mod retention;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{Caller, PATIENCE, TestApp};

/// The figures of the whole server, once the first round of retention is through.
pub async fn tidied(app: &TestApp) -> Value {
    tidied_within(app, PATIENCE).await
}

/// The same where there is much to do.
pub async fn tidied_within(app: &TestApp, patience: Duration) -> Value {
    let admin = app.sign_in("admin").await;
    let swept = |now: &Value| now["retention"]["lastSweep"].is_object();
    stats_within(&admin, patience, swept).await
}

/// The figures once they are as wanted.
async fn stats_until(who: &Caller, wanted: impl Fn(&Value) -> bool) -> Value {
    stats_within(who, PATIENCE, wanted).await
}

async fn stats_within(who: &Caller, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let now = who.get("/api/stats").await.ok(200);
        if wanted(&now) {
            return now;
        }
        assert!(started.elapsed() < patience, "{now}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A script agent that plays these turns.
async fn player(app: &TestApp, who: &Caller, turns: &Value) -> String {
    let file = app.dir().join(format!("{}.json", uuid::Uuid::new_v4()));
    std::fs::write(&file, json!({ "turns": turns }).to_string()).unwrap();
    who.agent(&json!({"agentType": "script", "scenario": file, "cwd": app.dir()}))
        .await
}

/// Starts the server again, with these settings besides.
async fn again(app: &mut TestApp, settings: &[(&'static str, &str)]) {
    assert_eq!(app.stop().await, Some(0));
    let pairs = settings.iter();
    app.env = pairs
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    app.boot().await;
}
