//! Pieces of messages on their way from the codec to the feed: at once, and beside every commit.
//!
//! Never overtakes a numbered event that came before it, and never tells a whole message's pieces
//! behind the message.

use std::collections::HashSet;

use serde_json::Value;

use crate::drivers::{Delta, Output};

use super::super::super::feed::Said;
use super::Life;

/// Longest piece that pieces are joined to, in bytes.
const JOINED: usize = 16 * 1024;

impl Life {
    /// Hands pieces to the feed. While the log is read again they are told to nobody: readers have
    /// had them, or get them with the next one.
    pub(super) async fn say(&self, deltas: Vec<Delta>) {
        if deltas.is_empty() {
            return;
        }
        let quietly = self.behind_until.is_some_and(|until| self.seen() < until);
        // Without a feed this actor is about to be replaced as well.
        let _said = self.feed.send(Said { deltas, quietly }).await;
    }
}

/// Takes the pieces out of what was decoded: those in front of anything else, and those behind it
/// that are not of a message which is whole by then.
pub(super) fn part(outputs: &mut Vec<Output>) -> (Vec<Delta>, Vec<Delta>) {
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    if !outputs.iter().any(|one| matches!(one, Output::Delta(_))) {
        return (before, behind);
    }
    let whole: HashSet<String> = outputs.iter().filter_map(named).collect();
    let mut rest = Vec::with_capacity(outputs.len());
    for output in outputs.drain(..) {
        match output {
            Output::Delta(delta) if rest.is_empty() => join(&mut before, delta),
            Output::Delta(delta) if whole.contains(&delta.message) => {}
            Output::Delta(delta) => join(&mut behind, delta),
            Output::Ready
            | Output::TurnStarted { .. }
            | Output::Event { .. }
            | Output::Conversation { .. }
            | Output::Ask(_)
            | Output::Withdrawn { .. }
            | Output::TurnEnded { .. }
            | Output::File { .. }
            | Output::Send { .. } => rest.push(output),
        }
    }
    *outputs = rest;
    (before, behind)
}

/// The id of the message that an event is.
fn named(output: &Output) -> Option<String> {
    let Output::Event { data, .. } = output else {
        return None;
    };
    let id = data.get("messageId").and_then(Value::as_str);
    id.map(str::to_owned)
}

/// Adds a piece, to the last one where it goes on there.
fn join(deltas: &mut Vec<Delta>, delta: Delta) {
    if let Some(last) = deltas.last_mut() {
        let end = u64::try_from(last.text.len()).map(|length| last.offset.saturating_add(length));
        let follows = last.message == delta.message && end == Ok(delta.offset);
        if follows && last.text.len().saturating_add(delta.text.len()) <= JOINED {
            last.text.push_str(&delta.text);
            return;
        }
    }
    deltas.push(delta);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventKind;
    use serde_json::json;

    fn delta(message: &str, offset: u64, text: &str) -> Output {
        Output::Delta(Delta {
            kind: EventKind::AssistantMessage,
            message: message.into(),
            offset,
            text: text.into(),
        })
    }

    fn whole(message: &str) -> Output {
        Output::Event {
            kind: EventKind::AssistantMessage,
            data: json!({ "messageId": message }),
        }
    }

    fn texts(deltas: &[Delta]) -> Vec<(u64, &str)> {
        let all = deltas.iter();
        all.map(|delta| (delta.offset, delta.text.as_str()))
            .collect()
    }

    #[test]
    fn pieces_go_first_and_are_joined_where_they_meet() {
        let mut outputs = vec![
            delta("m", 0, "a"),
            delta("m", 1, "b"),
            delta("m", 3, "d"),
            delta("n", 4, "x"),
            whole("m"),
        ];
        let (before, behind) = part(&mut outputs);
        assert_eq!(texts(&before), [(0, "ab"), (3, "d"), (4, "x")]);
        assert_eq!((behind.len(), outputs), (0, vec![whole("m")]));
    }

    #[test]
    fn nothing_overtakes_an_event_and_nothing_comes_behind_its_whole() {
        let mut outputs = vec![
            delta("m", 0, "a"),
            whole("k"),
            delta("m", 1, "b"),
            whole("m"),
            delta("n", 0, "c"),
            delta("n", 1, "d"),
        ];
        let (before, behind) = part(&mut outputs);
        assert_eq!(texts(&before), [(0, "a")]);
        assert_eq!(texts(&behind), [(0, "cd")]);
        assert_eq!(outputs, [whole("k"), whole("m")]);
    }

    #[test]
    fn pieces_alone_leave_nothing_to_commit() {
        let mut outputs = vec![delta("m", 0, "a")];
        assert_eq!(part(&mut outputs).0.len(), 1);
        assert!(outputs.is_empty());
    }
}
