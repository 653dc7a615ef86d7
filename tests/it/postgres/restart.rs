//! PostgreSQL that ends and comes back under a running server.
//! Never an event that is lost or doubled, and never an actor that dies of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{Cluster, End};
use crate::app::{Caller, TestApp, answer};
use crate::survive::{answer_within, beyond, ended_once, lines, player, settled, with_ends};

const LINES: u64 = 60_000;
/// Within this time after PostgreSQL is back, so is everything.
const BACK: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_restart_under_a_flood_loses_and_doubles_nothing() {
    let cluster = Arc::new(tokio::task::spawn_blocking(Cluster::start).await.unwrap());
    let database = cluster.url(&cluster.create(None));
    let mut app = TestApp::on(database, "").await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let turns = json!([[{"flood": {"lines": LINES, "bytes": 40}}], [{"say": "after"}]]);
    let id = player(&app, &ada, &turns).await;
    let mut tasks = vec![crate::survive::send(&ada, &id, "go").await];
    beyond(&ada, &id, 200).await;
    let before = generations(&admin).await;
    for (end, key) in [(End::Fast, "fast"), (End::Crash, "crash")] {
        told(&cluster, move |cluster| cluster.end(end)).await;
        refused(&ada, &id, key).await;
        figures(&admin).await;
        told(&cluster, Cluster::again).await;
        tasks.push(accepted(&ada, &id, key).await);
    }
    for task in &tasks {
        let done = settled(&ada.patient(), &id, task).await;
        assert_eq!(done["state"], "completed", "{done}");
    }
    let history = with_ends(&ada, &id, &tasks).await;
    assert_eq!(lines(&history), (1..=LINES).collect::<Vec<_>>());
    ended_once(&history, &tasks);
    assert_eq!(
        generations(&admin).await,
        before,
        "an actor died of it: {}",
        app.log()
    );
    app.stop().await;
}

/// Talks to the cluster on a thread that may wait.
async fn told(cluster: &Arc<Cluster>, word: impl FnOnce(&Cluster) + Send + 'static) {
    let cluster = Arc::clone(cluster);
    tokio::task::spawn_blocking(move || word(&cluster))
        .await
        .unwrap();
}

fn message(who: &Caller, id: &str, key: &str) -> reqwest::RequestBuilder {
    who.request(reqwest::Method::POST, &format!("/api/agents/{id}/message"))
        .header("idempotency-key", key)
        .json(&json!({"message": key}))
}

/// Meanwhile a prompt is refused, with the time to come back.
async fn refused(who: &Caller, id: &str, key: &str) {
    let reply = answer(message(who, id, key)).await;
    reply.fails(503, "database_unreachable");
    assert!(reply.headers.contains_key("retry-after"));
}

/// Who could read the figures can do so meanwhile, soon, and is told what is wrong.
async fn figures(admin: &Caller) {
    let begun = std::time::Instant::now();
    let reply = admin.get("/metrics").await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text);
    assert!(begun.elapsed() < Duration::from_secs(4), "it waits for it");
    assert!(reply.text.contains("\ncallboard_up 0\n"), "{}", reply.text);
    assert!(!reply.text.contains("\ncallboard_queue_tasks "));
    let health = admin.get("/health/detailed").await.text;
    assert!(health.contains("cannot be reached"), "{health}");
    assert!(!health.contains("another process"), "{health}");
}

/// The same prompt under the same key is accepted as soon as PostgreSQL is back.
async fn accepted(who: &Caller, id: &str, key: &str) -> String {
    answer_within(BACK, async || {
        let reply = answer(message(who, id, key)).await;
        match reply.status.as_u16() {
            202 => Ok(reply.json()["taskId"].as_str().unwrap().to_owned()),
            503 => Err(reply.text),
            _ => panic!("{}", reply.text),
        }
    })
    .await
}

/// Every actor of the tree with its generation.
async fn generations(admin: &Caller) -> Vec<(String, Value)> {
    let tree = admin.get("/api/supervisor/tree").await.ok(200);
    let mut found = vec![];
    collect(&tree, &mut found);
    assert!(found.len() > 3, "{tree}");
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn collect(node: &Value, found: &mut Vec<(String, Value)>) {
    match node {
        Value::Object(fields) => {
            if let Some(generation) = fields.get("generation") {
                let name = ["path", "name", "id"].map(|key| fields.get(key).map(Value::to_string));
                let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
                found.push((name, generation.clone()));
            }
            fields.values().for_each(|field| collect(field, found));
        }
        Value::Array(all) => all.iter().for_each(|one| collect(one, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
