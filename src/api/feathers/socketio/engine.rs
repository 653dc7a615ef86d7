//! The state of one connection of Engine.IO: its transport, its way up to another, its bounds.
//!
//! Never does anything: whoever carries the packets does what a step says.

use std::time::Duration;

use serde_json::{Value, json};

use super::packet::Frame;

/// How often the client is asked for a sign of life.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);
/// How long it may stay without one, as it is told. The server waits for three questions in a row,
/// which is longer.
pub const PING_TIMEOUT: Duration = Duration::from_secs(60);
/// Questions that may stay without an answer.
pub const MISSES: u8 = 3;
/// Largest payload of a client, in bytes.
pub const MAX_PAYLOAD: usize = 1_000_000;
/// The same while nobody is signed in.
pub const GUEST_PAYLOAD: usize = 64 * 1024;
/// How long a connection may be open without anybody signing in on it.
pub const SIGN_IN_WITHIN: Duration = Duration::from_secs(60);
/// How long the way to the other transport may take.
pub const UPGRADE_WITHIN: Duration = Duration::from_secs(10);
/// The protocol's version in the address.
const VERSION: &str = "4";

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Requests: one waits for packets, others bring them.
    Polling,
    /// A WebSocket.
    Websocket,
}

impl Transport {
    /// Reads the word of the address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "polling" => Some(Self::Polling),
            "websocket" => Some(Self::Websocket),
            _ => None,
        }
    }
}

/// Why a request is refused, as the public client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No such transport.
    Transport,
    /// No such connection.
    Sid,
    /// A connection begins with a GET.
    Method,
    /// Anything else.
    Request,
    /// Another version of the protocol.
    Version,
}

impl Refused {
    /// The body of the answer, whose status is 400.
    #[must_use]
    pub fn body(self) -> Value {
        let (code, message) = match self {
            Self::Transport => (0, "Transport unknown"),
            Self::Sid => (1, "Session ID unknown"),
            Self::Method => (2, "Bad handshake method"),
            Self::Request => (3, "Bad request"),
            Self::Version => (5, "Unsupported protocol version"),
        };
        json!({"code": code, "message": message})
    }
}

/// What a request asks for, by its address, its method and its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// `EIO`.
    pub version: Option<&'a str>,
    /// `transport`.
    pub transport: Option<&'a str>,
    /// Whether it is a GET.
    pub get: bool,
    /// Whether it asks for a WebSocket.
    pub upgrades: bool,
    /// Whether it names a connection.
    pub named: bool,
}

impl Address<'_> {
    /// Which transport, if the request can be one of the protocol.
    ///
    /// # Errors
    /// What the client is told.
    pub fn judge(self) -> Result<Transport, Refused> {
        let transport = self.transport.and_then(Transport::parse);
        let transport = transport.ok_or(Refused::Transport)?;
        if self.version != Some(VERSION) {
            return Err(Refused::Version);
        }
        if !self.named && !self.get {
            return Err(Refused::Method);
        }
        let by_socket = transport == Transport::Websocket;
        if by_socket != self.upgrades || (by_socket && !self.get) {
            return Err(Refused::Request);
        }
        Ok(transport)
    }
}

/// The first packet.
#[must_use]
pub fn open(sid: &str, transport: Transport) -> String {
    let upgrades: &[&str] = match transport {
        Transport::Polling => &["websocket"],
        Transport::Websocket => &[],
    };
    let body = json!({
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": millis(PING_INTERVAL),
        "pingTimeout": millis(PING_TIMEOUT),
        "maxPayload": MAX_PAYLOAD,
    });
    Frame::Open(&body.to_string()).write()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    transport: Transport,
    /// A WebSocket has shown that it gets through, and the client is about to use it.
    probed: bool,
}

/// What a packet asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing.
    Nothing,
    /// A packet of the layer above.
    Message(&'a str),
    /// The WebSocket gets through: say so on it, and let the waiting request end.
    Probed,
    /// From now on packets go over the WebSocket.
    Upgraded,
    /// The WebSocket that was tried is of no use; the connection goes on.
    Abandon,
    /// The client ends the connection.
    End,
    /// The packet is none of the protocol.
    Fault,
}

