//! Secrets that are planted everywhere, and looked for everywhere else.
//! Never proved by silence: the raw log of the process has them, so they were printed.

mod cuts;
mod keys;
pub mod places;
mod prompts;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Caller, TestApp, answer, until};
use places::{Canary, clean, database, postgres, processes, stored};

/// Of a session's own variables.
const SESSION: Canary = Canary("canary-1-session-7f3a91");
/// Of the settings' variables for a kind.
const CONFIG: Canary = Canary("canary-2-config-0be412");
/// Of the server's own environment.
const FROM: Canary = Canary("canary-3-from-55d1e7");
/// Of the headers of a tool server.
const HEADER: Canary = Canary("canary-4-header-c1d2e3");
/// In a header and an address of requests.
const TOKEN: Canary = Canary("agor_sk_canary5t0ken8877665544");

const ALL: [Canary; 5] = [SESSION, CONFIG, FROM, HEADER, TOKEN];

const SETTINGS: &str = "[kinds.shell]\nenv = { OF_CONFIG = \"canary-2-config-0be412\" }\n\
                        env_from = [\"OF_SERVER\"]\n";

/// Prints its whole environment in every form, in two commits.
const SPY: &str = "env; tr '\\0' '\\n' </proc/self/environ; env | base64 -w0; echo; sleep 1.2; \
                   printf '{\"k\":\"%s\"}\\n' \"$OWN_KEY\" \"$OF_SERVER\"; ls \"/no/$OWN_KEY\"; \
                   printf %s \"$OF_CONFIG\" | base64; cat /proc/self/cmdline; echo done-$((40+2))";

/// The same on a database of PostgreSQL.
async fn house_on_postgres() -> TestApp {
    let mut app = crate::postgres::app(SETTINGS).await;
    app.stop().await;
    app.env.push(("OF_SERVER", FROM.0.to_owned()));
    app.boot().await;
    app
}

async fn house() -> TestApp {
    let dir = tempfile::tempdir().unwrap();
    let mut app = TestApp::prepared(dir, SETTINGS).await;
    app.env.push(("OF_SERVER", FROM.0.to_owned()));
    app.boot().await;
    app
}

/// The words that a WebSocket brings until the end of a turn.
async fn heard(who: &Caller, id: &str, act: impl AsyncFnOnce()) -> String {
    let mut ws = who.ws().await;
    ws.say(json!({"type": "subscribe", "channels": ["*"], "agentId": id}))
        .await;
    ws.wait_for("hello").await;
    act().await;
    let mut all = String::new();
    loop {
        let frame = ws.next().await;
        all.push_str(&frame.to_string());
        all.push('\n');
        if frame["event"] == "turn_ended" {
            return all;
        }
    }
}

async fn raw_log(who: &Caller, id: &str) -> String {
    let path = format!("/api/agents/{id}/log?limit=1048576");
    let reply = who.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    String::from_utf8_lossy(&reply.bytes().await.unwrap()).into_owned()
}

/// What is looked through has to be there.
async fn said(who: &Caller, path: &str) -> String {
    let reply = who.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    reply.text
}

