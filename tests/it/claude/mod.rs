//! The real `claude` program below the real server, against a model server that plays scripts.
//!
//! Never with a real key, and never with the home of the person who runs the tests.

mod alone;
mod approvals;
mod crashes;
mod ends;
pub mod program;
mod secrets;
mod turns;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{Caller, TestApp, until};
use alone::alone;

/// Longest wait for a turn in seconds; the door's own bound is above it.
const TURN: u64 = 60;

/// A model server of the test's own. It ends with this value.
pub struct Model {
    child: Child,
    /// Closed with this value: the server ends at it.
    _until: ChildStdin,
    url: String,
}

/// A server with `claude`, a person, and the model server that her agents speak to.
pub struct Rig {
    pub app: TestApp,
    pub ada: Caller,
    model: Model,
    home: TempDir,
}

impl Model {
    #[expect(clippy::disallowed_methods, reason = "the test starts the program")]
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callboard"))
            .args(["agent", "model", "--bind", "127.0.0.1:0", "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let until = child.stdin.take().unwrap();
        let mut line = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Self {
            child,
            _until: until,
            url,
        }
    }

    /// The requests that it saw, oldest first.
    async fn requests(&self) -> Vec<Value> {
        let reply = reqwest::get(format!("{}/_/requests", self.url)).await;
        let seen: Value = reply.unwrap().json().await.unwrap();
        let list = seen.as_array().or_else(|| seen["requests"].as_array());
        list.unwrap().clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Rig {
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// With these settings beside those of the kind.
    async fn with(settings: &str) -> Self {
        let program = program::claude();
        let settings = format!(
            "{settings}\n[kinds.claude]\ncommand = {:?}\n",
            program.display().to_string()
        );
        let mut app = TestApp::prepared(tempfile::tempdir().unwrap(), &settings).await;
        app.boot().await;
        let ada = app.sign_in("ada").await;
        Self {
            app,
            ada,
            model: Model::start(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// What an agent of hers is made of, with these fields besides.
    pub fn asked(&self, fields: &Value) -> Value {
        let mut asked = json!({
            "agentType": "claude",
            "cwd": self.home.path(),
            "env": {
                "HOME": self.home.path(),
                "ANTHROPIC_BASE_URL": self.model.url,
                "ANTHROPIC_API_KEY": "sk-dummy",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "CLAUDE_CODE_MAX_RETRIES": "0",
                "DISABLE_AUTOUPDATER": "1",
                "DISABLE_TELEMETRY": "1",
                "DISABLE_ERROR_REPORTING": "1",
                "IS_SANDBOX": "1",
            },
        });
        for (key, value) in fields.as_object().unwrap() {
            asked[key] = value.clone();
        }
        asked
    }

    /// An agent that takes prompts.
    async fn agent(&self, fields: &Value) -> String {
        self.ada.ready_agent(&self.asked(fields)).await
    }

    /// Runs a prompt to its end: the task.
    async fn turn(&self, id: &str, message: &str) -> Value {
        let path = format!("/api/agents/{id}/message?wait={TURN}");
        let request = self.ada.request(reqwest::Method::POST, &path);
        let request = request.json(&json!({ "message": message }));
        crate::app::answer(request.timeout(std::time::Duration::from_secs(TURN + 10)))
            .await
            .ok(200)
    }

    /// Hands a prompt over without waiting for its end: the task's id.
    async fn send(&self, id: &str, message: &str) -> String {
        let path = format!("/api/agents/{id}/message");
        let sent = self.ada.post(&path, &json!({ "message": message })).await;
        sent.ok(202)["taskId"].as_str().unwrap().to_owned()
    }

    /// Waits until the agent is like that, and returns it.
    async fn until(&self, id: &str, like: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/agents/{id}");
        until(async || like(&self.ada.get(&path).await.ok(200))).await;
        self.ada.get(&path).await.ok(200)
    }

    /// Waits until the task is like that, and returns it.
    async fn task(&self, id: &str, task: &str, like: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/agents/{id}/tasks/{task}");
        until(async || like(&self.ada.get(&path).await.ok(200))).await;
        self.ada.get(&path).await.ok(200)
    }

    /// Waits until the agent asks, and returns the question.
    async fn question(&self, id: &str) -> Value {
        let path = "/api/chat/approvals/pending";
        let of = |all: &Value| {
            let list = all.as_array().or_else(|| all["approvals"].as_array());
            let mut own = list.unwrap().iter().filter(|one| one["agentId"] == id);
            own.next().cloned()
        };
        until(async || of(&self.ada.get(path).await.ok(200)).is_some()).await;
        of(&self.ada.get(path).await.ok(200)).unwrap()
    }

    /// Answers a question.
    async fn answer(&self, question: &Value, approved: bool, more: Value) -> Value {
        let mut body = json!({"requestId": question["requestId"], "approved": approved});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.ada.post("/api/chat/approve", &body).await.ok(200)
    }
}

/// The kinds of events in order, without what the server says of its own.
fn kinds(history: &[Value]) -> Vec<&str> {
    let kinds = history.iter().map(|event| event["type"].as_str().unwrap());
    kinds.filter(|kind| *kind != "status").collect()
}

/// The data of the only event of a kind.
fn only<'a>(history: &'a [Value], kind: &str) -> &'a Value {
    let mut found = history.iter().filter(|event| event["type"] == kind);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("no {kind}: {history:?}"));
    assert!(found.next().is_none(), "more than one {kind}: {history:?}");
    &first["data"]
}

#[test]
fn the_program_is_the_pinned_one_and_runs_without_node() {
    let home = tempfile::tempdir().unwrap();
    let said = Command::new(program::claude())
        .arg("--version")
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    let version = String::from_utf8_lossy(&said.stdout);
    assert!(version.starts_with(program::VERSION), "{version}");
}
