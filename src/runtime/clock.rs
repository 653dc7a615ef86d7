//! Wall-clock time for rows and events.
//!
//! Never used to measure a duration: that is tokio's clock, which tests can pause.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// The time now.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
