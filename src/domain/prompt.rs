//! A prompt on its way into a queue, and where it landed.
//!
//! Never the task's later life; that is `task`.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::id::TaskId;

/// Most waiting tasks of one session; one more is refused (reliability.md 2.2).
pub const MAX_WAITING: usize = 100;
/// Most bytes of one prompt.
pub const MAX_PROMPT_BYTES: usize = 1024 * 1024;

/// What becomes of a task of which nobody can say whether the agent got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum OnUncertain {
    /// It holds its queue until a person answers.
    #[default]
    Ask,
    /// It is sent again.
    Retry,
    /// It is dropped.
    Drop,
}

impl OnUncertain {
    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Retry => "retry",
            Self::Drop => "drop",
        }
    }

    /// Reads a word.
    ///
    /// # Errors
    /// `bad_on_uncertain` with the accepted words.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "ask" => Ok(Self::Ask),
            "retry" => Ok(Self::Retry),
            "drop" => Ok(Self::Drop),
            _ => Err(Error::invalid(
                "bad_on_uncertain",
                "onUncertain",
                "the value is not known",
                "ask, retry or drop",
            )),
        }
    }
}

/// What a person wants an agent to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The words, at most [`MAX_PROMPT_BYTES`] long and not blank for kinds that refuse blanks.
    pub text: String,
    /// See [`OnUncertain`].
    pub on_uncertain: OnUncertain,
    /// Free data of the client, returned with the task.
    pub metadata: serde_json::Value,
}

impl Prompt {
    /// A prompt with defaults, its size checked.
    ///
    /// # Errors
    /// `too_large` above [`MAX_PROMPT_BYTES`].
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.len() > MAX_PROMPT_BYTES {
            return Err(Error::TooLarge {
                field: "message".into(),
                message: format!(
                    "the message has {} bytes; at most {MAX_PROMPT_BYTES} are taken",
                    text.len()
                ),
            });
        }
        Ok(Self {
            text,
            on_uncertain: OnUncertain::Ask,
            metadata: serde_json::Value::Null,
        })
    }
}

/// Where an accepted prompt landed; stored with its idempotency key, so that a repeated request is
/// answered from it byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The task that was made of it.
    pub task: TaskId,
    /// Whether other work is before it.
    pub queued: bool,
    /// Its place among the waiting tasks, from 1; 0 when it runs at once.
    pub position: u32,
    /// How many tasks wait now, itself included when it waits.
    pub depth: u32,
}

/// A client's key for one request, and the digest of what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The header's value, 1 to 255 visible ASCII characters.
    pub key: String,
    /// SHA-256 over route and body.
    pub digest: [u8; 32],
}
