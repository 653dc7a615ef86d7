//! Time of the loop (milliseconds since the start, monotonic) and of the records (since 1970).
//! Never compares the two.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Counts from the keeper's start.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this program has no runtime whose clock could be used"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

pub fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
