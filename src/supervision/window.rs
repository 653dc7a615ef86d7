//! Restart intensity: at most so many restarts within so long.
//! Never reads a clock: the instant of each restart is handed in.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How many restarts a supervisor grants before it gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts granted within the period; 0 grants none.
    pub max: u32,
    /// Sliding period; a restart exactly this old still counts, as in OTP.
    pub within: Duration,
}

impl Default for Intensity {
    /// 5 in 30 s (reliability.md 1.2).
    fn default() -> Self {
        Self {
            max: 5,
            within: Duration::from_secs(30),
        }
    }
}

/// The restarts of the last period. Keeps at most `max + 1` instants.
#[derive(Debug, Clone)]
pub struct RestartWindow {
    intensity: Intensity,
    restarts: VecDeque<Instant>,
}

impl RestartWindow {
    /// An empty window.
    #[must_use]
    pub fn new(intensity: Intensity) -> Self {
        Self {
            intensity,
            restarts: VecDeque::new(),
        }
    }

    /// Counts a restart wanted at `now` and says whether it is granted. `now` must not go back.
    #[must_use = "a restart that is not granted must not happen"]
    pub fn admit(&mut self, now: Instant) -> bool {
        self.forget(now);
        let granted = self.restarts.len() < self.limit();
        // One above the limit stays, so that the count shown is the one that broke it.
        if self.restarts.len() <= self.limit() {
            self.restarts.push_back(now);
        }
        granted
    }

    /// `(restarts counted at the last admission, granted at most)`.
    #[must_use]
    pub fn load(&self) -> (u32, u32) {
        let count = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
        (count, self.intensity.max)
    }

    fn limit(&self) -> usize {
        usize::try_from(self.intensity.max).unwrap_or(usize::MAX)
    }

    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.restarts.front() {
            if now.saturating_duration_since(*oldest) <= self.intensity.within {
                break;
            }
            self.restarts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(max: u32, seconds: u64) -> RestartWindow {
        RestartWindow::new(Intensity {
            max,
            within: Duration::from_secs(seconds),
        })
    }

    #[test]
    fn grants_five_in_thirty_seconds_and_refuses_the_sixth() {
        let start = Instant::now();
        let mut window = RestartWindow::new(Intensity::default());
        for second in 0..5 {
            assert!(window.admit(start + Duration::from_secs(second)));
        }
        assert!(!window.admit(start + Duration::from_secs(29)));
        assert_eq!(window.load(), (6, 5));
    }

    #[test]
    fn a_restart_exactly_one_period_old_still_counts() {
        let start = Instant::now();
        let mut at_the_edge = window(1, 10);
        assert!(at_the_edge.admit(start));
        assert!(!at_the_edge.admit(start + Duration::from_secs(10)));
        let mut beyond = window(1, 10);
        assert!(beyond.admit(start));
        assert!(beyond.admit(start + Duration::from_millis(10_001)));
    }

    #[test]
    fn zero_grants_nothing() {
        assert!(!window(0, 10).admit(Instant::now()));
    }

    proptest! {
        /// The model keeps every instant for ever and counts by a plain filter.
        #[test]
        fn agrees_with_a_plain_filter(
            max in 0_usize..6,
            within in 0_u64..50,
            steps in proptest::collection::vec(0_u64..30, 0..80),
        ) {
            let start = Instant::now();
            let period = Duration::from_millis(within);
            let mut window = RestartWindow::new(Intensity { max: u32::try_from(max).expect("small"), within: period });
            let mut all: Vec<Duration> = Vec::new();
            let mut at = Duration::ZERO;
            for step in steps {
                at += Duration::from_millis(step);
                all.push(at);
                let recent = all.iter().filter(|seen| at - **seen <= period).count();
                prop_assert_eq!(window.admit(start + at), recent <= max);
                prop_assert!(window.restarts.len() <= max + 1);
                if recent > max {
                    break; // a supervisor ends at the first refusal
                }
                prop_assert_eq!(usize::try_from(window.load().0).expect("small"), recent);
            }
        }
    }
}
