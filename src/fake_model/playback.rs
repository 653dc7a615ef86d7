//! An answer as bytes in time: pieces with pauses before them, and how the stream ends.
//!
//! Never ends a stream in order that was to be cut: the client sees a connection that broke.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use thiserror::Error;
use tokio::time::{Instant, sleep, sleep_until};

/// So long what was sent before a cut may take to leave.
const LAST_BYTES: Duration = Duration::from_millis(50);
/// Between two signs of life.
const BETWEEN_PINGS: Duration = Duration::from_secs(1);

/// Some bytes and the pause before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The pause.
    pub after: Duration,
    /// The bytes.
    pub bytes: Bytes,
}

/// How a stream ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// In order.
    Whole,
    /// The connection is cut.
    Cut,
    /// Nothing comes for this time but, where given, this each second; then it is cut.
    Silence(Duration, Option<Bytes>),
}

/// The connection is to be cut.
#[derive(Debug, Error)]
#[error("the scenario cuts the connection")]
pub struct Cut;

/// The body of an answer.
pub fn body(beats: Vec<Beat>, end: End) -> impl Stream<Item = Result<Bytes, Cut>> {
    unfold(Some(Played::new(beats, end)), |played| async move {
        let mut played = played?;
        match played.next().await {
            Some(Ok(bytes)) => Some((Ok(bytes), Some(played))),
            Some(Err(cut)) => Some((Err(cut), None)),
            None => None,
        }
    })
}

struct Played {
    beats: VecDeque<Beat>,
    end: End,
    /// When a silence ends; set when it begins.
    until: Option<Instant>,
}

impl Played {
    fn new(beats: Vec<Beat>, end: End) -> Self {
        Self {
            beats: beats.into(),
            end,
            until: None,
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        if let Some(beat) = self.beats.pop_front() {
            if !beat.after.is_zero() {
                sleep(beat.after).await;
            }
            return Some(Ok(beat.bytes));
        }
        match &self.end {
            End::Whole => None,
            End::Cut => {
                sleep(LAST_BYTES).await;
                Some(Err(Cut))
            }
            End::Silence(lasts, ping) => {
                let now = Instant::now();
                let until = *self.until.get_or_insert_with(|| later(now, *lasts));
                let next = later(now, BETWEEN_PINGS);
                match ping {
                    Some(ping) if next < until => {
                        sleep_until(next).await;
                        Some(Ok(ping.clone()))
                    }
                    Some(_) | None => {
                        sleep_until(until).await;
                        Some(Err(Cut))
                    }
                }
            }
        }
    }
}

fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}
