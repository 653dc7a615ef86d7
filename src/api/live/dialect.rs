//! What a surface brings to a connection: its words for events, commands and replies.
//!
//! Never does anything: a dialect translates, the connection's session acts.

use std::sync::Arc;

use bytestring::ByteString;
use serde_json::Value;

use crate::app::{Answered, Overview, Piece, Published, ScreenStart, TtyPlace};
use crate::domain::machine::Machine;
use crate::domain::{ApprovalId, EventKind, Remember, SessionId, TaskId, Timestamp};

use super::close::Close;
use super::gaps::Gap;
use super::outbox::Body;
pub use super::refusal::Refusal;

/// A set of channels, one bit each; their meaning is the dialect's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Channels(pub u16);

impl Channels {
    /// What the machine does: no event, and of no agent.
    pub const FIGURES: Self = Self(1 << 15);
    /// Every channel of events.
    pub const ALL: Self = Self(!Self::FIGURES.0);

    /// Both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This without the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether they share a channel.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// From where a subscription starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// What comes from now on.
    Now,
    /// What the ring holds, and then what comes.
    Ring,
    /// After this number (seq of the agent, pos for all), of this epoch when one is named.
    After {
        /// The last number that the client has.
        number: u64,
        /// The epoch of the number.
        epoch: Option<String>,
    },
}

/// What a subscription is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every agent that the client may see.
    All(Start),
    /// These agents.
    Agents(Vec<(SessionId, Start)>),
}

/// Longest mark of a client, as JSON.
pub const MAX_MARK: usize = 256;

/// The client's own mark of a command, given back with its reply.
pub type Mark = Option<Value>;

/// What a client asks of its connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Follow.
    Subscribe {
        /// Mark.
        id: Mark,
        /// The channels as the client wrote them.
        names: Vec<String>,
        /// The same as a set.
        channels: Channels,
        /// Of whom.
        scope: Scope,
    },
    /// Follow less.
    Unsubscribe {
        /// Mark.
        id: Mark,
        /// The channels as the client wrote them.
        names: Vec<String>,
        /// The same as a set.
        channels: Channels,
        /// Of whom; empty: of everyone.
        agents: Vec<SessionId>,
    },
    /// A prompt for an agent.
    Message {
        /// Mark.
        id: Mark,
        /// For whom.
        agent: SessionId,
        /// The words.
        content: String,
        /// The client's key for it.
        key: Option<String>,
    },
    /// An answer to a question.
    Approve {
        /// Mark.
        id: Mark,
        /// Which question.
        request: ApprovalId,
        /// Yes or no.
        approved: bool,
        /// Free words.
        response: Option<String>,
        /// For how long it holds.
        remember: Remember,
    },
    /// A sign of life that wants one back.
    Ping {
        /// Mark.
        id: Mark,
    },
    /// Show the agent that the connection is about; its first command, from the dialect itself.
    Open(Opening),
    /// Type at the terminal of that agent. Never refused for its pace: the input waits instead.
    Keys {
        /// As they came.
        bytes: Vec<u8>,
    },
    /// The terminal has a new size.
    Resize {
        /// Lines.
        rows: u16,
        /// Characters of a line.
        cols: u16,
    },
    /// End the running turn of that agent.
    Interrupt {
        /// Mark.
        id: Mark,
    },
}

/// The one agent that a connection is about, and from where it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// Which.
    pub agent: SessionId,
    /// Its events.
    pub events: Start,
    /// Its terminal; `None`: not shown.
    pub screen: Option<ScreenStart>,
}

impl Command {
    /// The client's mark.
    #[must_use]
    pub fn id(&self) -> Mark {
        match self {
            Self::Subscribe { id, .. }
            | Self::Unsubscribe { id, .. }
            | Self::Message { id, .. }
            | Self::Approve { id, .. }
            | Self::Ping { id }
            | Self::Interrupt { id } => id.clone(),
            Self::Open(_) | Self::Keys { .. } | Self::Resize { .. } => None,
        }
    }
}

