//! Time and pauses of the client, which blocks and owns its thread.
//!
//! Never used by the server: its time is tokio's.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Now, for deadlines.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the client has no runtime whose clock could be paused"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Blocks for so long.
#[expect(clippy::disallowed_methods, reason = "the client owns its thread")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The time so long from now, RFC 3339; `None` when it is beyond what can be written.
#[must_use]
pub fn from_now(span: Duration) -> Option<String> {
    let span = time::Duration::try_from(span).ok()?;
    let at = OffsetDateTime::now_utc().checked_add(span)?;
    at.format(&Rfc3339).ok()
}

/// Age of an RFC 3339 time in words of two units at most: `42s`, `3m12s`, `2h05m`, `4d03h`.
#[must_use]
pub fn age(since: &str) -> String {
    match OffsetDateTime::parse(since, &Rfc3339) {
        Ok(since) => {
            let seconds = (OffsetDateTime::now_utc() - since).whole_seconds();
            span(u64::try_from(seconds).unwrap_or(0))
        }
        Err(_) => String::from("-"),
    }
}

/// So many seconds in words.
#[must_use]
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, words) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3_599, "59m59s"),
            (7_500, "2h05m"),
            (90_061, "1d01h"),
        ] {
            assert_eq!(span(seconds), words);
        }
        assert_eq!(age("yesterday"), "-");
        assert!(age("2000-01-01T00:00:00.000Z").contains('d'));
    }
}
