//! The real-time client of the feathers door, driven by the public clients from npm.
//! Never a client of our own where theirs can say it.

mod wire;

use std::path::PathBuf;
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::app::{Caller, PASSWORD, PATIENCE, TestApp};

/// The ways in which packets travel.
const TRANSPORTS: [&str; 3] = ["websocket", "polling", "polling+websocket"];

/// Node with a scenario of `client.cjs`.
struct Node {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Node {
    fn start(app: &TestApp, scenario: &str, transports: &str, who: [&Caller; 2]) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let modules = root.join(".cache/npm/node_modules");
        for package in ["@feathersjs/rest-client", "@feathersjs/socketio-client"] {
            let place = modules.join(package);
            assert!(
                place.is_dir(),
                "{} is missing; `cargo xtask test` installs it",
                place.display()
            );
        }
        let mut child = Command::new("node")
            .arg(root.join("tests/it/feathers/client.cjs"))
            .arg(scenario)
            .env("NODE_PATH", modules)
            .env("URL", app.url())
            .env("TOKEN", &who[0].token)
            .env("OTHER", &who[1].token)
            .env("TRANSPORTS", transports)
            .env("PASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            input,
            lines,
        }
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("node says nothing").unwrap();
        line.expect("node ended; its words stand above")
    }

    async fn says(&mut self, expected: &str) {
        assert_eq!(self.line().await, expected);
    }

    async fn hears(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
    }

    async fn ends(mut self) {
        self.says("done").await;
        let status = timeout(PATIENCE, self.child.wait()).await;
        assert!(status.unwrap().unwrap().success());
    }
}

/// A server, and two people.
async fn stage() -> (TestApp, Caller, Caller) {
    let app = TestApp::start().await;
    let (ada, bob) = (app.sign_in("ada").await, app.sign_in("bob").await);
    (app, ada, bob)
}

async fn played(scenario: &str) {
    let (app, ada, bob) = stage().await;
    for transports in TRANSPORTS {
        Node::start(&app, scenario, transports, [&ada, &bob])
            .ends()
            .await;
    }
}

#[tokio::test]
async fn calls_are_answered_and_refusals_are_revived_as_their_classes() {
    let (app, _, bob) = stage().await;
    for transports in TRANSPORTS {
        // It signs out at its end.
        let ada = app.sign_in("ada").await;
        Node::start(&app, "calls", transports, [&ada, &bob])
            .ends()
            .await;
        ada.get("/api/auth/me").await.fails(401, "token_revoked");
    }
}

#[tokio::test]
async fn every_way_to_sign_in_reaches_the_services() {
    let (app, ada, mut key) = stage().await;
    let body = json!({"name": "looks", "scopes": ["read"]});
    let made = ada.post("/api/v1/user/api-keys", &body).await.ok(201);
    key.token = made["rawKey"].as_str().unwrap().to_owned();
    for transports in TRANSPORTS {
        Node::start(&app, "ways", transports, [&ada, &key])
            .ends()
            .await;
    }
}

#[tokio::test]
async fn the_services_are_the_same_by_every_transport() {
    played("services").await;
}

#[tokio::test]
async fn many_calls_at_once_and_large_ones_are_all_answered() {
    played("load").await;
}

#[tokio::test]
async fn a_token_in_the_handshake_signs_in_and_a_bad_one_is_refused() {
    played("handshake").await;
}

#[tokio::test]
async fn others_see_where_somebody_points_and_guests_do_not() {
    played("cursors").await;
}

#[tokio::test]
async fn a_call_that_panics_is_answered() {
    let (app, ada, bob) = stage().await;
    for transports in TRANSPORTS {
        let mut node = Node::start(&app, "panic", transports, [&ada, &bob]);
        node.says("ready").await;
        crate::survive::panics::arm(&app, &["socket.call=1*panic".to_owned()]).await;
        node.hears("armed").await;
        node.ends().await;
    }
}

#[tokio::test]
async fn a_client_comes_back_to_a_server_that_was_away() {
    let (mut app, ada, bob) = stage().await;
    app.bind = app.address.clone();
    for transports in TRANSPORTS {
        for by in [Signal::SIGTERM, Signal::SIGKILL] {
            let mut node = Node::start(&app, "restart", transports, [&ada, &bob]);
            node.says("ready").await;
            if by == Signal::SIGKILL {
                app.kill9();
            } else {
                assert_eq!(app.stop().await, Some(0));
            }
            app.boot().await;
            node.ends().await;
        }
    }
}

#[tokio::test]
async fn a_revoked_token_ends_its_sockets_within_a_second() {
    let (app, _, bob) = stage().await;
    for transports in TRANSPORTS {
        let ada = app.sign_in("ada").await;
        let mut node = Node::start(&app, "revoked", transports, [&ada, &bob]);
        node.says("ready").await;
        ada.post("/api/auth/logout", &json!({})).await.ok(200);
        let cut = node.line().await;
        let ms: u64 = cut.strip_prefix("cut ").unwrap().parse().unwrap();
        assert!(ms < 3_000, "{transports}: {ms} ms, the sign-out included");
        node.ends().await;
    }
}
