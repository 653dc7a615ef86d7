//! The rings of all agents that are awake, together: what gives way when they take too much.
//!
//! Never takes away what is nowhere else: rows have what a ring let go of, and readers page on there.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::window::Window;

/// Most bytes of all rings (decisions.md 4).
const MOST: usize = 256 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Rings {
    most: usize,
    bytes: AtomicUsize,
    /// Counts the uses of rings, so that the one that was not used for longest is known.
    uses: AtomicU64,
    all: Mutex<Vec<Weak<Window>>>,
}

impl Default for Rings {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Rings {
    /// With a bound of its own.
    pub(super) fn of(most: usize) -> Self {
        Self {
            most,
            bytes: AtomicUsize::new(0),
            uses: AtomicU64::new(0),
            all: Mutex::default(),
        }
    }

    /// The bytes of all of them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// One more. Those that are gone are forgotten.
    pub(super) fn join(&self, window: &Arc<Window>) {
        let mut all = self.all();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(window));
    }

    /// The next use of a ring.
    pub(super) fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// A ring has another size now.
    pub(super) fn changed(&self, before: usize, now: usize) {
        match now.checked_sub(before) {
            Some(more) => self.bytes.fetch_add(more, Ordering::AcqRel),
            None => self.bytes.fetch_sub(before - now, Ordering::AcqRel),
        };
    }

    /// Empties rings until the rest fits, those of ended agents first, each kind in the order in which
    /// they were used. Leaves room for a while.
    pub(super) fn relieve(&self) {
        if self.bytes() <= self.most {
            return;
        }
        let all: Vec<Arc<Window>> = self.all().iter().filter_map(Weak::upgrade).collect();
        let mut all: Vec<_> = all.iter().map(|one| (one.rank(), one)).collect();
        all.sort_unstable_by_key(|(rank, _)| *rank);
        for (_, window) in all {
            if self.bytes() <= self.most / 8 * 7 {
                return;
            }
            window.empty();
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Window>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
