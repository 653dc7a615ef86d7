//! `GET /ws` and its dialect (contract/octipus.md 4, "Ours"; decisions.md 5).
//!
//! Never more than one frame for a numbered event.

mod read;

use actix_web::{HttpRequest, web};
use bytestring::ByteString;
use serde_json::{Map, Value, json};

use crate::api::live::dialect::{Channels, Command, Dialect, Mark, Refusal, Reply as Said};
use crate::api::live::gaps::Gap;
use crate::api::live::serve;
use crate::api::shared::answer::add_remembered;
use crate::api::shared::socket::{Handshake, SocketQuery};
use crate::api::shared::{Fault, Reply, WsVisit, machine};
use crate::app::{App, Form, Piece, Published};
use crate::domain::machine::Machine;
use crate::domain::{EventKind, SessionId};

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(connect))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/ws").get(connect));
}

/// Opens the WebSocket of the agents' door.
///
/// Frames are JSON in text. The server says `connected` first; a client says `subscribe`,
/// `unsubscribe`, `message`, `approve` or `ping`. Refused frames are answered by `error` with
/// a code; the connection stays. `gap` tells which events retention removed. Who does not read for
/// ten seconds is closed with 4008 and goes on at its cursor; behind 1012 a new connection has other
/// rights.
#[utoipa::path(
    get,
    path = "/ws",
    tag = "sockets",
    params(SocketQuery, Handshake),
    security(("bearer" = []), ("key" = []), ("ticket" = []), ("token" = [])),
    responses((status = 101, description = "The WebSocket")),
    extensions(("x-error-codes" = json!([
        "@stored",
        "bad_handshake",
        "too_many_connections",
        "bad_ticket",
    ]))),
)]
async fn connect(
    app: web::Data<App>,
    WsVisit(visit): WsVisit,
    request: HttpRequest,
    payload: web::Payload,
) -> Reply {
    let connected = json!({
        "type": "connected",
        "connectionId": uuid::Uuid::new_v4(),
        "userId": visit.who.user,
        "epoch": app.epoch(),
        "latestPos": app.latest_pos(),
    });
    let words = Words {
        connected: connected.to_string().into(),
    };
    let accepted = serve::accept(&app, visit, words, &request, payload).await;
    accepted.map_err(Fault)
}

/// The dialect of `/ws`.
struct Words {
    connected: ByteString,
}

/// `agent.status`.
const STATUS: Channels = Channels(1);
/// `agent.message`.
const MESSAGE: Channels = Channels(2);
/// `agent.tool_call`.
const TOOL: Channels = Channels(4);
/// `approval.required`.
const ASKED: Channels = Channels(8);
/// `approval.resolved`.
const ANSWERED: Channels = Channels(16);
/// What no narrower channel carries.
const REST: Channels = Channels(32);
/// `agent.delta`: a part of `agent.message`.
const DELTA: Channels = Channels(64);

/// The type of a kind's frame and the channels that carry it.
fn place(kind: EventKind) -> (&'static str, Channels) {
    match kind {
        EventKind::Status => ("agent.status", STATUS),
        EventKind::UserMessage | EventKind::AssistantMessage | EventKind::Thinking => {
            ("agent.message", MESSAGE)
        }
        EventKind::ToolCall | EventKind::ToolResult => ("agent.tool_call", TOOL),
        EventKind::ApprovalRequested => ("agent.event", ASKED),
        EventKind::ApprovalResolved => ("agent.event", ANSWERED),
        EventKind::TurnStarted
        | EventKind::Plan
        | EventKind::Usage
        | EventKind::RateLimited
        | EventKind::Error
        | EventKind::TurnEnded
        | EventKind::Session
        | EventKind::Exit => ("agent.event", REST),
    }
}

impl Dialect for Words {
    fn greeting(&self) -> Vec<ByteString> {
        vec![self.connected.clone()]
    }

    fn channels(&self, kind: EventKind) -> Channels {
        place(kind).1
    }

    fn frame(&self, event: &Published) -> Option<ByteString> {
        Some(event.frame(Form::Socket, |event| {
            let kind = event.event.kind;
            let (name, tail) = (place(kind).0, event.tail());
            let event = kind.name();
            ByteString::from(format!(
                "{{\"type\":\"{name}\",\"event\":\"{event}\",{tail}"
            ))
        }))
    }

    fn live(&self) -> Channels {
        DELTA
    }

