//! The machine alone: random events against what must always hold.
//! Never starts an actor.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    prelude::{Just, ProptestConfig, prop_assert, prop_oneof, proptest},
    strategy::Strategy as Draw,
};
use tokio::time::Instant;

use super::{
    super::{
        lifeline::{Death, Life},
        machine::{Action, Machine},
        restart::{Verdict, is_affected, verdict},
    },
    *,
};

#[test]
fn the_table_of_verdicts_is_otps() {
    let orderly = [Exit::Normal, Exit::Shutdown];
    let broken = [Exit::Failed("x".into()), Exit::Panic, Exit::Abandoned];
    for exit in orderly.iter().chain(&broken) {
        assert_eq!(verdict(Restart::Permanent, exit, false), Verdict::Restart);
        assert_eq!(verdict(Restart::Temporary, exit, true), Verdict::Drop);
    }
    for exit in &orderly {
        assert_eq!(verdict(Restart::Transient, exit, false), Verdict::Keep);
        assert_eq!(verdict(Restart::Transient, exit, true), Verdict::Drop);
    }
    for exit in &broken {
        assert_eq!(verdict(Restart::Transient, exit, true), Verdict::Restart);
    }
}

#[test]
fn the_affected_are_otps() {
    let affected = |strategy| -> Vec<Key> {
        (0..4)
            .filter(|other| is_affected(strategy, 1, *other))
            .collect()
    };
    assert_eq!(affected(Strategy::OneForOne), [1]);
    assert_eq!(affected(Strategy::RestForOne), [1, 2, 3]);
    assert_eq!(affected(Strategy::OneForAll), [0, 1, 2, 3]);
}

#[derive(Debug, Clone)]
enum Step {
    /// A start in progress succeeds or fails.
    Up(usize),
    Fail(usize),
    /// A living child ends.
    Down(usize, Exit),
    /// A report of a generation that is over.
    Late(usize, Exit),
    Pass(u64),
    Add(Restart, Shutdown),
    Terminate(usize),
    Delete(usize),
    Restart(usize),
    Shutdown,
}

fn exits() -> impl Draw<Value = Exit> {
    prop_oneof![
        Just(Exit::Normal),
        Just(Exit::Shutdown),
        Just(Exit::Panic),
        Just(Exit::Failed("x".into())),
    ]
}

fn classes() -> impl Draw<Value = Restart> {
    prop_oneof![
        Just(Restart::Permanent),
        Just(Restart::Transient),
        Just(Restart::Temporary)
    ]
}

fn graces() -> impl Draw<Value = Shutdown> {
    prop_oneof![
        Just(Shutdown::Brutal),
        Just(Shutdown::Within(ms(100))),
        Just(Shutdown::Infinity)
    ]
}

