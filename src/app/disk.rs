//! The disk guard: little room is told, and before there is none new work is refused.
//!
//! Never refuses a read, a stop or a deletion, and never ends what runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{App, Service};
use crate::config::{Disk, Room};
use crate::domain::{Error, Result, Space};

/// Seconds until a refused client may try again.
const RETRY_AFTER: u32 = 30;

/// How the disk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum DiskState {
    /// There is room.
    #[default]
    Free,
    /// There is little.
    Low,
    /// New work is refused.
    Full,
}

impl DiskState {
    /// The shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "ok",
            Self::Low => "low",
            Self::Full => "full",
        }
    }

    /// From what is free now, and how it stood: a state is left only when there is a twentieth
    /// more than its bound, so that it does not change with every file.
    fn next(self, space: Space, settings: &Disk) -> Self {
        let below = |room: Room, state: Self| {
            let bound = room.of(space.total);
            let margin = if self >= state { bound / 20 } else { 0 };
            bound > 0 && space.free < bound.saturating_add(margin)
        };
        if below(settings.refuse_free, Self::Full) {
            Self::Full
        } else if below(settings.warn_free, Self::Low) {
            Self::Low
        } else {
            Self::Free
        }
    }

    fn words(self) -> Option<&'static str> {
        match self {
            Self::Free => None,
            Self::Low => Some("the disk is nearly full"),
            Self::Full => Some("the disk is full: new work is refused"),
        }
    }
}

/// What the last look found at each place, by its name.
#[derive(Default)]
pub(super) struct Guard {
    seen: Mutex<Vec<Seen>>,
    /// Somebody wants the house tidied now.
    tidy: Notify,
}

/// One place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    place: &'static str,
    state: DiskState,
    space: Space,
}

/// The place that stands worst; of several the one with the least room.
fn worst(seen: &[Seen]) -> Option<Seen> {
    let rank = |seen: &&Seen| (seen.state, std::cmp::Reverse(seen.space.free));
    seen.iter().max_by_key(rank).copied()
}

/// What is known after a look. A place that could not be looked at is as it was.
fn looked(before: &[Seen], spaces: &[(&'static str, Space)], settings: &Disk) -> Vec<Seen> {
    let last = |place| before.iter().find(|seen| seen.place == place).copied();
    let mut after: Vec<Seen> = before.to_vec();
    after.retain(|seen| spaces.iter().all(|(place, _)| *place != seen.place));
    after.extend(spaces.iter().map(|(place, space)| {
        let stood = last(*place).map_or(DiskState::Free, |seen| seen.state);
        Seen {
            place,
            state: stood.next(*space, settings),
            space: *space,
        }
    }));
    after
}

impl Guard {
    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Takes what a look at the disks found, by the names of the places; the worst of them counts.
    pub fn look_at_disks(&self, spaces: Vec<(&'static str, Space)>) {
        let settings = self.config().disk;
        let (before, now) = {
            let mut seen = self.inner.disk.lock();
            let before = worst(&seen).map_or(DiskState::Free, |seen| seen.state);
            *seen = looked(&seen, &spaces, &settings);
            (before, worst(&seen))
        };
        let Some(now) = now.filter(|now| now.state != before) else {
            return;
        };
        let (after, place) = (now.state, now.place);
        let (free, total) = (now.space.free, now.space.total);
        match after.words() {
            Some(words) => tracing::warn!(place, free, total, "{words}"),
            None => tracing::info!(place, free, total, "the disk has room again"),
        }
        if after > before {
            self.inner.disk.tidy.notify_one();
        }
    }

    /// Resolves when the house should be tidied before its time.
    pub async fn tidying_wanted(&self) {
        self.inner.disk.tidy.notified().await;
    }

    /// How the disk stands, and what the last look found.
    #[must_use]
    pub fn disk(&self) -> (DiskState, Option<Space>) {
        let seen = worst(&self.inner.disk.lock());
        seen.map_or((DiskState::Free, None), |seen| {
            (seen.state, Some(seen.space))
        })
    }

    /// Free bytes at each place that was looked at.
    #[must_use]
    pub fn disk_free(&self) -> Vec<(&'static str, u64)> {
        let seen = self.inner.disk.lock();
        seen.iter()
            .map(|seen| (seen.place, seen.space.free))
            .collect()
    }

    /// Resolves when the database found no room. Then the house is tidied, whatever the guard sees: a
    /// quota is not the disk's.
    pub async fn database_full(&self) {
        self.store().found_full().await;
        self.inner.disk.tidy.notify_one();
    }

    /// Whether new work is welcome: an agent, a message, a start.
    pub(super) fn refuse_new_work(&self) -> Result<()> {
        self.refuse_draining()?;
        if self.disk().0 == DiskState::Full {
            return Err(Error::Unavailable {
                code: "disk_full",
                message: "the disk of the server is nearly full: it takes no new work until there \
                          is room"
                    .into(),
                retry_after: RETRY_AFTER,
            });
        }
        Ok(())
    }

    pub(super) fn disk_service(&self) -> Service {
        let (state, _) = self.disk();
        Service {
            healthy: state == DiskState::Free,
            latency: None,
            message: state.words(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SETTINGS: Disk = Disk {
        warn_free: Room::Percent(10),
        refuse_free: Room::Bytes(50),
        check_every: Duration::from_secs(1),
    };

    fn after(before: DiskState, free: u64) -> DiskState {
        before.next(Space { free, total: 1_000 }, &SETTINGS)
    }

    #[test]
    fn a_state_is_entered_at_its_bound_and_left_above_it() {
        assert_eq!(after(DiskState::Free, 100), DiskState::Free);
        assert_eq!(after(DiskState::Free, 99), DiskState::Low);
        assert_eq!(after(DiskState::Low, 50), DiskState::Low);
        assert_eq!(after(DiskState::Low, 49), DiskState::Full);
        assert_eq!(after(DiskState::Full, 51), DiskState::Full);
        assert_eq!(after(DiskState::Full, 52), DiskState::Low);
        assert_eq!(after(DiskState::Low, 104), DiskState::Low);
        assert_eq!(after(DiskState::Low, 105), DiskState::Free);
        assert_eq!(after(DiskState::Free, 0), DiskState::Full);
    }

    #[test]
    fn the_worst_of_several_places_counts() {
        let space = |free, total| Space { free, total };
        // By its share the large one is low, though it has more bytes free than the small one.
        let spaces = [
            ("data", space(5_000, 100_000)),
            ("database", space(500, 1_000)),
        ];
        let seen = looked(&[], &spaces, &SETTINGS);
        let low = worst(&seen).unwrap();
        assert_eq!((low.place, low.state), ("data", DiskState::Low));
        // One that cannot be looked at stays as it was.
        let seen = looked(&seen, &[("database", space(40, 1_000))], &SETTINGS);
        assert_eq!(seen.len(), 2);
        let full = worst(&seen).unwrap();
        assert_eq!((full.place, full.state), ("database", DiskState::Full));
        assert_eq!(worst(&[]), None);
    }

    #[test]
    fn zero_switches_a_look_off() {
        let off = Disk {
            warn_free: Room::Bytes(0),
            refuse_free: Room::Percent(0),
            ..SETTINGS
        };
        let empty = Space {
            free: 0,
            total: 1_000,
        };
        assert_eq!(DiskState::Free.next(empty, &off), DiskState::Free);
    }
}
