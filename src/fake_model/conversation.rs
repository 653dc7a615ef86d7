//! What a request says so far, whatever its API: who spoke, which mark counts, what tools gave.
//!
//! Never takes a mark from a result of a tool or from what a program told the model by itself.

use super::mark;

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Whether the model said it.
    pub by_model: bool,
    /// Its texts.
    pub texts: Vec<String>,
    /// Results of tools in it.
    pub results: Vec<Given>,
}

/// What a tool gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its text.
    pub text: String,
    /// Whether it failed or was refused.
    pub failed: bool,
}

/// Where a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'c> {
    /// The mark of the newest prompt; none when that has none.
    pub mark: Option<&'c str>,
    /// How often the model has answered to that prompt.
    pub answers: usize,
    /// The last thing that a tool gave, when the request brings it.
    pub given: Option<&'c Given>,
}

/// What the program that drives the model adds to a person's words. More of it begins with other
/// brackets, as `[Request interrupted by user]` and `<command-name>` do.
const ADDED: &str = "<system-reminder>";

/// Looks for the newest prompt and what came after it.
#[must_use]
pub fn standing(messages: &[Said]) -> Standing<'_> {
    let given = messages.last().and_then(|last| last.results.last());
    let mut answers: usize = 0;
    for message in messages.iter().rev() {
        if message.by_model {
            answers = answers.saturating_add(1);
            continue;
        }
        let Some(prompt) = prompt(message) else {
            continue;
        };
        return Standing {
            mark: mark::find(prompt),
            answers,
            // A result beside a new prompt belongs to the one before.
            given: given.filter(|_| answers > 0),
        };
    }
    Standing {
        mark: None,
        answers,
        given,
    }
}

/// The last thing in a message that a person said. One message may hold several prompts: those
/// that failed stay without an answer between them.
fn prompt(message: &Said) -> Option<&str> {
    let mut texts = message.texts.iter().rev().map(|text| text.trim());
    texts.find(|text| {
        let bracketed = text.is_empty() || text.starts_with(['<', '[']);
        !text.starts_with(ADDED) && (!bracketed || mark::find(text).is_some())
    })
}
