//! The dialect of the stream: frames are parts of `text/event-stream`, each with its id.
//!
//! Never an id ahead of what was told: where an event is several parts, the first have ids of their own.

use std::sync::atomic::{AtomicU32, Ordering};

use bytestring::ByteString;
use serde_json::{Map, Value, json};

use super::blocks::{self, Block};
use super::wanted::Types;
use crate::api::live::close::Close;
use crate::api::live::dialect::{Channels, Command, Dialect, Refusal, Reply};
use crate::api::live::gaps::Gap;
use crate::app::{Form, Piece, Published};
use crate::domain::{EventKind, SessionId, Timestamp};

/// How long a browser waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 2_000;
/// So many events are left out before their last id is told, so that a reader with a filter does not
/// fall behind what is kept.
const UNTOLD: u32 = 32;

/// How a stream begins.
#[derive(Debug, Default)]
pub struct Opening {
    /// The number behind which it begins, when it has no past: its first id.
    pub at: Option<u64>,
    /// How the mission stands, told first.
    pub standing: Option<Value>,
    /// The event that the reader knows in part.
    pub seen: Option<Seen>,
}

/// An event of which a reader has the first parts: ours may be two of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its number.
    pub number: u64,
    /// How many parts.
    pub parts: usize,
}

/// The id of a part with the number of its event alone, and which part it is when it is not the last.
pub fn whole_id(id: &str) -> (&str, Option<usize>) {
    let parts = id.rsplit_once('.').filter(|(head, _)| head.contains(':'));
    let Some((head, tail)) = parts else {
        return (id, None);
    };
    match tail.parse() {
        Ok(part @ 1..=9) if tail.len() == 1 => (head, Some(part)),
        Ok(_) | Err(_) => (id, None),
    }
}

/// The dialect of one stream.
pub struct Words {
    epoch: String,
    mission: Option<SessionId>,
    types: Types,
    opening: Opening,
    untold: AtomicU32,
}

impl Words {
    /// For the stream over one mission or all.
    pub fn new(
        epoch: &str,
        (mission, types): (Option<SessionId>, Types),
        opening: Opening,
    ) -> Self {
        Self {
            epoch: epoch.to_owned(),
            mission,
            types,
            opening,
            untold: AtomicU32::new(0),
        }
    }

    fn id(&self, number: u64) -> String {
        let epoch = &self.epoch;
        match self.mission {
            Some(_) => format!("{epoch}:{number}"),
            None => format!("{epoch}:p{number}"),
        }
    }

    /// The number that this stream counts by.
    fn number(&self, event: &Published) -> u64 {
        match self.mission {
            Some(_) => event.event.seq,
            None => event.event.pos,
        }
    }

    /// How many parts of an event the reader has.
    fn seen(&self, event: &Published) -> usize {
        let seen = self.opening.seen;
        let seen = seen.filter(|seen| seen.number == self.number(event));
        seen.map_or(0, |seen| seen.parts)
    }

    /// The first part. Its id is where the stream begins: who is cut off before the first event comes
    /// back with that.
    fn hello(&self, data: Value) -> ByteString {
        let id = self.opening.at.map(|number| self.id(number));
        match data {
            Value::Object(data) => part(("hello", data), id.as_deref()).into(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => ByteString::new(),
        }
    }

    /// All that is told of an event; `None`: nothing.
    fn told(&self, event: &Published) -> Option<ByteString> {
        let blocks = blocks::of(event);
        let (count, id) = (blocks.len(), self.id(self.number(event)));
        let mut text = String::new();
        let unseen = (1..).zip(blocks).skip(self.seen(event));
        for (place, (name, mut data)) in unseen.filter(|(_, (name, _))| self.types.has(name)) {
            data.insert("mission_id".into(), json!(event.event.agent));
            data.insert("seq".into(), event.event.seq.into());
            data.insert("pos".into(), event.event.pos.into());
            data.insert("timestamp".into(), event.event.at.rfc3339().into());
            let id = match place == count {
                true => id.clone(),
                false => format!("{id}.{place}"),
            };
            text.push_str(&part((name, data), Some(&id)));
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
        if self.types == Types::ALL && self.seen(event) == 0 {
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
        due.then(|| format!("id: {}\n\n", self.id(self.number(event))).into())
    }

    fn command(&self, _text: &str) -> Result<Command, Refusal> {
        Err(Refusal::new("bad_json", "a stream takes no commands"))
    }

    fn reply(&self, reply: &Reply) -> ByteString {
        let standing = || match &self.opening.standing {
            Some(data) if self.types.has("status") => plain("status", data.clone()),
            Some(_) | None => ByteString::new(),
        };
        match reply {
            Reply::HelloAll { epoch, latest } => {
                let hello = json!({"epoch": epoch, "latest_pos": latest});
                format!("{}{}", self.hello(hello), standing()).into()
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
                format!("{}{}", self.hello(hello), standing()).into()
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
        Words::new("e1", (mission, types), Opening::default())
    }

    #[test]
    fn an_event_of_ours_may_be_two_of_theirs_with_an_id_each() {
        let data = json!({
            "detail": "busy", "mission": "active", "previousMission": "pending", "queued": 2,
        });
        let told = words(false, "")
            .frame(&event(EventKind::Status, &data))
            .unwrap();
        let parts: Vec<&str> = told.split_terminator("\n\n").collect();
        assert_eq!(parts.len(), 2);
        assert!(
            parts[0].starts_with("id: e1:p70.1\nevent: status\ndata: "),
            "{}",
            parts[0]
        );
        assert!(parts[0].contains("\"state\":\"running\"") && parts[0].contains("\"queue_len\":2"));
        assert!(parts[1].starts_with("id: e1:p70\nevent: mission_status_changed\ndata: "));
        // Who has the first part is told the second.
        let (id, part) = whole_id("e1:p70.1");
        assert_eq!((id, part), ("e1:p70", Some(1)));
        let mut again = words(false, "");
        again.opening.seen = Some(Seen {
            number: 70,
            parts: 1,
        });
        let rest = again.frame(&event(EventKind::Status, &data)).unwrap();
        assert_eq!(
            rest.split_terminator("\n\n").collect::<Vec<_>>(),
            [parts[1]]
        );
        for odd in ["e1:7.0", "e1:7.12", "e1:7.x", "7.1", "e.1:7"] {
            assert_eq!(whole_id(odd), (odd, None));
        }
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
