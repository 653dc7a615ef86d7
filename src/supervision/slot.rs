//! The table of children: specs, phases and deadlines, in the order of addition.
//! Never decides: every rule lives in `machine`, `restart` and `shutdown`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::{Duration, Instant};

use super::{
    ChildSpec,
    lifeline::{Death, Key, Life},
};

/// One row of the table.
pub(super) struct Slot {
    pub spec: ChildSpec,
    pub origin: Origin,
    pub goal: Goal,
    /// Who waits for the outcome of the present start.
    pub asked: Asked,
    /// Attempts to start so far.
    pub generation: u64,
    /// Whether any generation came up.
    pub was_up: bool,
    /// Short lives in a row.
    pub streak: u32,
    /// Starts that the supervisor decided on its own, beyond the first.
    pub restarts: u64,
    /// To be stopped because of a sibling's death, and started again afterwards.
    pub cycle: bool,
    phase: Phase,
}

impl Slot {
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    pub fn is_alive(&self) -> bool {
        self.phase.is_alive()
    }
}

/// Where a spec came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The supervisor's own spec.
    Spec,
    /// `StartChild` on a running supervisor.
    Added,
}

/// What the supervisor wants of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Up,
    /// Down, with its spec kept.
    Down,
}

/// Who asked for the start in progress; such a failure is answered instead of retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Nobody,
    /// `StartChild`: a failure removes the spec.
    Start,
    /// `RestartChild`: a failure leaves it stopped.
    Restart,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not alive: stopped for good, or waiting for its turn within a group.
    Idle,
    /// Not alive, to be started when the back-off is over.
    Waiting {
        until: Instant,
    },
    /// The start function is at work. Its orderly end may be known before its result.
    Starting {
        early: Option<Death>,
    },
    Running {
        since: Instant,
    },
    /// Told to stop; without a deadline it is waited for.
    Stopping {
        since: Option<Instant>,
        deadline: Option<Instant>,
        grace: Option<Duration>,
    },
}

impl Phase {
    fn is_alive(&self) -> bool {
        match self {
            Self::Starting { .. } | Self::Running { .. } | Self::Stopping { .. } => true,
            Self::Idle | Self::Waiting { .. } => false,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting { until } => Some(*until),
            Self::Stopping { deadline, .. } => *deadline,
            Self::Idle | Self::Starting { .. } | Self::Running { .. } => None,
        }
    }
}

/// All children. Keys rise with each addition, so the order of keys is the order of starts.
#[derive(Default)]
pub(super) struct Table {
    slots: BTreeMap<Key, Slot>,
    ids: HashMap<String, Key>,
    alive: BTreeSet<Key>,
    deadlines: BTreeSet<(Instant, Key)>,
    next: Key,
}

impl Table {
    /// Adds a child at the end, idle and wanted up. The caller has checked that the id is free.
    pub fn insert(&mut self, spec: ChildSpec, origin: Origin, asked: Asked) -> Key {
        let key = self.next;
        self.next = self.next.saturating_add(1);
        self.ids.insert(spec.id.clone(), key);
        self.slots.insert(
            key,
            Slot {
                spec,
                origin,
                goal: Goal::Up,
                asked,
                generation: 0,
                was_up: false,
                streak: 0,
                restarts: 0,
                cycle: false,
                phase: Phase::Idle,
            },
        );
        key
    }

    pub fn remove(&mut self, key: Key) {
        self.set_phase(key, Phase::Idle);
        if let Some(slot) = self.slots.remove(&key) {
            self.ids.remove(&slot.spec.id);
        }
    }

    pub fn set_phase(&mut self, key: Key, phase: Phase) {
        let Some(slot) = self.slots.get_mut(&key) else {
            return;
        };
        if let Some(deadline) = slot.phase.deadline() {
            self.deadlines.remove(&(deadline, key));
        }
        if let Some(deadline) = phase.deadline() {
            self.deadlines.insert((deadline, key));
        }
        if phase.is_alive() {
            self.alive.insert(key);
        } else {
            self.alive.remove(&key);
        }
        slot.phase = phase;
    }

    pub fn get(&self, key: Key) -> Option<&Slot> {
        self.slots.get(&key)
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut Slot> {
        self.slots.get_mut(&key)
    }

    pub fn key_of(&self, id: &str) -> Option<Key> {
        self.ids.get(id).copied()
    }

    /// The slot of this very generation; `None` for one that was replaced or removed.
    pub fn of_life(&self, life: Life) -> Option<&Slot> {
        self.slots
            .get(&life.key)
            .filter(|slot| slot.generation == life.generation)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Key, &Slot)> {
        self.slots.iter().map(|(key, slot)| (*key, slot))
    }

    pub fn keys(&self) -> Vec<Key> {
        self.slots.keys().copied().collect()
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Living children, last started first.
    pub fn alive_backwards(&self) -> impl Iterator<Item = (Key, &Slot)> {
        self.alive
            .iter()
            .rev()
            .filter_map(|key| self.slots.get(key).map(|slot| (*key, slot)))
    }

    /// Children whose deadline has come.
    pub fn due(&self, now: Instant) -> Vec<Key> {
        self.deadlines
            .iter()
            .take_while(|(deadline, _)| *deadline <= now)
            .map(|(_, key)| *key)
            .collect()
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}
