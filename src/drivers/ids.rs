//! Ids that codecs give to messages, tools and frames: functions of the stream alone, so that
//! decoding the same bytes again after a crash gives the same ids.
//!
//! Never random and never from a clock.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::TaskId;

/// The id of the `n`th message of a task's turn: a UUIDv7 with the task's own time, so that the
/// messages of a turn sort in their order.
#[must_use]
pub fn message(task: TaskId, n: u32) -> String {
    let (high, low) = task.0.as_u64_pair();
    let time = high & 0xFFFF_FFFF_FFFF_0000;
    let order = u64::from(n);
    let own = low & 0x0000_03FF_FFFF_FFFF;
    Uuid::from_u64_pair(
        time | 0x7000 | (order >> 20),
        0x8000_0000_0000_0000 | ((order & 0x000F_FFFF) << 42) | own,
    )
    .to_string()
}

/// The id of the `n`th message that a program gives outside of any turn: a UUIDv8 from the
/// incarnation's nonce, which cannot be read back from it.
#[must_use]
pub fn loose_message(nonce: &str, n: u32) -> String {
    own(&format!("message:{nonce}:{n}"))
}

/// The id of the conversation that an incarnation begins: a UUIDv8 from its nonce, which cannot be
/// read back from it.
#[must_use]
pub fn conversation(nonce: &str) -> String {
    own(&format!("conversation:{nonce}"))
}

/// The id under which a program knows a prompt: a UUIDv8 from the id of its input frame, so another
/// attempt is another prompt.
#[must_use]
pub fn prompt(input_id: &str) -> String {
    own(&format!("prompt:{input_id}"))
}

/// A UUIDv8 of these words.
fn own(words: &str) -> String {
    let digest = Sha256::digest(words.as_bytes());
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// The id of the input frame that carries the answer to a question of a program, whatever the
/// program calls it.
#[must_use]
pub fn answer_frame(request: &str) -> String {
    let digest = Sha256::digest(request.as_bytes());
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("answer:{hex}")
}

/// The id of the input frame of the `n`th change of how the program is driven.
#[must_use]
pub fn tuning_frame(n: u32) -> String {
    format!("tuning:{n}")
}

/// The id of the input frame of the `n`th interrupt of a task's turn.
#[must_use]
pub fn interrupt_frame(task: Option<TaskId>, n: u32) -> String {
    task.map_or_else(
        || format!("interrupt:{n}"),
        |task| format!("interrupt:{task}:{n}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_turn_are_version_7_and_sort_in_their_order() {
        let task = TaskId::generate();
        let ids: Vec<String> = [0, 1, 2, 1_048_575, 1_048_576, u32::MAX]
            .map(|n| message(task, n))
            .to_vec();
        assert!(ids.is_sorted());
        for id in &ids {
            let uuid = Uuid::parse_str(id).unwrap();
            assert_eq!(uuid.get_version_num(), 7);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
            assert_eq!(uuid.get_timestamp(), task.0.get_timestamp());
        }
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
    }

    #[test]
    fn messages_of_two_tasks_differ() {
        let (a, b) = (TaskId::generate(), TaskId::generate());
        assert_ne!(message(a, 0), message(b, 0));
        assert_eq!(message(a, 3), message(a, 3));
        assert_ne!(loose_message("n", 0), loose_message("n", 1));
        assert_ne!(prompt("in:1"), prompt("in:2"));
        assert_eq!(conversation("n"), conversation("n"));
        assert!(Uuid::parse_str(&conversation("n")).is_ok());
    }

    #[test]
    fn frame_ids_fit_the_keeper() {
        let task = Some(TaskId::generate());
        assert!(interrupt_frame(task, u32::MAX).len() <= 64);
        assert!(answer_frame(&"long ".repeat(100)).len() <= 64);
    }
}
