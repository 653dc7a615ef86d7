//! The wait before a restart: doubling, capped, jittered, forgotten after a long life.
//! Never reads a clock and never draws a random number: both are handed in.

use std::time::Duration;

/// Delay curve between the deaths of a child and its restarts.
///
/// The default is the one for actors (reliability.md 1.2); agent processes use other numbers
/// with the same arithmetic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Wait after the first short life.
    pub base: Duration,
    /// Upper end of the curve, before jitter.
    pub cap: Duration,
    /// Share by which a delay is spread to both sides: 0.2 is ±20 %. Taken as 0 below 0 and
    /// when it is no number, as 1 above 1.
    pub jitter: f64,
    /// A life at least this long starts the curve again.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(50),
            cap: Duration::from_secs(5),
            jitter: 0.2,
            reset_after: Duration::from_mins(1),
        }
    }
}

impl Backoff {
    /// Wait before the `nth` restart in a row (from 1; 0 waits nothing).
    ///
    /// `unit_random` in 0..=1 picks the place within the jitter: 0 is the early end, 0.5 the
    /// curve itself, 1 the late end.
    #[must_use]
    pub fn delay(&self, nth: u32, unit_random: f64) -> Duration {
        let Some(doublings) = nth.checked_sub(1) else {
            return Duration::ZERO;
        };
        let exact = 1_u32
            .checked_shl(doublings)
            .and_then(|factor| self.base.checked_mul(factor))
            .map_or(self.longest(), |delay| delay.min(self.cap));
        let spread = 1.0 + unit(self.jitter) * (2.0 * unit(unit_random) - 1.0);
        Duration::try_from_secs_f64(exact.as_secs_f64() * spread).unwrap_or(exact)
    }

    /// Where the curve ends: a base of zero never rises.
    fn longest(&self) -> Duration {
        if self.base.is_zero() {
            Duration::ZERO
        } else {
            self.cap
        }
    }

    /// Length of the present row of short lives, given the row before and the life that ended.
    #[must_use]
    pub fn streak(&self, before: u32, lifetime: Duration) -> u32 {
        if lifetime >= self.reset_after {
            1
        } else {
            before.saturating_add(1)
        }
    }
}

fn unit(value: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDDLE: f64 = 0.5;

    fn millis(backoff: &Backoff, nth: u32) -> u128 {
        backoff.delay(nth, MIDDLE).as_millis()
    }

    #[test]
    fn doubles_from_the_base_up_to_the_cap() {
        let backoff = Backoff::default();
        let curve: Vec<u128> = (0..=9).map(|nth| millis(&backoff, nth)).collect();
        assert_eq!(curve, [0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(millis(&backoff, u32::MAX), 5000);
    }

    #[test]
    fn jitter_reaches_twenty_percent_to_both_sides() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(2, 0.0).as_millis(), 80);
        assert_eq!(backoff.delay(2, 1.0).as_millis(), 120);
        assert_eq!(backoff.delay(20, 1.0).as_millis(), 6000);
    }

    #[test]
    fn odd_numbers_are_tamed() {
        let odd = Backoff {
            jitter: f64::NAN,
            ..Backoff::default()
        };
        assert_eq!(odd.delay(1, 7.0).as_millis(), 50);
        assert_eq!(Backoff::default().delay(1, f64::NAN).as_millis(), 40);
        let none = Backoff {
            base: Duration::ZERO,
            ..Backoff::default()
        };
        assert_eq!(none.delay(40, 0.5), Duration::ZERO);
        let huge = Backoff {
            base: Duration::MAX,
            cap: Duration::MAX,
            ..Backoff::default()
        };
        assert_eq!(huge.delay(9, 1.0), Duration::MAX);
    }

    #[test]
    fn a_long_life_starts_the_curve_again() {
        let backoff = Backoff::default();
        assert_eq!(backoff.streak(6, Duration::from_millis(59_999)), 7);
        assert_eq!(backoff.streak(6, Duration::from_secs(60)), 1);
        assert_eq!(backoff.streak(u32::MAX, Duration::ZERO), u32::MAX);
    }

    proptest! {
        #[test]
        fn stays_within_the_jitter_of_a_rising_curve(nth in 1_u32..200, random in 0.0_f64..=1.0) {
            let backoff = Backoff::default();
            let exact = backoff.delay(nth, MIDDLE);
            let delay = backoff.delay(nth, random);
            prop_assert!(delay >= exact.mul_f64(0.799_999));
            prop_assert!(delay <= exact.mul_f64(1.200_001));
            prop_assert!(exact <= backoff.cap);
            prop_assert!(backoff.delay(nth + 1, MIDDLE) >= exact);
        }
    }
}
