//! What readers are told of a message that is being written. Never an actor.

use super::*;
use crate::domain::{Event, Timestamp};
use proptest::prelude::*;

fn speaker() -> Speaker {
    let agent = SessionId::generate();
    Speaker {
        agent,
        group: agent,
        owner: UserId::generate(),
    }
}

fn delta(message: &str, offset: u64, text: &str) -> Delta {
    Delta {
        kind: EventKind::AssistantMessage,
        message: message.to_owned(),
        offset,
        text: text.to_owned(),
    }
}

fn event(by: Speaker, kind: EventKind, data: &str) -> Arc<Published> {
    let event = Event {
        seq: 1,
        pos: 1,
        agent: by.agent,
        group: by.group,
        kind,
        at: Timestamp(0),
        data: data.to_owned(),
    };
    Published::new(event, by.owner)
}

fn shown(piece: Option<Arc<Piece>>) -> Option<(u64, String)> {
    piece.map(|piece| (piece.offset, piece.text.clone()))
}

fn so_far(streams: &Streams) -> Vec<(u64, String)> {
    let all = streams.so_far();
    all.map(|piece| (piece.offset, piece.text.clone()))
        .collect()
}

#[test]
fn pieces_are_told_once_and_a_new_reader_gets_them_as_one() {
    let (by, mut streams) = (speaker(), Streams::new(8));
    let told = shown(streams.take(by, delta("m", 0, "one "), false));
    assert_eq!(told, Some((0, "one ".into())));
    let told = shown(streams.take(by, delta("m", 4, "t\u{e4}wo"), false));
    assert_eq!(told, Some((4, "t\u{e4}wo".into())));
    assert_eq!(so_far(&streams), [(0, "one t\u{e4}wo".into())]);
    // Decoded again: what is known is not told again, also where only a part of it is.
    assert_eq!(
        shown(streams.take(by, delta("m", 4, "t\u{e4}wo"), false)),
        None
    );
    let told = shown(streams.take(by, delta("m", 5, "\u{e4}wo!"), false));
    assert_eq!(told, Some((9, "!".into())));
}

#[test]
fn a_hole_is_told_by_its_offset() {
    let (by, mut streams) = (speaker(), Streams::new(8));
    streams.take(by, delta("m", 0, "one"), false);
    let told = shown(streams.take(by, delta("m", 10, "two"), false));
    assert_eq!(told, Some((10, "two".into())));
    assert_eq!(so_far(&streams), [(10, "two".into())]);
    // The feed of a new server meets a message in its middle.
    let told = shown(streams.take(by, delta("n", 7, "x"), false));
    assert_eq!(told, Some((7, "x".into())));
}

#[test]
fn what_is_read_again_is_quiet_and_comes_with_the_next_piece() {
    let (by, mut streams) = (speaker(), Streams::new(8));
    streams.take(by, delta("m", 0, "a"), false);
    assert_eq!(shown(streams.take(by, delta("m", 0, "a"), true)), None);
    assert_eq!(shown(streams.take(by, delta("m", 1, "b"), true)), None);
    assert_eq!(
        so_far(&streams),
        [(0, "a".into())],
        "not more than was told"
    );
    let told = shown(streams.take(by, delta("m", 2, "c"), false));
    assert_eq!(told, Some((1, "bc".into())));
}

#[test]
fn the_whole_message_and_the_end_of_the_turn_close_it() {
    let (by, other) = (speaker(), speaker());
    let mut streams = Streams::new(8);
    for message in ["m", "n", "o"] {
        streams.take(by, delta(message, 0, message), false);
    }
    streams.take(other, delta("m", 0, "theirs"), false);
    streams.end(&event(by, EventKind::Usage, "{}"));
    streams.end(&event(
        by,
        EventKind::AssistantMessage,
        r#"{"messageId":"x"}"#,
    ));
    streams.end(&event(
        by,
        EventKind::AssistantMessage,
        r#"{"content":"none"}"#,
    ));
    assert_eq!(so_far(&streams).len(), 4);
    streams.end(&event(
        by,
        EventKind::AssistantMessage,
        r#"{"messageId":"m"}"#,
    ));
    let left: Vec<String> = so_far(&streams).into_iter().map(|(_, text)| text).collect();
    assert_eq!(left, ["n", "o", "theirs"]);
    streams.end(&event(by, EventKind::TurnEnded, "{}"));
    assert_eq!(so_far(&streams), [(0, "theirs".into())]);
    streams.end(&event(other, EventKind::Exit, "{}"));
    assert_eq!(so_far(&streams), []);
}

#[test]
fn the_oldest_message_goes_when_there_are_too_many() {
    let (by, mut streams) = (speaker(), Streams::new(2));
    for message in ["a", "b", "c"] {
        streams.take(by, delta(message, 0, message), false);
    }
    assert_eq!(so_far(&streams), [(0, "b".into()), (0, "c".into())]);
}

