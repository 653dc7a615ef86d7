//! The words of `/ws`: what clients may say, and what they get.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::live::dialect::{Scope, Start};
use crate::domain::{Event, SessionId, Timestamp, UserId};

fn words() -> Words {
    Words {
        connected: "{}".into(),
    }
}

fn read(frame: &Value) -> Result<Command, Refusal> {
    words().command(&frame.to_string())
}

fn code(frame: &Value) -> String {
    read(frame).unwrap_err().code
}

#[test]
fn each_event_is_one_frame_with_the_numbers_of_the_poll() {
    for kind in EventKind::ALL {
        let id = SessionId::generate();
        let event = Event {
            seq: 7,
            pos: 70,
            agent: id,
            group: id,
            kind,
            at: Timestamp(0),
            data: "{\"x\":1}".into(),
        };
        let published = Published::new(event, UserId::generate());
        let frame: Value = serde_json::from_str(&words().frame(&published).unwrap()).unwrap();
        assert_eq!(frame["event"], kind.name());
        assert_eq!(frame["seq"], 7);
        assert_eq!(frame["pos"], 70);
        assert_eq!(frame["data"]["x"], 1);
        assert!(frame["type"].as_str().unwrap().starts_with("agent."));
        assert!(Channels::ALL.meets(words().channels(kind)), "{kind:?}");
    }
}

#[test]
fn words_come_with_their_messages_unless_they_are_switched_off() {
    let channels = |frame: &Value| match read(frame) {
        Ok(Command::Subscribe { channels, .. }) => channels,
        other => panic!("{other:?}"),
    };
    let with = |names: &[&str], deltas: Value| {
        channels(&json!({"type": "subscribe", "channels": names, "deltas": deltas}))
    };
    for names in [
        ["*"],
        ["agent.*"],
        ["agent.event"],
        ["agent.message"],
        ["agent.delta"],
    ] {
        assert!(with(&names, Value::Null).meets(DELTA), "{names:?}");
    }
    assert!(!with(&["agent.status"], json!(true)).meets(DELTA));
    assert_eq!(with(&["agent.message"], json!(false)), MESSAGE);
    assert!(!with(&["*"], json!(false)).meets(DELTA));
    for (names, deltas) in [(["agent.delta"], json!(false)), (["*"], json!("no"))] {
        let frame = json!({"type": "subscribe", "channels": names, "deltas": deltas});
        assert_eq!(code(&frame), "bad_field");
    }
}

#[test]
fn a_piece_says_where_in_its_message_it_stands() {
    let agent = SessionId::generate();
    let piece = Piece {
        agent,
        group: agent,
        owner: UserId::generate(),
        kind: EventKind::Thinking,
        message: "m".into(),
        offset: 3,
        text: "\u{e4}\"".into(),
        rendered: crate::app::Rendered::default(),
    };
    let frame: Value = serde_json::from_str(&words().piece(&piece).unwrap()).unwrap();
    let wanted = json!({
        "type": "agent.delta", "agentId": agent, "sessionId": agent, "messageId": "m",
        "kind": "thinking", "role": "assistant", "offset": 3, "text": "\u{e4}\"",
    });
    assert_eq!(frame, wanted);
    assert!(words().live().meets(DELTA) && DELTA.without(MESSAGE) == DELTA);
}

#[test]
fn a_subscription_names_channels_agents_and_cursors() {
    let (one, two) = (SessionId::generate(), SessionId::generate());
    let frame = json!({
        "type": "subscribe", "channels": ["agent.status", "agent.message"], "id": 5,
        "agentId": one, "agentIds": [two, one], "after": {one.to_string(): 3},
    });
    let Ok(Command::Subscribe {
        id,
        channels,
        scope: Scope::Agents(agents),
        ..
    }) = read(&frame)
    else {
        panic!("not read");
    };
    assert_eq!(id, Some(json!(5)));
    assert_eq!(channels, STATUS.with(MESSAGE).with(DELTA));
    assert_eq!(agents.len(), 2);
    for (agent, start) in agents {
        let expected = if agent == one {
            Start::After {
                number: 3,
                epoch: None,
            }
        } else {
            Start::Now
        };
        assert_eq!(start, expected);
    }
}

