//! The terminals door: named sessions over HTTP, and their terminals over WebSockets.
//! Never a sleep: what a test waits for it sees.

mod sessions;
mod tty;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::app::{Caller, TestApp, Ws};

/// Where sessions are.
pub const SESSIONS: &str = "/api/agents/sessions";

/// Makes a session of this name; `more` wins over the defaults.
pub async fn make(who: &Caller, app: &TestApp, name: &str, more: &Value) -> Value {
    let mut body = json!({
        "name": name, "agentType": "shell", "workingDirectory": app.dir(),
        "permissionMode": "bypassPermissions",
    });
    let all = body.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    who.post(SESSIONS, &body).await.ok(201)
}

/// Opens a session's own WebSocket.
pub async fn attach(who: &Caller, tail: &str) -> Ws {
    try_attach(who, tail).await.unwrap()
}

/// The same; the HTTP status when it is refused.
pub async fn try_attach(who: &Caller, tail: &str) -> Result<Ws, u16> {
    let token = format!("Bearer {}", who.token);
    let path = format!("{SESSIONS}/{tail}");
    who.try_ws(&path, &[("authorization", &token)]).await
}

/// A server, a person, and the terminal of her shell `t`, at its prompt.
pub async fn seated() -> (TestApp, Caller, Terminal) {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    make(&ada, &app, "t", &json!({})).await;
    let mut terminal = Terminal::open(&ada, "t", "").await;
    terminal.prompt().await;
    (app, ada, terminal)
}

/// A reader of a terminal in binary frames: what it was given, by offset.
pub struct Terminal {
    pub ws: Ws,
    /// The first offset.
    pub start: u64,
    pub incarnation: u64,
    pub bytes: Vec<u8>,
    /// Text frames behind the hello.
    pub told: Vec<Value>,
}

impl Terminal {
    pub async fn open(who: &Caller, name: &str, query: &str) -> Self {
        let mut ws = attach(who, &format!("{name}?tty=binary&events=none{query}")).await;
        let hello = ws.next().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        assert_eq!(hello["sessionType"], "pty");
        Self {
            ws,
            start: hello["ttyOffset"].as_u64().unwrap(),
            incarnation: hello["incarnation"].as_u64().unwrap(),
            bytes: vec![],
            told: vec![],
        }
    }

    /// Takes one message. `false`: the connection is closed.
    pub async fn step(&mut self) -> bool {
        match self.ws.message().await {
            Message::Binary(bytes) => self.bytes.extend_from_slice(&bytes),
            Message::Text(text) => self.told.push(serde_json::from_str(&text).unwrap()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Close(_) => return false,
        }
        true
    }

    /// Reads until the terminal has shown this behind `from`.
    pub async fn until(&mut self, text: &str) {
        while !self.text().contains(text) {
            assert!(self.step().await, "closed before {text:?}: {}", self.text());
        }
    }

    /// Reads until the shell takes commands: root's prompt, or anybody else's.
    pub async fn prompt(&mut self) {
        while !["# ", "$ "]
            .iter()
            .any(|prompt| self.text().contains(prompt))
        {
            assert!(self.step().await, "closed before a prompt: {}", self.text());
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The offset behind what was shown.
    pub fn end(&self) -> u64 {
        self.start + u64::try_from(self.bytes.len()).unwrap()
    }

    pub async fn type_in(&mut self, text: &str) {
        use futures_util::SinkExt;
        let keys = Message::binary(text.as_bytes().to_vec());
        self.ws.stream.send(keys).await.unwrap();
    }
}
