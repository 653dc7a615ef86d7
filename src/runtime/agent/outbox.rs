//! What is to be written to the program, kept with the codec's snapshot until the keeper has
//! accepted it.
//!
//! Never written before the commit that holds it, and never lost after it: a restart writes it
//! again under the same id, which the keeper drops if it had it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::process::terminal::ProgramFile;

/// One thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A file in the place of the incarnation.
    File {
        /// Plain name.
        name: String,
        /// Contents.
        bytes: Vec<u8>,
    },
    /// Input for the program.
    Send {
        /// The keeper's id of it.
        id: String,
        /// What to write.
        bytes: Vec<u8>,
    },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    items: Vec<(Item, Written)>,
    /// The file that the program ran at first, where its prompt can be lost: kept beside the rest,
    /// since a later look cannot tell.
    pub program: Option<ProgramFile>,
}

/// What stands behind an input that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing.
    Nothing,
    /// Another input.
    Another,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    No,
    HandedOver,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    codec: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outbox: Vec<StoredItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<ProgramFile>,
}

#[derive(Serialize, Deserialize)]
struct StoredItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    bytes: String,
}

impl Outbox {
    /// Adds an item behind the others.
    pub(super) fn push(&mut self, item: Item) {
        self.items.push((item, Written::No));
    }

    /// The items that are to be written now, in order; they count as handed over from here on.
    pub(super) fn take_due(&mut self) -> Vec<Item> {
        let due = self
            .items
            .iter_mut()
            .filter(|(_, written)| *written == Written::No);
        due.map(|(item, written)| {
            *written = Written::HandedOver;
            item.clone()
        })
        .collect()
    }

    /// The keeper has this input: it and the files before it are done.
    pub(super) fn accepted(&mut self, id: &[u8]) {
        let at = self.items.iter().position(|(item, _)| match item {
            Item::Send { id: own, .. } => own.as_bytes() == id,
            Item::File { .. } => false,
        });
        if let Some(at) = at {
            let files_before = self
                .items
                .iter()
                .take(at)
                .rev()
                .take_while(|(item, _)| matches!(item, Item::File { .. }))
                .count();
            self.items.drain(at.saturating_sub(files_before)..=at);
        }
    }

    /// Whether this input is still to be written, and whether another one is behind it.
    pub(super) fn due(&self, id: &str) -> Option<Behind> {
        let due = self.items.iter().filter_map(|(item, written)| match item {
            Item::Send { id, .. } if *written == Written::No => Some(id.as_str()),
            Item::Send { .. } | Item::File { .. } => None,
        });
        let mut rest = due.skip_while(|own| *own != id);
        rest.next()?;
        Some(match rest.next() {
            Some(_) => Behind::Another,
            None => Behind::Nothing,
        })
    }

    /// The keeper could not take this input now: it is written again.
    pub(super) fn refused(&mut self, id: &[u8]) {
        for (item, written) in &mut self.items {
            match item {
                Item::Send { id: own, .. } if own.as_bytes() == id => *written = Written::No,
                Item::Send { .. } | Item::File { .. } => {}
            }
        }
    }

    /// Everything is written again: the connection it was handed to is gone.
    pub(super) fn again(&mut self) {
        for (_, written) in &mut self.items {
            *written = Written::No;
        }
    }

    /// The snapshot that is committed: the codec's and this outbox.
    pub(super) fn wrap(&self, codec: String) -> String {
        let outbox = self
            .items
            .iter()
            .map(|(item, _)| match item {
                Item::File { name, bytes } => StoredItem {
                    file: Some(name.clone()),
                    id: None,
                    bytes: STANDARD.encode(bytes),
                },
                Item::Send { id, bytes } => StoredItem {
                    file: None,
                    id: Some(id.clone()),
                    bytes: STANDARD.encode(bytes),
                },
            })
            .collect();
        let program = self.program;
        let stored = Stored {
            codec,
            outbox,
            program,
        };
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads a committed snapshot: the codec's part, and the outbox with everything still to be
    /// written. `None` for the empty snapshot of a fresh process, or one that cannot be read.
    pub(super) fn unwrap(snapshot: &str) -> Option<(String, Self)> {
        let stored: Stored = serde_json::from_str(snapshot).ok()?;
        let items = stored
            .outbox
            .into_iter()
            .filter_map(|item| {
                let bytes = STANDARD.decode(item.bytes).ok()?;
                match (item.file, item.id) {
                    (Some(name), _) => Some((Item::File { name, bytes }, Written::No)),
                    (None, Some(id)) => Some((Item::Send { id, bytes }, Written::No)),
                    (None, None) => None,
                }
            })
            .collect();
        let program = stored.program;
        Some((stored.codec, Self { items, program }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(id: &str) -> Item {
        Item::Send {
            id: id.into(),
            bytes: vec![0, 255, 10],
        }
    }

    fn file(name: &str) -> Item {
        Item::File {
            name: name.into(),
            bytes: b"echo".to_vec(),
        }
    }

    #[test]
    fn what_was_not_accepted_is_written_again_after_a_restart() {
        let mut outbox = Outbox::default();
        outbox.push(file("a"));
        outbox.push(send("1"));
        outbox.push(send("2"));
        assert_eq!(outbox.take_due().len(), 3);
        assert!(outbox.take_due().is_empty());
        outbox.accepted(b"1");
        outbox.program = Some((7, 9));
        let (codec, mut back) = Outbox::unwrap(&outbox.wrap("state".into())).unwrap();
        assert_eq!(codec, "state");
        assert_eq!(back.program, Some((7, 9)));
        assert_eq!(back.take_due(), vec![send("2")]);
    }

    #[test]
    fn what_is_due_knows_what_is_behind_it() {
        let mut outbox = Outbox::default();
        outbox.push(send("1"));
        assert_eq!(outbox.due("2"), None);
        assert_eq!(outbox.due("1"), Some(Behind::Nothing));
        outbox.push(file("a"));
        assert_eq!(outbox.due("1"), Some(Behind::Nothing));
        outbox.push(send("2"));
        assert_eq!(outbox.due("1"), Some(Behind::Another));
        outbox.take_due();
        assert_eq!(outbox.due("1"), None);
    }

    #[test]
    fn a_refused_input_is_due_again() {
        let mut outbox = Outbox::default();
        outbox.push(send("1"));
        outbox.take_due();
        outbox.refused(b"1");
        assert_eq!(outbox.take_due(), vec![send("1")]);
    }

    #[test]
    fn an_unreadable_snapshot_is_none() {
        assert!(Outbox::unwrap("").is_none());
        assert!(Outbox::unwrap("{").is_none());
    }
}
