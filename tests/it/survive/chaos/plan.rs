//! What a run of the chaos does, from its seed alone.
//! Never asks the machine: the same seed gives the same plan on every one.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::super::Dice;
use super::super::panics::points::{Deed, OF_A_SESSION, OF_TASKS, OF_THE_TRUNK};

/// Who is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Victim {
    /// The server, by SIGKILL.
    Server,
    /// The agent, by SIGKILL.
    Agent,
    /// Its keeper, by SIGKILL.
    Keeper,
    /// Whoever passes this point for the so many-th time, by a panic.
    Point(&'static str, u64),
    /// The machine below them, for so many milliseconds.
    Machine(Fault, u64),
    /// Nobody.
    Nobody,
}

/// What a machine does to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The database is locked by somebody else (SQLite), or is ended and started (PostgreSQL).
    Database,
    /// The same, and PostgreSQL ends as by a crash.
    DatabaseCrash,
    /// Not a byte more fits on the disk.
    Disk,
    /// No more files may be opened.
    Files,
    /// The wall clock jumps by an hour, or back to what it was.
    Clock,
    /// The log's file is gone.
    Log,
    /// An agent of another session takes more memory than it may.
    Memory,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Database,
        Self::DatabaseCrash,
        Self::Disk,
        Self::Files,
        Self::Clock,
        Self::Log,
        Self::Memory,
    ];
}

/// Longest fault in milliseconds: longer than a write waits for a lock.
const LONGEST_FAULT: u64 = 6_000;

/// One cycle.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cycle {
    /// Prompts that are sent first.
    pub prompts: u64,
    /// Events of the cycle that are waited for before the strike.
    pub moment: u64,
    /// Who is struck.
    pub victim: Victim,
    /// Whether uncertain tasks are sent again, one bit for each question.
    pub answers: u64,
}

/// The cycles of a seed, without an end.
pub struct Plan {
    dice: Dice,
    lines: u64,
    points: Vec<&'static str>,
    /// Faults that have not been yet: each comes before any comes again, so that a short run has all.
    first: Vec<Fault>,
    /// Panics of what all sessions stand on, since the server was killed last.
    of_the_trunk: u32,
}

/// The root gives up at the sixth in half a minute, as it should: one that others cause counts too.
const MOST_OF_THE_TRUNK: u32 = 3;

impl Plan {
    pub fn new(seed: u64, lines: u64) -> Self {
        let passed = [OF_A_SESSION, OF_THE_TRUNK, OF_TASKS].concat();
        let passed = passed.iter().filter(|(name, deed)| {
            let passed = matches!(
                deed,
                Deed::Turn | Deed::Rebuild | Deed::Bury | Deed::Reconnect
            );
            // The driver that is not there.
            passed && !name.starts_with("shell.")
        });
        let mut dice = Dice(seed);
        let mut first = Fault::ALL.to_vec();
        for last in (1..first.len()).rev() {
            let other = dice.below(u64::try_from(last + 1).unwrap());
            first.swap(last, usize::try_from(other).unwrap());
        }
        Self {
            dice,
            lines,
            first,
            points: passed.map(|(name, _)| *name).collect(),
            of_the_trunk: 0,
        }
    }

    /// A number for the first cycles, to be compared.
    pub fn digest(seed: u64, lines: u64, cycles: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        Self::new(seed, lines)
            .take(cycles)
            .for_each(|cycle| cycle.hash(&mut hasher));
        hasher.finish()
    }
}

impl Plan {
    fn point(&mut self, point: &'static str, passes: u64) -> Victim {
        if OF_THE_TRUNK.iter().any(|(name, _)| *name == point) {
            self.of_the_trunk += 1;
        }
        if self.of_the_trunk > MOST_OF_THE_TRUNK {
            self.of_the_trunk = 0;
            return Victim::Server;
        }
        Victim::Point(point, passes)
    }

    /// Most faults are short: the longest ones only show that nothing gives up.
    fn machine(&mut self) -> Victim {
        let count = u64::try_from(Fault::ALL.len()).unwrap();
        let at = usize::try_from(self.dice.below(count)).unwrap();
        let fault = self.first.pop().unwrap_or(Fault::ALL[at]);
        let most = match self.dice.below(8) {
            0 => LONGEST_FAULT,
            _ => LONGEST_FAULT / 10,
        };
        Victim::Machine(fault, self.dice.below(most))
    }
}

impl Iterator for Plan {
    type Item = Cycle;

    fn next(&mut self) -> Option<Cycle> {
        let prompts = 1 + self.dice.below(2);
        let moment = self.dice.below(self.lines);
        let drawn = self.dice.below(16);
        let victim = match drawn {
            _ if !self.first.is_empty() => self.machine(),
            0 | 1 => Victim::Server,
            2 | 3 => Victim::Agent,
            4 => Victim::Keeper,
            5..10 => {
                let count = u64::try_from(self.points.len()).unwrap();
                let at = usize::try_from(self.dice.below(count)).unwrap();
                let passes = self.dice.below(4);
                self.point(self.points[at], passes)
            }
            10..15 => self.machine(),
            _ => Victim::Nobody,
        };
        if victim == Victim::Server {
            self.of_the_trunk = 0;
        }
        let answers = self.dice.below(u64::MAX);
        Some(Cycle {
            prompts,
            moment,
            victim,
            answers,
        })
    }
}

#[test]
fn the_same_seed_gives_the_same_plan() {
    let plan = |seed| Plan::new(seed, 2_000).take(500).collect::<Vec<_>>();
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    assert_eq!(Plan::digest(7, 2_000, 500), Plan::digest(7, 2_000, 500));
    let all = plan(7);
    for victim in [
        Victim::Server,
        Victim::Agent,
        Victim::Keeper,
        Victim::Nobody,
    ] {
        assert!(
            all.iter().any(|cycle| cycle.victim == victim),
            "never {victim:?}"
        );
    }
    for fault in Fault::ALL {
        let of = |cycle: &Cycle| matches!(cycle.victim, Victim::Machine(one, _) if one == fault);
        assert!(all.iter().any(of), "never {fault:?}");
    }
    for seed in 0..50 {
        let mut first: Vec<Victim> = Plan::new(seed, 2_000)
            .take(Fault::ALL.len())
            .map(|cycle| cycle.victim)
            .collect();
        first.retain(|victim| matches!(victim, Victim::Machine(..)));
        for fault in Fault::ALL {
            let of = |victim: &&Victim| matches!(victim, Victim::Machine(one, _) if *one == fault);
            assert_eq!(first.iter().filter(of).count(), 1, "{seed}: {fault:?}");
        }
    }
    let points = Plan::new(7, 2_000).points;
    assert!(points.len() > 50, "{points:?}");
    let hit = |name: &&&str| {
        let of = |cycle: &Cycle| matches!(cycle.victim, Victim::Point(point, _) if point == **name);
        Plan::new(7, 2_000).take(5_000).any(|cycle| of(&cycle))
    };
    let never: Vec<_> = points.iter().filter(|name| !hit(name)).collect();
    assert!(never.is_empty(), "{never:?}");
}
