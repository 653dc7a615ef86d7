//! Whether the clock on the wall may be believed when things are removed by their age: a clock that is
//! wrong by months would end them for good.
//!
//! Never says that a clock is right because it says so itself: it has to go with the time that passes,
//! or to stand for a day.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::App;
use crate::domain::{Result, Timestamp};
use crate::store::meta;
use crate::store::retention::Old;

/// Where it is kept.
const KEY: &str = "retention_clock";
/// So far a clock may be off, and so long one has to stand that is further off.
const DAY_MS: i64 = 86_400_000;
/// Looks may be so far apart: what was written while a clock was behind lies so near to a look.
const NEAR_MS: i64 = 2 * 3_600_000;

/// What the clocks of the last goes were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Reckoning {
    /// What the clock should show.
    good: i64,
    /// What it shows instead: since when, and at the last look.
    doubt: Option<(i64, i64)>,
    /// Stamps of rows that were written while the clock was behind.
    wrong: Option<(i64, i64)>,
}

impl Reckoning {
    /// The same after a look at the clock, `passed` after the last one of this process; and whether
    /// the clock is believed.
    fn look(self, now: i64, passed: i64) -> (Self, bool) {
        let good = self.good.saturating_add(passed);
        let near = |to: i64| now.saturating_sub(to).saturating_abs() <= DAY_MS;
        let believed = |wrong| Self {
            good: now,
            doubt: None,
            wrong,
        };
        if near(good) {
            return (believed(self.wrong), true);
        }
        let behind = now < good;
        let stands = self
            .doubt
            .filter(|(_, looked)| near(looked.saturating_add(passed)));
        let since = stands.map_or(now, |(since, _)| since);
        if now.saturating_sub(since) >= DAY_MS {
            // Then what was believed before was wrong.
            return (believed(self.wrong.filter(|_| !behind)), true);
        }
        let wrong = match self.wrong.filter(|_| stands.is_some()) {
            _ if !behind => self.wrong,
            Some((from, to)) => Some((
                from.min(now.saturating_sub(NEAR_MS)),
                to.max(now.saturating_add(NEAR_MS)),
            )),
            None => Some((now.saturating_sub(NEAR_MS), now.saturating_add(NEAR_MS))),
        };
        let doubted = Self {
            good,
            doubt: Some((since, now)),
            wrong,
        };
        (doubted, false)
    }
}

/// What one go believes of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Today {
    /// `None`: the clock is not believed.
    now: Option<Timestamp>,
    wrong: Option<(Timestamp, Timestamp)>,
}

impl Today {
    /// When nobody can say what the clock was before.
    pub(super) const UNKNOWN: Self = Self {
        now: None,
        wrong: None,
    };

    pub(super) fn is_believed(self) -> bool {
        self.now.is_some()
    }

    /// The time before which something is older than this; zero is for ever.
    pub(super) fn since(self, age: Duration) -> Option<Timestamp> {
        let ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let now = self.now.filter(|_| ms > 0)?;
        Some(Timestamp(now.0.saturating_sub(ms)))
    }

    /// The same for sessions, without those whose stamps are wrong.
    pub(super) fn old(self, age: Duration) -> Option<Old> {
        let before = self.since(age)?;
        Some(Old {
            before,
            but: self.wrong,
        })
    }
}

impl App {
    /// Looks at the clock before a go.
    pub(super) async fn reckon(&self) -> Result<Today> {
        let (now, looked) = (self.now(), Instant::now());
        let last = self.inner.tally.lock().looked;
        let passed = last.map_or(0, |last| looked.duration_since(last).as_millis());
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let (reckoning, believed) = self
            .store()
            .write(move |conn| {
                let noted = meta::get(conn, KEY)?;
                let noted = noted.and_then(|text| serde_json::from_str::<Reckoning>(&text).ok());
                let lived = meta::get(conn, meta::LAST_LIFE)?;
                let lived = lived.and_then(|text| text.parse().ok());
                let before = noted.unwrap_or(Reckoning {
                    good: lived.unwrap_or(now.0),
                    doubt: None,
                    wrong: None,
                });
                let (after, believed) = before.look(now.0, passed);
                let text = serde_json::to_string(&after).unwrap_or_default();
                meta::set(conn, KEY, &text)?;
                Ok((after, believed))
            })
            .await?;
        self.inner.tally.lock().looked = Some(looked);
        if !believed {
            tracing::warn!(
                now = now.rfc3339(),
                expected = Timestamp(reckoning.good).rfc3339(),
                "the clock is off by more than a day: nothing is removed by its age until it has \
                 stood for a day"
            );
        }
        Ok(Today {
            now: believed.then_some(now),
            wrong: reckoning
                .wrong
                .map(|(from, to)| (Timestamp(from), Timestamp(to))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 1_000 * DAY_MS;
    const START: Reckoning = Reckoning {
        good: NOW,
        doubt: None,
        wrong: None,
    };

    #[test]
    fn a_clock_that_goes_with_the_time_is_believed() {
        assert!(START.look(NOW + HOUR, HOUR).1);
        assert!(START.look(NOW + 8 * HOUR, 0).1, "the server was away");
        assert!(START.look(NOW - HOUR, HOUR).1);
        assert!(START.look(NOW + 300 * DAY_MS, 300 * DAY_MS).1);
    }

    #[test]
    fn a_clock_far_ahead_is_believed_when_it_has_stood_for_a_day() {
        let jumped = NOW + 91 * DAY_MS;
        let (mut now, mut state) = (jumped, START);
        for _hour in 0..24 {
            let believed;
            (state, believed) = state.look(now, HOUR);
            assert!(!believed, "{state:?}");
            now += HOUR;
        }
        assert!(state.look(now, HOUR).1);
        // Another jump meanwhile begins the day anew, and one back ends the doubt.
        assert!(!state.look(now + 9 * DAY_MS, HOUR).1);
        let (back, believed) = state.look(NOW + 24 * HOUR, HOUR);
        assert!(believed && back.doubt.is_none() && back.wrong.is_none());
    }

    #[test]
    fn what_a_clock_far_behind_wrote_is_left_alone() {
        let (state, believed) = START.look(5 * HOUR, HOUR);
        assert!(!believed);
        let (state, believed) = state.look(6 * HOUR, HOUR);
        assert!(!believed);
        assert_eq!(state.wrong, Some((3 * HOUR, 8 * HOUR)));
        let (state, believed) = state.look(NOW + 3 * HOUR, HOUR);
        assert!(believed);
        assert_eq!(state.wrong, Some((3 * HOUR, 8 * HOUR)));
    }

    #[test]
    fn without_a_clock_nothing_is_old() {
        assert_eq!(Today::UNKNOWN.since(Duration::from_secs(1)), None);
        let today = Today {
            now: Some(Timestamp(5_000)),
            wrong: None,
        };
        assert_eq!(today.since(Duration::ZERO), None);
        let since = today.since(Duration::from_secs(2));
        assert_eq!(since, Some(Timestamp(3_000)));
    }
}
