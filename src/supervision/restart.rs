//! What follows from the death of a child: nothing, a restart, a group restart, or the end of
//! the supervisor. Never starts two members of a group at once, nor before all of it is down.

use tokio::time::{Duration, Instant};

use super::{
    AutoShutdown, Exit, Restart, StartError, Strategy,
    lifeline::{Death, Key, Life},
    machine::{Action, Machine, Mode},
    observer::Event,
    slot::{Asked, Goal, Origin, Phase},
};

/// A group restart under way: members are stopped, then a wait, then started in order.
pub(super) struct Round {
    /// Child whose death caused it, for the record.
    path: String,
    generation: u64,
    delay: Duration,
    /// Set when every affected child is down.
    pub until: Option<Instant>,
}

/// What the rules say about a child that ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Restart,
    /// Stays down, its spec is kept.
    Keep,
    /// Stays down, its spec goes.
    Drop,
}

/// OTP's table. A transient child that was added to a `one_for_one` supervisor leaves no spec
/// behind when it is done, as below `simple_one_for_one`: else ended sessions would pile up.
pub(super) fn verdict(restart: Restart, exit: &Exit, dynamic: bool) -> Verdict {
    match restart {
        Restart::Permanent => Verdict::Restart,
        Restart::Transient if !exit.is_orderly() => Verdict::Restart,
        Restart::Transient if dynamic => Verdict::Drop,
        Restart::Transient => Verdict::Keep,
        Restart::Temporary => Verdict::Drop,
    }
}

/// Whether the death of `dead` takes `other` along.
pub(super) fn is_affected(strategy: Strategy, dead: Key, other: Key) -> bool {
    match strategy {
        Strategy::OneForOne => other == dead,
        Strategy::OneForAll => true,
        Strategy::RestForOne => other >= dead,
    }
}

impl Machine {
    /// A running child ended without having been told to.
    pub(super) fn fell(&mut self, key: Key, death: Death, now: Instant) {
        let lifetime = self.record_down(key, &death, now);
        self.push(Action::Release(key));
        if self.was_expected(key) {
            self.park(key);
            return;
        }
        let Some(slot) = self.table.get(key) else {
            return;
        };
        let dynamic = self.is_dynamic(slot.origin);
        let verdict = verdict(slot.spec.restart, &death.exit, dynamic);
        let significant = slot.spec.significant;
        let id = slot.spec.id.clone();
        match verdict {
            Verdict::Restart => {
                let cause = death.text.unwrap_or_else(|| death.exit.to_string());
                self.restart(key, lifetime, &cause, now);
            }
            Verdict::Keep => {
                self.set_goal(key, Goal::Down);
                self.table.set_phase(key, Phase::Idle);
            }
            Verdict::Drop => self.table.remove(key),
        }
        if verdict != Verdict::Restart && significant {
            self.significant_ended(&id, now);
        }
    }

    /// A generation did not come up.
    pub(super) fn start_fell(&mut self, key: Key, reason: String, now: Instant) {
        let mut record = self.child_record(key, Event::StartFailed);
        record.reason = Some(reason.clone());
        self.push(Action::Record(record));
        self.push(Action::Release(key));
        if self.was_expected(key) {
            self.park(key);
            return;
        }
        let Some(slot) = self.table.get(key) else {
            return;
        };
        let (asked, first) = (slot.asked, slot.generation == 1);
        match asked {
            Asked::Start => {
                self.refuse(key, StartError::Failed(reason));
                self.table.remove(key);
            }
            Asked::Restart => {
                self.refuse(key, StartError::Failed(reason));
                self.set_goal(key, Goal::Down);
                self.table.set_phase(key, Phase::Idle);
            }
            Asked::Nobody if first && self.mode == Mode::Booting => {
                let path = self.child_record(key, Event::StartFailed).path;
                self.park(key);
                self.end(Exit::Failed(format!("{path}: {reason}")), &reason, now);
            }
            Asked::Nobody => self.restart(key, Duration::ZERO, &reason, now),
        }
    }

    /// Calls for the next generation.
    pub(super) fn start(&mut self, key: Key) {
        let Some(slot) = self.table.get_mut(key) else {
            return;
        };
        slot.generation = slot.generation.saturating_add(1);
        if slot.generation > 1 && slot.asked == Asked::Nobody {
            slot.restarts = slot.restarts.saturating_add(1);
        }
        let generation = slot.generation;
        self.table.set_phase(key, Phase::Starting { early: None });
        self.push(Action::Start(Life { key, generation }));
    }

    /// Starts at once what depends on nobody; everything else waits for its turn.
    pub(super) fn start_when_free(&mut self, key: Key) {
        if self.strategy == Strategy::OneForOne {
            self.start(key);
        }
    }