    fn piece(&self, piece: &Piece) -> Option<ByteString> {
        Some(piece.frame(Form::Socket, |piece| {
            let text = serde_json::to_string(&Delta {
                name: "agent.delta",
                agent_id: piece.agent,
                session_id: piece.group,
                message_id: &piece.message,
                kind: spoken(piece.kind),
                role: "assistant",
                offset: piece.offset,
                text: &piece.text,
            });
            text.unwrap_or_default().into()
        }))
    }

    fn command(&self, text: &str) -> Result<Command, Refusal> {
        read::command(text)
    }

    fn reply(&self, reply: &Said) -> ByteString {
        let frame = said(reply);
        if frame.is_null() {
            return ByteString::new();
        }
        frame.to_string().into()
    }

    fn figures(&self, machine: &Machine) -> Option<ByteString> {
        let mut frame = machine::figures(Some(machine));
        frame.insert("type".into(), "system.stats".into());
        frame.insert("timestamp".into(), machine.at.rfc3339().into());
        Some(Value::Object(frame).to_string().into())
    }

    fn gap(&self, gap: &Gap) -> ByteString {
        let mut frame = json!({
            "type": "gap",
            "agentId": gap.agent,
            "dropped": gap.dropped(),
            "reason": Gap::REASON,
        });
        if let Some(frame) = frame.as_object_mut() {
            let after = gap.first.saturating_sub(1);
            let next = gap.last.saturating_add(1);
            // Of one agent the numbers are seq; of a stream over many they are pos.
            let names = match gap.agent {
                Some(_) => ["after", "oldestSeq"],
                None => ["afterPos", "oldestPos"],
            };
            for (name, number) in names.into_iter().zip([after, next]) {
                frame.insert(name.into(), number.into());
            }
        }
        frame.to_string().into()
    }
}

/// The frame of a piece of a message.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(rename = "type")]
    name: &'static str,
    agent_id: SessionId,
    session_id: SessionId,
    message_id: &'a str,
    kind: &'static str,
    role: &'static str,
    offset: u64,
    text: &'a str,
}

/// What a piece is of.
fn spoken(kind: EventKind) -> &'static str {
    if kind == EventKind::Thinking {
        "thinking"
    } else {
        "assistant"
    }
}

fn said(reply: &Said) -> Value {
    match reply {
        Said::Subscribed { id, names } => {
            marked(json!({"type": "subscribed", "channels": names}), id)
        }
        Said::Unsubscribed { id, names } => {
            marked(json!({"type": "unsubscribed", "channels": names}), id)
        }
        Said::HelloAgent {
            agent,
            epoch,
            oldest,
            latest,
        } => json!({
            "type": "hello", "agentId": agent, "epoch": epoch,
            "oldestSeq": oldest, "latestSeq": latest,
        }),
        Said::HelloAll { epoch, latest } => {
            json!({"type": "hello", "epoch": epoch, "latestPos": latest})
        }
        // This door's connections are about no single agent.
        Said::Opened(_) => Value::Null,
        Said::Interrupted { id, task } => {
            marked(json!({"type": "interrupting", "taskId": task}), id)
        }
        Said::Accepted {
            id,
            agent,
            task,
            queued,
            position,
            depth,
        } => marked(
            json!({
                "type": "ack", "taskId": task, "agentId": agent,
                "status": if *queued { "queued" } else { "running" },
                "queued": queued, "position": position, "queueDepth": depth,
            }),
            id,
        ),
        Said::Resolved {
            id,
            request,
            answered,
        } => {
            let mut frame = json!({
                "type": "approval.resolved", "requestId": request,
                "resolved": true, "status": answered.state.name(),
            });
            add_remembered(&mut frame, answered);
            marked(frame, id)
        }
        Said::Pong { id, at } => marked(json!({"type": "pong", "timestamp": at}), id),
        Said::Error(refusal) => {
            let mut all = Map::new();
            all.insert("type".into(), "error".into());
            all.insert("code".into(), refusal.code.clone().into());
            all.insert("message".into(), refusal.message.clone().into());
            all.extend(refusal.more.clone());
            marked(Value::Object(all), &refusal.id)
        }
    }
}

fn marked(mut frame: Value, id: &Mark) -> Value {
    if let (Some(frame), Some(id)) = (frame.as_object_mut(), id) {
        frame.insert("id".into(), id.clone());
    }
    frame
}

#[cfg(test)]
mod tests;
