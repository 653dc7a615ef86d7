//! Failed tries to sign in under one key, and how long they shut the door.
//!
//! Never longer than fifteen minutes, and never for a try that was not counted.

use super::id::Timestamp;

/// Failures that cost nothing.
const FREE: u64 = 4;
/// After so many failures an account is shut for the longest wait at once (reliability.md S5: ten
/// guesses in fifteen minutes).
const MOST: u64 = 10;
/// The longest wait.
const LONGEST_MS: i64 = 15 * 60_000;
/// Failures are forgotten after this time without another.
pub const FORGOTTEN_MS: i64 = 30 * 60_000;

/// How waits grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// Of one account or name: doubled five times, then the longest.
    Account,
    /// Of one address, behind which there may be many people: doubled up to the longest.
    Address,
}

impl Curve {
    fn wait_ms(self, failures: u64) -> i64 {
        let over = failures.saturating_sub(FREE);
        if over == 0 {
            return 0;
        }
        if self == Self::Account && failures >= MOST {
            return LONGEST_MS;
        }
        let doublings = u32::try_from(over.saturating_sub(1)).unwrap_or(u32::MAX);
        let seconds = 2_i64.checked_pow(doublings).unwrap_or(i64::MAX);
        seconds.saturating_mul(1_000).min(LONGEST_MS)
    }
}

/// Failures in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts {
    /// Whose: an account, a name or an address.
    pub key: String,
    /// How many.
    pub failures: u64,
    /// The last one.
    pub last_at: Timestamp,
    /// How long the door is shut after it.
    pub wait_ms: i64,
}

impl Attempts {
    /// None yet.
    #[must_use]
    pub fn none(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            failures: 0,
            last_at: Timestamp(0),
            wait_ms: 0,
        }
    }

    /// Milliseconds until the next try; `None` when it may be now. A clock that was set back opens
    /// the door: nobody can wait for a time that may never come.
    #[must_use]
    pub fn shut_for(&self, now: Timestamp) -> Option<i64> {
        let since = now.0.saturating_sub(self.last_at.0);
        let left = self.wait_ms.saturating_sub(since);
        (since >= 0 && left > 0).then_some(left)
    }

    /// The same with one more failure.
    #[must_use]
    pub fn counted(self, curve: Curve, now: Timestamp) -> Self {
        let idle = now.0.saturating_sub(self.last_at.0);
        let before = if idle >= FORGOTTEN_MS {
            0
        } else {
            self.failures
        };
        let failures = before.saturating_add(1);
        Self {
            failures,
            last_at: now,
            wait_ms: curve.wait_ms(failures),
            ..self
        }
    }

    /// The same with one failure less: a try that was none. The door is open as far as it goes.
    #[must_use]
    pub fn taken_back(self) -> Self {
        Self {
            failures: self.failures.saturating_sub(1),
            wait_ms: 0,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(failures: u64, curve: Curve) -> i64 {
        let mut at = Attempts::none("k");
        for _ in 0..failures {
            at = at.counted(curve, Timestamp(1_000));
        }
        at.wait_ms
    }

    #[test]
    fn the_fifth_failure_costs_a_second_and_each_further_one_the_double() {
        let waits: Vec<i64> = (4..=10).map(|n| after(n, Curve::Account)).collect();
        assert_eq!(waits, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 900_000]);
        let waits: Vec<i64> = (4..=6).map(|n| after(n, Curve::Address)).collect();
        assert_eq!(waits, [0, 1_000, 2_000]);
        assert_eq!(after(14, Curve::Address), 512_000);
        assert_eq!(after(15, Curve::Address), LONGEST_MS);
        assert_eq!(after(1_000, Curve::Address), LONGEST_MS);
    }

    #[test]
    fn the_door_opens_in_time_and_failures_are_forgotten() {
        let mut at = Attempts::none("k");
        for _ in 0..5 {
            at = at.counted(Curve::Account, Timestamp(10_000));
        }
        assert_eq!(at.shut_for(Timestamp(10_400)), Some(600));
        assert_eq!(at.shut_for(Timestamp(11_000)), None);
        assert_eq!(
            at.shut_for(Timestamp(9_000)),
            None,
            "the clock was set back"
        );
        let later = Timestamp(10_000 + FORGOTTEN_MS);
        assert_eq!(at.counted(Curve::Account, later).failures, 1);
    }

    proptest! {
        /// However long somebody waits between tries, ten are the most in fifteen minutes.
        #[test]
        fn ten_guesses_in_fifteen_minutes(pauses in prop::collection::vec(0_i64..2_000_000, 1..80)) {
            let (mut at, mut now) = (Attempts::none("k"), 1_000_000_i64);
            let mut guesses = Vec::new();
            for pause in pauses {
                now += pause;
                now += at.shut_for(Timestamp(now)).unwrap_or(0);
                at = at.counted(Curve::Account, Timestamp(now));
                guesses.push(now);
            }
            for first in &guesses {
                let window = guesses.iter().filter(|at| (*first..first + 900_000).contains(*at));
                prop_assert!(window.count() <= 10);
            }
        }
    }
}
