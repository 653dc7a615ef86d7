//! A change of the master key by its command, with a server before and after.
//! Never two at once: the command is refused while a server runs.

use std::process::{Command, Output};

use reqwest::Method;
use serde_json::{Value, json};

use super::places::postgres;
use crate::app::{Caller, TestApp, until};

fn secrets(app: &TestApp, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_callboard"))
        .arg("secrets")
        .args(args)
        .arg("--data-dir")
        .arg(app.dir())
        .env("HOME", "/nonexistent")
        .envs(postgres(app).map(|url| ("CALLBOARD_DATABASE_URL", url)))
        .env_remove("CALLBOARD_MASTER_KEY_FILE")
        .output()
        .unwrap()
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_values_outlive_a_change_of_the_key() {
    outlive_a_change_of_the_key(TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_they_outlive_it_too() {
    outlive_a_change_of_the_key(crate::postgres::app("").await).await;
}

async fn outlive_a_change_of_the_key(mut app: TestApp) {
    let ada = app.sign_in("ada").await;
    let body = json!({
        "agentType": "shell", "permissionMode": "bypassPermissions",
        "env": {"OWN_KEY": "value-of-the-key-19"},
    });
    let id = ada.ready_agent(&body).await;
    ada.turn(&id, "echo before").await;
    let key = async |who: &Caller| {
        let wanted = json!({"name": "made-once", "scopes": ["read"]});
        let request = who.request(Method::POST, "/api/v1/user/api-keys");
        let request = request.header("idempotency-key", "one");
        who.ask(request.json(&wanted)).await.text
    };
    let made = key(&ada).await;
    assert!(made.contains("agor_sk_"), "{made}");
    let refused = secrets(&app, &["rekey"]);
    assert_eq!(refused.status.code(), Some(9), "{refused:?}");
    app.stop().await;

    let before = report(&secrets(&app, &["status", "--json"]));
    let old = before["active"].as_str().unwrap().to_owned();
    assert!(
        before["keys"][0]["values"].as_u64().unwrap() >= 2,
        "{before}"
    );
    let done = report(&secrets(&app, &["rekey", "--json"]));
    assert_eq!(done["removed"], json!([old]), "{done}");
    assert_eq!(done["rewrapped"], before["keys"][0]["values"], "{done}");
    let text = String::from_utf8(secrets(&app, &["status"]).stdout).unwrap();
    assert!(text.contains("seals") && !text.contains(&old), "{text}");

    // Tokens outlive one change of the key that signs them.
    let signed = report(&secrets(&app, &["rekey", "--signing", "--json"]));
    assert_eq!(signed["signing"].as_array().unwrap().len(), 2, "{signed}");

    app.boot().await;
    let ada = ada.at(&app);
    let done = ada
        .turn(&id, "test \"$OWN_KEY\" = value-of-the-key-19 && echo same")
        .await;
    assert_eq!(done["outcome"], "completed", "{done}");
    assert_eq!(key(&ada).await, made, "an answer that was kept is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_outside_of_the_data_directory_is_used_and_never_made() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("master.key");
    let dir = tempfile::tempdir().unwrap();
    let mut app = TestApp::prepared(dir, "").await;
    app.env
        .push(("CALLBOARD_MASTER_KEY_FILE", file.display().to_string()));
    let refused = app.command().output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && told.contains("it is not there"),
        "{told}"
    );
    std::fs::write(&file, format!("{}\n", "5c".repeat(32))).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    app.boot().await;
    let ada = app.sign_in("ada").await;
    let body = json!({"agentType": "shell", "start": false, "env": {"OWN_KEY": "value-of-it-7"}});
    ada.agent(&body).await;
    assert!(!app.dir().join("keys/master.key").exists());
    assert!(app.dir().join("keys/jwt.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_keys_are_gone_does_not_start_until_they_are_given_up() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let body = json!({"agentType": "shell", "start": false, "env": {"OWN_KEY": "value-of-it-8"}});
    ada.agent(&body).await;
    app.stop().await;
    std::fs::remove_dir_all(app.dir().join("keys")).unwrap();
    let refused = app.command().output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{told}");
    assert!(told.contains("secrets give-up"), "{told}");
    assert!(!app.dir().join("keys").exists(), "it made new ones");
    let status = secrets(&app, &["status"]);
    assert_eq!(status.status.code(), Some(1), "{status:?}");
    let asked = secrets(&app, &["give-up", "--json"]);
    assert_eq!(asked.status.code(), Some(2), "{asked:?}");
    assert!(!app.dir().join("keys").exists(), "it made new ones");
    let given = report(&secrets(&app, &["give-up", "--yes", "--json"]));
    assert!(given["givenUp"].as_u64().unwrap() >= 1, "{given}");
    app.boot().await;
    app.sign_in("ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_lost_behind_a_change_is_given_up_too() {
    let mut app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    let body = json!({"agentType": "shell", "start": false, "env": {"OWN_KEY": "value-of-it-9"}});
    ada.agent(&body).await;
    app.stop().await;
    report(&secrets(&app, &["rekey", "--json"]));
    for entry in std::fs::read_dir(app.dir().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("master")
        {
            std::fs::remove_file(path).unwrap();
        }
    }
    let refused = app.command().output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && told.contains("give-up"),
        "{told}"
    );
    let given = report(&secrets(&app, &["give-up", "--yes", "--json"]));
    assert_eq!(given["missing"], json!({}), "{given}");
    assert!(given["givenUp"].as_u64().unwrap() >= 1, "{given}");
    app.boot().await;
    app.sign_in("ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_of_tokens_is_told_and_a_lost_key_of_the_record_ends_the_start() {
    let mut app = TestApp::start().await;
    app.stop().await;
    std::fs::remove_file(app.dir().join("keys/jwt.key")).unwrap();
    app.boot().await;
    until(async || app.log().contains("everybody signs in again")).await;
    app.stop().await;
    std::fs::remove_file(app.dir().join("keys/audit.key")).unwrap();
    let refused = app.command().output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && told.contains("audit.key"),
        "{told}"
    );
    assert!(
        !app.dir().join("keys/audit.key").exists(),
        "it made a new one"
    );
    let given = report(&secrets(&app, &["give-up", "--yes", "--json"]));
    assert_eq!(given["madeAnew"], json!(["audit.key"]), "{given}");
    app.boot().await;
}

#[test]
fn a_mistyped_data_directory_gets_neither_database_nor_keys() {
    let parent = tempfile::tempdir().unwrap();
    let place = parent.path().join("none");
    for args in [&["status"][..], &["rekey"], &["give-up", "--yes"]] {
        let refused = Command::new(env!("CARGO_BIN_EXE_callboard"))
            .arg("secrets")
            .args(args)
            .arg("--data-dir")
            .arg(&place)
            .env("HOME", "/nonexistent")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains("--data-dir"), "{told}");
    }
    assert!(!place.exists());
}
