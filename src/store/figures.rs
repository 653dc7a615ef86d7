//! How long questions wait for the database, and what it refuses: counted for operators.
//!
//! Never waits and never decides: who asks gets the same answer without it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::StoreError;

/// Upper bounds of the waits that are told apart, in milliseconds.
const BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 25, 100, 250, 1_000, 2_500, 5_000];

/// How many waits were how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// Waits up to each bound, all shorter ones among them.
    pub up_to: Vec<(Duration, u64)>,
    /// All of them.
    pub count: u64,
    /// How long they were together.
    pub sum: Duration,
}

/// Figures of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Waits for the writer, with the lock of the file.
    pub writer: Spread,
    /// Waits for a reader.
    pub readers: Spread,
    /// Failures by their stable code; answers such as "not found" are none.
    pub errors: BTreeMap<&'static str, u64>,
    /// The code of the last write's failure, `write_hangs` while one does not end; `None` when it was
    /// kept.
    pub writes_fail: Option<&'static str>,
}

/// Waits of one kind.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// By the bound that they stay below; the longest are in the sum alone.
    below: [AtomicU64; BOUNDS_MS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Waits {
    pub(super) fn note(&self, wait: Duration) {
        let us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let bound = BOUNDS_MS
            .iter()
            .position(|ms| us <= ms.saturating_mul(1_000));
        if let Some(below) = bound.and_then(|at| self.below.get(at)) {
            below.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    fn spread(&self) -> Spread {
        let mut so_far = 0_u64;
        let up_to = BOUNDS_MS.iter().zip(&self.below).map(|(ms, below)| {
            so_far = so_far.saturating_add(below.load(Ordering::Relaxed));
            (Duration::from_millis(*ms), so_far)
        });
        let up_to: Vec<_> = up_to.collect();
        Spread {
            up_to,
            // Counted while it is read: never less than its parts.
            count: self.count.load(Ordering::Relaxed).max(so_far),
            sum: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)),
        }
    }
}

/// The counters of one store.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) writer: Waits,
    pub(super) readers: Waits,
    errors: Mutex<BTreeMap<&'static str, u64>>,
    writes_fail: Mutex<Option<&'static str>>,
}

impl Counters {
    /// Takes note of how a read came out.
    pub(super) fn read<T>(&self, result: &Result<T, StoreError>) {
        if let Err(error) = result {
            self.count(error);
        }
    }

    /// Takes note of how a write came out, and how long it took when it found no lock.
    pub(super) fn wrote<T>(&self, result: &Result<T, StoreError>, took: Duration) {
        let Err(error) = result else {
            *lock(&self.writes_fail) = None;
            return;
        };
        self.count(error);
        if matches!(error, StoreError::Busy) {
            self.writer.note(took);
        }
        if is_trouble(error) {
            *lock(&self.writes_fail) = Some(error.code());
        } else if is_answer(error) {
            *lock(&self.writes_fail) = None;
        }
    }

    fn count(&self, error: &StoreError) {
        if !is_answer(error) {
            let mut errors = lock(&self.errors);
            let count = errors.entry(error.code()).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            writer: self.writer.spread(),
            readers: self.readers.spread(),
            errors: lock(&self.errors).clone(),
            writes_fail: *lock(&self.writes_fail),
        }
    }
}

/// Whether the database did its part, and a closure refused.
fn is_answer(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Domain(_) | StoreError::NotFound | StoreError::Conflict(_)
    )
}

/// Whether the next write may meet the same.
fn is_trouble(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Busy
            | StoreError::Unreachable
            | StoreError::Full
            | StoreError::Gone
            | StoreError::Other(_)
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_counted_below_their_bounds() {
        let waits = Waits::default();
        for ms in [0, 1, 3, 5_000, 60_000] {
            waits.note(Duration::from_millis(ms));
        }
        let spread = waits.spread();
        let up_to: Vec<u64> = spread.up_to.iter().map(|(_, count)| *count).collect();
        assert_eq!(up_to, [2, 2, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!(spread.count, 5);
        assert_eq!(spread.sum, Duration::from_millis(65_004));
    }

    #[test]
    fn failures_are_counted_and_answers_are_not() {
        let counters = Counters::default();
        let took = Duration::from_secs(5);
        counters.wrote::<()>(&Err(StoreError::Busy), took);
        counters.wrote::<()>(&Err(StoreError::Busy), took);
        let busy = counters.figures();
        assert_eq!(busy.errors["database_busy"], 2);
        assert_eq!(busy.writes_fail, Some("database_busy"));
        assert_eq!(busy.writer.count, 2);
        counters.wrote::<()>(&Err(StoreError::NotFound), took);
        let after = counters.figures();
        assert_eq!(after.errors.len(), 1);
        assert_eq!(after.writes_fail, None);
        counters.wrote::<()>(&Err(StoreError::Full), took);
        counters.wrote(&Ok(()), took);
        assert_eq!(counters.figures().writes_fail, None);
    }
}