#[test]
fn a_subscription_without_agents_is_over_all() {
    for (after, expected) in [
        (json!(null), Start::Now),
        (json!("latest"), Start::Now),
        (
            json!(9),
            Start::After {
                number: 9,
                epoch: None,
            },
        ),
        (
            json!("e1:p9"),
            Start::After {
                number: 9,
                epoch: Some("e1".into()),
            },
        ),
    ] {
        let frame = json!({"type": "subscribe", "channels": ["*"], "after": after});
        let Ok(Command::Subscribe { scope, .. }) = read(&frame) else {
            panic!("not read: {frame}");
        };
        assert_eq!(scope, Scope::All(expected));
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_its_mark() {
    let refusal = read(&json!({"type": "fly", "id": "m1"})).unwrap_err();
    assert_eq!(refusal.code, "unknown_type");
    assert_eq!(refusal.id, Some(json!("m1")));
    let frame: Value = serde_json::from_str(&words().reply(&Said::Error(refusal))).unwrap();
    assert_eq!(frame["type"], "error");
    assert_eq!(frame["id"], "m1");

    let agent = SessionId::generate();
    for (frame, expected) in [
        (json!([]), "bad_json"),
        (json!({}), "unknown_type"),
        (json!({"type": 5}), "unknown_type"),
        (json!({"type": "subscribe"}), "bad_field"),
        (json!({"type": "subscribe", "channels": []}), "bad_field"),
        (json!({"type": "subscribe", "channels": "*"}), "bad_field"),
        (json!({"type": "subscribe", "channels": [1]}), "bad_field"),
        (
            json!({"type": "subscribe", "channels": ["nope"]}),
            "unknown_channel",
        ),
        (
            json!({"type": "subscribe", "channels": ["*"], "agentId": "x"}),
            "bad_field",
        ),
        (
            json!({"type": "subscribe", "channels": ["*"], "after": -1}),
            "bad_cursor",
        ),
        (
            json!({"type": "subscribe", "channels": ["*"], "after": "e:5"}),
            "bad_cursor",
        ),
        (
            json!({"type": "subscribe", "channels": ["*"], "agentId": agent, "after": "e:p5"}),
            "bad_cursor",
        ),
        (json!({"type": "message", "agentId": agent}), "bad_field"),
        (json!({"type": "message", "content": "x"}), "bad_field"),
        (
            json!({"type": "message", "agentId": agent, "content": "x", "idempotencyKey": "a b"}),
            "bad_field",
        ),
        (json!({"type": "approve", "requestId": agent}), "bad_field"),
        (
            json!({"type": "approve", "requestId": "1", "approved": true}),
            "bad_field",
        ),
    ] {
        assert_eq!(code(&frame), expected, "{frame}");
    }
}

#[test]
fn a_gap_says_where_it_starts_and_where_the_stream_goes_on() {
    let agent = SessionId::generate();
    let gap = Gap {
        agent: Some(agent),
        first: 6,
        last: 9,
    };
    let frame: Value = serde_json::from_str(&words().gap(&gap)).unwrap();
    assert_eq!(
        frame,
        json!({"type": "gap", "agentId": agent, "after": 5, "oldestSeq": 10, "dropped": 4,
            "reason": "retention"})
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = words().command(&text);
    }

    #[test]
    fn any_members_are_read_or_refused(
        kind in prop_oneof![Just("subscribe"), Just("unsubscribe"), Just("message"), Just("approve")],
        channels in prop::collection::vec("[a-z.:*]{0,12}", 0..4),
        after in "[a-z0-9:p-]{0,12}",
    ) {
        let frame = json!({"type": kind, "channels": channels, "after": after});
        let _ = read(&frame);
    }
}
