//! A database that another process holds.

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use super::*;

/// How long it is held (reliability.md R21).
const LOCK: Duration = Duration::from_secs(30);
/// Well again within this time: three times that of R21, for a machine that runs other tests.
const AGAIN: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_locked_database_makes_writes_wait_and_nothing_else() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    // The second turn has words for twenty seconds: also a slow machine locks the file amid them.
    let words = [json!({"say": "on and on"}), json!({"sleep_ms": 250})];
    let long: Vec<Value> = words.iter().cycle().take(160).cloned().collect();
    let turns = json!([[{"say": "one"}], long, [{"say": "on"}]]);
    let id = player(&app, &ada, &turns).await;
    ada.turn(&id, "first").await;
    let second = send(&ada, &id, "second").await;
    until_task(&ada, &id, &second, "running").await;
    let before = ada.history(&id).await.len();

    let file = app.dir().join("callboard.db");
    let mut other = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    other
        .batch_execute("PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE")
        .unwrap();

    let locked = tokio::time::Instant::now();
    // What is read is read.
    ada.get(&format!("/api/agents/{id}")).await.ok(200);
    assert!(ada.history(&id).await.len() >= before);
    // What is written waits for the lock, or is refused at once when others waited in vain.
    let asked = Instant::now();
    let refused = post(&ada, &id, "third").await;
    let body = refused.fails(503, "database_busy");
    assert!(asked.elapsed() < Duration::from_secs(15), "{body}");
    assert!(refused.headers.contains_key("retry-after"), "{body}");
    let told = until_part(&app, "writes", "unhealthy").await;
    assert_eq!(told["status"], "degraded", "{told}");
    assert_eq!(told["services"]["database"]["status"], "healthy", "{told}");
    let not_ready = ready(&app).await;
    assert_eq!(not_ready.ok(503)["reason"], "database_writes");
    // The program went on; its words wait for their commit.
    soon(async || {
        let now = health(&app).await;
        match now["services"]["journal"]["pending"].as_u64() {
            Some(1..) => Ok(()),
            _ => Err(now.to_string()),
        }
    })
    .await;
    assert!(figure(&admin, "callboard_journal_lag_seconds").await > 0.0);

    // A line does not form: those who come later do not wait for those before them.
    let crowd = (0..20).map(|_| async {
        let asked = Instant::now();
        post(&ada, &id, "more").await.fails(503, "database_busy");
        asked.elapsed()
    });
    for took in futures_util::future::join_all(crowd).await {
        assert!(took < Duration::from_secs(10), "one waited for {took:?}");
    }

    // It lasts longer than anything waits.
    tokio::time::sleep_until(locked + LOCK).await;
    assert_eq!(ada.get(&format!("/api/agents/{id}")).await.status, 200);
    other.batch_execute("ROLLBACK").unwrap();
    let freed = Instant::now();
    until_well(&app).await;
    let took = freed.elapsed();
    assert!(took < AGAIN, "well again after {took:?}");
    until_task(&ada, &id, &second, "completed").await;
    assert_eq!(ada.turn(&id, "third").await["outcome"], "completed");
    whole(&ada, &id, &[second]).await;
    assert_eq!(restarts(&admin).await, [""; 0], "{}", app.log());
    assert!(
        figure(
            &admin,
            "callboard_database_errors_total{code=\"database_busy\"}"
        )
        .await
            >= 1.0
    );
}
