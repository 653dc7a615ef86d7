//! Reads an agent's events with a cursor, by long polls, over restarts of the server.
//!
//! Never gives an event twice, and never hides a hole: what is missing is a gap.

use std::time::Duration;

use serde_json::value::RawValue;

use super::client::{Client, Request};
use super::clock;
use super::failure::{Exit, Failure};
use super::out;
use super::wire::{Event, EventPage, Gap, cursor, epoch};

/// Longest pause between two tries to reach a server that went away.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// One event, read and as it came.
#[derive(Debug)]
pub struct Seen {
    /// As the client reads it.
    pub event: Event,
    /// Its JSON.
    pub raw: Box<RawValue>,
}

/// What one poll gave.
#[derive(Debug, Default)]
pub struct Batch {
    /// Numbers that are missing in front of the events.
    pub gap: Option<Gap>,
    /// The events in order.
    pub events: Vec<Seen>,
    /// Whether more wait already.
    pub more: bool,
}

/// Whether a lost server is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It is an error.
    None,
    /// It is waited for, and said once on stderr.
    Endless,
}

/// The reader of one agent's events.
#[derive(Debug)]
pub struct Follower<'a> {
    client: &'a Client,
    path: String,
    after: String,
    seen: u64,
    epoch: Option<String>,
    types: Option<String>,
    /// Polls that found no server, in a row.
    lost: u32,
    reached: bool,
}

impl<'a> Follower<'a> {
    /// Begins behind `after` (a number, or `latest`).
    #[must_use]
    pub fn new(client: &'a Client, agent: &str, after: &str) -> Self {
        Self {
            client,
            path: format!("/api/agents/{agent}/events"),
            after: after.to_owned(),
            seen: after.parse().unwrap_or(0),
            epoch: None,
            types: None,
            lost: 0,
            reached: false,
        }
    }

    /// Only these types, separated by commas.
    #[must_use]
    pub fn only(mut self, types: Option<String>) -> Self {
        self.types = types;
        self
    }

    /// The next events; waits up to `wait` (whole seconds) for a first one. With endless patience
    /// an unreachable server gives an empty batch after a pause, once it has been reached.
    ///
    /// # Errors
    /// What the server refuses; an unreachable one as the patience says.
    pub fn next(&mut self, wait: Duration, patience: Patience) -> Result<Batch, Failure> {
        match self.poll(wait) {
            Ok(batch) => {
                if self.lost > 0 {
                    out::note("callboard: the server is back");
                }
                self.lost = 0;
                self.reached = true;
                Ok(batch)
            }
            Err(failure)
                if failure.transient() && self.reached && patience == Patience::Endless =>
            {
                if self.lost == 0 {
                    out::note(&format!("callboard: {}; trying again", failure.what));
                }
                let pause = Duration::from_millis(100) * 2_u32.saturating_pow(self.lost.min(5));
                self.lost = self.lost.saturating_add(1);
                clock::pause(pause.min(MAX_PAUSE));
                Ok(Batch::default())
            }
            Err(failure) => Err(failure),
        }
    }

    fn poll(&mut self, wait: Duration) -> Result<Batch, Failure> {
        let mut request = Request::get(&self.path)
            .with("after", &self.after)
            .with("limit", 200)
            .with("wait", wait.as_secs().min(30))
            .waits(wait);
        if let Some(epoch) = &self.epoch {
            request = request.with("epoch", epoch);
        }
        if let Some(types) = &self.types {
            request = request.with("types", types);
        }
        match self.client.json::<EventPage>(&request) {
            Ok(page) => Ok(self.take(page)),
            Err(failure) if failure.code.as_deref() == Some("epoch_changed") => self.renew(failure),
            Err(failure) => Err(failure),
        }
    }

    fn take(&mut self, page: EventPage) -> Batch {
        self.epoch = epoch(&page.epoch).or(self.epoch.take());
        let mut events = Vec::with_capacity(page.events.len());
        for raw in page.events {
            let Ok(event) = serde_json::from_str::<Event>(raw.get()) else {
                continue;
            };
            if event.seq > self.seen {
                self.seen = event.seq;
                events.push(Seen { event, raw });
            }
        }
        if let Some(next) = cursor(&page.next_cursor) {
            self.seen = self.seen.max(next);
            self.after = self.seen.to_string();
        }
        Batch {
            gap: page.gap,
            events,
            more: page.has_more,
        }
    }

    /// The history that the cursor belongs to is lost (a restore from a backup), or the cursor is
    /// ahead of it. The first goes on with what is new, and says so.
    fn renew(&mut self, failure: Failure) -> Result<Batch, Failure> {
        let body = failure.body.clone().unwrap_or_default();
        let latest = body.get("latestSeq").and_then(serde_json::Value::as_u64);
        let now = body.get("epoch").and_then(epoch);
        let (Some(latest), true) = (latest, self.reached) else {
            return Err(
                Failure::new(Exit::Usage, format!("there is no event {} yet", self.after))
                    .because(
                        latest.map_or(failure.what, |latest| format!("the last one is {latest}")),
                    )
                    .mend("begin earlier, or with --after latest"),
            );
        };
        let gap = Gap {
            from: self.seen.saturating_add(1),
            to: latest,
            reason: Some(String::from("epoch_changed")),
        };
        self.epoch = now;
        self.seen = latest;
        self.after = latest.to_string();
        Ok(Batch {
            gap: Some(gap),
            ..Batch::default()
        })
    }
}

#[cfg(test)]
mod tests;