    /// Starts the next child whose turn has come.
    pub(super) fn settle_starts(&mut self, now: Instant) {
        if !self.is_ordered() || self.table.iter().any(|(_, slot)| slot.cycle) {
            return;
        }
        if !self.round_is_due(now) {
            return;
        }
        if let Some(key) = self.next_to_start() {
            self.start(key);
        }
    }

    /// The first child that is down and wanted up, unless another one still starts.
    fn next_to_start(&self) -> Option<Key> {
        let mut next = None;
        for (key, slot) in self.table.iter() {
            match slot.phase() {
                Phase::Starting { .. } => return None,
                Phase::Idle if slot.goal == Goal::Up => next = next.or(Some(key)),
                Phase::Idle
                | Phase::Waiting { .. }
                | Phase::Running { .. }
                | Phase::Stopping { .. } => {}
            }
        }
        next
    }

    fn restart(&mut self, key: Key, lifetime: Duration, cause: &str, now: Instant) {
        // Idle also while the group is stopped: it must not count as alive.
        self.table.set_phase(key, Phase::Idle);
        let record = self.child_record(key, Event::RestartIn);
        if !self.window.admit(now) {
            let (count, max) = self.window.load();
            let mut reached = self.own_record(Event::IntensityReached);
            reached.reason = Some(format!("{}: {cause}", record.path));
            reached.count = Some((count, max));
            self.push(Action::Record(reached));
            let text = format!("restart intensity reached by {}: {cause}", record.path);
            self.end(Exit::Failed(text), "restart intensity reached", now);
            return;
        }
        let random = (self.random)();
        let backoff = self.backoff;
        let Some(slot) = self.table.get_mut(key) else {
            return;
        };
        slot.streak = backoff.streak(slot.streak, lifetime);
        let delay = backoff.delay(slot.streak, random);
        let round = Round {
            path: record.path,
            generation: record.generation,
            delay,
            until: None,
        };
        if self.strategy == Strategy::OneForOne {
            let until = self.announce(&round, now);
            self.table.set_phase(key, Phase::Waiting { until });
            return;
        }
        for other in self.table.keys() {
            if is_affected(self.strategy, key, other) {
                self.cycle(other);
            }
        }
        self.round = Some(round);
    }

    /// Takes a child into a group restart. As in OTP that brings back one that was stopped.
    fn cycle(&mut self, key: Key) {
        if let Some(slot) = self.table.get_mut(key) {
            slot.cycle = slot.is_alive();
            slot.goal = Goal::Up;
        }
    }

    fn announce(&mut self, round: &Round, now: Instant) -> Instant {
        let mut record = self.own_record(Event::RestartIn);
        record.path.clone_from(&round.path);
        record.generation = round.generation;
        record.delay = Some(round.delay);
        record.count = Some(self.window.load());
        self.push(Action::Record(record));
        now.checked_add(round.delay).unwrap_or(now)
    }

    fn round_is_due(&mut self, now: Instant) -> bool {
        let Some(mut round) = self.round.take() else {
            return true;
        };
        let until = match round.until {
            Some(until) => until,
            None => self.announce(&round, now),
        };
        // A passed deadline must not be asked for again while the members start.
        round.until = (until > now).then_some(until);
        let waits = round.until.is_some();
        if waits {
            self.round = Some(round);
        }
        !waits
    }

    /// One at a time: the first start, and every start of a supervisor whose children depend on
    /// each other.
    fn is_ordered(&self) -> bool {
        self.strategy != Strategy::OneForOne || self.mode == Mode::Booting
    }

    /// Whether a child of this origin is independent of all others.
    pub(super) fn is_dynamic(&self, origin: Origin) -> bool {
        self.strategy == Strategy::OneForOne && origin == Origin::Added
    }

    /// Whether a child that is down now was to be stopped anyway, also because all are.
    fn was_expected(&self, key: Key) -> bool {
        self.table
            .get(key)
            .is_some_and(|slot| slot.cycle || slot.goal == Goal::Down)
    }

    fn significant_ended(&mut self, id: &str, now: Instant) {
        let ends = match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self
                .table
                .iter()
                .any(|(_, slot)| slot.spec.significant && slot.goal == Goal::Up),
        };
        if ends && self.is_open() {
            let reason = format!("the significant child {id} ended");
            self.end(Exit::Shutdown, &reason, now);
        }
    }

    fn set_goal(&mut self, key: Key, goal: Goal) {
        if let Some(slot) = self.table.get_mut(key) {
            slot.goal = goal;
        }
    }
}
