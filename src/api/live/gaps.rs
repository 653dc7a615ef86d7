//! Events that a reader does not get: only those that retention removed.
//!
//! Never what a slow reader could not take: that comes later, or the connection is closed.

use crate::domain::SessionId;

/// A range of numbers that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Whose; `None` of a stream over many agents.
    pub agent: Option<SessionId>,
    /// First missing number (seq of the agent; pos without an agent).
    pub first: u64,
    /// Last missing number.
    pub last: u64,
}

impl Gap {
    /// Why, as it is shown.
    pub const REASON: &str = "retention";

    /// How many events are missing at the most.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}
