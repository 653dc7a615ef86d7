//! A new server over the older schemas of a database on PostgreSQL, and an old one over a newer.
//! Never a row less than there was.

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::{Connection, QueryableByName, RunQueryDsl};
use serde_json::json;

/// What takes back each migration behind the first, the newest first, by the digits of its version.
fn steps_back() -> Vec<(String, String)> {
    let all = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut steps: Vec<(String, String)> = std::fs::read_dir(all)
        .unwrap()
        .map(|entry| {
            let dir = entry.unwrap().path();
            let name = dir.file_name().unwrap().to_str().unwrap();
            let version = name.split('_').next().unwrap().replace('-', "");
            let down = std::fs::read_to_string(dir.join("down.sql")).unwrap();
            (version, down)
        })
        .collect();
    steps.sort();
    steps.reverse();
    steps.pop();
    steps
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

fn versions(conn: &mut PgConnection) -> Vec<String> {
    let all = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
    let found: Vec<Version> = diesel::sql_query(all).load(conn).unwrap();
    found.into_iter().map(|row| row.version).collect()
}

/// The schema becomes an older one, first one step, then all but the first: what was there stays.
#[tokio::test]
async fn older_schemas_are_taken_over_with_their_rows() {
    let mut app = super::app("").await;
    let ada = app.sign_in("ada").await;
    let id = ada.agent(&json!({"agentType": "script"})).await;
    assert_eq!(ada.turn(&id, "first words").await["outcome"], "completed");
    let history = ada.history(&id).await;
    let steps = steps_back();
    assert!(steps.len() > 9, "{steps:?}");
    for back in [1, steps.len()] {
        assert_eq!(app.stop().await, Some(0));
        let mut conn = PgConnection::establish(&app.database()).unwrap();
        let all = versions(&mut conn);
        for (version, down) in &steps[..back] {
            assert!(all.contains(version), "{version} of {all:?}");
            conn.batch_execute(down).unwrap();
            let forget = "DELETE FROM __diesel_schema_migrations WHERE version =";
            conn.batch_execute(&format!("{forget} '{version}'"))
                .unwrap();
        }
        assert_eq!(versions(&mut conn).len(), all.len() - back);
        app.boot().await;
        assert_eq!(versions(&mut conn), all);
        // Her sign-in is older than both schemas.
        let ada = ada.at(&app);
        let again = ada.history(&id).await;
        assert_eq!(again[..history.len()], history);
        let tasks = ada.get(&format!("/api/agents/{id}/tasks")).await.ok(200);
        assert!(tasks.to_string().contains("first words"), "{tasks}");
        assert_eq!(ada.turn(&id, "go on").await["outcome"], "completed");
    }
}

#[tokio::test]
async fn a_database_of_a_newer_build_is_refused_in_words() {
    let mut app = super::app("").await;
    assert_eq!(app.stop().await, Some(0));
    let mut conn = PgConnection::establish(&app.database()).unwrap();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')";
    conn.batch_execute(newer).unwrap();
    let before = versions(&mut conn);
    let refused = app.command().output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("20991231000001"), "{said}");
    assert!(said.contains("does not know"), "{said}");
    assert_eq!(versions(&mut conn), before);
}
