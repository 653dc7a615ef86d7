//! The supervisor's rules as a state machine: events in, actions out.
//! Never waits, never reads a clock, never touches an actor: all of that is `supervisor`.

use tokio::time::Instant;

use super::{
    AutoShutdown, Backoff, ChildError, ChildSpec, Exit, Kind, Record, RestartWindow, StartError,
    Strategy, SupervisorSpec,
    lifeline::{Death, Key, Life},
    observer::Event,
    restart::Round,
    slot::{Asked, Goal, Origin, Phase, Slot, Table},
};

/// What the actor has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Call the start function for this generation.
    Start(Life),
    /// Ask the living generation to stop, or take back its start.
    Stop(Key),
    /// The living generation is over: let go of everything held of it.
    Release(Key),
    /// The start that was asked for succeeded.
    Accepted(Key),
    /// The start that was asked for will not happen.
    Refused(Key, StartError),
    /// Tell the observer.
    Record(Record),
    /// Every child of the spec has been up once.
    Booted,
    /// No child is alive any more and none will be: end with this.
    End(Exit),
}

/// Where the supervisor itself stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// Starts the children of its spec for the first time.
    Booting,
    Open,
    /// Ends its children, then itself.
    Ending(Exit),
    Ended,
}

/// Whether an order is done or under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    Underway(Key),
}

pub(super) struct Machine {
    pub(super) path: String,
    pub(super) generation: u64,
    pub(super) strategy: Strategy,
    pub(super) window: RestartWindow,
    pub(super) backoff: Backoff,
    pub(super) auto_shutdown: AutoShutdown,
    max_children: Option<usize>,
    /// Draws the jitter, 0..=1.
    pub(super) random: fn() -> f64,
    pub(super) table: Table,
    pub(super) mode: Mode,
    pub(super) round: Option<Round>,
    actions: Vec<Action>,
}

impl Machine {
    /// A machine with the children of a validated spec, none of them started.
    pub fn new(spec: SupervisorSpec, path: String, generation: u64, random: fn() -> f64) -> Self {
        let mut table = Table::default();
        for child in spec.children {
            table.insert(child, Origin::Spec, Asked::Nobody);
        }
        Self {
            path,
            generation,
            strategy: spec.strategy,
            window: RestartWindow::new(spec.intensity),
            backoff: spec.backoff,
            auto_shutdown: spec.auto_shutdown,
            max_children: spec.max_children,
            random,
            table,
            mode: Mode::Booting,
            round: None,
            actions: Vec::new(),
        }
    }

