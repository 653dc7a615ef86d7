//! What a machine does: readings of its counters, and the figures that follow from two of them.
//!
//! Never a figure that the machine does not give: what is not there stays absent.

use std::time::Duration;

use super::{Space, Timestamp};

/// Processor time since the machine began, in its own ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticks {
    /// At work.
    pub busy: u64,
    /// In all.
    pub all: u64,
}

/// Processors: all together, and each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Processors {
    /// Together.
    pub whole: Ticks,
    /// Each, by its number.
    pub cores: Vec<Ticks>,
}

/// Processes that wanted to run, on the average of 1, 5 and 15 minutes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Of the last minute.
    pub one: f64,
    /// Of five.
    pub five: f64,
    /// Of fifteen.
    pub fifteen: f64,
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Not to be had any more.
    pub used: u64,
    /// In all.
    pub total: u64,
}

/// Bytes that went over the networks, without the loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

/// One look at the machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// Processor time.
    pub processors: Option<Processors>,
    /// Load.
    pub load: Option<Load>,
    /// Memory.
    pub memory: Option<Memory>,
    /// Bytes that the server's own process has in memory.
    pub server: Option<u64>,
    /// The disk of the data directory.
    pub disk: Option<Space>,
    /// The networks.
    pub traffic: Option<Traffic>,
}

/// How much the processors worked between two looks, in percent.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// All together.
    pub percent: f64,
    /// Each.
    pub cores: Vec<f64>,
}

/// What a machine does, from two looks at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// When the second one was.
    pub at: Timestamp,
    /// The work of the processors between them.
    pub work: Option<Work>,
    /// Bytes in a second between them.
    pub rate: Option<Traffic>,
    /// The second one.
    pub now: Reading,
}

impl Machine {
    /// What lies between two looks that are so far apart.
    #[must_use]
    pub fn between(before: &Reading, now: Reading, (passed, at): (Duration, Timestamp)) -> Self {
        let processors = before.processors.as_ref().zip(now.processors.as_ref());
        let traffic = before.traffic.zip(now.traffic);
        Self {
            at,
            work: processors.and_then(|(before, now)| work(before, now)),
            rate: traffic.and_then(|(before, now)| rate(before, now, passed)),
            now,
        }
    }
}

fn work(before: &Processors, now: &Processors) -> Option<Work> {
    let cores = before.cores.iter().zip(&now.cores);
    Some(Work {
        percent: busy(before.whole, now.whole)?,
        cores: cores
            .map(|(before, now)| busy(*before, *now).unwrap_or(0.0))
            .collect(),
    })
}

/// Counters of idle time may go back a little; what cannot be is no figure.
fn busy(before: Ticks, now: Ticks) -> Option<f64> {
    let all = now.all.checked_sub(before.all)?;
    percent(now.busy.saturating_sub(before.busy).min(all), all)
}

fn rate(before: Traffic, now: Traffic, passed: Duration) -> Option<Traffic> {
    let ms = u64::try_from(passed.as_millis())
        .ok()
        .filter(|ms| *ms > 0)?;
    // An interface that went takes its counts along.
    let a_second = |before: u64, now: u64| now.saturating_sub(before).saturating_mul(1_000) / ms;
    Some(Traffic {
        received: a_second(before.received, now.received),
        sent: a_second(before.sent, now.sent),
    })
}

/// A share in percent with one digit behind the point; none of nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    let tenths = part.saturating_mul(1_000).checked_div(whole)?;
    let tenths = u32::try_from(tenths).unwrap_or(u32::MAX);
    Some(f64::from(tenths) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(busy: u64, all: u64, received: u64) -> Reading {
        let ticks = Ticks { busy, all };
        Reading {
            processors: Some(Processors {
                whole: ticks,
                cores: vec![ticks, Ticks { busy: 0, all }],
            }),
            traffic: Some(Traffic { received, sent: 7 }),
            ..Reading::default()
        }
    }

    #[test]
    fn figures_are_what_happened_between_two_looks() {
        let (before, now) = (reading(100, 1_000, 5_000), reading(150, 1_200, 6_000));
        let passed = (Duration::from_millis(500), Timestamp(3));
        let machine = Machine::between(&before, now, passed);
        let work = machine.work.unwrap();
        assert_eq!((work.percent, work.cores), (25.0, vec![25.0, 0.0]));
        let rate = machine.rate.unwrap();
        assert_eq!((rate.received, rate.sent), (2_000, 0));
    }

    #[test]
    fn what_cannot_be_is_no_figure() {
        let at = (Duration::ZERO, Timestamp(0));
        let same = Machine::between(&reading(1, 2, 9), reading(1, 2, 3), at);
        assert_eq!((same.work, same.rate), (None, None));
        let none = Machine::between(&Reading::default(), reading(1, 2, 3), at);
        assert_eq!((none.work, none.rate), (None, None));
        assert_eq!((percent(1, 0), percent(1, 3)), (None, Some(33.3)));
    }
}