impl Engine {
    /// As it begins.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            probed: false,
        }
    }

    /// How packets travel now.
    #[must_use]
    pub fn transport(self) -> Transport {
        self.transport
    }

    /// Whether a request that waits for packets shall end without any.
    #[must_use]
    pub fn hurries(self) -> bool {
        self.probed
    }

    /// The WebSocket that was tried is gone.
    pub fn abandon(&mut self) {
        self.probed = false;
    }

    /// Takes a packet that came by `by`; `None`: the text was none.
    pub fn take<'a>(&mut self, by: Transport, frame: Option<Frame<'a>>) -> Step<'a> {
        if by == self.transport {
            return Self::carried(frame);
        }
        match (by, frame) {
            (Transport::Websocket, Some(Frame::Ping("probe"))) => {
                self.probed = true;
                Step::Probed
            }
            (Transport::Websocket, Some(Frame::Upgrade)) if self.probed => {
                self.transport = Transport::Websocket;
                self.probed = false;
                Step::Upgraded
            }
            (Transport::Websocket, _) => {
                self.probed = false;
                Step::Abandon
            }
            // What was under way when the WebSocket took over is of the connection as well.
            (Transport::Polling, frame) => Self::carried(frame),
        }
    }

    fn carried(frame: Option<Frame<'_>>) -> Step<'_> {
        match frame {
            Some(Frame::Message(text)) => Step::Message(text),
            Some(Frame::Pong(_) | Frame::Noop | Frame::Binary) => Step::Nothing,
            Some(Frame::Close) => Step::End,
            Some(Frame::Open(_) | Frame::Ping(_) | Frame::Upgrade) | None => Step::Fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Address<'_> = Address {
        version: Some("4"),
        transport: Some("polling"),
        get: true,
        upgrades: false,
        named: false,
    };

    #[test]
    fn addresses_are_judged_as_the_public_server_does() {
        assert_eq!(GOOD.judge(), Ok(Transport::Polling));
        let socket = Address {
            transport: Some("websocket"),
            upgrades: true,
            ..GOOD
        };
        assert_eq!(socket.judge(), Ok(Transport::Websocket));
        for (address, code) in [
            (
                Address {
                    transport: None,
                    ..GOOD
                },
                0,
            ),
            (
                Address {
                    transport: Some("flash"),
                    ..GOOD
                },
                0,
            ),
            (Address { get: false, ..GOOD }, 2),
            (
                Address {
                    upgrades: true,
                    ..GOOD
                },
                3,
            ),
            (
                Address {
                    upgrades: false,
                    ..socket
                },
                3,
            ),
            (
                Address {
                    get: false,
                    named: true,
                    ..socket
                },
                3,
            ),
            (
                Address {
                    version: Some("3"),
                    ..GOOD
                },
                5,
            ),
            (
                Address {
                    version: None,
                    ..GOOD
                },
                5,
            ),
        ] {
            let refused = address.judge().unwrap_err();
            assert_eq!(refused.body()["code"], code, "{address:?}");
        }
    }

    #[test]
    fn the_first_packet_says_what_the_contract_says() {
        let text = open("s", Transport::Polling);
        let body: Value = serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(
            body,
            json!({"sid": "s", "upgrades": ["websocket"], "pingInterval": 25_000,
                "pingTimeout": 60_000, "maxPayload": 1_000_000})
        );
        assert!(open("s", Transport::Websocket).contains("\"upgrades\":[]"));
    }

    #[test]
    fn polling_goes_up_to_a_websocket_by_a_probe() {
        let mut engine = Engine::new(Transport::Polling);
        let socket = Transport::Websocket;
        assert_eq!(
            engine.take(socket, Some(Frame::Ping("probe"))),
            Step::Probed
        );
        assert!(engine.hurries());
        let polled = engine.take(Transport::Polling, Some(Frame::Message("2[]")));
        assert_eq!(polled, Step::Message("2[]"));
        assert_eq!(engine.take(socket, Some(Frame::Upgrade)), Step::Upgraded);
        assert_eq!(engine.transport(), socket);
        assert!(!engine.hurries());
        assert_eq!(
            engine.take(socket, Some(Frame::Message("x"))),
            Step::Message("x")
        );
    }

    #[test]
    fn without_a_probe_there_is_no_way_up_and_the_connection_goes_on() {
        for frame in [Some(Frame::Upgrade), Some(Frame::Message("2[]")), None] {
            let mut engine = Engine::new(Transport::Polling);
            assert_eq!(engine.take(Transport::Websocket, frame), Step::Abandon);
            assert_eq!(engine.transport(), Transport::Polling);
        }
        let mut engine = Engine::new(Transport::Polling);
        engine.take(Transport::Websocket, Some(Frame::Ping("probe")));
        engine.abandon();
        assert!(!engine.hurries());
        assert_eq!(
            engine.take(Transport::Websocket, Some(Frame::Upgrade)),
            Step::Abandon
        );
    }

    #[test]
    fn what_only_a_server_says_is_a_fault() {
        for transport in [Transport::Polling, Transport::Websocket] {
            let mut engine = Engine::new(transport);
            for frame in [
                Some(Frame::Ping("")),
                Some(Frame::Open("{}")),
                Some(Frame::Upgrade),
                None,
            ] {
                assert_eq!(engine.take(transport, frame), Step::Fault, "{frame:?}");
            }
            assert_eq!(engine.take(transport, Some(Frame::Close)), Step::End);
            assert_eq!(engine.take(transport, Some(Frame::Pong(""))), Step::Nothing);
        }
    }
}
