//! The packets of both layers as text: Engine.IO 4 (one digit, then the rest) and Socket.IO 5 in its
//! messages.
//!
//! Never a panic or a guess: a text is read as one packet, or refused.

use bytestring::ByteString;
use serde_json::{Value, json};

/// What separates packets in a payload of the polling transport.
pub const SEPARATOR: char = '\u{1e}';
/// Largest number of an acknowledgement that is read: beyond it JavaScript cannot count.
const MAX_ID: u64 = 9_007_199_254_740_991;

/// A packet of the transport's layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The handshake; servers send it.
    Open(&'a str),
    /// The end.
    Close,
    /// A question for a sign of life.
    Ping(&'a str),
    /// The sign.
    Pong(&'a str),
    /// A packet of the layer above.
    Message(&'a str),
    /// From now on over the other transport.
    Upgrade,
    /// Nothing.
    Noop,
    /// Bytes, in base64.
    Binary,
}

impl<'a> Frame<'a> {
    /// Reads one; `None`: it is none.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let mut chars = text.chars();
        let kind = chars.next()?;
        let rest = chars.as_str();
        let bare = |frame| rest.is_empty().then_some(frame);
        match kind {
            '0' => Some(Self::Open(rest)),
            '1' => bare(Self::Close),
            '2' => Some(Self::Ping(rest)),
            '3' => Some(Self::Pong(rest)),
            '4' => Some(Self::Message(rest)),
            '5' => bare(Self::Upgrade),
            '6' => bare(Self::Noop),
            'b' => Some(Self::Binary),
            _ => None,
        }
    }

    /// The text.
    #[must_use]
    pub fn write(self) -> String {
        let (kind, rest) = match self {
            Self::Open(rest) => ('0', rest),
            Self::Close => ('1', ""),
            Self::Ping(rest) => ('2', rest),
            Self::Pong(rest) => ('3', rest),
            Self::Message(rest) => ('4', rest),
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
            Self::Binary => ('b', ""),
        };
        format!("{kind}{rest}")
    }
}

/// A packet of Socket.IO.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    /// Opens a namespace, with what the client signs in by.
    Connect(Value),
    /// Leaves it.
    Disconnect,
    /// An event with its arguments, the name first; an id asks for an acknowledgement.
    Event(Option<u64>, Vec<Value>),
    /// The acknowledgement.
    Ack(u64, Vec<Value>),
    /// The namespace is refused.
    ConnectError(Value),
    /// Has bytes beside it: an event, or the answer to one. Its id, if it has one.
    Binary(Option<u64>),
}

/// A packet and its namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Addressed {
    /// `/`, or another.
    pub namespace: String,
    /// What is said there.
    pub packet: Packet,
}

impl Addressed {
    /// In the namespace that there is.
    #[must_use]
    pub fn new(packet: Packet) -> Self {
        Self {
            namespace: "/".into(),
            packet,
        }
    }

    /// Reads the text of a message; `None`: it is no packet.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let kind = chars.next()?;
        let rest = chars.as_str();
        let binary = matches!(kind, '5' | '6');
        let rest = match binary {
            true => attachments(rest)?,
            false => rest,
        };
        let (namespace, rest) = namespace(rest);
        let (id, rest) = id(rest)?;
        let packet = match (kind, id) {
            ('0', None) => Packet::Connect(value(rest)?),
            ('1', None) if rest.is_empty() => Packet::Disconnect,
            ('2', _) => Packet::Event(id, event(rest)?),
            ('3', Some(id)) => Packet::Ack(id, list(rest)?),
            ('4', None) => Packet::ConnectError(value(rest)?),
            ('5' | '6', _) => Packet::Binary(id),
            _ => return None,
        };
        Some(Self { namespace, packet })
    }

    /// The text of the whole message, the digit of the transport's layer in front.
    #[must_use]
    pub fn write(&self) -> ByteString {
        let place = match self.namespace.as_str() {
            "/" => String::new(),
            other => format!("{other},"),
        };
        let number = |id: &Option<u64>| id.map(|id| id.to_string()).unwrap_or_default();
        let text = match &self.packet {
            Packet::Connect(value) if value.is_null() => format!("40{place}"),
            Packet::Connect(value) => format!("40{place}{value}"),
            Packet::Disconnect => format!("41{place}"),
            Packet::Event(id, all) => format!("42{place}{}{}", number(id), json!(all)),
            Packet::Ack(id, all) => format!("43{place}{id}{}", json!(all)),
            Packet::ConnectError(value) if value.is_null() => format!("44{place}"),
            Packet::ConnectError(value) => format!("44{place}{value}"),
            Packet::Binary(id) => format!("450-{place}{}[]", number(id)),
        };
        text.into()
    }
}

/// The text of an event of a service, for all who hear of it.
#[must_use]
pub fn event_text(name: &str, payload: &Value) -> ByteString {
    format!("42{}", json!([name, payload])).into()
}

/// What follows the count of the attachments.
fn attachments(text: &str) -> Option<&str> {
    let (count, rest) = text.split_once('-')?;
    let counts = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    counts.then_some(rest)
}

