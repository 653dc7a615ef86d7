//! How far behind the journal is, and what it saw of the clock, for figures.
//!
//! Never asked by the journal itself.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What waits for a commit.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    events: AtomicUsize,
    oldest: Mutex<Option<Instant>>,
    last_commit_us: AtomicU64,
    jumped: Mutex<Option<Instant>>,
}

impl Backlog {
    /// Nothing waits: a new journal.
    pub(super) fn clear(&self) {
        self.events.store(0, Ordering::Relaxed);
        self.waits_since(None);
    }

    /// So many events came.
    pub(super) fn came(&self, events: usize) {
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    /// So many events wait no more.
    pub(super) fn went(&self, events: usize) {
        self.events.fetch_sub(events, Ordering::Relaxed);
    }

    /// Since when the oldest batch waits.
    pub(super) fn waits_since(&self, at: Option<Instant>) {
        *self.oldest.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// A commit took so long.
    pub(super) fn committed(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.last_commit_us.store(us, Ordering::Relaxed);
    }

    /// The wall clock jumped: who watches it is the journal, too.
    pub(super) fn jumped(&self) {
        *self.jumped.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn since_jump(&self) -> Option<Duration> {
        let jumped = *self.jumped.lock().unwrap_or_else(PoisonError::into_inner);
        jumped.map(|at| at.elapsed())
    }

    pub(super) fn events(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    pub(super) fn age(&self) -> Duration {
        let oldest = *self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.map(|at| at.elapsed()).unwrap_or_default()
    }

    pub(super) fn last_commit(&self) -> Duration {
        Duration::from_micros(self.last_commit_us.load(Ordering::Relaxed))
    }
}
