//! Who did what: that it is written, shown to admins alone, and cannot be changed unseen.

use std::process::Command;

use callboard::store::Store;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use super::{KEYS, with_key};
use crate::app::{Caller, PASSWORD, TestApp, answer, until};
use crate::canary::places::postgres;

/// Every entry, oldest first.
pub async fn entries(admin: &Caller) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let path = format!("/api/audit?after={}&limit=7", all.len());
        let page = admin.get(&path).await.ok(200);
        all.extend(page["entries"].as_array().unwrap().iter().cloned());
        assert_eq!(page["nextCursor"], all.len());
        if page["hasMore"] == false {
            return all;
        }
    }
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries
        .iter()
        .map(|one| one["action"].as_str().unwrap())
        .collect()
}

/// The chain that is there is whole.
pub fn whole(app: &TestApp) {
    let (code, told) = verify(app);
    assert_eq!((code, &told["ok"]), (Some(0), &json!(true)), "{told}");
}

fn verify(app: &TestApp) -> (Option<i32>, Value) {
    let done = Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["audit", "verify", "--json", "--data-dir"])
        .arg(app.dir())
        .envs(postgres(app).map(|url| ("CALLBOARD_DATABASE_URL", url)))
        .output()
        .unwrap();
    let told = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
    (done.status.code(), told)
}

#[tokio::test]
async fn what_people_do_is_written_with_who_and_from_where() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let (eve, admin) = (app.sign_in("eve").await, app.sign_in("admin").await);
    let body = json!({"username": "ada\n{\"level\":\"fake\"}", "password": "wrong"});
    let wrong = app.http.post(app.url() + "/api/auth/login").json(&body);
    answer(wrong).await.fails(401, "bad_credentials");
    let (key, key_id) = with_key(&ada, &["write"]).await;
    let id = key
        .ready_agent(&json!({"agentType": "script", "permissionMode": "bypassPermissions"}))
        .await;
    let path = format!("/api/agents/{id}");
    ada.post(&format!("{path}/stop"), &json!({})).await.ok(200);
    ada.post(&format!("{path}/start"), &json!({})).await.ok(200);
    ada.post(&format!("{path}/kill"), &json!({})).await.ok(200);
    bob.delete(&path).await.fails(404, "not_found");
    eve.post("/api/agents", &json!({}))
        .await
        .fails(403, "forbidden");
    eve.get("/api/audit").await.fails(403, "forbidden");
    let (looks, _) = with_key(&bob, &["read"]).await;
    looks
        .post(KEYS, &json!({"name": "x"}))
        .await
        .fails(403, "login_required");
    ada.delete(&path).await.ok(200);
    ada.delete(&format!("{KEYS}/{key_id}")).await.ok(200);
    key.get("/api/agents").await.fails(401, "key_revoked");

    until(async || actions(&entries(&admin).await).contains(&"key.refused")).await;
    let all = entries(&admin).await;
    let found = actions(&all);
    assert_eq!(found[0], "server.started");
    for action in [
        "login.succeeded",
        "login.failed",
        "key.created",
        "agent.created",
        "agent.permissions_bypassed",
        "agent.stopped",
        "agent.started",
        "agent.killed",
        "agent.deleted",
        "key.revoked",
        "key.refused",
    ] {
        assert!(found.contains(&action), "{action}: {found:?}");
    }
    assert_eq!(
        found.iter().filter(|one| **one == "access.denied").count(),
        4,
        "{found:?}"
    );
    let of = |action: &str| all.iter().find(|one| one["action"] == action).unwrap();
    let ada_id = ada.get("/api/auth/me").await.ok(200)["id"].clone();
    let created = of("agent.created");
    assert_eq!(
        (&created["actor"], &created["object"]),
        (&ada_id, &json!(id))
    );
    assert_eq!(created["credential"], format!("key:{key_id}"));
    assert_eq!(created["address"], "127.0.0.1");
    assert_eq!(created["requestId"].as_str().map(str::len), Some(32));
    let stopped = of("agent.stopped")["credential"].as_str().unwrap();
    assert!(stopped.starts_with("token:"), "{stopped}");
    let failed = of("login.failed");
    assert_eq!(failed["result"], "failed");
    // What was typed is nobody's name, so it may be a password: it is not kept.
    assert_eq!(failed["actor"], "", "{failed}");
    let log = app.log();
    // The last line may be on its way.
    for line in log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
        assert!(!line.contains(PASSWORD));
    }
    let page = admin.get("/api/audit?action=key.&limit=1").await.ok(200);
    assert_eq!(page["entries"][0]["action"], "key.created");
    assert_eq!(page["hasMore"], true);
    assert_eq!(verify(&app).0, Some(0));
}

