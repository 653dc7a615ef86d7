//! The dialect of the stream: frames are parts of `text/event-stream`, each with its id.
//!
//! Never an id ahead of what was told: it stands on the last part of its event.

use std::sync::atomic::{AtomicU32, Ordering};

use bytestring::ByteString;
use serde_json::{Map, Value, json};

use super::blocks::{self, Block};
use crate::api::live::close::Close;
use crate::api::live::dialect::{Channels, Command, Dialect, Refusal, Reply};
use crate::api::live::gaps::Gap;
use crate::api::shared::Fault;
use crate::app::{Form, Piece, Published};
use crate::domain::{EventKind, SessionId, Timestamp};

/// Every event that has to do with missions. What is about the stream itself comes always.
pub const NAMES: [&str; 21] = [
    "status",
    "user_message",
    "assistant_message",
    "thinking",
    "thinking_delta",
    "text_delta",
    "tool_call",
    "tool_result",
    "error",
    "mission_status_changed",
    "mission_activity",
    "progress",
    "plan",
    "turn_started",
    "turn_ended",
    "approval_requested",
    "approval_resolved",
    "usage",
    "rate_limited",
    "session",
    "exit",
];
/// How long a browser waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 2_000;
/// So many events are left out before their last id is told, so that a reader with a filter does not
/// fall behind what is kept.
const UNTOLD: u32 = 32;

/// Which events, one bit each by their place in [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types(u32);

impl Types {
    /// All.
    pub const ALL: Self = Self(u32::MAX);

    /// Reads names with commas.
    ///
    /// # Errors
    /// `bad_field`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        text.split(',')
            .map(str::trim)
            .try_fold(Self(0), |all, name| {
                let bit = bit(name).ok_or_else(super::unknown_type)?;
                Ok(Self(all.0 | bit))
            })
    }

    fn has(self, name: &str) -> bool {
        bit(name).is_some_and(|bit| self.0 & bit != 0)
    }
}

fn bit(name: &str) -> Option<u32> {
    let place = NAMES.iter().position(|known| *known == name)?;
    1_u32.checked_shl(u32::try_from(place).ok()?)
}

/// The dialect of one stream.
pub struct Words {
    epoch: String,
    mission: Option<SessionId>,
    types: Types,
    standing: Option<Value>,
    untold: AtomicU32,
}

impl Words {
    /// For the stream over one mission or all; `standing` is told first.
    pub fn new(
        epoch: &str,
        (mission, types): (Option<SessionId>, Types),
        standing: Option<Value>,
    ) -> Self {
        Self {
            epoch: epoch.to_owned(),
            mission,
            types,
            standing,
            untold: AtomicU32::new(0),
        }
    }

    fn id(&self, event: &Published) -> String {
        let epoch = &self.epoch;
        match self.mission {
            Some(_) => format!("{epoch}:{}", event.event.seq),
            None => format!("{epoch}:p{}", event.event.pos),
        }
    }

    /// All that is told of an event; `None`: nothing.
    fn told(&self, event: &Published) -> Option<ByteString> {
        let blocks: Vec<Block> = blocks::of(event)
            .into_iter()
            .filter(|(name, _)| self.types.has(name))
            .collect();
        let count = blocks.len();
        let mut text = String::new();
        for (place, (name, mut data)) in (1..).zip(blocks) {
            data.insert("mission_id".into(), json!(event.event.agent));
            data.insert("seq".into(), event.event.seq.into());
            data.insert("pos".into(), event.event.pos.into());
            data.insert("timestamp".into(), event.event.at.rfc3339().into());
            let id = (place == count).then(|| self.id(event));
            text.push_str(&part((name, data), id.as_deref()));
        }
        (!text.is_empty()).then(|| text.into())
    }
}

/// One part of a stream. JSON has no line breaks, so that its data are one line.
fn part((name, mut data): Block, id: Option<&str>) -> String {
    data.insert("type".into(), name.into());
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {name}\ndata: {}\n\n", Value::Object(data))
}

fn plain(name: &'static str, data: Value) -> ByteString {
    let Value::Object(data) = data else {
        return ByteString::new();
    };
    part((name, data), None).into()
}

impl Dialect for Words {
    fn greeting(&self) -> Vec<ByteString> {
        vec![format!("retry: {RETRY_MS}\n\n").into()]
    }

    fn channels(&self, _kind: EventKind) -> Channels {
        Channels::ALL
    }

    fn frame(&self, event: &Published) -> Option<ByteString> {
        if self.types == Types::ALL {
            let form = match self.mission {
                Some(_) => Form::StreamOfOne,
                None => Form::StreamOfMany,
            };
            let told = |event: &Published| self.told(event).unwrap_or_default();
            return Some(event.frame(form, told));
        }
        if let Some(told) = self.told(event) {
            self.untold.store(0, Ordering::Relaxed);
            return Some(told);
        }
        let untold = self.untold.fetch_add(1, Ordering::Relaxed);
        // An id without data moves the cursor of a reader, and nothing is shown.
        let due = untold.is_multiple_of(UNTOLD) && untold > 0;
        due.then(|| format!("id: {}\n\n", self.id(event)).into())
    }

    fn command(&self, _text: &str) -> Result<Command, Refusal> {
        Err(Refusal::new("bad_json", "a stream takes no commands"))
    }