#[test]
fn pieces_join_only_where_they_meet() {
    let by = speaker();
    let piece = |message: &str, offset, text: &str| {
        let taken = Streams::new(1).take(by, delta(message, offset, text), false);
        taken.unwrap()
    };
    let first = piece("m", 3, "abc");
    let joined = first.joined(&piece("m", 6, "de")).unwrap();
    assert_eq!((joined.offset, joined.text.as_str()), (3, "abcde"));
    assert!(first.joined(&piece("m", 7, "de")).is_none());
    assert!(first.joined(&piece("n", 6, "de")).is_none());
    let long = "x".repeat(STREAM_BYTES);
    assert!(first.joined(&piece("m", 6, &long)).is_none());
}

proptest! {
    #[test]
    fn the_text_is_bounded_and_its_place_is_true(
        words in prop::collection::vec("[a\u{e4}\u{20ac}]{0,9000}", 1..30),
        again in prop::collection::vec(any::<bool>(), 30),
    ) {
        let (by, mut streams) = (speaker(), Streams::new(8));
        let (mut whole, mut heard) = (String::new(), String::new());
        for (word, again) in words.iter().zip(again) {
            let piece = delta("m", u64::try_from(whole.len()).unwrap(), word);
            whole.push_str(word);
            if again {
                prop_assert!(streams.take(by, piece.clone(), true).is_none());
            }
            if let Some(told) = streams.take(by, piece, false) {
                prop_assert_eq!(told.offset, u64::try_from(heard.len()).unwrap());
                heard.push_str(&told.text);
            }
            for (from, text) in so_far(&streams) {
                prop_assert!(text.len() <= STREAM_BYTES);
                let from = usize::try_from(from).unwrap();
                prop_assert_eq!(whole.get(from..), Some(text.as_str()));
            }
        }
        prop_assert_eq!(heard, whole);
    }
}

/// What readers put together of the pieces: each stands where it says.
fn heard(pieces: &[(u64, String)]) -> String {
    let mut text = String::new();
    for (offset, piece) in pieces {
        let at = usize::try_from(*offset).unwrap();
        assert!(at <= text.len(), "a hole before {offset}");
        text.truncate(at);
        text.push_str(piece);
    }
    text
}

#[test]
fn a_secret_that_comes_in_two_pieces_is_heard_by_nobody() {
    let redactor = Redactor::bare().with(&["hunter2-hunter2".into()]).unwrap();
    let (by, mut streams) = (
        speaker(),
        Streams::covering(8, Cover::fixed(Arc::new(redactor))),
    );
    let told = shown(streams.take(by, delta("m", 0, "it is hunter2-"), false));
    assert_eq!(told, Some((0, "it is ".into())));
    assert_eq!(so_far(&streams), [(0, "it is ".into())]);
    assert_eq!(shown(streams.take(by, delta("m", 14, "hun"), false)), None);
    let told = shown(streams.take(by, delta("m", 17, "ter2, or!"), false));
    assert_eq!(told, Some((6, "***************, or!".into())));
    assert_eq!(so_far(&streams), [(0, "it is ***************, or!".into())]);
    // The same log again: nothing new, and nothing raw.
    assert_eq!(
        shown(streams.take(by, delta("m", 6, "hunter2-hunter2, or!"), true)),
        None
    );
    // Behind a hole it begins anew.
    let told = shown(streams.take(by, delta("m", 100, "a hunter2-hunter2."), false));
    assert_eq!(told, Some((100, "a ***************.".into())));
}

proptest! {
    #[test]
    fn words_are_those_of_the_whole_however_they_come(
        parts in prop::collection::vec(prop::sample::select(vec![
            "hunter2-hunter2", "hunter2-", "word ", "\u{e4}", "sk-", "0123456789abcdef", "h", "\n",
        ]), 1..60),
        size in 1_usize..24,
        quiet in 0_usize..20,
    ) {
        let text = parts.concat();
        let redactor = Arc::new(Redactor::bare().with(&["hunter2-hunter2".into()]).unwrap());
        let mut streams = Streams::covering(8, Cover::fixed(Arc::clone(&redactor)));
        let (by, mut at, mut pieces, mut n) = (speaker(), 0, Vec::new(), 0);
        while at < text.len() {
            let end = text.ceil_char_boundary((at + size).min(text.len()));
            let piece = delta("m", u64::try_from(at).unwrap(), text.get(at..end).unwrap());
            pieces.extend(shown(streams.take(by, piece, n < quiet)));
            (at, n) = (end, n + 1);
        }
        // A sign that decides all that waits.
        let last = delta("m", u64::try_from(text.len()).unwrap(), "\u{1}");
        pieces.extend(shown(streams.take(by, last, false)));
        let whole = redactor.text(&format!("{text}\u{1}")).into_owned();
        prop_assert_eq!(heard(&pieces), whole.clone());
        prop_assert_eq!(so_far(&streams), [(0, whole)]);
    }
}
