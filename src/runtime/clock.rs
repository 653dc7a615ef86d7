//! Wall-clock time for rows and events.
//!
//! Never used to measure a duration: that is tokio's clock, which tests can pause.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::domain::Timestamp;

/// A smaller difference is the clock being set right.
const JUMP_MS: i64 = 2_000;

/// The time now.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        .plus_ms(crate::crash::wall_offset_ms())
}

/// The wall clock beside the time that passes: it is set back and forward, and a machine that sleeps
/// finds it far ahead.
#[derive(Debug)]
pub(super) struct Pace {
    seen: (Instant, Timestamp),
}

impl Pace {
    pub(super) fn begin() -> Self {
        Self {
            seen: (Instant::now(), now()),
        }
    }

    /// By how much the clock jumped since the last look, in milliseconds; 0 while it goes right.
    pub(super) fn jump(&mut self, wall: Timestamp) -> i64 {
        let (at, before) = self.seen;
        let passed = i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
        let jump = wall.0.saturating_sub(before.plus_ms(passed).0);
        self.seen = (Instant::now(), wall);
        if jump.saturating_abs() >= JUMP_MS {
            jump
        } else {
            0
        }
    }
}

/// The same for who makes up for jumps.
#[derive(Debug)]
pub(super) struct Walls {
    pace: Pace,
    /// Jumps that nobody has made up for yet, in milliseconds.
    open_ms: i64,
}

impl Walls {
    pub(super) fn begin() -> Self {
        Self {
            pace: Pace::begin(),
            open_ms: 0,
        }
    }

    /// By how much the clock is off against what was known, in milliseconds; and whether it jumped
    /// since the last look.
    pub(super) fn look(&mut self) -> (i64, bool) {
        self.look_at(now())
    }

    fn look_at(&mut self, wall: Timestamp) -> (i64, bool) {
        let jump = self.pace.jump(wall);
        if jump != 0 {
            tracing::warn!(jump_ms = jump, "the wall clock jumped");
            self.open_ms = self.open_ms.saturating_add(jump);
        }
        (self.open_ms, jump != 0)
    }

    /// What had to follow has followed.
    pub(super) fn settled(&mut self, jump_ms: i64) {
        self.open_ms = self.open_ms.saturating_sub(jump_ms);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_jump_is_told_until_somebody_has_made_up_for_it() {
        let mut walls = Walls::begin();
        let start = walls.pace.seen.1;
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(walls.look_at(start.plus_ms(5_300)), (0, false));
        tokio::time::advance(Duration::from_secs(5)).await;
        let hour = 3_600_000;
        assert_eq!(walls.look_at(start.plus_ms(3_610_300)), (hour, true));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(walls.look_at(start.plus_ms(3_615_300)), (hour, false));
        walls.settled(hour);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(walls.look_at(start.plus_ms(20_300)), (-hour, true));
    }
}
