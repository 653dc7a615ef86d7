//! The protocol of the `script` program: one JSON object a line, in both directions.
//!
//! Never the place of a decision: the codec and the player share these shapes.
//!
//! From the program: [`Line`]. To the program: [`Order`]. A line that is none of these is plain
//! output of a program that does not keep to the protocol (see `script.rs`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::{Outcome, PermissionMode, TaskId};

/// What the program says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// It is up. Once, before anything else.
    Ready {
        /// The scenario that it was started with, as it was named.
        home: String,
        /// The scenario that it plays now; another one after `/scenario NAME`.
        scenario: String,
        /// Turns of it that were played already.
        played: u32,
    },
    /// It took this prompt.
    TurnStarted {
        /// The task of the prompt.
        task: TaskId,
        /// The scenario that it plays now.
        scenario: String,
        /// Turns of it that were played, this one included.
        played: u32,
    },
    /// One finished message.
    Say {
        /// The words.
        text: String,
    },
    /// One finished thought.
    Think {
        /// The words.
        text: String,
    },
    /// A piece of a message that is being written. The pieces of one message follow each other, and
    /// the finished message or thought with the whole words comes behind them.
    Piece {
        /// Set for a piece of a thought.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        thought: bool,
        /// The words.
        text: String,
    },
    /// A tool starts.
    Tool {
        /// The call's id, unique in the turn.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments.
        args: Value,
    },
    /// A tool ended.
    ToolResult {
        /// The call's id.
        id: String,
        /// The tool.
        name: String,
        /// What it gave.
        result: Value,
        /// How long it took, in milliseconds.
        ms: u64,
        /// Set when a person said no: the tool did not run.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        denied: bool,
    },
    /// A question; the program waits for the [`Order::Answer`] to it.
    Ask {
        /// The question's id, unique in the incarnation.
        id: String,
        /// The tool that wants to run.
        tool: String,
        /// Its arguments.
        args: Value,
    },
    /// It no longer waits for this answer.
    Withdrawn {
        /// The question's id.
        id: String,
    },
    /// What was used since the last such line; numbers are summed over the turn.
    Usage {
        /// Figures by name.
        usage: Map<String, Value>,
    },
    /// Something went wrong that does not end the turn by itself.
    Error {
        /// What.
        message: String,
    },
    /// One line of a flood.
    Flood {
        /// Its number, from 1.
        line: u64,
        /// How many there are.
        of: u64,
        /// The words.
        text: String,
    },
    /// The turn is over.
    TurnEnded {
        /// The task whose turn it was.
        task: TaskId,
        /// `completed`, `failed` or `stopped`.
        outcome: Outcome,
        /// Why, unless it went well.
        reason: Option<String>,
    },
}

/// What the program is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Order {
    /// Play the next turn for this task.
    Prompt {
        /// The task.
        task: TaskId,
        /// The person's words.
        text: String,
    },
    /// A person answered.
    Answer {
        /// The question's id.
        request: String,
        /// Yes or no.
        approved: bool,
        /// Free words.
        response: Option<String>,
    },
    /// Ask as this mode says from now on.
    Mode {
        /// The mode.
        mode: PermissionMode,
    },
    /// End the running turn now.
    Interrupt,
}

/// One line of it, with its newline. A value that cannot be JSON gives an empty line, which both
/// sides skip; none of the shapes above can.
#[must_use]
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(message).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
