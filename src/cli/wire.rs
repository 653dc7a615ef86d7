//! The shapes of the server's replies, as far as the client reads them.
//!
//! Never fails on a field that it does not know: a newer server may say more.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::TaskState;

/// `GET /api/agents`.
#[derive(Debug, Deserialize)]
pub struct AgentPage {
    /// Newest first.
    pub agents: Vec<Value>,
    /// Whether another page follows.
    #[serde(default, rename = "hasMore")]
    pub has_more: bool,
}

/// One agent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Agent {
    /// Its id, which is the session's.
    pub id: String,
    /// Its name, when it has one.
    pub name: Option<String>,
    /// The kind.
    pub agent_type: String,
    /// The coarse word.
    pub status: String,
    /// The core word.
    pub detail: String,
    /// The program's own pid.
    pub pid: Option<u64>,
    /// The number of its process's life; 0 before the first.
    pub incarnation: u64,
    /// Working directory.
    pub cwd: String,
    /// Waiting tasks.
    pub queue_depth: u64,
    /// When it was made.
    pub created_at: String,
    /// Last committed event.
    pub last_seq: u64,
    /// Why it failed.
    #[serde(deserialize_with = "words")]
    pub error: Option<String>,
    /// The task that a `message` of the creation became.
    pub task_id: Option<String>,
}

/// The answer to an accepted message.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// The task.
    pub task_id: String,
    /// Whether it waits.
    #[serde(default)]
    pub queued: bool,
    /// Its place among the waiting, from 1.
    #[serde(default)]
    pub position: Option<u64>,
}

/// One task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    /// Its id.
    pub task_id: String,
    /// The core word.
    pub state: String,
    /// The coarse word.
    pub status: String,
    /// Why it ended or stands as it does.
    pub reason: Option<String>,
    /// The last words of the agent.
    pub text: Option<String>,
    /// The prompt.
    pub message: String,
    /// Its place among the waiting.
    pub position: Option<u64>,
    /// When it was accepted.
    pub created_at: String,
}

impl Task {
    /// Where it stands, when the word is known.
    #[must_use]
    pub fn state(&self) -> Option<TaskState> {
        TaskState::parse(&self.state).or_else(|| TaskState::parse(&self.status))
    }
}

/// `GET …/queue`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// The running task.
    pub current: Option<Task>,
    /// The waiting ones in order.
    pub queue: Vec<Task>,
    /// Whether the queue is told to wait.
    pub paused: bool,
}

/// `GET …/events`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// Changes when history was lost.
    #[serde(default)]
    pub epoch: Value,
    /// The events as they came.
    pub events: Vec<Box<RawValue>>,
    /// Where to go on.
    pub next_cursor: Value,
    /// Whether more waits already.
    #[serde(default)]
    pub has_more: bool,
    /// What retention removed.
    #[serde(default)]
    pub gap: Option<Gap>,
}

/// Missing numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Gap {
    /// First missing one.
    pub from: u64,
    /// Last missing one.
    pub to: u64,
    /// Why.
    pub reason: Option<String>,
}

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// Its number.
    pub seq: u64,
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub timestamp: String,
    /// Its data.
    pub data: Value,
}

/// `GET /api/chat/approvals/pending`.
#[derive(Debug, Deserialize)]
pub struct Approvals {
    /// The open questions.
    pub approvals: Vec<Approval>,
}

/// One open question.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Approval {
    /// Its id.
    pub request_id: String,
    /// `permission`, `question` or `uncertain`.
    pub kind: String,
    /// Who asks.
    pub agent_id: String,
    /// The tool.
    pub tool_name: String,
    /// One line.
    pub summary: String,
    /// In full.
    pub question: String,
    /// What can be chosen.
    pub options: Vec<String>,
    /// How much harm.
    pub risk: String,
    /// When it is denied by itself.
    pub expires_at: Option<String>,
}

/// `GET /api/models/cli/status`.
#[derive(Debug, Clone, Deserialize)]
pub struct Programs {
    /// What a prompt goes to by itself.
    pub choice: Choice,
}

/// Which kind, and why.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// The kind.
    pub agent_type: String,
    /// One line for people.
    pub says: String,
}

/// A cursor that is a number or its digits.
#[must_use]
pub fn cursor(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

/// An epoch as the query wants it back.
#[must_use]
pub fn epoch(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text, or an object's `text` or `message`.
fn words<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::String(text) => Some(text),
        Value::Object(map) => ["text", "message", "error", "code"]
            .into_iter()
            .find_map(|key| map.get(key).and_then(Value::as_str))
            .map(str::to_owned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_reads_with_unknown_and_missing_fields() {
        let agent: Agent = serde_json::from_str(
            r#"{"id":"a","agentType":"shell","pid":null,"error":{"code":"x","text":"gone"},"new":1}"#,
        )
        .unwrap();
        assert_eq!(agent.agent_type, "shell");
        assert_eq!(agent.error.as_deref(), Some("gone"));
    }

    #[test]
    fn the_core_word_of_a_task_wins() {
        let task: Task =
            serde_json::from_str(r#"{"state":"timed_out","status":"failed"}"#).unwrap();
        assert_eq!(task.state(), Some(TaskState::TimedOut));
    }
}
