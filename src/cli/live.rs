//! An agent's words while it writes them, and the news that it has new events, over `/ws`.
//!
//! Never the record: what is shown for good is polled, so a connection that is lost loses nothing.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Deserialize;
use serde_json::json;
use tungstenite::Message;

use super::attach::socket::{Came, Socket};
use super::client::{Client, Request};
use super::clock;

/// Pause before a lost connection is made again.
const AGAIN: Duration = Duration::from_secs(2);

/// What came.
#[derive(Debug)]
pub enum News {
    /// A piece of a message.
    Piece(Piece),
    /// Events that can be polled.
    Events,
    /// Nothing in that time.
    Quiet,
    /// There is no connection: nobody tells of anything.
    Away,
}

/// A piece of a message that is being written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Piece {
    /// The message.
    pub message_id: String,
    /// `assistant` or `thinking`.
    pub kind: String,
    /// Bytes of the message before it.
    pub offset: u64,
    /// The words.
    pub text: String,
    /// The frame as it came.
    #[serde(skip)]
    pub raw: String,
}

/// A frame, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    seq: Option<u64>,
}

/// The connection about one agent.
#[derive(Debug)]
pub struct Live<'a> {
    client: &'a Client,
    agent: String,
    socket: Option<Socket>,
    next_try: Instant,
    /// A piece that came behind events which are not polled yet.
    held: Option<Piece>,
}

impl<'a> Live<'a> {
    /// Connects with the first question for news.
    #[must_use]
    pub fn new(client: &'a Client, agent: &str) -> Self {
        Self {
            client,
            agent: agent.to_owned(),
            socket: None,
            next_try: clock::now(),
            held: None,
        }
    }

    /// The next news, waited for as long as `most`.
    pub fn next(&mut self, most: Duration) -> News {
        if let Some(piece) = self.held.take() {
            return News::Piece(piece);
        }
        let until = clock::now() + most;
        loop {
            match self.read() {
                Some(News::Events) => return self.drained(),
                Some(news) => return news,
                None => {
                    let left = until.saturating_duration_since(clock::now());
                    if left.is_zero() {
                        return News::Quiet;
                    }
                    self.rest(left);
                }
            }
        }
    }

    /// Passes over the news of further events: one poll gets them all.
    fn drained(&mut self) -> News {
        loop {
            match self.read() {
                Some(News::Events) => {}
                Some(News::Piece(piece)) => {
                    self.held = Some(piece);
                    return News::Events;
                }
                Some(News::Quiet | News::Away) | None => return News::Events,
            }
        }
    }

    /// What is there already; `None`: nothing.
    fn read(&mut self) -> Option<News> {
        if self.socket.is_none() && !self.connect() {
            return Some(News::Away);
        }
        let socket = self.socket.as_mut()?;
        loop {
            match socket.read() {
                Ok(Came::Text(text)) => {
                    if let Some(news) = news(&text) {
                        return Some(news);
                    }
                }
                Ok(Came::Life) if socket.flush().is_ok() => {}
                Ok(Came::Bytes(_)) => {}
                Ok(Came::Nothing) => return None,
                Ok(Came::Life | Came::Closed(..)) | Err(_) => {
                    self.socket = None;
                    self.next_try = clock::now() + AGAIN;
                    return Some(News::Away);
                }
            }
        }
    }

    /// Whether it stands now. One that does not is no failure: the polls say what is wrong.
    fn connect(&mut self) -> bool {
        if clock::now() < self.next_try {
            return false;
        }
        self.next_try = clock::now() + AGAIN;
        let asked = json!({
            "type": "subscribe", "channels": ["*"], "agentId": self.agent, "after": 0,
        });
        let opened = Socket::open(self.client, &Request::get("/ws"));
        let Ok(mut socket) = opened else { return false };
        let said = socket.send(Message::text(asked.to_string())).is_ok();
        self.socket = said.then_some(socket);
        said
    }

    fn rest(&self, left: Duration) {
        let Some(socket) = &self.socket else { return };
        let mut flags = PollFlags::POLLIN;
        flags.set(PollFlags::POLLOUT, socket.is_behind());
        let mut fds = [PollFd::new(socket.as_fd(), flags)];
        let left = left.saturating_add(Duration::from_millis(1));
        // An interrupted wait is a short one.
        let _waited = poll(
            &mut fds,
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
        );
    }
}

/// What a frame tells; nothing for a greeting.
fn news(text: &str) -> Option<News> {
    let frame: Frame = serde_json::from_str(text).ok()?;
    if frame.kind == "agent.delta" {
        let piece: Piece = serde_json::from_str(text).ok()?;
        let raw = text.to_owned();
        return Some(News::Piece(Piece { raw, ..piece }));
    }
    (frame.seq.is_some() || frame.kind == "gap").then_some(News::Events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_pieces_or_news_or_neither() {
        let text =
            r#"{"type":"agent.delta","messageId":"m","kind":"thinking","offset":3,"text":"x"}"#;
        let Some(News::Piece(piece)) = news(text) else {
            panic!("no piece");
        };
        assert_eq!((piece.message_id.as_str(), piece.offset), ("m", 3));
        assert_eq!(
            (piece.kind.as_str(), piece.raw.as_str()),
            ("thinking", text)
        );
        for events in [
            r#"{"type":"agent.status","seq":4}"#,
            r#"{"type":"gap","dropped":2}"#,
        ] {
            assert!(matches!(news(events), Some(News::Events)), "{events}");
        }
        for nothing in [r#"{"type":"connected"}"#, "x", "{}"] {
            assert!(news(nothing).is_none(), "{nothing}");
        }
    }

    #[test]
    fn without_a_server_nobody_tells_and_nothing_waits() {
        let client = Client::new("http://127.0.0.1:1", None).unwrap();
        let mut live = Live::new(&client, "a");
        let begun = clock::now();
        for _ in 0..3 {
            assert!(matches!(live.next(Duration::from_secs(5)), News::Away));
        }
        assert!(clock::now() - begun < Duration::from_secs(4));
    }
}
