//! The ring: the last committed events of one agent, by number.
//!
//! Never has a hole, and never holds more than its bounds.

use std::collections::VecDeque;
use std::sync::Arc;

use super::published::Published;

/// Most events in a ring (seed 002).
pub const RING_EVENTS: usize = 200;
/// Most bytes in a ring.
pub const RING_BYTES: usize = 1024 * 1024;

/// The last events of one agent.
#[derive(Debug, Default)]
pub struct Ring {
    events: VecDeque<Arc<Published>>,
    bytes: usize,
    latest: u64,
    /// The last number that it let go of, all at once.
    emptied: u64,
}

impl Ring {
    /// A ring that was filled up to `latest` before, now holding `tail` (ascending, ending there).
    #[must_use]
    pub fn refill(latest: u64, tail: Vec<Arc<Published>>) -> Self {
        let mut ring = Self {
            latest,
            ..Self::default()
        };
        for event in tail {
            ring.push(event);
        }
        ring
    }

    /// Adds the next event; the oldest go when a bound is passed.
    pub fn push(&mut self, event: Arc<Published>) {
        self.latest = event.event.seq;
        self.bytes = self.bytes.saturating_add(event.weight());
        self.events.push_back(event);
        while self.events.len() > RING_EVENTS || (self.bytes > RING_BYTES && self.events.len() > 1)
        {
            if let Some(gone) = self.events.pop_front() {
                self.bytes = self.bytes.saturating_sub(gone.weight());
            }
        }
    }

    /// Lets go of all that it holds; it goes on with the next event.
    pub fn empty(&mut self) {
        self.events = VecDeque::new();
        self.bytes = 0;
        self.emptied = self.latest;
    }

    /// Whether it would hold more, had it not been emptied.
    #[must_use]
    pub fn is_short(&self) -> bool {
        let whole = u64::try_from(RING_EVENTS).unwrap_or(u64::MAX);
        self.emptied > 0 && self.latest < self.emptied.saturating_add(whole)
    }

    /// What it holds, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Last committed seq; 0 before the first.
    #[must_use]
    pub fn latest(&self) -> u64 {
        self.latest
    }

    /// Oldest seq held; one above `latest` when empty.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.events
            .front()
            .map_or(self.latest.saturating_add(1), |event| event.event.seq)
    }

    /// The events after `seq`, or `None` when some of them are no longer held.
    #[must_use]
    pub fn after(&self, seq: u64) -> Option<impl Iterator<Item = &Arc<Published>>> {
        if seq.saturating_add(1) < self.oldest() {
            return None;
        }
        let skip = usize::try_from(seq.saturating_add(1).saturating_sub(self.oldest()))
            .unwrap_or(usize::MAX);
        Some(self.events.iter().skip(skip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, EventKind, SessionId, Timestamp, UserId};
    use proptest::prelude::*;

    fn event(seq: u64, bytes: usize) -> Arc<Published> {
        let agent = SessionId::generate();
        Published::new(
            Event {
                seq,
                pos: seq,
                agent,
                group: agent,
                kind: EventKind::AssistantMessage,
                at: Timestamp(0),
                data: format!("{{\"t\":\"{}\"}}", "x".repeat(bytes)),
            },
            UserId::generate(),
        )
    }

    #[test]
    fn an_empty_ring_after_a_restart_knows_what_it_does_not_hold() {
        let ring = Ring::refill(10, vec![]);
        assert!(ring.after(9).is_none());
        assert_eq!(ring.after(10).unwrap().count(), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(sizes in prop::collection::vec(0usize..60_000, 0..300), after in 0u64..310) {
            let mut ring = Ring::default();
            let mut list = vec![];
            for (n, size) in sizes.iter().enumerate() {
                let e = event(u64::try_from(n).unwrap() + 1, *size);
                list.push(e.clone());
                ring.push(e);
            }
            prop_assert!(ring.events.len() <= RING_EVENTS);
            prop_assert!(ring.bytes <= RING_BYTES || ring.events.len() == 1);
            prop_assert_eq!(ring.latest(), u64::try_from(list.len()).unwrap());
            let want: Vec<u64> = list.iter().map(|e| e.event.seq).filter(|s| *s > after).collect();
            match ring.after(after) {
                Some(got) => prop_assert_eq!(got.map(|e| e.event.seq).collect::<Vec<_>>(), want),
                None => prop_assert!(after + 1 < ring.oldest()),
            }
        }
    }
}
