//! The input record `in.rec`: which inputs were accepted and which were written to their last byte.
//! Never rewritten: records are appended, each with a checksum; what follows a torn one is ignored.

use super::bytes::{Put, Take, checksum};
use super::frame::InputState;

/// What a record states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Taken over; its bytes may be on their way.
    Accepted,
    /// The last byte is with the program's input.
    Written,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How far the input had come.
    pub step: Step,
    /// Of the input; never empty, at most [`super::MAX_INPUT_ID`] bytes.
    pub id: Vec<u8>,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

impl Entry {
    /// The record's bytes, sealed by a checksum.
    pub fn encode(&self) -> Vec<u8> {
        let step = match self.step {
            Step::Accepted => 1,
            Step::Written => 2,
        };
        let body = Put::default().u8(step).u64(self.at_ms).block(&self.id);
        let sum = checksum(&body.0);
        body.u64(sum).0
    }

    fn take(bytes: &mut Take<'_>) -> Option<Self> {
        let start = bytes.0;
        let step = match bytes.u8().ok()? {
            1 => Step::Accepted,
            2 => Step::Written,
            _ => return None,
        };
        let at_ms = bytes.u64().ok()?;
        let id = bytes.block().ok()?.to_vec();
        let covered = start.get(..start.len() - bytes.0.len())?;
        (bytes.u64().ok()? == checksum(covered)).then_some(Self { step, id, at_ms })
    }
}

/// The whole records at the front of a file.
pub fn entries(file: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    let mut rest = Take(file);
    std::iter::from_fn(move || Entry::take(&mut rest))
}

/// What the file says about an id.
pub fn state_of(file: &[u8], id: &[u8]) -> InputState {
    entries(file).filter(|entry| entry.id == id).last().map_or(
        InputState::None,
        |entry| match entry.step {
            Step::Accepted => InputState::Accepted,
            Step::Written => InputState::Written,
        },
    )
}