/// What the connection answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The subscription stands.
    Subscribed {
        /// Mark.
        id: Mark,
        /// The channels.
        names: Vec<String>,
    },
    /// Where one agent's stream begins.
    HelloAgent {
        /// Which.
        agent: SessionId,
        /// Epoch of the numbers.
        epoch: String,
        /// Oldest number that can be read.
        oldest: u64,
        /// Last committed number.
        latest: u64,
    },
    /// Where the stream over all begins.
    HelloAll {
        /// Epoch of the numbers.
        epoch: String,
        /// Last committed number of the server.
        latest: u64,
    },
    /// The agent that the connection is about, as it stands.
    Opened(Box<Opened>),
    /// Its running turn is being ended.
    Interrupted {
        /// Mark.
        id: Mark,
        /// The turn's task.
        task: TaskId,
    },
    /// The channels are left.
    Unsubscribed {
        /// Mark.
        id: Mark,
        /// The channels.
        names: Vec<String>,
    },
    /// The prompt is accepted.
    Accepted {
        /// Mark.
        id: Mark,
        /// For whom.
        agent: SessionId,
        /// Its task.
        task: TaskId,
        /// Whether it waits.
        queued: bool,
        /// Its place among the waiting, from 1; 0 when it runs.
        position: u32,
        /// How many wait.
        depth: u32,
    },
    /// The question is answered.
    Resolved {
        /// Mark.
        id: Mark,
        /// Which.
        request: ApprovalId,
        /// What became of it.
        answered: Answered,
    },
    /// The sign of life.
    Pong {
        /// Mark.
        id: Mark,
        /// RFC 3339.
        at: String,
    },
    /// A refused command; the connection goes on.
    Error(Refusal),
}

/// An agent at the moment when a connection to it opens.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Its row.
    pub row: Overview,
    /// Epoch of the numbers.
    pub epoch: String,
    /// Oldest number that can be read.
    pub oldest: u64,
    /// Last committed number.
    pub latest: u64,
    /// Where its terminal is shown from.
    pub place: TtyPlace,
    /// Whether the client may drive it.
    pub writable: bool,
}

/// News of a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScreenNews {
    /// Bytes.
    Bytes {
        /// Which life of the process.
        incarnation: u64,
        /// Of the first byte, in its log.
        offset: u64,
        /// As the program wrote them; cut anywhere.
        bytes: Vec<u8>,
        /// When they went out.
        at: Timestamp,
    },
    /// Another process begins; its bytes are counted from 0.
    Start {
        /// Which life of the process.
        incarnation: u64,
    },
    /// Bytes that are no longer in the log; it goes on at `to`.
    Gap {
        /// Which life of the process.
        incarnation: u64,
        /// First missing offset.
        from: u64,
        /// First offset that comes.
        to: u64,
    },
}

/// A surface's words on a connection.
pub trait Dialect: Send + Sync + Unpin + 'static {
    /// The first frames.
    fn greeting(&self) -> Vec<ByteString>;
    /// The channels that carry events of this kind.
    fn channels(&self, kind: EventKind) -> Channels;
    /// The frame of an event.
    fn frame(&self, event: &Published) -> Option<ByteString>;
    /// Reads a text frame.
    ///
    /// # Errors
    /// The reply to a frame that is no command.
    fn command(&self, text: &str) -> Result<Command, Refusal>;
    /// Words a reply; empty where the dialect has no words for it.
    fn reply(&self, reply: &Reply) -> ByteString;
    /// Tells of missing events.
    fn gap(&self, gap: &Gap) -> ByteString;

    /// What the connection does by itself when it opens.
    fn opening(&self) -> Option<Command> {
        None
    }

    /// Reads a binary frame.
    ///
    /// # Errors
    /// The reply to one that is no command.
    fn binary(&self, _bytes: &[u8]) -> Result<Command, Refusal> {
        let text = "only text frames are understood";
        Err(Refusal::new("bad_json", text))
    }

    /// The frame of a page of the replay that a connection opens with; `None`: its events come one
    /// by one.
    fn replay(&self, _events: &[Arc<Published>]) -> Option<ByteString> {
        None
    }

    /// The channels that carry pieces of messages which are being written.
    fn live(&self) -> Channels {
        Channels::default()
    }

    /// The frame of such a piece. It has no number: it says where in its message it begins.
    fn piece(&self, _piece: &Piece) -> Option<ByteString> {
        None
    }

    /// The frame of news of a terminal.
    fn screen(&self, _news: ScreenNews) -> Option<Body> {
        None
    }

    /// How the connection closes behind this event.
    fn close(&self, _event: &Published) -> Option<Close> {
        None
    }

    /// How it closes when the agent that it is about is deleted; `None`: it goes on.
    fn gone(&self) -> Option<Close> {
        None
    }

    /// The last frame, where the transport has no close frame of its own.
    fn farewell(&self, _close: Close) -> Option<ByteString> {
        None
    }

    /// What the machine does; `None`: nobody is told here.
    fn figures(&self, _machine: &Machine) -> Option<ByteString> {
        None
    }

    /// A sign of life beside the protocol's own ping.
    fn heartbeat(&self, _at: Timestamp) -> Option<ByteString> {
        None
    }
}
