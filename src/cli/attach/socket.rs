//! The client's end of a WebSocket, on a socket that never blocks.
//!
//! Never follows a redirect, and never sends the token to another server.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::header::{AUTHORIZATION, USER_AGENT};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Bytes, Message, Utf8Bytes, WebSocket};

use crate::cli::client::{Client, Request};
use crate::cli::failure::{Exit, Failure};

/// How long a connection may take to stand, and then the handshake.
const CONNECT: Duration = Duration::from_secs(5);
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Largest message that is taken: the server's pieces are far smaller.
const LARGEST: usize = 8 * 1024 * 1024;

/// What came.
#[derive(Debug)]
pub enum Came {
    /// Output.
    Bytes(Bytes),
    /// A frame of text.
    Text(Utf8Bytes),
    /// A sign of life.
    Life,
    /// The server closed it, with a code and a reason.
    Closed(u16, String),
    /// Nothing for now.
    Nothing,
}

/// A connection.
#[derive(Debug)]
pub struct Socket {
    ws: WebSocket<TcpStream>,
    unsent: bool,
}

impl Socket {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// `Unreachable` when there is no server, else what it refused.
    pub fn open(client: &Client, request: &Request) -> Result<Self, Failure> {
        let address = client.address(request);
        let stream = connect(client, &address)?;
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Usage, format!("`{}` cannot be used", client.base()))
                .because(error.to_string())
        };
        let mut request = address
            .replacen("http", "ws", 1)
            .into_client_request()
            .map_err(|error| wrong(&error))?;
        let headers = request.headers_mut();
        let agent = concat!("callboard/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, agent.parse().map_err(|error| wrong(&error))?);
        if let Some(token) = client.token() {
            let bearer = format!("Bearer {token}");
            headers.insert(
                AUTHORIZATION,
                bearer.parse().map_err(|error| wrong(&error))?,
            );
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(64 * 1024)
            .write_buffer_size(0)
            .max_message_size(Some(LARGEST));
        let (ws, _reply) = tungstenite::client::client_with_config(request, stream, Some(config))
            .map_err(|error| refused(client, error))?;
        ws.get_ref()
            .set_nonblocking(true)
            .map_err(|error| gone(client, &error.to_string()))?;
        Ok(Self { ws, unsent: false })
    }

    /// The next message, if one is there.
    ///
    /// # Errors
    /// Why the connection is lost.
    pub fn read(&mut self) -> Result<Came, String> {
        match self.ws.read() {
            Ok(Message::Binary(bytes)) => Ok(Came::Bytes(bytes)),
            Ok(Message::Text(text)) => Ok(Came::Text(text)),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(Came::Life),
            Ok(Message::Close(frame)) => Ok(frame.map_or_else(
                || Came::Closed(1005, String::new()),
                |frame| Came::Closed(frame.code.into(), frame.reason.to_string()),
            )),
            Err(tungstenite::Error::Io(error)) if waits(&error) => Ok(Came::Nothing),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Sends a message, or keeps it until the socket takes more.
    ///
    /// # Errors
    /// Why the connection is lost.
    pub fn send(&mut self, message: Message) -> Result<(), String> {
        let written = self.ws.write(message);
        self.settle(written)?;
        self.flush()
    }

    /// Goes on with what is unsent.
    ///
    /// # Errors
    /// Why the connection is lost.
    pub fn flush(&mut self) -> Result<(), String> {
        self.unsent = false;
        let flushed = self.ws.flush();
        self.settle(flushed)
    }

    /// Whether the socket has not taken everything yet.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.unsent
    }

    /// Says goodbye, as far as that goes at once.
    pub fn close(mut self) {
        let _ = self.ws.close(None);
        let _ = self.ws.flush();
    }

    fn settle(&mut self, done: tungstenite::Result<()>) -> Result<(), String> {
        match done {
            Ok(()) => Ok(()),
            Err(tungstenite::Error::Io(error)) if waits(&error) => {
                self.unsent = true;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ws.get_ref().as_fd()
    }
}

fn connect(client: &Client, address: &str) -> Result<TcpStream, Failure> {
    let url = reqwest::Url::parse(address).map_err(|error| gone(client, &error.to_string()))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let found = (host, port)
        .to_socket_addrs()
        .map_err(|error| gone(client, &error.to_string()))?;
    let mut why = String::from("the name has no address");
    for address in found {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                // Bounds of the handshake alone: the socket does not block afterwards.
                let set = stream
                    .set_read_timeout(Some(HANDSHAKE))
                    .and_then(|()| stream.set_write_timeout(Some(HANDSHAKE)))
                    .and_then(|()| stream.set_nodelay(true));
                return set
                    .map(|()| stream)
                    .map_err(|error| gone(client, &error.to_string()));
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(gone(client, &why))
}

fn refused<R: tungstenite::handshake::HandshakeRole>(
    client: &Client,
    error: HandshakeError<R>,
) -> Failure {
    match error {
        HandshakeError::Failure(tungstenite::Error::Http(reply)) => {
            let status = reply.status();
            let body = reply.body().as_deref().unwrap_or_default();
            if status.is_success() || status.is_redirection() {
                return Failure::new(Exit::Failed, "the server opens no terminal")
                    .because(format!("it answered {status}"))
                    .mend(
                        "check that it is a Callboard server of this version: `callboard doctor`",
                    );
            }
            Failure::refused(status, body)
        }
        HandshakeError::Failure(error) => gone(client, &error.to_string()),
        HandshakeError::Interrupted(_) => gone(client, "it did not answer in time"),
    }
}

fn gone(client: &Client, why: &str) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("no server answers at {}", client.base()),
    )
    .because(why)
    .mend("start it with `callboard daemon start`, or name another with --url or CALLBOARD_URL")
}

fn waits(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
