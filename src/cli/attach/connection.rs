//! The connection to the agent's terminal, which comes back by itself after it was lost.
//!
//! Never tries again what the server refused, and never without a pause.

use std::time::{Duration, Instant};

use tungstenite::Message;

use super::place::At;
use super::socket::{Came, Socket};
use crate::cli::client::{Client, Request};
use crate::cli::clock;
use crate::cli::failure::{Exit, Failure};

/// The server pings each 30 s: a connection that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(75);
/// First and longest pause between two tries to reach the server.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A connection, or the tries to get it back.
pub struct Connection<'a> {
    client: &'a Client,
    path: String,
    socket: Option<Socket>,
    heard: Instant,
    tries: u32,
    next_try: Instant,
}

impl<'a> Connection<'a> {
    /// Of this agent, not connected yet.
    pub fn new(client: &'a Client, id: &str) -> Self {
        Self {
            client,
            path: format!("/api/agents/sessions/{id}"),
            socket: None,
            heard: clock::now(),
            tries: 0,
            next_try: clock::now(),
        }
    }

    /// Connects, to go on at a place, or at the `latest` byte.
    ///
    /// # Errors
    /// `Unreachable` when there is no server, else what it refused.
    pub fn open(&mut self, at: Option<At>, latest: bool) -> Result<(), Failure> {
        let mut request = Request::get(&self.path)
            .with("tty", "binary")
            .with("events", "none");
        match at {
            Some(at) if at.incarnation > 0 => {
                request = request
                    .with("incarnation", at.incarnation)
                    .with("offset", at.offset);
            }
            None if latest => request = request.with("offset", "latest"),
            Some(_) | None => {}
        }
        self.heard = clock::now();
        self.socket = Some(Socket::open(self.client, &request)?);
        Ok(())
    }

    /// Tries to get it back, when it is lost and the pause is over. True when it is there again:
    /// frames may have come with the handshake already.
    ///
    /// # Errors
    /// What the server refused for good.
    pub fn mend(&mut self, at: Option<At>, latest: bool) -> Result<bool, Failure> {
        if self.socket.is_some() || clock::now() < self.next_try {
            return Ok(false);
        }
        match self.open(at, latest) {
            Err(failure) if !passes(&failure) => return Err(failure),
            Err(_) => self.pause(),
            Ok(()) => {}
        }
        Ok(self.socket.is_some())
    }

    /// It is gone. True for the first time since it stood.
    pub fn lose(&mut self) -> bool {
        self.socket = None;
        let first = self.tries == 0;
        self.pause();
        first
    }

    /// The server said hello.
    pub fn stands(&mut self) {
        self.tries = 0;
    }

    /// Whether it stands, and the server said hello.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.socket.is_some() && self.tries == 0
    }

    /// The socket, when there is one.
    #[must_use]
    pub fn socket(&self) -> Option<&Socket> {
        self.socket.as_ref()
    }

    /// Sends a message. False when that lost the connection.
    #[must_use]
    pub fn send(&mut self, message: Message) -> bool {
        self.socket
            .as_mut()
            .is_none_or(|socket| socket.send(message).is_ok())
    }

    /// Goes on with what is unsent. False when that lost the connection.
    #[must_use]
    pub fn flush(&mut self) -> bool {
        self.socket
            .as_mut()
            .is_none_or(|socket| socket.flush().is_ok())
    }

    /// Whether the socket has not taken everything yet.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.socket.as_ref().is_some_and(Socket::is_behind)
    }

    /// The next message; an error when the connection is lost.
    ///
    /// # Errors
    /// Why it is lost.
    pub fn read(&mut self) -> Result<Came, String> {
        let Some(socket) = &mut self.socket else {
            return Ok(Came::Nothing);
        };
        let came = socket.read()?;
        if !matches!(came, Came::Nothing) {
            self.heard = clock::now();
        } else if clock::now() >= self.heard + SILENCE {
            return Err(String::from("it is silent"));
        }
        Ok(came)
    }

    /// When it is dead, or is tried again, if nothing happens.
    #[must_use]
    pub fn until(&self) -> Instant {
        match self.socket {
            Some(_) => self.heard + SILENCE,
            None => self.next_try,
        }
    }

    /// Says goodbye.
    pub fn close(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.close();
        }
    }

    fn pause(&mut self) {
        let pause = PAUSES.0 * 2_u32.saturating_pow(self.tries.min(6));
        self.tries = self.tries.saturating_add(1);
        self.next_try = clock::now() + pause.min(PAUSES.1);
    }
}

/// Whether a refusal passes by itself: no server, a draining one, or too many sockets.
fn passes(failure: &Failure) -> bool {
    let again = |body: &serde_json::Value| body.get("retryAfter").is_some();
    failure.transient()
        || failure.exit == Exit::TimedOut
        || failure.body.as_deref().is_some_and(again)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_passes_by_itself_is_tried_again() {
        let of = |exit| Failure::new(exit, "no");
        assert!(passes(&of(Exit::Unreachable)) && passes(&of(Exit::TimedOut)));
        assert!(!passes(&of(Exit::NotFound)) && !passes(&of(Exit::SignedOut)));
        let mut busy = of(Exit::Refused);
        assert!(!passes(&busy));
        busy.body = Some(Box::new(json!({"retryAfter": 1})));
        assert!(passes(&busy));
    }
}
