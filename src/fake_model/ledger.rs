//! What requests came, for tests to look at, and how often each mark was asked for.
//!
//! Never holds a key's value or a prompt beyond its mark, and never more than its bounds.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

/// How many requests are remembered.
const REQUESTS: usize = 200;
/// How many marks are counted.
const MARKS: usize = 250;
/// The longest text that is remembered of a field, in characters.
const LONGEST: usize = 500;

/// One request.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Seen {
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// The HTTP method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The status that is answered; a request that is never answered has 0.
    pub status: u16,
    /// Whether a key came with it.
    pub api_key: bool,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The mark, as it was written.
    pub scenario: Option<String>,
    /// The how-many-th request with this mark; 0 for one that goes on behind the first answer.
    pub attempt: u32,
    /// How many messages.
    pub messages: usize,
    /// How many tools were offered.
    pub tools: usize,
    /// The longest answer that was asked for.
    pub max_tokens: Option<u64>,
    /// Whether the answer was to be streamed.
    pub stream: bool,
    /// What was said about thinking.
    pub thinking: Option<Value>,
    /// How much effort was asked for.
    pub effort: Option<String>,
}

impl Seen {
    /// One that comes now.
    #[must_use]
    pub fn now() -> Self {
        let nanos = OffsetDateTime::now_utc().unix_timestamp_nanos();
        Self {
            time_ms: i64::try_from(nanos / 1_000_000).unwrap_or_default(),
            ..Self::default()
        }
    }
}

/// The requests so far.
#[derive(Debug, Default)]
pub struct Ledger {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    seen: VecDeque<Seen>,
    marks: VecDeque<(String, u32)>,
}

impl Ledger {
    fn held(&self) -> MutexGuard<'_, Held> {
        // A panic in between leaves a list that is still a list.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a request; the oldest one goes.
    pub fn note(&self, mut seen: Seen) {
        let held = &mut *self.held();
        cut(&mut seen.path);
        let texts = [&mut seen.model, &mut seen.scenario, &mut seen.effort];
        texts.into_iter().flatten().for_each(cut);
        let short = |value: &Value| value.to_string().len() <= LONGEST;
        seen.thinking = seen.thinking.filter(short);
        while held.seen.len() >= REQUESTS {
            held.seen.pop_front();
        }
        held.seen.push_back(seen);
    }

    /// The how-many-th request with this mark this is, from 1. The mark that was asked for longest
    /// ago is forgotten when there are too many.
    pub fn attempt(&self, mark: &str) -> u32 {
        let held = &mut *self.held();
        let at = held.marks.iter().position(|(known, _)| known == mark);
        let before = at.and_then(|at| held.marks.remove(at));
        let attempt = before.map_or(1, |(_, count)| count.saturating_add(1));
        while held.marks.len() >= MARKS {
            held.marks.pop_front();
        }
        held.marks.push_back((mark.to_owned(), attempt));
        attempt
    }

    /// All that is remembered, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.held().seen.iter().cloned().collect()
    }

    /// Forgets requests and counts.
    pub fn clear(&self) {
        *self.held() = Held::default();
    }
}

fn cut(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(at);
    }
}
