//! The lines that the program is told, and the reading of fields of those that it prints.
//!
//! Never fails on a missing field or one of another type: it reads as empty.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::EventKind;
use crate::drivers::Output;

/// Our own id of the first control request; its answer means that the program is up.
pub(super) const INITIALIZE: &str = "initialize";

/// A control request as a line.
pub(super) fn control(id: &str, request: &Value) -> Vec<u8> {
    line(&json!({ "type": "control_request", "request_id": id, "request": request }))
}

/// The answer to a control request of the program.
pub(super) fn answer(request: &str, response: &Value) -> Vec<u8> {
    line(&json!({
        "type": "control_response",
        "response": { "subtype": "success", "request_id": request, "response": response },
    }))
}

/// The refusal of a control request that nobody here can carry out.
pub(super) fn unsupported(request: &str) -> Vec<u8> {
    line(&json!({
        "type": "control_response",
        "response": {
            "subtype": "error", "request_id": request, "error": "this client does not support it",
        },
    }))
}

/// A prompt; the program names `uuid` in everything that it says of it.
pub(super) fn prompt(uuid: &str, text: &str) -> Vec<u8> {
    line(&json!({
        "type": "user",
        "uuid": uuid,
        "parent_tool_use_id": null,
        "message": { "role": "user", "content": [{ "type": "text", "text": text }] },
    }))
}

fn line(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// A string at a JSON pointer, or nothing.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The elements of an array at a JSON pointer.
pub(super) fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let array = value.pointer(pointer).and_then(Value::as_array);
    array.into_iter().flatten()
}

/// A whole number of a field, 0 where there is none.
pub(super) fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// Sets a field of an object.
pub(super) fn mark(data: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = data {
        map.insert(key.to_owned(), value);
    }
}

/// Sets the tool call in whose sub-agent something happened.
pub(super) fn mark_parent(data: &mut Value, line: &Value) {
    let parent = at(line, "/parent_tool_use_id");
    if !parent.is_empty() {
        mark(data, "parentToolCallId", Value::from(parent));
    }
}

/// An event.
pub(super) fn event(kind: EventKind, data: Value) -> Output {
    Output::Event { kind, data }
}

/// An error event.
pub(super) fn problem(code: &str, message: &str) -> Output {
    event(
        EventKind::Error,
        json!({ "code": code, "message": message }),
    )
}

/// A short mark of some words, for a comparison later on.
pub(super) fn digest(words: &str) -> String {
    let sum = Sha256::digest(words.as_bytes());
    sum.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
