//! What a scripted model does when a prompt asks for it, apart from any API's wire form.
//!
//! Never holds a field's name of an API: those belong to the API's own module.

use std::time::Duration;

use serde_json::{Value, json};

/// How long a silence lasts when the mark names no time.
pub const SILENCE: Duration = Duration::from_secs(30 * 60);

/// What one mark asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What happens.
    pub act: Act,
    /// The figures that the answer reports.
    pub usage: Usage,
    /// The pause before each piece of the answer.
    pub pace: Duration,
    /// The pause before the first byte.
    pub wait: Duration,
    /// Why the model says that it stopped, when it is not what follows from the act.
    pub stop: Option<Stop>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            act: Act::Say {
                thought: None,
                text: GREETING.to_owned(),
            },
            usage: Usage::default(),
            pace: Duration::ZERO,
            wait: Duration::ZERO,
            stop: None,
        }
    }
}

/// What a model says that was told nothing.
pub const GREETING: &str = "Hello from the fake model.";

/// The behaviours.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Says a text, perhaps after a thought.
    Say {
        /// What it thinks before.
        thought: Option<String>,
        /// What it says.
        text: String,
    },
    /// Says `pieces` numbered pieces; the pause between them is the scenario's pace.
    Count {
        /// How many.
        pieces: u32,
    },
    /// Calls tools and closes with what they gave.
    Call {
        /// All calls of one answer.
        calls: Vec<Call>,
        /// In how many answers one after the other.
        rounds: u32,
    },
    /// Refuses the first requests with this mark, or all of them.
    Refuse {
        /// How.
        refusal: Refusal,
        /// How many requests; none: every one.
        first: Option<u32>,
    },
    /// Falls silent.
    Hang {
        /// Where.
        place: Place,
        /// The connection is cut after this time.
        lasts: Duration,
    },
    /// Cuts the connection behind some pieces of a text.
    Break {
        /// How many.
        pieces: u32,
    },
    /// Tells a failure inside the stream, behind a piece of text.
    Falter(Refusal),
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which tool.
    pub tool: Tool,
    /// Its input, an object.
    pub input: Value,
}

/// A tool by name, or by what it does where names differ between versions of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// This one.
    Named(String),
    /// The one that starts a sub-agent.
    Delegate,
}

impl Call {
    /// A command in a shell.
    #[must_use]
    pub fn command(line: &str) -> Self {
        Self {
            tool: Tool::Named("Bash".to_owned()),
            input: json!({"command": line, "description": "Run a scripted command"}),
        }
    }
}

/// Where a silence begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the head of the answer.
    Before,
    /// Behind the head.
    Headers,
    /// Behind some text.
    Midway,
    /// Behind some text, with a sign of life each second and no progress.
    Pings,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It had no more to say.
    Done,
    /// It waits for results of tools.
    Tools,
    /// The answer became too long.
    Length,
    /// It would not say it.
    Declined,
}

/// What an answer cost, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Read, not from a cache.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Put into a cache.
    pub cache_write: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            input: 100,
            output: 25,
            cache_read: 3,
            cache_write: 7,
        }
    }
}

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// When to come again.
    pub after: Option<Duration>,
    /// Whether the client is told to try again or not to; none: nothing is said.
    pub again: Option<bool>,
    /// Which limit of a subscription is used up.
    pub limit: Option<String>,
}

/// The statuses that a refusal may have.
pub const STATUSES: &[u16] = &[400, 401, 402, 403, 404, 413, 429, 500, 503, 504, 529];

impl Refusal {
    /// One with nothing but its status.
    #[must_use]
    pub fn plain(status: u16) -> Self {
        Self {
            status,
            after: None,
            again: None,
            limit: None,
        }
    }
}
