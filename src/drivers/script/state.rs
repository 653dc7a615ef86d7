//! What the codec of a `script` agent remembers between two lines.
//!
//! Never grows with the stream: every part has a bound, so that a snapshot stays below 64 KiB.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::domain::TaskId;
use crate::drivers::text;

/// Most questions that are remembered as open; the player has one at a time.
const MAX_OPEN: usize = 16;
/// Most JSON bytes of an id or a scenario's name.
const MAX_NAME: usize = 1024;
/// Most JSON bytes of the last words.
const MAX_TEXT: usize = 16 * 1024;
/// Most figures that are summed.
const MAX_FIGURES: usize = 64;

/// A message that comes in pieces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) id: String,
    pub(super) thought: bool,
    /// Bytes of it so far.
    pub(super) length: u64,
}

/// The state; its JSON is the snapshot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The program said that it is up.
    pub(super) ready: bool,
    /// The task whose turn runs, acknowledged or not.
    pub(super) task: Option<TaskId>,
    /// Messages of this turn so far.
    pub(super) messages: u32,
    /// Messages outside of turns so far.
    pub(super) loose: u32,
    /// Interrupts of this turn so far.
    pub(super) interrupts: u32,
    /// The message that is being written.
    pub(super) writing: Option<Open>,
    /// Changes of its mode so far.
    #[serde(default)]
    pub(super) tunings: u32,
    /// The last words of this turn.
    pub(super) last: Option<String>,
    /// What this turn used.
    pub(super) usage: Map<String, Value>,
    /// Ids of the open questions.
    pub(super) open: Vec<String>,
    /// The scenario that the program was started with.
    pub(super) home: Option<String>,
    /// The scenario that it plays now.
    pub(super) scenario: Option<String>,
    /// Turns of it that were played.
    pub(super) played: u32,
    /// In the rest of a line that was too long.
    pub(super) skipping: bool,
}

impl State {
    pub(super) fn read(snapshot: &str) -> Option<Self> {
        serde_json::from_str(snapshot).ok()
    }

    /// A turn begins: what belonged to the last one is gone.
    pub(super) fn begin(&mut self, task: TaskId) {
        if self.task != Some(task) {
            self.interrupts = 0;
        }
        self.task = Some(task);
        self.messages = 0;
        self.writing = None;
        self.last = None;
        self.usage = Map::new();
    }

    pub(super) fn say(&mut self, words: &str) {
        self.last = Some(text::head(words, MAX_TEXT));
    }

    /// Adds the numbers to those of the turn; what is no number is left out.
    pub(super) fn add_usage(&mut self, figures: &Map<String, Value>) {
        for (name, value) in figures {
            let Value::Number(more) = value else { continue };
            if self.usage.len() >= MAX_FIGURES && !self.usage.contains_key(name) {
                continue;
            }
            let name = text::head(name, 64);
            let sum = match self.usage.get(&name) {
                Some(Value::Number(before)) => sum(before, more),
                _ => Some(more.clone()),
            };
            if let Some(sum) = sum {
                self.usage.insert(name, Value::Number(sum));
            }
        }
    }

    /// Remembers a question. One beyond the bound is not remembered, and so its answer is not
    /// passed on.
    pub(super) fn ask(&mut self, request: &str) -> bool {
        let fits = self.open.len() < MAX_OPEN
            && text::json_len(request) <= MAX_NAME
            && !self.open.iter().any(|open| open == request);
        if fits {
            self.open.push(request.to_owned());
        }
        fits
    }

    /// Forgets a question; false when it was not open.
    pub(super) fn settle(&mut self, request: &str) -> bool {
        let before = self.open.len();
        self.open.retain(|open| open != request);
        self.open.len() < before
    }

    pub(super) fn at(&mut self, scenario: &str, played: u32) {
        self.scenario = Some(text::head(scenario, MAX_NAME));
        self.played = played;
    }

    pub(super) fn home(&mut self, home: &str) {
        self.home = Some(text::head(home, MAX_NAME));
    }
}

fn sum(a: &Number, b: &Number) -> Option<Number> {
    match (a.as_u64(), b.as_u64()) {
        (Some(a), Some(b)) => Some(Number::from(a.saturating_add(b))),
        _ => Number::from_f64(a.as_f64()? + b.as_f64()?),
    }
}
