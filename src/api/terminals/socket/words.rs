//! The dialect of the terminals' WebSocket (contract/hammurabi.md 4, "Ours").
//!
//! Never closes by an exit behind which another process is coming.

mod replies;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytestring::ByteString;
use serde_json::{Value, json};

use super::read;
use crate::api::live::close::Close;
use crate::api::live::dialect::{
    Channels, Command, Dialect, Opened, Opening, Refusal, Reply, ScreenNews,
};
use crate::api::live::gaps::Gap;
use crate::api::live::outbox::Body;
use crate::api::terminals::wire;
use crate::app::{Piece, Published};
use crate::domain::{EventKind, ExitReason, ExitReport, SessionId, Status, Timestamp};

/// How frames are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Each says its type and its session.
    Envelope,
    /// Bare events, bare bytes.
    Raw,
}

/// How the bytes of a terminal go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// In text frames.
    Base64,
    /// As binary frames.
    Binary,
    /// Not at all.
    No,
}

/// What a client wants to see.
#[derive(Debug)]
pub struct Shown {
    /// Of whom, and from where.
    pub opening: Opening,
    /// Layout.
    pub format: Format,
    /// Terminal.
    pub bytes: Bytes,
    /// Whether events are shown at all.
    pub events: bool,
    /// Whether messages are shown while they are being written.
    pub deltas: bool,
}

/// The dialect of one connection.
pub struct Words {
    name: String,
    terminal: bool,
    shown: Shown,
    /// An end came by, and no other process since.
    exited: AtomicBool,
    /// A person asked for that end.
    killed: AtomicBool,
}

impl Words {
    /// For the session of this name.
    pub fn new(name: String, terminal: bool, shown: Shown) -> Self {
        Self {
            name,
            terminal,
            shown,
            exited: AtomicBool::new(false),
            killed: AtomicBool::new(false),
        }
    }

    fn agent(&self) -> (SessionId, bool) {
        (self.shown.opening.agent, self.terminal)
    }

    fn raw(&self) -> bool {
        self.shown.format == Format::Raw
    }

    fn exit(&self, event: &Published) -> ByteString {
        let report: Option<ExitReport> = serde_json::from_str(&event.event.data).ok();
        let killed = report
            .as_ref()
            .is_some_and(|report| report.reason == ExitReason::KilledByUser);
        self.killed.store(killed, Ordering::Release);
        self.exited.store(true, Ordering::Release);
        let said = report.as_ref().map(told);
        let report = report.as_ref();
        json!({
            "type": "exit",
            "session": self.name,
            "seq": event.event.seq,
            "ts": event.event.at.rfc3339(),
            "incarnation": report.map(|report| report.incarnation),
            "exitCode": report.and_then(|report| report.exit_code),
            "signal": report.and_then(|report| report.signal),
            "reason": report.map(|report| report.reason.name()),
            "text": said,
        })
        .to_string()
        .into()
    }

    fn hello(&self, opened: &Opened) -> Value {
        let session = &opened.row.session;
        json!({
            "type": "hello",
            "session": self.name,
            "id": session.id,
            "agentType": session.kind.name(),
            "sessionType": if self.terminal { "pty" } else { "stream" },
            "status": wire::status(session),
            "detail": session.status.name(),
            "pid": session.facts.process.pid().unwrap_or(0),
            "epoch": opened.epoch,
            "oldestSeq": opened.oldest,
            "lastSeq": opened.latest,
            "incarnation": opened.place.incarnation,
            "ttyOffset": opened.place.offset,
            "ttyLength": opened.place.length,
            "writable": opened.writable,
            "usage": null,
        })
    }

    fn framed(&self, news: ScreenNews) -> Value {
        match news {
            ScreenNews::Bytes {
                incarnation,
                offset,
                bytes,
                at,
            } => json!({
                "type": "tty_data", "session": self.name, "incarnation": incarnation,
                "offset": offset, "ts": at.rfc3339(),
                "data": STANDARD.encode(bytes), "encoding": "base64",
            }),
            ScreenNews::Start { incarnation } => json!({
                "type": "tty_start", "session": self.name, "incarnation": incarnation,
                "offset": 0,
            }),
            ScreenNews::Gap {
                incarnation,
                from,
                to,
            } => json!({
                "type": "tty_gap", "session": self.name, "incarnation": incarnation,
                "from": from, "to": to,
            }),
        }
    }
}

/// An exit in words.
fn told(report: &ExitReport) -> String {
    match (report.signal, report.exit_code) {
        (Some(signal), _) => format!("ended by signal {signal} ({})", report.reason.name()),
        (None, Some(code)) => format!("exited with code {code} ({})", report.reason.name()),
        (None, None) => format!("ended ({})", report.reason.name()),
    }
}

impl Dialect for Words {
    fn greeting(&self) -> Vec<ByteString> {
        Vec::new()
    }

    fn channels(&self, _kind: EventKind) -> Channels {
        Channels::ALL
    }

