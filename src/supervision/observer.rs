//! The supervisor's log: one record per decision, handed to whoever observes.
//! Never decides anything and never waits.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::Exit;

/// What happened or was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A generation is up.
    ChildStarted,
    /// A generation has ended.
    ChildDown,
    /// A generation did not come up; its generation number is spent.
    StartFailed,
    /// A restart will happen after `delay`. For a group its path is the child that caused it.
    RestartIn,
    /// One restart too many: the supervisor ends its children, then itself.
    IntensityReached,
    /// The supervisor begins to end its children, for `reason`.
    Shutdown,
    /// A child with a brutal shutdown was given up at once.
    Killed,
    /// A child did not end within its grace and was given up.
    Abandoned,
    /// The supervisor ended in order.
    Ended,
    /// The supervisor ended with `Failed`; its own supervisor decides now.
    GaveUp,
    /// The supervisor lost its own supervisor, let its children go and ended.
    Detached,
}

impl Event {
    /// The name in logs and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ChildStarted => "child_started",
            Self::ChildDown => "child_down",
            Self::StartFailed => "start_failed",
            Self::RestartIn => "restart_in",
            Self::IntensityReached => "intensity_reached",
            Self::Shutdown => "shutdown",
            Self::Killed => "killed",
            Self::Abandoned => "abandoned",
            Self::Ended => "ended",
            Self::GaveUp => "gave_up",
            Self::Detached => "detached",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One line of the supervisor's log. The observer adds the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The child or supervisor it is about: `root/sessions/ab12cd34/feed`.
    pub path: String,
    /// The generation it is about, from 1.
    pub generation: u64,
    /// What happened.
    pub event: Event,
    /// How a child or supervisor ended.
    pub exit: Option<Exit>,
    /// Why, in words: the panic text, the error of a failed start, the cause of a shutdown.
    pub reason: Option<String>,
    /// How long the child was up.
    pub lifetime: Option<Duration>,
    /// Wait before the restart; for `Abandoned` the grace that was not enough.
    pub delay: Option<Duration>,
    /// `(restarts in the period, granted at most)`.
    pub count: Option<(u32, u32)>,
}

impl Record {
    pub(super) fn new(path: String, generation: u64, event: Event) -> Self {
        Self {
            path,
            generation,
            event,
            exit: None,
            reason: None,
            lifetime: None,
            delay: None,
            count: None,
        }
    }
}

/// Told of every decision, on the supervisor's thread: it must neither block nor panic (a panic
/// here is a crash of the supervisor).
pub trait Observer: Send + Sync {
    /// Takes note.
    fn record(&self, record: &Record);
}

/// Writes each record as one `tracing` line, warnings for what an operator should see.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogObserver;

impl Observer for LogObserver {
    fn record(&self, record: &Record) {
        let Record {
            path,
            generation,
            event,
            exit,
            reason,
            lifetime,
            delay,
            count,
        } = record;
        let exit = exit.as_ref().map(tracing::field::display);
        let reason = reason.as_deref();
        let lifetime_ms = lifetime.map(whole_millis);
        let delay_ms = delay.map(whole_millis);
        let restarts = count.map(|(restarts, _)| restarts);
        let intensity = count.map(|(_, intensity)| intensity);
        let event = event.name();
        if is_trouble(record) {
            tracing::warn!(
                path,
                generation,
                event,
                exit,
                reason,
                lifetime_ms,
                delay_ms,
                restarts,
                intensity
            );
        } else {
            tracing::info!(
                path,
                generation,
                event,
                exit,
                reason,
                lifetime_ms,
                delay_ms,
                restarts,
                intensity
            );
        }
    }
}

/// As u64: a wider number would be a string in a JSON line.
fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn is_trouble(record: &Record) -> bool {
    match record.event {
        Event::StartFailed
        | Event::IntensityReached
        | Event::Abandoned
        | Event::GaveUp
        | Event::Detached => true,
        Event::ChildDown => record.exit.as_ref().is_some_and(|exit| !exit.is_orderly()),
        Event::ChildStarted | Event::RestartIn | Event::Shutdown | Event::Killed | Event::Ended => {
            false
        }
    }
}

#[cfg(test)]
#[path = "tests/observer.rs"]
mod tests;
