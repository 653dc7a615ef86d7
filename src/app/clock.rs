//! The wall clock, in one place so that a test can set it.
//!
//! Never used to measure durations: those take the runtime's monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// A source of the time of day.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that shows what the cell holds, in milliseconds.
    #[must_use]
    pub fn set_to(cell: Arc<AtomicI64>) -> Self {
        Self(Some(cell))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        if let Some(cell) = &self.0 {
            return Timestamp(cell.load(Ordering::Relaxed));
        }
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            .plus_ms(crate::crash::wall_offset_ms())
    }
}
