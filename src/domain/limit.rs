//! Hard stops of a session: which there are, and which one its facts have reached.
//!
//! Never knows where a limit was set, by the session's maker or in the settings.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::options::SessionLimits;
use super::status::Facts;

/// A hard stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// What its turns cost together.
    Spend,
    /// How many turns it may have.
    Turns,
    /// How long its turns take together.
    BusyTime,
}

impl LimitKind {
    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spend => "spend",
            Self::Turns => "turns",
            Self::BusyTime => "busy_time",
        }
    }

    /// The refusal of work for a session that has reached it.
    #[must_use]
    pub fn refusal(self) -> Error {
        let what = match self {
            Self::Spend => "what it may spend",
            Self::Turns => "its number of turns",
            Self::BusyTime => "the time that its turns may take",
        };
        let message = format!(
            "the session has used up {what} (limit `{}`); it takes no more work",
            self.name()
        );
        Error::conflict("limit_reached", message)
    }
}

impl SessionLimits {
    /// These limits, and those of `rest` where there is none.
    #[must_use]
    pub fn or(self, rest: Self) -> Self {
        Self {
            spend_micro_usd: self.spend_micro_usd.or(rest.spend_micro_usd),
            turns: self.turns.or(rest.turns),
            busy_ms: self.busy_ms.or(rest.busy_ms),
            turn_ms: self.turn_ms.or(rest.turn_ms),
        }
    }

    /// The first hard stop that the ended turns have reached.
    #[must_use]
    pub fn reached(&self, facts: &Facts) -> Option<LimitKind> {
        [
            (
                LimitKind::Spend,
                self.spend_micro_usd,
                facts.spent_micro_usd,
            ),
            (LimitKind::Turns, self.turns, facts.turns),
            (LimitKind::BusyTime, self.busy_ms, facts.busy_ms),
        ]
        .into_iter()
        .find(|(_, most, used)| most.is_some_and(|most| *used >= most))
        .map(|(kind, _, _)| kind)
    }
}

/// Millionths of a US dollar, rounded up so that no cost is lost; what is no amount is nothing.
#[must_use]
pub fn micro_usd(usd: f64) -> u64 {
    let millionths = (usd * 1e6 - 1e-3).ceil();
    if !millionths.is_finite() || millionths <= 0.0 {
        return 0;
    }
    // A cast would be the only other way, and it is not to be had.
    format!("{millionths:.0}").parse().unwrap_or(u64::MAX)
}

/// An amount in US dollars, for JSON.
#[must_use]
pub fn usd(micro: u64) -> f64 {
    let (whole, part) = (micro / 1_000_000, micro % 1_000_000);
    format!("{whole}.{part:06}").parse().unwrap_or(f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_counted_in_millionths() {
        for (amount, counted) in [
            (0.0, 0),
            (-3.0, 0),
            (f64::NAN, 0),
            (0.000_000_4, 1),
            (0.01, 10_000),
            (0.3, 300_000),
            (1.234_567_8, 1_234_568),
            (1e300, u64::MAX),
        ] {
            assert_eq!(micro_usd(amount), counted, "{amount}");
        }
        assert!((usd(1_250_000) - 1.25).abs() < 1e-9);
        assert!((usd(7) - 0.000_007).abs() < 1e-12);
    }

    #[test]
    fn a_limit_is_reached_at_its_number() {
        let limits = SessionLimits {
            spend_micro_usd: Some(100),
            turns: Some(2),
            busy_ms: Some(1_000),
            turn_ms: Some(5),
        };
        let facts = |spent, turns, busy| Facts {
            spent_micro_usd: spent,
            turns,
            busy_ms: busy,
            ..Facts::default()
        };
        assert_eq!(limits.reached(&facts(99, 1, 999)), None);
        assert_eq!(limits.reached(&facts(100, 1, 999)), Some(LimitKind::Spend));
        assert_eq!(limits.reached(&facts(99, 2, 999)), Some(LimitKind::Turns));
        assert_eq!(
            limits.reached(&facts(99, 1, 1_000)),
            Some(LimitKind::BusyTime)
        );
        assert_eq!(SessionLimits::default().reached(&facts(1, 1, 1)), None);
    }

    #[test]
    fn what_a_session_says_wins_over_the_settings() {
        let own = SessionLimits {
            turns: Some(1),
            ..SessionLimits::default()
        };
        let settings = SessionLimits {
            turns: Some(9),
            busy_ms: Some(7),
            ..SessionLimits::default()
        };
        let both = own.or(settings);
        assert_eq!((both.turns, both.busy_ms), (Some(1), Some(7)));
    }
}