#[tokio::test]
async fn commands_of_a_socket_are_written_with_its_address() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.sign_in("ada").await, app.sign_in("admin").await);
    let id = ada.agent(&json!({"agentType": "script"})).await;
    let (looks, key_id) = with_key(&ada, &["read"]).await;
    let mut ws = looks.ws().await;
    ws.say(json!({"type": "message", "agentId": id, "content": "x"}))
        .await;
    ws.wait_for("error").await;
    until(async || actions(&entries(&admin).await).contains(&"access.denied")).await;
    let all = entries(&admin).await;
    let denied = all
        .iter()
        .find(|one| one["action"] == "access.denied")
        .unwrap();
    assert_eq!(denied["credential"], format!("key:{key_id}"));
    assert_eq!(
        (&denied["address"], &denied["object"]),
        (&json!("127.0.0.1"), &json!(id))
    );
}

#[tokio::test]
async fn a_changed_row_and_a_cut_end_are_found_offline() {
    found_offline(TestApp::start().await).await;
}

#[tokio::test]
async fn on_postgresql_they_are_found_too() {
    found_offline(crate::postgres::app("").await).await;
}

async fn found_offline(mut app: TestApp) {
    let admin = app.sign_in("admin").await;
    for _ in 0..3 {
        with_key(&admin, &["read"]).await;
    }
    assert_eq!(app.stop().await, Some(0));
    let (code, told) = verify(&app);
    assert_eq!((code, &told["ok"]), (Some(0), &json!(true)), "{told}");
    let rows = told["rows"].as_u64().unwrap();
    // Started, signed in, three keys, stopped.
    assert!(rows >= 6, "{told}");
    assert_eq!(told["head"]["n"], rows);
    let sql = async |text: String| {
        let store = Store::open(app.database()).unwrap();
        let done = store.write(move |conn| Ok(conn.batch_execute(&text)?));
        done.await.unwrap();
        store.close();
    };
    sql(format!(
        "CREATE TABLE kept AS SELECT * FROM audit; DELETE FROM audit WHERE n = {rows}"
    ))
    .await;
    let (code, told) = verify(&app);
    assert_eq!(
        (code, &told["broken"]["n"]),
        (Some(1), &json!(rows)),
        "{told}"
    );
    sql("DELETE FROM audit; INSERT INTO audit SELECT * FROM kept".into()).await;
    assert_eq!(verify(&app).0, Some(0));
    sql("UPDATE audit SET actor = 'nobody' WHERE n = 3".into()).await;
    let (code, told) = verify(&app);
    assert_eq!((code, &told["broken"]["n"]), (Some(1), &json!(3)), "{told}");
    sql("DROP TABLE kept".into()).await;
    // The server goes on writing, and the fault stays found.
    app.boot().await;
    app.stop().await;
    assert_eq!(verify(&app).1["broken"]["n"], 3);
}

#[tokio::test]
async fn a_record_that_is_emptied_with_its_seal_is_found_and_stays_found() {
    let mut app = TestApp::start().await;
    app.sign_in("admin").await;
    assert_eq!(app.stop().await, Some(0));
    assert_eq!(verify(&app).0, Some(0));
    let store = Store::open(app.database()).unwrap();
    let emptied = store.write(|conn| {
        let sql = "DELETE FROM audit; DELETE FROM meta WHERE key = 'audit.last'";
        Ok(conn.batch_execute(sql)?)
    });
    emptied.await.unwrap();
    store.close();
    let (code, told) = verify(&app);
    assert_eq!((code, &told["broken"]["n"]), (Some(1), &json!(1)), "{told}");
    app.boot().await;
    app.stop().await;
    let (code, told) = verify(&app);
    assert_eq!((code, &told["broken"]["n"]), (Some(1), &json!(1)), "{told}");
}

#[tokio::test]
async fn a_directory_without_a_server_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["audit", "verify", "--data-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains("there is no database"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
