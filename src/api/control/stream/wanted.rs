//! The events of a stream by name, and which of them a reader wants.
//!
//! Never a name that no event has.

use crate::api::shared::Fault;

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

    /// Whether an event of this name is wanted.
    pub fn has(self, name: &str) -> bool {
        bit(name).is_some_and(|bit| self.0 & bit != 0)
    }
}

fn bit(name: &str) -> Option<u32> {
    let place = NAMES.iter().position(|known| *known == name)?;
    1_u32.checked_shl(u32::try_from(place).ok()?)
}