/// Everything that the doors say of an agent.
async fn told(app: &TestApp, who: &Caller, id: &str) -> String {
    let mut all = String::new();
    for path in [
        format!("/api/agents/{id}"),
        format!("/api/agents/{id}/events?after=0&limit=200"),
        format!("/api/agents/{id}/tasks"),
        format!("/api/agents/{id}/queue"),
        "/api/agents".to_owned(),
        "/api/agents/sessions".to_owned(),
        "/api/chat/approvals/pending".to_owned(),
        "/health/detailed".to_owned(),
    ] {
        all.push_str(&said(who, &path).await);
        all.push('\n');
    }
    let admin = app.sign_in("admin").await;
    for path in [
        "/api/supervisor/tree",
        "/api/supervisor/events?after=0",
        "/api/audit",
        "/metrics",
    ] {
        all.push_str(&said(&admin, path).await);
    }
    let exported = std::process::Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["--url", &app.url(), "export", id])
        .env("CALLBOARD_API_KEY", &who.token)
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    assert!(exported.status.success(), "{exported:?}");
    all + &String::from_utf8_lossy(&exported.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_prints_its_environment_leaves_no_trace_of_its_secrets() {
    leaves_no_trace(house().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_it_leaves_none_either() {
    leaves_no_trace(house_on_postgres().await).await;
}

async fn leaves_no_trace(mut app: TestApp) {
    let ada = app.sign_in("ada").await;
    let body = json!({
        "agentType": "shell", "permissionMode": "bypassPermissions", "env": {"OWN_KEY": SESSION.0},
    });
    let made = ada.post("/api/agents", &body).await;
    clean("the reply of a creation", &made.text, &ALL);
    let id = made.ok(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/agents/{id}");
    until(async || ada.get(&path).await.ok(200)["detail"] == "idle").await;

    let mut waited = Value::Null;
    let frames = heard(&ada, &id, async || waited = ada.turn(&id, SPY).await).await;
    assert!(waited.to_string().contains("done-42"), "{waited}");
    let raw = raw_log(&ada, &id).await;
    for canary in [SESSION, CONFIG, FROM] {
        assert!(raw.contains(canary.0), "{} was not printed", canary.0);
        assert!(canary.is_in(&raw));
    }
    clean("the frames", &frames, &ALL);
    clean("the awaited task", &waited.to_string(), &ALL);
    let told = told(&app, &ada, &id).await;
    assert!(
        told.contains("done-42") && told.contains("********"),
        "{told}"
    );
    clean("the replies", &told, &ALL);
    clean("the log", &app.log(), &ALL);
    clean("the database", &stored(&app), &ALL);
    clean("a backup", &backup(&app), &ALL);
    assert!(stored(&app).contains("done-42"), "the check sees nothing");

    // A process that is ended in the middle leaves nothing either, nor does the end of the server.
    ada.post_once(
        &format!("{path}/message"),
        &json!({"message": "env; sleep 60"}),
    )
    .await
    .ok(202);
    let before = raw.matches(SESSION.0).count();
    until(async || raw_log(&ada, &id).await.matches(SESSION.0).count() > before).await;
    ada.post(&format!("{path}/kill"), &json!({})).await;
    until(async || ada.get(&path).await.ok(200)["pid"].is_null()).await;
    clean("the replies", &told_again(&ada, &id).await, &ALL);
    app.stop().await;
    clean("the database", &stored(&app), &ALL);
    clean("the log", &app.log(), &ALL);
}

/// Every row of a backup.
fn backup(app: &TestApp) -> String {
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy");
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_callboard"))
        .args(["backup", "--without-keys"])
        .arg(&copy)
        .arg("--data-dir")
        .arg(app.dir())
        .env("HOME", "/nonexistent")
        .envs(postgres(app).map(|url| ("CALLBOARD_DATABASE_URL", url)))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let tables = std::fs::read_dir(copy.join("tables")).unwrap().flatten();
    let rows = tables.map(|table| std::fs::read_to_string(table.path()).unwrap());
    rows.collect()
}

async fn told_again(who: &Caller, id: &str) -> String {
    let events = said(who, &format!("/api/agents/{id}/events?after=0&limit=200")).await;
    events + &said(who, &format!("/api/agents/{id}/why")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_are_streamed_hold_no_secret_in_any_piece() {
    let app = house().await;
    let ada = app.sign_in("ada").await;
    let said = format!("it is {0} and again {0}, that was it", SESSION.0);
    let turns = json!([[
        {"stream": {"think": said, "chunks": 11, "ms": 5}},
        {"stream": {"say": said, "chunks": 23, "ms": 5}},
        {"tool": {"name": "Bash", "args": {"command": format!("curl -H {}", SESSION.0)},
                  "result": SESSION.encoded(), "ms": 1}},
        {"say": format!("{{\"quoted\": \"{}\"}}", SESSION.0)},
    ]]);
    // The file is the person's own, outside of what is looked through.
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("turns.json");
    std::fs::write(&file, json!({ "turns": turns }).to_string()).unwrap();
    let body = json!({"agentType": "script", "scenario": file, "env": {"OWN_KEY": SESSION.0}});
    let id = ada.ready_agent(&body).await;
    let frames = heard(&ada, &id, async || drop(ada.turn(&id, "go").await)).await;
    clean("the frames", &frames, &ALL);
    // Joined, the pieces are the message.
    let stars = "*".repeat(SESSION.0.len());
    let whole = said.replace(SESSION.0, &stars);
    let mut text = String::new();
    for frame in frames
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
    {
        if frame["type"] == "agent.delta" && frame["kind"] == "assistant" {
            let at = usize::try_from(frame["offset"].as_u64().unwrap()).unwrap();
            assert_eq!(at, text.len(), "{frame}");
            text.push_str(frame["text"].as_str().unwrap());
        }
    }
    assert!(!text.is_empty() && whole.starts_with(&text), "{text:?}");
    let history = json!(ada.history(&id).await).to_string();
    assert!(history.contains(&whole), "{history}");
    clean("the events", &history, &ALL);
    clean("the database", &database(app.dir()), &ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_leave_no_trace_of_their_credentials() {
    let app = house().await;
    let ada = app.sign_in("ada").await;
    let servers = json!({"notes": {"type": "http", "url": "http://127.0.0.1:1",
                                   "headers": {"Authorization": format!("Bearer {}", HEADER.0)}}});
    let body = json!({"agentType": "claude", "start": false, "mcpServers": servers});
    let made = ada.post("/api/agents", &body).await;
    let mut replies = made.text.clone();
    made.ok(201);
    for (path, header) in [
        (format!("/api/agents?token={}", TOKEN.0), None),
        (format!("/api/agents/{}", TOKEN.0), Some(ada.token.as_str())),
        (
            format!("/api/agents?limit={}", TOKEN.0),
            Some(ada.token.as_str()),
        ),
        ("/api/agents".to_owned(), Some(TOKEN.0)),
        (format!("/ws?token={}", TOKEN.0), None),
    ] {
        let mut request = app.http.get(format!("{}{path}", app.url()));
        if let Some(token) = header {
            request = request.bearer_auth(token);
        }
        let reply = answer(request).await;
        assert!(reply.status.is_client_error(), "{path}: {}", reply.status);
        replies.push_str(&reply.text);
    }
    let kind = ada
        .post("/api/agents", &json!({"agentType": TOKEN.0}))
        .await;
    kind.fails(400, "unknown_agent_kind");
    replies.push_str(&kind.text);
    clean("the replies", &replies, &ALL);
    clean("the log", &app.log(), &ALL);
    clean("the database", &database(app.dir()), &ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elses_process_has_a_secret() {
    let app = house().await;
    let ada = app.sign_in("ada").await;
    let spy = json!({"agentType": "shell", "permissionMode": "bypassPermissions",
                     "env": {"OWN_KEY": SESSION.0}});
    let spy = ada.ready_agent(&spy).await;
    let other = ada
        .ready_agent(&json!({"agentType": "script", "scenario": "hello"}))
        .await;
    let bob = app.sign_in("bob").await;
    let plain = json!({"agentType": "shell", "permissionMode": "bypassPermissions"});
    let plain = bob.ready_agent(&plain).await;
    let keepers = processes(app.dir());
    assert!(keepers.len() >= 3, "{} keepers", keepers.len());
    for (what, text) in keepers {
        clean(&what, &text, &ALL);
    }
    let of = async |who: &Caller, id: &str| {
        let agent = who.get(&format!("/api/agents/{id}")).await.ok(200);
        places::process(agent["pid"].as_u64().unwrap())
    };
    assert!(
        SESSION.is_in(&of(&ada, &spy).await),
        "the check sees nothing"
    );
    clean("a script's process", &of(&ada, &other).await, &ALL);
    // Its kind is given the others by the settings.
    clean(
        "another shell",
        &of(&bob, &plain).await,
        &[SESSION, HEADER, TOKEN],
    );
    let said = bob.turn(&plain, "env | sort").await;
    clean("what another shell sees", &said.to_string(), &ALL);
}