    fn reply(&self, reply: &Reply) -> ByteString {
        let standing = || match &self.standing {
            Some(data) if self.types.has("status") => plain("status", data.clone()),
            Some(_) | None => ByteString::new(),
        };
        match reply {
            Reply::HelloAll { epoch, latest } => {
                let hello = json!({"epoch": epoch, "latest_pos": latest});
                format!("{}{}", plain("hello", hello), standing()).into()
            }
            Reply::HelloAgent {
                agent,
                epoch,
                oldest,
                latest,
            } => {
                let hello = json!({
                    "mission_id": agent, "epoch": epoch,
                    "oldest_seq": oldest, "latest_seq": latest,
                });
                format!("{}{}", plain("hello", hello), standing()).into()
            }
            Reply::Error(refusal) => {
                let mut data = refusal.more.clone();
                data.insert("code".into(), refusal.code.clone().into());
                data.insert("message".into(), refusal.message.clone().into());
                part(("error", data), None).into()
            }
            // A stream is asked nothing.
            Reply::Subscribed { .. }
            | Reply::Opened(_)
            | Reply::Interrupted { .. }
            | Reply::Unsubscribed { .. }
            | Reply::Accepted { .. }
            | Reply::Resolved { .. }
            | Reply::Pong { .. } => ByteString::new(),
        }
    }

    fn gap(&self, gap: &Gap) -> ByteString {
        plain(
            "gap",
            json!({
                "mission_id": gap.agent,
                "from": gap.first,
                "to": gap.last,
                "dropped": gap.dropped(),
                "reason": Gap::REASON,
            }),
        )
    }

    fn live(&self) -> Channels {
        let shown = self.types.has("text_delta") || self.types.has("thinking_delta");
        if shown {
            Channels::ALL
        } else {
            Channels::default()
        }
    }

    fn piece(&self, piece: &Piece) -> Option<ByteString> {
        let told = |piece: &Piece| {
            let (name, mut data): (_, Map<String, Value>) = blocks::delta(piece);
            data.insert("mission_id".into(), json!(piece.agent));
            ByteString::from(part((name, data), None))
        };
        let wanted = self.types.has(blocks::delta_name(piece));
        wanted.then(|| piece.frame(Form::StreamOfMany, told))
    }

    fn gone(&self) -> Option<Close> {
        self.mission.map(|_| Close::NotFound)
    }

    fn farewell(&self, close: Close) -> Option<ByteString> {
        let data = json!({"reason": close.word(), "message": close.text()});
        Some(plain("closing", data))
    }

    fn heartbeat(&self, at: Timestamp) -> Option<ByteString> {
        Some(plain("heartbeat", json!({"timestamp": at.rfc3339()})))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, UserId};

    fn event(kind: EventKind, data: &Value) -> std::sync::Arc<Published> {
        let id = SessionId(uuid::Uuid::nil());
        let event = Event {
            seq: 7,
            pos: 70,
            agent: id,
            group: id,
            kind,
            at: Timestamp(0),
            data: data.to_string(),
        };
        Published::new(event, UserId::generate())
    }

    fn words(mission: bool, types: &str) -> Words {
        let mission = mission.then(|| SessionId(uuid::Uuid::nil()));
        let types = match types {
            "" => Types::ALL,
            some => Types::parse(some).map_err(|fault| fault.0).unwrap(),
        };
        Words::new("e1", (mission, types), None)
    }

    #[test]
    fn an_event_of_ours_may_be_two_of_theirs_and_the_id_is_on_the_last() {
        let data = json!({
            "detail": "busy", "mission": "active", "previousMission": "pending", "queued": 2,
        });
        let told = words(false, "")
            .frame(&event(EventKind::Status, &data))
            .unwrap();
        let parts: Vec<&str> = told.split_terminator("\n\n").collect();
        assert_eq!(parts.len(), 2);
        assert!(
            parts[0].starts_with("event: status\ndata: "),
            "{}",
            parts[0]
        );
        assert!(parts[0].contains("\"state\":\"running\"") && parts[0].contains("\"queue_len\":2"));
        assert!(parts[1].starts_with("id: e1:p70\nevent: mission_status_changed\ndata: "));
    }

    #[test]
    fn of_one_mission_the_id_is_its_own_number() {
        let told = words(true, "").frame(&event(EventKind::Usage, &json!({"a": "x\ny"})));
        let told = told.unwrap();
        assert!(told.starts_with("id: e1:7\nevent: usage\n"), "{told}");
        assert_eq!(told.lines().count(), 4, "{told}");
    }

    #[test]
    fn a_filter_leaves_out_parts_and_tells_an_id_now_and_then() {
        let data = json!({"detail": "idle", "mission": "active", "previousMission": "active"});
        let words = words(true, "mission_status_changed,text_delta");
        let quiet = event(EventKind::Status, &data);
        let told: Vec<_> = (0..40).filter_map(|_| words.frame(&quiet)).collect();
        assert_eq!(told, ["id: e1:7\n\n"]);
        let data = json!({"detail": "idle", "mission": "active", "previousMission": "failed"});
        let told = words.frame(&event(EventKind::Status, &data)).unwrap();
        assert!(told.starts_with("id: e1:7\nevent: mission_status_changed"));
        assert!(Types::parse("status,nope").is_err());
    }
}
