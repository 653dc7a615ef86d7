//! Keys that people type.

use super::*;

const KEY: &str = "sk-house-0123456789-abcdef";

async fn keep(who: &Caller, key: &str) -> Value {
    let path = format!("{PROVIDERS}/house/auth");
    who.post(&path, &json!({"api_key": key})).await.ok(200)
}

#[tokio::test]
async fn a_key_reaches_the_agents_of_its_person_alone_and_is_shown_to_nobody() {
    let app = TestApp::with(HOUSE).await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    let before = shell(&ada, &app).await;
    assert_eq!(variable(&ada, &app, &before, "HOUSE_KEY").await, "");
    assert_eq!(status(&ada, "house").await, "none");
    let done = keep(&ada, &format!(" {KEY}\n")).await;
    assert_eq!(
        (&done["success"], &done["auth_url"]),
        (&json!(true), &Value::Null)
    );
    assert!(!done.to_string().contains(KEY));
    let one = seen(&ada, "house").await;
    assert_eq!(
        (&one["status"], &one["name"], &one["methods"], &one["error"]),
        (
            &json!("key"),
            &json!("House"),
            &json!(["key"]),
            &Value::Null
        )
    );
    assert_eq!(one["programs"][0]["kind"], "shell");
    assert_eq!(one["programs"][0]["installed"], true);
    assert_eq!(status(&bob, "house").await, "none");
    assert_eq!(status(&app.sign_in("admin").await, "house").await, "none");

    let agent = shell(&ada, &app).await;
    assert_eq!(variable(&ada, &app, &agent, "HOUSE_KEY").await, KEY);
    let url = variable(&ada, &app, &agent, "HOUSE_URL").await;
    assert_eq!(url, "https://models.example.org/v1");
    let other = shell(&bob, &app).await;
    assert_eq!(variable(&bob, &app, &other, "HOUSE_KEY").await, "");
    assert_eq!(variable(&bob, &app, &other, "HOUSE_URL").await, "");
    let running = variable(&ada, &app, &before, "HOUSE_KEY").await;
    assert_eq!(running, "", "a process keeps what it was given");
    covered(&ada, &app, &agent, KEY).await;

    let path = format!("{PROVIDERS}/house/auth");
    let gone = ada.delete(&path).await.ok(200);
    assert_eq!(
        (&gone["removed"], &gone["revoked"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(ada.delete(&path).await.ok(200)["removed"], false);
    assert_eq!(status(&ada, "house").await, "none");
    assert_eq!(variable(&ada, &app, &agent, "HOUSE_KEY").await, KEY);
    stopped(&ada, &agent).await;
    assert_eq!(variable(&ada, &app, &agent, "HOUSE_KEY").await, "");
    // What its last process said is still covered, and so is what an older one left behind.
    covered(&ada, &app, &agent, KEY).await;
}

#[tokio::test]
async fn an_agent_s_own_variables_and_those_of_its_workspace_go_before() {
    let app = TestApp::with(HOUSE).await;
    let ada = app.sign_in("ada").await;
    keep(&ada, KEY).await;
    let own = json!({"HOUSE_KEY": "sk-of-the-agent-itself-1"});
    let agent = shell_with(&ada, &app, own).await;
    let found = variable(&ada, &app, &agent, "HOUSE_KEY").await;
    assert_eq!(found, "sk-of-the-agent-itself-1");
    // The address belongs to the key of the sign-in.
    assert_eq!(variable(&ada, &app, &agent, "HOUSE_URL").await, "");

    let place = json!({
        "name": "site", "path": app.dir().join("site"),
        "env_vars": {"HOUSE_KEY": "sk-of-the-workspace-22"},
    });
    let place = ada.post("/api/workspaces", &place).await.ok(200);
    let body = json!({
        "backend": "shell", "permission_mode": "bypassPermissions", "workspace_id": place["id"],
    });
    let mission = ada.post("/api/control/missions", &body).await.ok(200);
    let id = mission["id"].as_str().unwrap();
    let found = variable(&ada, &app, id, "HOUSE_KEY").await;
    assert_eq!(found, "sk-of-the-workspace-22");
}

#[tokio::test]
async fn a_sign_in_takes_the_place_of_the_server_s_own() {
    let settings = format!("{HOUSE}\n[kinds.shell.env]\nHOUSE_KEY = \"sk-of-the-server-333\"\n");
    let app = TestApp::with(&settings).await;
    let ada = app.sign_in("ada").await;
    let agent = shell(&ada, &app).await;
    let found = variable(&ada, &app, &agent, "HOUSE_KEY").await;
    assert_eq!(found, "sk-of-the-server-333");
    keep(&ada, KEY).await;
    stopped(&ada, &agent).await;
    assert_eq!(variable(&ada, &app, &agent, "HOUSE_KEY").await, KEY);
}

#[tokio::test]
async fn a_secret_stays_covered_over_a_restart_of_the_server() {
    let mut app = TestApp::with(HOUSE).await;
    let ada = app.sign_in("ada").await;
    keep(&ada, KEY).await;
    let agent = shell(&ada, &app).await;
    variable(&ada, &app, &agent, "HOUSE_KEY").await;
    app.kill9();
    app.boot().await;
    let ada = ada.at(&app);
    let path = format!("{PROVIDERS}/house/auth");
    ada.delete(&path).await.ok(200);
    // The process lives, has it still, and says it.
    assert_eq!(variable(&ada, &app, &agent, "HOUSE_KEY").await, KEY);
    covered(&ada, &app, &agent, KEY).await;
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let app = TestApp::with(HOUSE).await;
    let ada = app.sign_in("ada").await;
    let path = format!("{PROVIDERS}/house/auth");
    let long = "x".repeat(4_097);
    for key in [
        json!(5),
        json!(["x"]),
        json!(""),
        json!("short"),
        json!("two words here"),
        json!("sk-with-a-\u{0}-nul"),
        json!("sk-\u{e4}\u{f6}\u{fc}-0123456789"),
        json!(long),
    ] {
        let refused = ada.post(&path, &json!({"api_key": key})).await;
        let refused = refused.fails(400, "bad_field");
        assert_eq!(refused["field"], "api_key", "{key}");
        assert!(refused["expected"].is_string(), "{refused}");
    }
    ada.post(&path, &json!({}))
        .await
        .fails(409, "oauth_unsupported");
    let text = ada.request(reqwest::Method::POST, &path).body("[1]");
    ada.ask(text).await.fails(400, "bad_json");
    for name in ["nobody", "House", "claude", "a%20b"] {
        let path = format!("{PROVIDERS}/{name}/auth");
        ada.post(&path, &json!({"api_key": KEY}))
            .await
            .fails(404, "not_found");
        ada.delete(&path).await.fails(404, "not_found");
    }
    let eve = app.sign_in("eve").await;
    eve.post(&path, &json!({"api_key": KEY}))
        .await
        .fails(403, "forbidden");
    assert_eq!(status(&ada, "house").await, "none");
}

#[tokio::test]
async fn the_built_in_provider_says_when_the_server_itself_is_signed_in() {
    let settings = "[kinds.claude]\ncommand = \"/bin/true\"\n\
                    env = { ANTHROPIC_API_KEY = \"sk-of-the-server-4444\" }\n";
    let app = TestApp::with(settings).await;
    let ada = app.sign_in("ada").await;
    let one = seen(&ada, "anthropic").await;
    assert_eq!(
        (&one["status"], &one["kinds"]),
        (&json!("server"), &json!(["claude"]))
    );
    let path = format!("{PROVIDERS}/anthropic/auth");
    ada.post(&path, &json!({"api_key": KEY})).await.ok(200);
    assert_eq!(status(&ada, "anthropic").await, "key");
    assert_eq!(
        status(&app.sign_in("bob").await, "anthropic").await,
        "server"
    );
}

#[tokio::test]
async fn a_deleted_account_leaves_no_sign_in_behind() {
    let app = TestApp::with(HOUSE).await;
    let (bob, admin) = (app.sign_in("bob").await, app.sign_in("admin").await);
    keep(&bob, KEY).await;
    let path = format!("/api/users/{}", crate::people::id_of(&admin, "bob").await);
    admin.delete(&path).await.ok(200);
    use diesel::prelude::*;
    let file = app.database();
    let mut conn = diesel::SqliteConnection::establish(&file).unwrap();
    let gone = diesel::sql_query("DELETE FROM provider_sign_ins").execute(&mut conn);
    assert_eq!(gone.unwrap(), 0);
}
