//! An answer in the API's words: events of a stream, or one document.
//!
//! Never a pause or a socket: those are the playback's.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::playback::{Beat, End};
use super::super::reply::{Ending, Message, Part};
use super::super::scenario::Stop;
use super::refusal;
use super::request::Request;

/// The sign of life.
const PING: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";
/// What a thought is signed with: base64, as the API's are.
const SIGNATURE: &str = "c2NyaXB0ZWQ=";
/// The pieces of a tool's input, in characters.
const INPUT_PIECE: usize = 40;

/// The answer as a stream of events.
#[must_use]
pub fn streamed(message: &Message, request: &Request) -> (Vec<Beat>, End) {
    let mut events = Events {
        beats: Vec::new(),
        pace: message.pace,
    };
    let whole = message.ending == Ending::Whole;
    let mut start = head(request, message);
    set(&mut start, "content", json!([]));
    set(&mut start, "usage", usage(message, 1));
    events.tell("message_start", json!({"message": start}));
    events.push(Bytes::from_static(PING), Duration::ZERO);
    let last = message.parts.len().saturating_sub(1);
    for (index, part) in message.parts.iter().enumerate() {
        events.part(index, part, request);
        if whole || index < last {
            events.tell("content_block_stop", json!({"index": index}));
        }
    }
    let end = match &message.ending {
        Ending::Whole => {
            let delta = json!({"stop_reason": reason(message.stop), "stop_sequence": null});
            let told = usage(message, message.usage.output);
            events.tell("message_delta", json!({"delta": delta, "usage": told}));
            events.tell("message_stop", json!({}));
            End::Whole
        }
        Ending::Cut => End::Cut,
        Ending::Silence { lasts, pings } => {
            End::Silence(*lasts, pings.then(|| Bytes::from_static(PING)))
        }
        Ending::Refusal(refusal) => {
            let told = refusal::document(refusal.status, refusal::text(refusal.status));
            events.tell("error", told);
            End::Whole
        }
    };
    (events.beats, end)
}

/// The answer as one document. What would break a stream breaks it in the middle.
#[must_use]
pub fn whole(message: &Message, request: &Request) -> (Vec<Beat>, End) {
    let content: Vec<Value> = message
        .parts
        .iter()
        .map(|part| block(part, request, Fill::Whole))
        .collect();
    let mut document = head(request, message);
    set(&mut document, "content", json!(content));
    set(&mut document, "stop_reason", json!(reason(message.stop)));
    set(&mut document, "usage", usage(message, message.usage.output));
    let mut bytes = Bytes::from(document.to_string());
    let pieces = message.parts.iter().map(|part| match part {
        Part::Thought(pieces) | Part::Text(pieces) => pieces.len(),
        Part::Call(_) => 1,
    });
    let pieces = u32::try_from(pieces.sum::<usize>()).unwrap_or(u32::MAX);
    let after = message.pace.saturating_mul(pieces);
    let end = match &message.ending {
        Ending::Whole | Ending::Refusal(_) => End::Whole,
        Ending::Cut => End::Cut,
        Ending::Silence { lasts, .. } => End::Silence(*lasts, None),
    };
    if end != End::Whole {
        bytes.truncate(bytes.len() / 2);
    }
    (vec![Beat { after, bytes }], end)
}

struct Events {
    beats: Vec<Beat>,
    pace: Duration,
}

impl Events {
    fn push(&mut self, bytes: Bytes, after: Duration) {
        self.beats.push(Beat { after, bytes });
    }

    fn event(&mut self, name: &str, mut data: Value, after: Duration) {
        set(&mut data, "type", json!(name));
        let text = format!("event: {name}\ndata: {data}\n\n");
        self.push(Bytes::from(text), after);
    }

    fn tell(&mut self, name: &str, data: Value) {
        self.event(name, data, Duration::ZERO);
    }

    fn delta(&mut self, index: usize, delta: &Value) {
        let data = json!({"index": index, "delta": delta});
        self.event("content_block_delta", data, self.pace);
    }

    fn part(&mut self, index: usize, part: &Part, request: &Request) {
        let empty = block(part, request, Fill::Empty);
        let start = json!({"index": index, "content_block": empty});
        self.tell("content_block_start", start);
        match part {
            Part::Thought(pieces) => {
                for piece in pieces {
                    self.delta(index, &json!({"type": "thinking_delta", "thinking": piece}));
                }
                let signed = json!({"type": "signature_delta", "signature": SIGNATURE});
                self.delta(index, &signed);
            }
            Part::Text(pieces) => {
                for piece in pieces {
                    self.delta(index, &json!({"type": "text_delta", "text": piece}));
                }
            }
            Part::Call(call) => {
                let input: Vec<char> = call.input.to_string().chars().collect();
                for piece in input.chunks(INPUT_PIECE) {
                    let piece: String = piece.iter().collect();
                    let delta = json!({"type": "input_json_delta", "partial_json": piece});
                    self.delta(index, &delta);
                }
            }
        }
    }
}

/// How much of a part its block holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    Empty,
    Whole,
}

fn block(part: &Part, request: &Request, fill: Fill) -> Value {
    let full = fill == Fill::Whole;
    let text = |pieces: &[String]| if full { pieces.concat() } else { String::new() };
    match part {
        Part::Thought(pieces) => {
            let signature = if full { SIGNATURE } else { "" };
            json!({"type": "thinking", "thinking": text(pieces), "signature": signature})
        }
        Part::Text(pieces) => json!({"type": "text", "text": text(pieces)}),
        Part::Call(call) => json!({
            "type": "tool_use",
            "id": id("toolu"),
            "name": request.name(&call.tool),
            "input": if full { call.input.clone() } else { json!({}) },
        }),
    }
}

fn head(request: &Request, message: &Message) -> Value {
    let mut head = json!({
        "id": id("msg"),
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "stop_reason": null,
        "stop_sequence": null,
    });
    set(&mut head, "usage", usage(message, 1));
    head
}

fn usage(message: &Message, output: u64) -> Value {
    json!({
        "input_tokens": message.usage.input,
        "cache_creation_input_tokens": message.usage.cache_write,
        "cache_read_input_tokens": message.usage.cache_read,
        "output_tokens": output,
    })
}

fn reason(stop: Stop) -> &'static str {
    match stop {
        Stop::Done => "end_turn",
        Stop::Tools => "tool_use",
        Stop::Length => "max_tokens",
        Stop::Declined => "refusal",
    }
}

/// A fresh id of a kind.
#[must_use]
pub fn id(kind: &str) -> String {
    format!("{kind}_{}", Uuid::new_v4().simple())
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        Map::insert(map, key.to_owned(), value);
    }
}