fn steps() -> impl Draw<Value = Step> {
    prop_oneof![
        12 => (0..9_usize).prop_map(Step::Up),
        2 => (0..9_usize).prop_map(Step::Fail),
        8 => (0..9_usize, exits()).prop_map(|(n, exit)| Step::Down(n, exit)),
        1 => (0..9_usize, exits()).prop_map(|(n, exit)| Step::Late(n, exit)),
        6 => (0..300_u64).prop_map(Step::Pass),
        2 => (classes(), graces()).prop_map(|(class, grace)| Step::Add(class, grace)),
        1 => (0..9_usize).prop_map(Step::Terminate),
        1 => (0..9_usize).prop_map(Step::Delete),
        1 => (0..9_usize).prop_map(Step::Restart),
        1 => Just(Step::Shutdown),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Alive {
    Starting,
    Running,
    Stopping,
}

/// Plays the actors: believes only actions, and checks each against the rules.
struct World {
    machine: Machine,
    now: Instant,
    strategy: Strategy,
    alive: BTreeMap<Key, (u64, Alive)>,
    over: Vec<Life>,
    generations: BTreeMap<Key, u64>,
    waiting: BTreeSet<Key>,
    booted: bool,
    ending: bool,
    ended: Option<Exit>,
    names: u32,
}

impl World {
    fn new(strategy: Strategy, children: Vec<(Restart, Shutdown)>) -> Self {
        let children = children.into_iter().enumerate();
        let mut spec = SupervisorSpec::new("root", strategy);
        spec.intensity.max = 8;
        spec.backoff.cap = ms(400);
        spec.children = children
            .map(|(n, (restart, shutdown))| dummy(format!("s{n}"), restart, shutdown))
            .collect();
        let mut world = Self {
            machine: Machine::new(spec, "root".into(), 1, || 0.5),
            now: Instant::now(),
            strategy,
            alive: BTreeMap::new(),
            over: Vec::new(),
            generations: BTreeMap::new(),
            waiting: BTreeSet::new(),
            booted: false,
            ending: false,
            ended: None,
            names: 0,
        };
        world.machine.boot(world.now);
        world.obey();
        world
    }

    fn is_ordered(&self) -> bool {
        self.strategy != Strategy::OneForOne
    }

    fn obey(&mut self) {
        for action in self.machine.take_actions() {
            assert_eq!(self.ended, None, "{action:?} after the end");
            match action {
                Action::Start(life) => self.begun(life),
                Action::Stop(key) => {
                    let alive = self
                        .alive
                        .get_mut(&key)
                        .expect("only the living are stopped");
                    assert_ne!(alive.1, Alive::Stopping, "told twice");
                    alive.1 = Alive::Stopping;
                }
                Action::Release(key) => {
                    let (generation, _) = self.alive.remove(&key).expect("released once");
                    self.over.push(Life { key, generation });
                }
                Action::Accepted(key) => {
                    assert!(self.waiting.remove(&key), "answered once");
                    assert!(self.alive.contains_key(&key));
                }
                Action::Refused(key, _) => assert!(self.waiting.remove(&key), "answered once"),
                Action::Record(record) => self.ending |= record.event == Event::Shutdown,
                Action::Booted => self.booted = true,
                Action::End(exit) => {
                    assert!(self.alive.is_empty(), "ended with living children");
                    assert!(self.waiting.is_empty(), "somebody waits for ever");
                    self.ended = Some(exit);
                }
            }
        }
        if !self.ending {
            self.check_no_deadlock();
        }
    }

    fn begun(&mut self, life: Life) {
        assert!(!self.ending, "a start after the end began");
        let last = self.generations.insert(life.key, life.generation);
        assert_eq!(
            life.generation,
            last.unwrap_or(0) + 1,
            "generations rise by one"
        );
        if self.is_ordered() {
            let busy = |alive: &(u64, Alive)| alive.1 == Alive::Starting;
            assert!(
                !self.alive.values().any(busy),
                "two starts at once in a group"
            );
        }
        let before = self
            .alive
            .insert(life.key, (life.generation, Alive::Starting));
        assert_eq!(before, None, "two lives at once");
    }

    /// A child that is wanted up is alive, or something is under way that will start it.
    fn check_no_deadlock(&self) {
        let busy = |alive: &(u64, Alive)| alive.1 != Alive::Running;
        let under_way = self.alive.values().any(busy) || self.machine.next_deadline().is_some();
        for info in self.machine.children(self.now) {
            let stuck = matches!(
                info.state,
                ChildState::Restarting { .. } | ChildState::Starting
            );
            assert!(!stuck || under_way, "{} waits for nothing", info.id);
        }
    }

    fn pick(&self, n: usize, state: impl Fn(Alive) -> bool) -> Option<Life> {
        let fit: Vec<Life> = self
            .alive
            .iter()
            .filter(|(_, (_, alive))| state(*alive))
            .map(|(key, (generation, _))| Life {
                key: *key,
                generation: *generation,
            })
            .collect();
        fit.get(n.checked_rem(fit.len())?).copied()
    }

    fn id(&self, n: usize) -> String {
        let all = self.machine.children(self.now);
        n.checked_rem(all.len())
            .map_or_else(|| "nobody".into(), |n| all[n].id.clone())
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Up(n) => {
                if let Some(life) = self.pick(n, |alive| alive == Alive::Starting) {
                    self.alive
                        .insert(life.key, (life.generation, Alive::Running));
                    self.machine.started(life, self.now);
                }
            }
            Step::Fail(n) => {
                if let Some(life) = self.pick(n, |alive| alive == Alive::Starting) {
                    self.machine.start_failed(life, "no".into(), self.now);
                }
            }
            Step::Down(n, exit) => {
                if let Some(life) = self.pick(n, |alive| alive != Alive::Starting) {
                    self.machine
                        .down(life, Death { exit, text: None }, self.now);
                }
            }
            Step::Late(n, exit) => {
                if let Some(life) = self.over.get(n).copied() {
                    let before = self.machine.children(self.now);
                    self.machine
                        .down(life, Death { exit, text: None }, self.now);
                    self.machine.started(life, self.now);
                    self.machine.start_failed(life, "late".into(), self.now);
                    assert_eq!(self.machine.children(self.now), before);
                    assert_eq!(self.machine.take_actions(), []);
                }
            }
            Step::Pass(millis) => {
                self.now += ms(millis);
                self.machine.tick(self.now);
            }
            Step::Add(restart, shutdown) => self.add(restart, shutdown),
            Step::Terminate(n) => {
                let _done = self.machine.terminate(&self.id(n), self.now);
            }
            Step::Delete(n) => {
                let _done = self.machine.delete(&self.id(n));
            }
            Step::Restart(n) => {
                if let Ok(key) = self.machine.restart_child(&self.id(n), self.now) {
                    self.waiting.insert(key);
                }
            }
            Step::Shutdown => self.machine.shutdown("asked", self.now),
        }
        self.obey();
    }

    fn add(&mut self, restart: Restart, shutdown: Shutdown) {
        self.names += 1;
        let spec = dummy(format!("d{}", self.names), restart, shutdown);
        if let Ok(key) = self.machine.add(spec, self.now) {
            self.waiting.insert(key);
        }
    }

    /// Lets every start succeed and every stop be obeyed until nothing is left to do.
    fn calm(&mut self) {
        for _ in 0..200 {
            if let Some(life) = self.pick(0, |alive| alive == Alive::Stopping) {
                let death = Death {
                    exit: Exit::Normal,
                    text: None,
                };
                self.machine.down(life, death, self.now);
                self.obey();
            } else if self.pick(0, |alive| alive == Alive::Starting).is_some() {
                self.step(Step::Up(0));
            } else if self.machine.next_deadline().is_some() {
                self.step(Step::Pass(1_000));
            } else {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}

fn dummy(id: String, restart: Restart, shutdown: Shutdown) -> ChildSpec {
    let start = start_fn(|_| async { Err(StartError::Failed("never called".into())) });
    ChildSpec {
        restart,
        shutdown,
        ..ChildSpec::worker(id, start)
    }
}

fn strategies() -> impl Draw<Value = Strategy> {
    prop_oneof![
        Just(Strategy::OneForOne),
        Just(Strategy::OneForAll),
        Just(Strategy::RestForOne)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rules_hold_under_any_course_of_events(
        strategy in strategies(),
        children in proptest::collection::vec((classes(), graces()), 0..5),
        course in proptest::collection::vec(steps(), 0..80),
    ) {
        let mut world = World::new(strategy, children);
        for step in course {
            world.step(step);
            if world.ended.is_some() {
                break;
            }
        }
        world.calm();
        if world.ended.is_none() {
            prop_assert!(!world.ending, "an end that never comes");
            prop_assert!(world.booted);
            prop_assert!(world.waiting.is_empty(), "somebody waits for ever");
            for info in world.machine.children(world.now) {
                let settled = matches!(info.state, ChildState::Running | ChildState::Stopped);
                prop_assert!(settled, "{} is {:?}", info.id, info.state);
            }
            world.step(Step::Shutdown);
            world.calm();
        }
        prop_assert!(world.ended.is_some());
    }
}
