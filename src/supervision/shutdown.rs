//! Stopping: one child, the members of a group, or all of them and then the supervisor.
//! Never stops a child before those that were started after it are down, except the
//! independent children that were added to a `one_for_one` supervisor: those stop together.

use tokio::time::{Duration, Instant};

use super::{
    Exit, Restart, Shutdown, StartError,
    lifeline::{Death, Key},
    machine::{Action, Machine, Mode},
    observer::Event,
    slot::{Goal, Phase},
};

impl Machine {
    /// Ends the children and then the supervisor with [`Exit::Shutdown`].
    pub fn shutdown(&mut self, reason: &str, now: Instant) {
        if self.is_open() {
            self.end(Exit::Shutdown, reason, now);
        }
        self.settle(now);
    }

    /// Begins the end. Nothing is started from here on.
    pub(super) fn end(&mut self, exit: Exit, reason: &str, now: Instant) {
        self.mode = Mode::Ending(exit);
        self.round = None;
        let mut record = self.own_record(Event::Shutdown);
        record.reason = Some(reason.to_owned());
        self.push(Action::Record(record));
        for key in self.table.keys().into_iter().rev() {
            self.refuse(key, StartError::Stopping);
            let Some(slot) = self.table.get_mut(key) else {
                continue;
            };
            slot.goal = Goal::Down;
            slot.cycle = false;
            let (alive, origin) = (slot.is_alive(), slot.origin);
            if !alive {
                self.table.set_phase(key, Phase::Idle);
            } else if self.is_dynamic(origin) {
                self.stop(key, now);
            }
        }
    }

    /// Stops the next children whose turn has come. A brutal stop is over at once, so there may
    /// be several.
    pub(super) fn settle_stops(&mut self, now: Instant) {
        while let Some(key) = self.next_to_stop() {
            self.stop(key, now);
        }
    }

    /// With nobody left, ends.
    pub(super) fn settle_end(&mut self) {
        if self.table.alive_backwards().next().is_some() {
            return;
        }
        if let Mode::Ending(exit) = std::mem::replace(&mut self.mode, Mode::Ended) {
            let event = match exit {
                Exit::Failed(_) | Exit::Panic | Exit::Abandoned => Event::GaveUp,
                Exit::Normal | Exit::Shutdown => Event::Ended,
            };
            let mut record = self.own_record(event);
            record.exit = Some(exit.clone());
            self.push(Action::Record(record));
            self.push(Action::End(exit));
        }
    }

    /// Tells a living child to stop, by the rule of its spec.
    pub(super) fn stop(&mut self, key: Key, now: Instant) {
        let Some(slot) = self.table.get(key) else {
            return;
        };
        let since = match slot.phase() {
            Phase::Starting { early: Some(death) } => {
                // Its lifeline is gone already: no report will follow.
                let death = death.clone();
                self.stopped(key, death, now);
                return;
            }
            Phase::Starting { early: None } => None,
            Phase::Running { since } => Some(*since),
            Phase::Idle | Phase::Waiting { .. } | Phase::Stopping { .. } => return,
        };
        let grace = match slot.spec.shutdown {
            Shutdown::Brutal => {
                self.give_up(key, Event::Killed, None);
                return;
            }
            Shutdown::Within(grace) => Some(grace),
            Shutdown::Infinity => None,
        };
        let deadline = grace.and_then(|grace| now.checked_add(grace));
        self.table.set_phase(
            key,
            Phase::Stopping {
                since,
                deadline,
                grace,
            },
        );
        self.push(Action::Stop(key));
    }

    /// A child that was told to stop is down.
    pub(super) fn stopped(&mut self, key: Key, mut death: Death, now: Instant) {
        if death.exit == Exit::Normal {
            death.exit = Exit::Shutdown;
        }
        self.record_down(key, &death, now);
        self.push(Action::Release(key));
        self.park(key);
    }

    /// Treats a living child as dead: its generation is over, whatever it still does.
    pub(super) fn give_up(&mut self, key: Key, event: Event, grace: Option<Duration>) {
        let mut record = self.child_record(key, event);
        record.exit = Some(Exit::Abandoned);
        record.delay = grace;
        self.push(Action::Record(record));
        self.push(Action::Release(key));
        self.park(key);
    }

    /// Puts down a child that is not to be restarted on its own account: stopped, to be started
    /// with its group, or temporary and thus gone.
    pub(super) fn park(&mut self, key: Key) {
        let Some(slot) = self.table.get_mut(key) else {
            return;
        };
        slot.cycle = false;
        if slot.spec.restart == Restart::Temporary {
            let error = "it is temporary and was stopped before it was up";
            self.refuse(key, StartError::Failed(error.to_owned()));
            self.table.remove(key);
        } else {
            self.table.set_phase(key, Phase::Idle);
        }
    }

    /// Writes the end of a child and says how long it was up.
    pub(super) fn record_down(&mut self, key: Key, death: &Death, now: Instant) -> Duration {
        let up = self.table.get(key).and_then(|slot| match slot.phase() {
            Phase::Running { since } => Some(*since),
            Phase::Stopping { since, .. } => *since,
            Phase::Idle | Phase::Waiting { .. } | Phase::Starting { .. } => None,
        });
        let lifetime = up.map(|since| now.saturating_duration_since(since));
        let mut record = self.child_record(key, Event::ChildDown);
        record.exit = Some(death.exit.clone());
        record.reason.clone_from(&death.text);
        record.lifetime = lifetime;
        self.push(Action::Record(record));
        lifetime.unwrap_or(Duration::ZERO)
    }

    /// The last started child that has to go, unless it is on its way already.
    fn next_to_stop(&self) -> Option<Key> {
        let ending = !self.is_open();
        if !ending && self.round.is_none() {
            // Nobody is to go: spares a look at thousands of independent children.
            return None;
        }
        let (key, slot) = self
            .table
            .alive_backwards()
            .find(|(_, slot)| ending || slot.cycle)?;
        match slot.phase() {
            Phase::Starting { .. } | Phase::Running { .. } => Some(key),
            Phase::Idle | Phase::Waiting { .. } | Phase::Stopping { .. } => None,
        }
    }
}
