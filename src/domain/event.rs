//! Events: numbered facts about an agent, and the bytes that every reader gets of them.
//!
//! Never larger than [`MAX_EVENT_BYTES`]: what is longer is cut with a mark.

use serde::Serialize;
use serde_json::{Map, Value};

use super::id::{SessionId, Timestamp};

/// Most bytes of an event's data; longer strings in it are cut (decisions.md 4).
pub const MAX_EVENT_BYTES: usize = 64 * 1024;

/// What an event is about (decisions.md 5). Doors rename these words; none adds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The session's status changed.
    Status,
    /// The agent acknowledged a task.
    TurnStarted,
    /// What the person said.
    UserMessage,
    /// What the agent said.
    AssistantMessage,
    /// What the agent thought aloud.
    Thinking,
    /// A tool is called.
    ToolCall,
    /// What the tool gave.
    ToolResult,
    /// The agent's plan.
    Plan,
    /// The agent asks a person.
    ApprovalRequested,
    /// A question was answered, expired or cancelled.
    ApprovalResolved,
    /// What was used.
    Usage,
    /// The provider limits the rate.
    RateLimited,
    /// Something went wrong.
    Error,
    /// The turn is over: `{outcome, reason}`.
    TurnEnded,
    /// The session as such: reset, forked, completed, resumed.
    Session,
    /// The process is gone: the exit report.
    Exit,
}

impl EventKind {
    /// Every kind, in the order of decisions.md 5.
    pub const ALL: [Self; 16] = [
        Self::Status,
        Self::TurnStarted,
        Self::UserMessage,
        Self::AssistantMessage,
        Self::Thinking,
        Self::ToolCall,
        Self::ToolResult,
        Self::Plan,
        Self::ApprovalRequested,
        Self::ApprovalResolved,
        Self::Usage,
        Self::RateLimited,
        Self::Error,
        Self::TurnEnded,
        Self::Session,
        Self::Exit,
    ];

    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::TurnStarted => "turn_started",
            Self::UserMessage => "user_message",
            Self::AssistantMessage => "assistant_message",
            Self::Thinking => "thinking",
            Self::ToolCall => "tool_call",
            Self::ToolResult => "tool_result",
            Self::Plan => "plan",
            Self::ApprovalRequested => "approval_requested",
            Self::ApprovalResolved => "approval_resolved",
            Self::Usage => "usage",
            Self::RateLimited => "rate_limited",
            Self::Error => "error",
            Self::TurnEnded => "turn_ended",
            Self::Session => "session",
            Self::Exit => "exit",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

/// An event before it has a number: its data are JSON text already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What it is about.
    pub kind: EventKind,
    /// When it happened, as far as the server saw.
    pub at: Timestamp,
    /// A JSON object, at most [`MAX_EVENT_BYTES`] long.
    pub data: String,
}

impl Draft {
    /// A draft of these data; too long strings in them are cut and `truncated` is set.
    #[must_use]
    pub fn new(kind: EventKind, at: Timestamp, data: Value) -> Self {
        let text = serde_json::to_string(&data).unwrap_or_else(|_| data.to_string());
        let data = if text.len() <= MAX_EVENT_BYTES {
            text
        } else {
            cut(data, text.len()).to_string()
        };
        Self { kind, at, data }
    }
}

/// A committed event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Number within its agent, from 1, without holes.
    pub seq: u64,
    /// Number within the server, in order of commit, with holes.
    pub pos: u64,
    /// The agent, which is the session.
    pub agent: SessionId,
    /// The group that the agents door shows as `sessionId`.
    pub group: SessionId,
    /// What it is about.
    pub kind: EventKind,
    /// When it happened.
    pub at: Timestamp,
    /// A JSON object.
    pub data: String,
}

impl Event {
    /// Everything of the event's JSON object after its `type`: one door prefixes another word.
    /// Starts with `"seq":` and ends with the closing brace.
    #[must_use]
    pub fn tail(&self) -> String {
        format!(
            "\"seq\":{},\"pos\":{},\"agentId\":\"{}\",\"sessionId\":\"{}\",\"timestamp\":\"{}\",\"data\":{}}}",
            self.seq,
            self.pos,
            self.agent,
            self.group,
            self.at.rfc3339(),
            self.data
        )
    }
}

/// What stands where a text was cut, whoever cuts it: secrets are covered after that, and what is
/// left of one beside this mark is covered by it.
pub const CUT: &str = "\u{2026}";

/// Cuts the longest strings until the whole fits, and says so in the object.
fn cut(mut data: Value, bytes: usize) -> Value {
    for limit in [48 * 1024, 16 * 1024, 4 * 1024, 1024, 128] {
        shorten(&mut data, limit);
        let fits = data.to_string().len() + 64 <= MAX_EVENT_BYTES;
        if fits && let Value::Object(map) = &mut data {
            mark(map, bytes);
            return data;
        }
    }
    let mut map = Map::new();
    mark(&mut map, bytes);
    Value::Object(map)
}

fn mark(map: &mut Map<String, Value>, bytes: usize) {
    map.insert("truncated".into(), Value::Bool(true));
    map.insert("originalBytes".into(), Value::from(bytes));
}

fn shorten(value: &mut Value, limit: usize) {
    match value {
        Value::String(text) => {
            if text.len() > limit {
                text.truncate(text.floor_char_boundary(limit));
                text.push_str(CUT);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, limit)),
        Value::Object(map) => map.values_mut().for_each(|item| shorten(item, limit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Serialises a value that cannot fail to be JSON; a failure becomes `null`.
#[must_use]
pub fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_data_are_cut_with_a_mark_and_stay_json() {
        let long = "\u{e4}\n".repeat(60_000);
        let draft = Draft::new(
            EventKind::ToolResult,
            Timestamp(0),
            json!({"output": long, "exitCode": 0}),
        );
        assert!(draft.data.len() <= MAX_EVENT_BYTES, "{}", draft.data.len());
        let back: Value = serde_json::from_str(&draft.data).unwrap();
        assert_eq!(back["truncated"], true);
        assert_eq!(back["exitCode"], 0);
        assert!(back["output"].as_str().unwrap().len() > 10_000);
    }

    #[test]
    fn many_short_strings_end_below_the_bound_too() {
        let items: Vec<String> = (0..20_000).map(|n| format!("item {n}")).collect();
        let draft = Draft::new(EventKind::Plan, Timestamp(0), json!({ "items": items }));
        assert!(draft.data.len() <= MAX_EVENT_BYTES);
        assert!(draft.data.contains("truncated"));
    }

    #[test]
    fn the_tail_completes_a_json_object() {
        let id = SessionId::generate();
        let event = Event {
            seq: 3,
            pos: 9,
            agent: id,
            group: id,
            kind: EventKind::Status,
            at: Timestamp(0),
            data: "{\"a\":1}".into(),
        };
        let whole: Value =
            serde_json::from_str(&format!("{{\"type\":\"status\",{}", event.tail())).unwrap();
        assert_eq!(whole["seq"], 3);
        assert_eq!(whole["data"]["a"], 1);
    }
}
