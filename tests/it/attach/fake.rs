//! A server of the terminals WebSocket that plays a script: one list of steps a connection.
//!
//! Never answers anything that is not in the script.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

/// What the server does next.
#[derive(Clone)]
pub enum Step {
    /// Sends a frame of text.
    Text(Value),
    /// Sends bytes of the terminal.
    Bytes(Vec<u8>),
    /// Waits until just this input came.
    Await(&'static str),
    /// Waits for `go_on`.
    Pause,
    /// Waits until the client goes.
    Gone,
    /// Closes in order.
    Close(u16, &'static str),
    /// Lets the connection break.
    Cut,
}

/// What a connection brought.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// Path and query.
    pub line: String,
    /// Input bytes.
    pub input: Vec<u8>,
    /// Frames of text.
    pub texts: Vec<String>,
}

pub struct Fake {
    pub url: String,
    visits: Arc<Mutex<Vec<Visit>>>,
    go: Sender<()>,
}

impl Fake {
    pub fn start(script: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let visits = Arc::new(Mutex::new(Vec::new()));
        let (go, gone_on) = channel();
        let theirs = Arc::clone(&visits);
        std::thread::spawn(move || {
            for steps in script {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
                play(stream, &steps, &theirs, &gone_on);
            }
        });
        Self { url, visits, go }
    }

    pub fn visits(&self) -> Vec<Visit> {
        self.visits.lock().unwrap().clone()
    }

    pub fn go_on(&self) {
        self.go.send(()).unwrap();
    }
}

#[expect(clippy::result_large_err, reason = "the crate's callback is like that")]
fn play(stream: TcpStream, steps: &[Step], visits: &Mutex<Vec<Visit>>, go: &Receiver<()>) {
    let mut ws = tungstenite::accept_hdr(stream, |request: &Request, reply: Response| {
        let key = request.headers().get("authorization").cloned();
        assert_eq!(key.unwrap(), "Bearer a-key");
        visits.lock().unwrap().push(Visit {
            line: request.uri().to_string(),
            ..Visit::default()
        });
        Ok(reply)
    })
    .unwrap();
    for step in steps {
        match step {
            Step::Text(value) => ws.send(Message::text(value.to_string())).unwrap(),
            Step::Bytes(bytes) => ws.send(Message::binary(bytes.clone())).unwrap(),
            Step::Await(wanted) => {
                while last(visits).input.len() < wanted.len() {
                    assert!(listen(&mut ws, visits), "the client went");
                }
                assert_eq!(last(visits).input, wanted.as_bytes());
            }
            Step::Pause => go.recv_timeout(super::PATIENCE).unwrap(),
            Step::Gone => while listen(&mut ws, visits) {},
            Step::Close(code, reason) => {
                let frame = CloseFrame {
                    code: (*code).into(),
                    reason: (*reason).into(),
                };
                ws.close(Some(frame)).unwrap();
                while listen(&mut ws, visits) {}
                return;
            }
            Step::Cut => break,
        }
    }
    // What the client sent before is not looked at: a reset instead of an end, as in a crash.
    drop(ws);
}

fn last(visits: &Mutex<Vec<Visit>>) -> Visit {
    visits.lock().unwrap().last().unwrap().clone()
}

/// Takes one message; false when the client is gone.
fn listen(ws: &mut WebSocket<TcpStream>, visits: &Mutex<Vec<Visit>>) -> bool {
    let message = match ws.read() {
        Ok(message) => message,
        Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {
            return true;
        }
        Err(_) => return false,
    };
    let mut visits = visits.lock().unwrap();
    let visit = visits.last_mut().unwrap();
    match message {
        Message::Binary(bytes) => visit.input.extend_from_slice(&bytes),
        Message::Text(text) => visit.texts.push(text.to_string()),
        Message::Close(_) => return false,
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
    }
    true
}
