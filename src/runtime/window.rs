//! The ring of an agent that is awake, for pollers: read in place, without a message and without a row.
//!
//! Never written but by the feed that made it, and never shown once its session is being deleted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::domain::{After, UserId};

use super::context::Readers;
use super::facade::{Page, Poll};
use super::feed::{Look, Read};
use super::published::Published;
use super::reading::removed;
use super::ring::Ring;
use super::rings::Rings;

/// The oldest number is not known.
const UNKNOWN: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    /// Whose agent it is.
    pub(super) owner: UserId,
    ring: RwLock<Ring>,
    /// Those of all agents.
    rings: Arc<Rings>,
    /// Its last use among theirs.
    used: AtomicU64,
    /// Whether its agent has a process.
    live: AtomicBool,
    readers: Arc<Readers>,
    /// The oldest stored number and the retention that it was read after.
    oldest: AtomicU64,
    retained: AtomicU64,
}

impl Window {
    pub(super) fn new(
        owner: UserId,
        ring: Ring,
        readers: Arc<Readers>,
        rings: &Arc<Rings>,
    ) -> Arc<Self> {
        rings.changed(0, ring.bytes());
        let window = Arc::new(Self {
            owner,
            ring: RwLock::new(ring),
            used: AtomicU64::new(rings.next_use()),
            rings: Arc::clone(rings),
            live: AtomicBool::new(false),
            readers,
            oldest: AtomicU64::new(UNKNOWN),
            retained: AtomicU64::new(0),
        });
        rings.join(&window);
        rings.relieve();
        window
    }

    /// The ring, to look into.
    pub(super) fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds committed events.
    pub(super) fn push(&self, events: &[Arc<Published>]) {
        self.is_used();
        self.change(|ring| {
            for event in events {
                ring.push(Arc::clone(event));
            }
        });
        self.rings.relieve();
    }

    /// Lets go of what the ring holds: the rows have it.
    pub(super) fn empty(&self) {
        self.change(Ring::empty);
    }

    /// Notes whether its agent has a process.
    pub(super) fn lives(&self, live: bool) {
        self.live.store(live, Ordering::Release);
    }

    /// How much it is needed: those of less give way first.
    pub(super) fn rank(&self) -> (bool, u64) {
        let live = self.live.load(Ordering::Acquire);
        (live, self.used.load(Ordering::Acquire))
    }

    fn is_used(&self) {
        self.used.store(self.rings.next_use(), Ordering::Release);
    }

