//! The run of a command as the events of a tool.
//!
//! Never more of its output than the capture kept, and always with a mark where it was cut.

use serde_json::{Value, json};

use super::capture::Capture;
use crate::domain::{EventKind, TaskId};
use crate::drivers::Output;

/// What the command printed, and its exit code if it ended.
pub(super) fn result(task: TaskId, capture: &Capture, code: Option<u8>) -> Output {
    let result = json!({ "output": capture.output(), "exitCode": code });
    let mut data = call(task, "end", "result", result);
    if let (true, Value::Object(map)) = (capture.is_cut(), &mut data) {
        map.insert("truncated".into(), Value::Bool(true));
        map.insert("originalBytes".into(), Value::from(capture.total()));
    }
    Output::Event {
        kind: EventKind::ToolResult,
        data,
    }
}

/// The data of an event about the run of a task's command.
pub(super) fn call(task: TaskId, phase: &str, key: &str, value: Value) -> Value {
    let mut data = json!({
        "toolCallId": format!("shell-{task}"),
        "toolName": "shell",
        "phase": phase,
    });
    if let Value::Object(map) = &mut data {
        map.insert(key.to_owned(), value);
    }
    data
}
