//! How many missions there are: each session of a person is one, by the word of its status.
//!
//! Never asks the store: it sums what is counted already.

use serde_json::{Value, json};

use crate::domain::Status;

/// Counts by the word of a mission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missions {
    /// Not begun.
    pub pending: u64,
    /// At work.
    pub active: u64,
    /// Over, and well.
    pub completed: u64,
    /// Over, and not well.
    pub failed: u64,
    /// Over before its end.
    pub interrupted: u64,
}

impl Missions {
    /// What these sessions are as missions. How the last turn of an idle one ended is in no count, so
    /// it is taken for a good end.
    #[must_use]
    pub fn of(sessions: &[(Status, u64)]) -> Self {
        let mut sums = Self::default();
        for (status, count) in sessions {
            let sum = match status {
                Status::Created | Status::Waiting => &mut sums.pending,
                Status::Starting
                | Status::Busy
                | Status::AwaitingApproval
                | Status::Quiet
                | Status::Stalled
                | Status::Stopping
                | Status::Unattached
                | Status::Paused
                | Status::Backoff
                | Status::RateLimited => &mut sums.active,
                Status::Idle | Status::Completed => &mut sums.completed,
                Status::CrashLoop | Status::Failed => &mut sums.failed,
                Status::Interrupted | Status::Uncertain | Status::Stopped => &mut sums.interrupted,
            };
            *sum = sum.saturating_add(*count);
        }
        sums
    }

    /// All.
    #[must_use]
    pub fn total(self) -> u64 {
        let parts = [
            self.pending,
            self.active,
            self.completed,
            self.failed,
            self.interrupted,
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Good ends among the ends; none without an end.
    #[must_use]
    pub fn success_rate(self) -> Option<f64> {
        let ends = self.completed.saturating_add(self.failed);
        let thousandths = self.completed.saturating_mul(1_000).checked_div(ends)?;
        Some(f64::from(u32::try_from(thousandths).ok()?) / 1_000.0)
    }

    /// The object.
    #[must_use]
    pub fn body(self) -> Value {
        json!({
            "total": self.total(),
            "pending": self.pending,
            "active": self.active,
            "completed": self.completed,
            "failed": self.failed,
            "interrupted": self.interrupted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_is_counted_once() {
        let each: Vec<(Status, u64)> = Status::ALL.into_iter().map(|one| (one, 2)).collect();
        let found = Missions::of(&each);
        assert_eq!(found.total(), 2 * u64::try_from(each.len()).unwrap());
        assert_eq!(found.success_rate(), Some(0.5));
        assert_eq!(Missions::default().success_rate(), None);
    }
}