    fn change(&self, change: impl FnOnce(&mut Ring)) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let before = ring.bytes();
        change(&mut ring);
        self.rings.changed(before, ring.bytes());
    }

    /// The oldest stored number, when it was noted after that many retentions; 0 without events.
    pub(super) fn oldest(&self, retained: u64) -> Option<u64> {
        let known = self.oldest.load(Ordering::Acquire);
        let noted = self.retained.load(Ordering::Acquire);
        if known == UNKNOWN || noted != retained {
            return None;
        }
        // The first event of all came after the look.
        Some(if known == 0 {
            self.ring().latest().min(1)
        } else {
            known
        })
    }

    /// Notes the oldest stored number as it was read after that many retentions.
    pub(super) fn note_oldest(&self, oldest: u64, retained: u64) {
        self.oldest.store(UNKNOWN, Ordering::Release);
        self.retained.store(retained, Ordering::Release);
        self.oldest.store(oldest, Ordering::Release);
    }

    /// What the ring has for a reader; a cursor beyond its end is left to the feed.
    pub(super) fn look(&self, read: &Read) -> Look {
        self.readers.touch();
        self.is_used();
        let ring = self.ring();
        let latest = ring.latest();
        if read.after.is_none() && ring.is_short() {
            return Look::Behind { latest };
        }
        let after = read.after.unwrap_or(ring.oldest().saturating_sub(1));
        if after > latest {
            return Look::Ahead { latest };
        }
        let Some(held) = ring.after(after) else {
            return Look::Behind { latest };
        };
        let mut events = Vec::new();
        let mut next = after;
        for event in held {
            if events.len() == read.limit {
                break;
            }
            next = event.event.seq;
            let kinds = read.kinds.as_ref();
            if kinds.is_none_or(|kinds| kinds.contains(&event.event.kind)) {
                events.push(Arc::clone(event));
            }
        }
        Look::Ring {
            events,
            next,
            latest,
        }
    }

    /// A page at once; `None` where that needs the feed, a row, or a wait.
    pub(super) fn page(&self, poll: &Poll, retained: u64) -> Option<Page> {
        let after = match poll.after {
            After::Seq(seq) => Some(seq),
            After::Oldest => None,
            After::Latest => return None,
        };
        if self.readers.closed() {
            return None;
        }
        let oldest = self.oldest(retained)?;
        let read = Read {
            after,
            limit: poll.limit,
            kinds: poll.kinds.clone(),
        };
        let Look::Ring {
            events,
            next,
            latest,
        } = self.look(&read)
        else {
            return None;
        };
        if removed(after, &events, (oldest, latest)) {
            // The rows tell of the gap.
            return None;
        }
        let waits = !poll.wait.is_zero() && events.is_empty() && next >= latest;
        (!waits).then_some(Page {
            live: true,
            events,
            next,
            more: next < latest,
            oldest,
            latest,
            gap: None,
        })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::domain::{Event, EventKind, SessionId, Timestamp};

    fn held(seq: u64) -> Arc<Published> {
        let agent = SessionId::generate();
        let event = Event {
            seq,
            pos: seq,
            agent,
            group: agent,
            kind: EventKind::Status,
            at: Timestamp(0),
            data: "{}".into(),
        };
        Published::new(event, UserId::generate())
    }

    #[test]
    fn what_retention_removed_is_not_shown_from_the_ring() {
        let ring = Ring::refill(5, vec![held(3), held(4), held(5)]);
        let rings = Arc::new(Rings::of(1_000));
        let window = Window::new(UserId::generate(), ring, Readers::new(), &rings);
        let poll = |after| Poll {
            after: After::Seq(after),
            limit: 10,
            bytes: usize::MAX,
            kinds: None,
            wait: Duration::ZERO,
        };
        window.note_oldest(3, 0);
        assert!(window.page(&poll(2), 0).is_some());
        window.note_oldest(5, 1);
        assert!(window.page(&poll(2), 1).is_none(), "the gap is not told");
        assert!(window.page(&poll(4), 1).is_some());
    }

    /// The size of each event here.
    fn size() -> usize {
        held(1).weight()
    }

    fn window(rings: &Arc<Rings>, live: bool) -> Arc<Window> {
        let ring = Ring::default();
        let window = Window::new(UserId::generate(), ring, Readers::new(), rings);
        window.lives(live);
        window
    }

    fn seqs(window: &Window) -> Vec<u64> {
        let ring = window.ring();
        let held = ring.after(ring.oldest() - 1).unwrap();
        held.map(|event| event.event.seq).collect()
    }

    #[test]
    fn all_rings_keep_to_one_bound_and_ended_agents_give_way_first() {
        let rings = Arc::new(Rings::of(8 * size()));
        let live = window(&rings, true);
        let [old, read] = [window(&rings, false), window(&rings, false)];
        for one in [&live, &old, &read] {
            one.push(&[held(1), held(2)]);
        }
        assert_eq!(rings.bytes(), 6 * size());
        let look = Read {
            after: Some(1),
            limit: 9,
            kinds: None,
        };
        // Read in between, this one was used after the other.
        old.push(&[held(3)]);
        read.look(&look);
        read.push(&[held(3)]);
        assert_eq!(rings.bytes(), 8 * size());
        let new = window(&rings, false);
        new.push(&[held(1)]);
        assert_eq!((seqs(&old), seqs(&read)), (vec![], vec![1, 2, 3]));
        assert_eq!((seqs(&live), seqs(&new)), (vec![1, 2], vec![1]));
        assert_eq!(rings.bytes(), 6 * size());
        // What it let go of is in the rows, and it goes on.
        assert!(matches!(old.look(&look), Look::Behind { latest: 3 }));
        let whole = Read {
            after: None,
            limit: 9,
            kinds: None,
        };
        assert!(matches!(old.look(&whole), Look::Behind { latest: 3 }));
        old.push(&[held(4)]);
        assert_eq!(seqs(&old), [4]);

        // Those of live agents give way when nothing else is left.
        drop((read, new, old));
        assert_eq!(rings.bytes(), 2 * size());
        let other = window(&rings, true);
        other.push(&(1..=7).map(held).collect::<Vec<_>>());
        assert_eq!((seqs(&live).len(), seqs(&other).len()), (0, 7));
        drop((live, other));
        assert_eq!(rings.bytes(), 0);
    }
}