/// The namespace without its query, and what follows it.
fn namespace(text: &str) -> (String, &str) {
    if !text.starts_with('/') {
        return ("/".into(), text);
    }
    let (name, rest) = text.split_once(',').unwrap_or((text, ""));
    let name = name.split_once('?').map_or(name, |(name, _)| name);
    (name.into(), rest)
}

/// The number in front, if there is one.
fn id(text: &str) -> Option<(Option<u64>, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Some((None, text));
    }
    let (number, rest) = text.split_at_checked(digits)?;
    let number = number.parse().ok().filter(|number| *number <= MAX_ID)?;
    Some((Some(number), rest))
}

/// Nothing is null; anything else has to be an object, as clients send it.
fn value(text: &str) -> Option<Value> {
    if text.is_empty() {
        return Some(Value::Null);
    }
    serde_json::from_str(text).ok().filter(Value::is_object)
}

fn list(text: &str) -> Option<Vec<Value>> {
    serde_json::from_str(text).ok()
}

/// A list that begins with a name.
fn event(text: &str) -> Option<Vec<Value>> {
    list(text).filter(|all| all.first().is_some_and(Value::is_string))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Value> {
        prop::collection::btree_map(any::<String>(), json_value(), 0..4)
            .prop_map(|map| map.into_iter().collect())
    }

    fn arguments() -> impl Strategy<Value = Vec<Value>> {
        (any::<String>(), prop::collection::vec(json_value(), 0..4)).prop_map(|(name, mut rest)| {
            rest.insert(0, name.into());
            rest
        })
    }

    fn packet() -> impl Strategy<Value = Packet> {
        let id = || 0..=MAX_ID;
        prop_oneof![
            object().prop_map(Packet::Connect),
            Just(Packet::Connect(Value::Null)),
            Just(Packet::Disconnect),
            (prop::option::of(id()), arguments()).prop_map(|(id, all)| Packet::Event(id, all)),
            (id(), prop::collection::vec(json_value(), 0..4))
                .prop_map(|(id, all)| Packet::Ack(id, all)),
            object().prop_map(Packet::ConnectError),
            Just(Packet::ConnectError(Value::Null)),
            prop::option::of(id()).prop_map(Packet::Binary),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            packet in packet(),
            namespace in prop_oneof![Just("/".to_owned()), "/[a-z0-9-]{1,12}"],
        ) {
            let all = Addressed { namespace, packet };
            let text = all.write();
            prop_assert!(!text.contains(SEPARATOR), "it would be two of a payload");
            match Frame::read(&text) {
                Some(Frame::Message(inner)) => {
                    prop_assert_eq!(Addressed::read(inner), Some(all));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn frames_read_back(rest in any::<String>()) {
            for frame in [
                Frame::Open(&rest),
                Frame::Close,
                Frame::Ping(&rest),
                Frame::Pong(&rest),
                Frame::Message(&rest),
                Frame::Upgrade,
                Frame::Noop,
                Frame::Binary,
            ] {
                let text = frame.write();
                prop_assert_eq!(Frame::read(&text), Some(frame));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _frame = Frame::read(&text);
            let _packet = Addressed::read(&text);
        }

        #[test]
        fn what_looks_like_a_packet_is_read_or_refused(
            text in "[0-6]{1,2}-?(/[a-z?=]{0,5},?)?[0-9]{0,20}[\\[{\"]?[a-z\",:\\[\\]{}0-9]{0,16}",
        ) {
            if let Some(read) = Addressed::read(&text) {
                let text = read.write();
                let inner = text.strip_prefix('4').unwrap();
                prop_assert_eq!(Addressed::read(inner), Some(read));
            }
        }
    }

    #[test]
    fn packets_of_the_public_client_are_read() {
        let read = |text: &str| Addressed::read(text).unwrap();
        assert_eq!(read("0").packet, Packet::Connect(Value::Null));
        assert_eq!(
            read("0{\"token\":\"x\"}").packet,
            Packet::Connect(json!({"token": "x"}))
        );
        assert_eq!(read("0/admin,{}").namespace, "/admin");
        assert_eq!(read("0/admin?a=1,").namespace, "/admin");
        assert_eq!(
            read("212[\"find\",\"sessions\",{}]").packet,
            Packet::Event(Some(12), vec![json!("find"), json!("sessions"), json!({})])
        );
        assert_eq!(
            read("51-3[\"x\",{\"_placeholder\":true,\"num\":0}]").packet,
            Packet::Binary(Some(3))
        );
        for text in [
            "",
            "9",
            "2",
            "2{}",
            "2[]",
            "2[1]",
            "3[]",
            "0[]",
            "0\"x\"",
            "1x",
            "01",
            "2[\"a\"",
            "5[]",
            "299999999999999999999[\"a\"]",
            "é",
        ] {
            assert_eq!(Addressed::read(text), None, "{text}");
        }
        for text in ["", "7", "1x", "5probe", "x", "é"] {
            assert_eq!(Frame::read(text), None, "{text}");
        }
    }
}