    /// Everything to be done since the last call.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When [`tick`](Self::tick) wants to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let round = self.round.as_ref().and_then(|round| round.until);
        match (round, self.table.next_deadline()) {
            (Some(round), Some(child)) => Some(round.min(child)),
            (round, child) => round.or(child),
        }
    }

    /// Begins to start the children of the spec.
    pub fn boot(&mut self, now: Instant) {
        self.settle(now);
    }

    /// A start function returned a living child.
    pub fn started(&mut self, life: Life, now: Instant) {
        if self.awaits(life) {
            let early = self.early_end(life.key);
            self.came_up(life.key, now);
            if let Some(death) = early {
                self.fell(life.key, death, now);
            }
        }
        self.settle(now);
    }

    /// A start function failed, panicked or took too long.
    pub fn start_failed(&mut self, life: Life, reason: String, now: Instant) {
        if self.awaits(life) {
            self.start_fell(life.key, reason, now);
        }
        self.settle(now);
    }

    /// A lifeline was dropped.
    pub fn down(&mut self, life: Life, death: Death, now: Instant) {
        match self.table.of_life(life).map(Slot::phase) {
            None | Some(Phase::Idle | Phase::Waiting { .. }) => {}
            Some(Phase::Starting { .. }) if death.exit.is_orderly() => {
                // The result of the start function decides whether it was a life or a failure.
                let early = Some(death);
                self.table.set_phase(life.key, Phase::Starting { early });
            }
            Some(Phase::Starting { .. }) => {
                let reason = death.text.unwrap_or_else(|| death.exit.to_string());
                self.start_fell(life.key, reason, now);
            }
            Some(Phase::Running { .. }) => self.fell(life.key, death, now),
            Some(Phase::Stopping { .. }) => self.stopped(life.key, death, now),
        }
        self.settle(now);
    }

    /// Time passed.
    pub fn tick(&mut self, now: Instant) {
        for key in self.table.due(now) {
            match self.table.get(key).map(Slot::phase) {
                Some(Phase::Waiting { .. }) => self.start(key),
                Some(Phase::Stopping { grace, .. }) => {
                    let grace = *grace;
                    self.give_up(key, Event::Abandoned, grace);
                }
                Some(Phase::Idle | Phase::Starting { .. } | Phase::Running { .. }) | None => {}
            }
        }
        self.settle(now);
    }

    /// `StartChild`. The outcome follows as `Accepted` or `Refused` of this key.
    pub fn add(&mut self, spec: ChildSpec, now: Instant) -> Result<Key, StartError> {
        if !self.is_open() {
            return Err(StartError::Stopping);
        }
        spec.validate(self.auto_shutdown)?;
        if self.table.key_of(&spec.id).is_some() {
            return Err(StartError::AlreadyPresent);
        }
        if self.max_children.is_some_and(|max| self.table.len() >= max) {
            return Err(StartError::MaxChildren);
        }
        let key = self.table.insert(spec, Origin::Added, Asked::Start);
        self.start_when_free(key);
        self.settle(now);
        Ok(key)
    }

    /// `TerminateChild`: stopped and kept so, a waiting restart is taken back.
    pub fn terminate(&mut self, id: &str, now: Instant) -> Result<Progress, ChildError> {
        let key = self.table.key_of(id).ok_or(ChildError::NotFound)?;
        self.refuse(
            key,
            StartError::Failed("terminated before it was up".into()),
        );
        if let Some(slot) = self.table.get_mut(key) {
            slot.goal = Goal::Down;
        }
        if self.table.get(key).is_some_and(Slot::is_alive) {
            self.stop(key, now);
        } else {
            self.park(key);
        }
        let alive = self.table.get(key).is_some_and(Slot::is_alive);
        self.settle(now);
        Ok(if alive {
            Progress::Underway(key)
        } else {
            Progress::Done
        })
    }

    /// `DeleteChild`: forgets a stopped child.
    pub fn delete(&mut self, id: &str) -> Result<(), ChildError> {
        let key = self.stopped_child(id)?;
        self.table.remove(key);
        Ok(())
    }

    /// `RestartChild`: starts a stopped child. The outcome follows as for `add`.
    pub fn restart_child(&mut self, id: &str, now: Instant) -> Result<Key, ChildError> {
        if !self.is_open() {
            return Err(ChildError::Stopping);
        }
        let key = self.stopped_child(id)?;
        if let Some(slot) = self.table.get_mut(key) {
            slot.goal = Goal::Up;
            slot.asked = Asked::Restart;
        }
        self.start_when_free(key);
        self.settle(now);
        Ok(key)
    }

    pub(super) fn is_open(&self) -> bool {
        match self.mode {
            Mode::Booting | Mode::Open => true,
            Mode::Ending(_) | Mode::Ended => false,
        }
    }

    pub(super) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Does whatever the new state allows: stops first, then starts, then the own end.
    pub(super) fn settle(&mut self, now: Instant) {
        self.settle_stops(now);
        if self.is_open() {
            self.settle_starts(now);
            self.settle_boot();
        } else {
            self.settle_end();
        }
    }

    /// Answers whoever waits for the start of this child.
    pub(super) fn refuse(&mut self, key: Key, error: StartError) {
        if let Some(slot) = self.table.get_mut(key)
            && slot.asked != Asked::Nobody
        {
            slot.asked = Asked::Nobody;
            self.push(Action::Refused(key, error));
        }
    }

    pub(super) fn child_record(&self, key: Key, event: Event) -> Record {
        let (id, generation) = self
            .table
            .get(key)
            .map_or(("", 0), |slot| (slot.spec.id.as_str(), slot.generation));
        Record::new(format!("{}/{id}", self.path), generation, event)
    }

    pub(super) fn own_record(&self, event: Event) -> Record {
        Record::new(self.path.clone(), self.generation, event)
    }

    /// Whether the start of this very generation is in progress and still wanted.
    pub fn awaits(&self, life: Life) -> bool {
        match self.table.of_life(life).map(Slot::phase) {
            Some(Phase::Starting { .. }) => true,
            Some(
                Phase::Idle
                | Phase::Waiting { .. }
                | Phase::Running { .. }
                | Phase::Stopping { .. },
            )
            | None => false,
        }
    }

    /// The end of a child that came before the result of its start.
    fn early_end(&self, key: Key) -> Option<Death> {
        match self.table.get(key)?.phase() {
            Phase::Starting { early } => early.clone(),
            Phase::Idle
            | Phase::Waiting { .. }
            | Phase::Running { .. }
            | Phase::Stopping { .. } => None,
        }
    }

    fn came_up(&mut self, key: Key, now: Instant) {
        self.table.set_phase(key, Phase::Running { since: now });
        self.push(Action::Record(self.child_record(key, Event::ChildStarted)));
        if let Some(slot) = self.table.get_mut(key) {
            slot.was_up = true;
            if slot.asked != Asked::Nobody {
                slot.asked = Asked::Nobody;
                self.push(Action::Accepted(key));
            }
        }
    }

    fn stopped_child(&self, id: &str) -> Result<Key, ChildError> {
        let key = self.table.key_of(id).ok_or(ChildError::NotFound)?;
        match self.table.get(key) {
            None => Err(ChildError::NotFound),
            Some(slot) if slot.is_alive() => Err(ChildError::Running),
            Some(slot) if slot.goal == Goal::Up => Err(ChildError::Restarting),
            Some(_) => Ok(key),
        }
    }

    fn settle_boot(&mut self) {
        let done = self.mode == Mode::Booting
            && self.table.iter().all(|(_, slot)| {
                slot.was_up || slot.goal == Goal::Down || slot.origin == Origin::Added
            });
        if done {
            self.mode = Mode::Open;
            self.push(Action::Booted);
        }
    }
}

/// Numbers of a supervisor's children, as OTP counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChildCounts {
    /// Children in the table, alive or not.
    pub specs: usize,
    /// Those that run now (one that is told to stop still does).
    pub active: usize,
    /// Supervisors among the specs.
    pub supervisors: usize,
    /// Workers among the specs.
    pub workers: usize,
}

impl Machine {
    /// `CountChildren`.
    pub fn counts(&self) -> ChildCounts {
        let mut counts = ChildCounts::default();
        for (_, slot) in self.table.iter() {
            counts.specs += 1;
            match slot.spec.kind {
                Kind::Worker => counts.workers += 1,
                Kind::Supervisor => counts.supervisors += 1,
            }
            match slot.phase() {
                Phase::Running { .. } | Phase::Stopping { .. } => counts.active += 1,
                Phase::Idle | Phase::Waiting { .. } | Phase::Starting { .. } => {}
            }
        }
        counts
    }
}
