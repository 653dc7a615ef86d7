//! Headless Chromium, driven by its own debugging protocol.
//! Never left behind: it ends with its handle.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::app::PATIENCE;

/// One page of one browser.
pub struct Chromium {
    child: Option<Child>,
    _profile: TempDir,
    page: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
}

impl Chromium {
    /// Starts a browser and opens this address in it.
    pub async fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ])
            .args(["--remote-debugging-port=0", "--remote-allow-origins=*"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromium; `cargo xtask test` installs it");
        let told = child.stderr.take().unwrap();
        let place = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(told).lines().map_while(Result::ok);
            let found = lines.find_map(|line| {
                let url = line.strip_prefix("DevTools listening on ws://")?;
                url.split_once('/').map(|(place, _)| place.to_owned())
            });
            // The rest is read as well, so that it never blocks.
            std::thread::spawn(move || lines.for_each(drop));
            found.expect("Chromium did not say where it listens")
        });
        let place = tokio::time::timeout(PATIENCE, place)
            .await
            .unwrap()
            .unwrap();
        let new = format!("http://{place}/json/new?{url}");
        let made = reqwest::Client::new().put(new).send().await.unwrap();
        let made: Value = made.json().await.unwrap();
        let socket = made["webSocketDebuggerUrl"].as_str().unwrap();
        let (page, _) = connect_async(socket).await.unwrap();
        Self {
            child: Some(child),
            _profile: profile,
            page,
            calls: 0,
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let reply = self.ask(method, params).await;
        assert!(reply["error"].is_null(), "{method}: {reply}");
        reply["result"].clone()
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let call = json!({"id": self.calls, "method": method, "params": params});
        self.page
            .send(Message::text(call.to_string()))
            .await
            .unwrap();
        loop {
            let next = tokio::time::timeout(PATIENCE, self.page.next()).await;
            let message = next.expect("the browser is silent").unwrap().unwrap();
            let Ok(text) = message.into_text() else {
                continue;
            };
            let reply: Value = serde_json::from_str(&text).unwrap_or_default();
            if reply["id"] == self.calls {
                return reply;
            }
        }
    }

    /// Opens another address as somebody whose system is dark, or light.
    pub async fn open_in(&mut self, scheme: &str, url: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.call("Emulation.setEmulatedMedia", json!({"features": [feature]}))
            .await;
        self.call("Page.navigate", json!({"url": url})).await;
    }

    /// What an expression gives on the page; of a promise, what it is kept with.
    pub async fn run(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let done = loop {
            let reply = self.ask("Runtime.evaluate", params.clone()).await;
            // The page was still being opened: what was asked of the blank one before is lost.
            if reply["error"]["message"] == "Execution context was destroyed." {
                continue;
            }
            assert!(reply["error"].is_null(), "{expression}: {reply}");
            break reply["result"].clone();
        };
        assert!(done["exceptionDetails"].is_null(), "{expression}: {done}");
        done["result"]["value"].clone()
    }

    /// Waits until this holds on the page; it is looked at whenever the page tells of news.
    pub async fn until(&mut self, condition: &str) {
        let patience = (PATIENCE - Duration::from_secs(5)).as_millis();
        let waiting = format!(
            "new Promise((told) => {{
                const over = setTimeout(() => told(false), {patience});
                const look = () => {{
                    let holds = false;
                    try {{ holds = !!({condition}); }} catch {{ /* Not loaded yet. */ }}
                    if (!holds) return;
                    clearTimeout(over);
                    told(true);
                }};
                for (const sign of ['load', 'news']) addEventListener(sign, look);
                look();
            }})"
        );
        if self.run(&waiting).await != true {
            let shown = "typeof screen === 'function' ? screen() : document.body.innerText";
            let shown = self.run(shown).await;
            panic!("{condition} never came; the page shows {shown}");
        }
    }

    /// Types words as a person would.
    pub async fn type_in(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    pub async fn press_enter(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                "windowsVirtualKeyCode": 13, "nativeVirtualKeyCode": 13,
            });
            self.call("Input.dispatchKeyEvent", key).await;
        }
    }

    /// Ends the browser in order.
    pub async fn close(mut self) {
        let bye = json!({"id": 0, "method": "Browser.close"});
        let _gone = self.page.send(Message::text(bye.to_string())).await;
        let mut child = self.child.take().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let ended = tokio::task::spawn_blocking(move || child.wait());
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            let _gone = kill(pid, Signal::SIGKILL);
            panic!("the browser does not end");
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _collected = child.wait();
        }
    }
}
