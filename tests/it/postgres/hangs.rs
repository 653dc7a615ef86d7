//! A write that does not end, because somebody else holds its rows.
//! Never a line behind it: those who come later are refused at once.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::json;

use crate::app::{answer, until};
use crate::keys::KEYS;

#[tokio::test]
async fn a_write_that_hangs_is_told_and_holds_nobody_up() {
    let app = super::app("").await;
    let ada = app.sign_in("ada").await;
    let id = ada
        .agent(&json!({"agentType": "script", "start": false}))
        .await;
    let one = format!("/api/agents/{id}");
    let url = app.database();
    let held = tokio::task::spawn_blocking(move || {
        let mut other = PgConnection::establish(&url).unwrap();
        let lock = "BEGIN; LOCK TABLE api_keys IN EXCLUSIVE MODE";
        other.batch_execute(lock).unwrap();
        other
    });
    let mut held = held.await.unwrap();
    let first = {
        let ada = ada.clone();
        tokio::spawn(async move { ada.post(KEYS, &json!({"name": "ci"})).await })
    };
    let look = async || {
        answer(app.http.get(app.url() + "/health/detailed"))
            .await
            .ok(200)
    };
    let hangs = "a write of the database does not end; reads go on";
    until(async || look().await["services"]["writes"]["message"] == hangs).await;
    assert_eq!(look().await["status"], "degraded");
    let asked = Instant::now();
    let other = ada.post(KEYS, &json!({"name": "other"})).await;
    other.fails(503, "database_busy");
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    ada.get(&one).await.ok(200);
    tokio::task::spawn_blocking(move || held.batch_execute("ROLLBACK").unwrap())
        .await
        .unwrap();
    first.await.unwrap().ok(201);
    let ready = async || {
        answer(app.http.get(app.url() + "/health/ready"))
            .await
            .status
    };
    until(async || ready().await == 200).await;
    assert_eq!(look().await["status"], "ok");
}