    fn frame(&self, event: &Published) -> Option<ByteString> {
        if event.event.kind == EventKind::Exit {
            return Some(self.exit(event));
        }
        if !self.shown.events {
            return None;
        }
        if self.raw() {
            let kind = event.event.kind.name();
            return Some(wire::typed(kind, &event.event.data).into());
        }
        let name = Value::from(self.name.as_str());
        let head = format!("\"type\":\"json_event\",\"session\":{name},");
        Some(wire::framed(event, &head).into())
    }

    fn command(&self, text: &str) -> Result<Command, Refusal> {
        read::command(text, self.agent())
    }

    fn binary(&self, bytes: &[u8]) -> Result<Command, Refusal> {
        if !self.terminal {
            let text = "this session is no terminal; send text frames";
            return Err(Refusal::new("no_terminal", text));
        }
        Ok(Command::Keys {
            bytes: bytes.to_vec(),
        })
    }

    fn reply(&self, reply: &Reply) -> ByteString {
        let frame = replies::said(self, reply);
        if frame.is_null() {
            return ByteString::new();
        }
        frame.to_string().into()
    }

    fn gap(&self, gap: &Gap) -> ByteString {
        json!({
            "type": "lagged",
            "session": self.name,
            "dropped": gap.dropped(),
            "reason": Gap::REASON,
            "after": gap.first.saturating_sub(1),
            "oldestSeq": gap.last.saturating_add(1),
        })
        .to_string()
        .into()
    }

    fn live(&self) -> Channels {
        let shown = self.shown.deltas.then_some(Channels::ALL);
        shown.unwrap_or_default()
    }

    fn piece(&self, piece: &Piece) -> Option<ByteString> {
        let session = (!self.raw()).then_some(self.name.as_str());
        let frame = serde_json::to_string(&wire::Delta::new(piece, session));
        frame.ok().map(ByteString::from)
    }

    fn opening(&self) -> Option<Command> {
        Some(Command::Open(self.shown.opening.clone()))
    }

    fn replay(&self, events: &[Arc<Published>]) -> Option<ByteString> {
        if !self.shown.events {
            return None;
        }
        let raw = self.raw();
        let of = |event: &Arc<Published>| {
            let text = if raw {
                wire::typed(event.event.kind.name(), &event.event.data)
            } else {
                wire::framed(event, "")
            };
            serde_json::value::RawValue::from_string(text).ok()
        };
        let events: Vec<_> = events.iter().filter_map(of).collect();
        let frame = Replay {
            kind: "replay",
            session: &self.name,
            events,
            usage: None,
            gap: None,
        };
        serde_json::to_string(&frame).ok().map(ByteString::from)
    }

    fn screen(&self, news: ScreenNews) -> Option<Body> {
        match news {
            ScreenNews::Bytes { bytes, .. } if self.shown.bytes == Bytes::Binary => {
                Some(Body::Binary(bytes.into()))
            }
            ScreenNews::Start { .. } | ScreenNews::Gap { .. } if self.raw() => None,
            ScreenNews::Bytes { .. } | ScreenNews::Start { .. } | ScreenNews::Gap { .. } => {
                Some(Body::Text(self.framed(news).to_string().into()))
            }
        }
    }

    fn close(&self, event: &Published) -> Option<Close> {
        if event.event.kind != EventKind::Status {
            return None;
        }
        let data: Value = serde_json::from_str(&event.event.data).ok()?;
        let status = Status::parse(data.get("detail")?.as_str()?)?;
        if status == Status::Starting {
            self.exited.store(false, Ordering::Release);
        }
        // A session that was down when the client came is waited for.
        let ends = over(status) && self.exited.load(Ordering::Acquire);
        let killed = self.killed.load(Ordering::Acquire);
        ends.then_some(if killed {
            Close::SessionKilled
        } else {
            Close::SessionEnded
        })
    }

    fn gone(&self) -> Option<Close> {
        Some(Close::SessionKilled)
    }

    fn heartbeat(&self, at: Timestamp) -> Option<ByteString> {
        let ping = json!({"type": "ping", "ts": at.rfc3339()});
        (!self.raw()).then(|| ping.to_string().into())
    }
}

/// Whether no process comes by itself any more.
fn over(status: Status) -> bool {
    match status {
        Status::Stopped
        | Status::Interrupted
        | Status::CrashLoop
        | Status::Failed
        | Status::Completed => true,
        Status::Created
        | Status::Waiting
        | Status::Starting
        | Status::Idle
        | Status::Busy
        | Status::AwaitingApproval
        | Status::Quiet
        | Status::Stalled
        | Status::RateLimited
        | Status::Stopping
        | Status::Unattached
        | Status::Paused
        | Status::Backoff
        | Status::Uncertain => false,
    }
}

#[derive(serde::Serialize)]
struct Replay<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    session: &'a str,
    events: Vec<Box<serde_json::value::RawValue>>,
    usage: Option<Value>,
    gap: Option<Value>,
}
