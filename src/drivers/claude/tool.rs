//! Tool calls and their results.
//!
//! Never guesses how long a tool took: the program does not say.

use serde_json::{Value, json};

use super::codec::ClaudeCodec;
use super::wire::{at, event, items, mark, mark_parent};
use crate::domain::EventKind;
use crate::drivers::Output;

impl ClaudeCodec {
    /// A call.
    pub(super) fn call(&mut self, line: &Value, block: &Value, out: &mut Vec<Output>) {
        let (id, tool) = (at(block, "/id"), at(block, "/name"));
        let args = block.get("input").cloned().unwrap_or(Value::Null);
        self.state.call(id, tool);
        if let Some(plan) = plan(tool, &args) {
            out.push(event(EventKind::Plan, plan));
        }
        let mut data = json!({ "toolCallId": id, "toolName": tool, "phase": "start" });
        mark(&mut data, "args", args);
        mark_parent(&mut data, line);
        out.push(event(EventKind::ToolCall, data));
    }

    /// The results in a line of the user's side.
    pub(super) fn results(&mut self, line: &Value, out: &mut Vec<Output>) {
        for block in items(line, "/message/content") {
            if at(block, "/type") == "tool_result" {
                self.called(line, block, out);
            }
        }
    }

    /// One result.
    pub(super) fn called(&mut self, line: &Value, block: &Value, out: &mut Vec<Output>) {
        let id = at(block, "/tool_use_id");
        let mut data = json!({ "toolCallId": id, "phase": "end" });
        if let Some(tool) = self.state.called(id) {
            mark(&mut data, "toolName", Value::from(tool));
        }
        let given = block.get("content").unwrap_or(&Value::Null);
        mark(&mut data, "result", Value::from(shown(given)));
        let failed = block.get("is_error") == Some(&Value::Bool(true));
        mark(&mut data, "isError", Value::Bool(failed));
        if denied(line, id) {
            mark(&mut data, "denied", Value::Bool(true));
        }
        mark_parent(&mut data, line);
        out.push(event(EventKind::ToolResult, data));
    }
}

/// Where the call is named in a line that was cut: pictures make the longest ones.
const OF_CALL: &[u8] = b"\"tool_use_id\":\"";

impl ClaudeCodec {
    /// The result in the beginning of a line that does not fit: whose it is, without what it is.
    pub(super) fn cut_result(&mut self, bytes: &[u8]) -> Option<Output> {
        let head = bytes.get(..4096).unwrap_or(bytes);
        let at = head
            .windows(OF_CALL.len())
            .position(|part| part == OF_CALL)?;
        let rest = head.get(at.saturating_add(OF_CALL.len())..)?;
        let id = rest.split(|byte| *byte == b'"').next()?;
        let id = std::str::from_utf8(id).ok()?;
        // Only a call that is running has a result.
        let tool = self.state.called(id)?;
        let data = json!({
            "toolCallId": id, "toolName": tool, "phase": "end", "result": "", "truncated": true,
        });
        Some(event(EventKind::ToolResult, data))
    }
}

/// The words of a result; what is none is named.
fn shown(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let words = parts.iter().map(|part| match at(part, "/type") {
                "text" => at(part, "/text").to_owned(),
                other => format!("[{other}]"),
            });
            words.collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => content.to_string(),
    }
}

/// Whether a person or a rule refused the call.
fn denied(line: &Value, id: &str) -> bool {
    items(line, "/tool_result_meta")
        .any(|meta| at(meta, "/id") == id && at(meta, "/permission_decision/decision") == "reject")
}

/// The plan in the call of a tool that makes one.
fn plan(tool: &str, args: &Value) -> Option<Value> {
    match tool {
        "TodoWrite" => {
            let entries: Vec<Value> = items(args, "/todos")
                .map(|todo| json!({ "content": at(todo, "/content"), "status": at(todo, "/status") }))
                .collect();
            Some(json!({ "entries": entries }))
        }
        "ExitPlanMode" => {
            let plan = at(args, "/plan");
            (!plan.is_empty()).then(|| json!({ "content": plan }))
        }
        _ => None,
    }
}
