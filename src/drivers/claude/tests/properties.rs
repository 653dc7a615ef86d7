//! Cuts and noise: where a stream is cut does not matter, and no bytes bring the codec down. This
//! is the body of a fuzz target, run over generated cases. Never unbounded: the cases are counted.

use proptest::prelude::*;
use proptest::sample::Index;

use super::captures::{Scene, lines, names, play, scenes};
use super::stage::prompt;
use crate::drivers::{Command, Output};

#[test]
fn every_recording_goes_on_from_a_snapshot_at_every_line() {
    for name in names() {
        let scenes = scenes(&name);
        let whole = play(&scenes, &mut |_| Vec::new());
        assert_eq!(play(&scenes, &mut lines), whole, "{name}");
    }
}

/// What must hold of any bytes, however they are cut.
fn fuzz(scenes: &[Scene], cuts: &[Index]) {
    let whole = play(scenes, &mut |_| Vec::new());
    let cut = play(scenes, &mut |bytes| {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.sort_unstable();
        at
    });
    assert_eq!(cut, whole);
    let mut running = None;
    for output in &whole {
        match output {
            Output::TurnStarted { task } => {
                assert_ne!(running, Some(*task));
                running = Some(*task);
            }
            Output::TurnEnded { task, .. } => assert_eq!(running.take(), Some(*task)),
            Output::Event { data, .. } => assert!(data.is_object()),
            Output::Send { id, .. } => assert!(id.len() <= 64, "{id}"),
            _ => {}
        }
    }
}

#[derive(Debug, Clone)]
enum Harm {
    Drop,
    Twice,
    Swap,
    Byte(u8),
    Cut,
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        Just(Harm::Drop),
        Just(Harm::Twice),
        Just(Harm::Swap),
        Just(Harm::Cut),
        any::<u8>().prop_map(Harm::Byte),
    ]
}

/// Does this to a line of the bytes.
fn hurt(bytes: &mut Vec<u8>, harm: &Harm, (line, byte): (Index, Index)) {
    let mut all: Vec<Vec<u8>> = bytes
        .split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if all.is_empty() {
        return;
    }
    let at = line.index(all.len());
    match harm {
        Harm::Drop => drop(all.remove(at)),
        Harm::Twice => all.insert(at, all[at].clone()),
        Harm::Swap => {
            let other = byte.index(all.len());
            all.swap(at, other);
        }
        Harm::Byte(new) => {
            let place = byte.index(all[at].len());
            all[at][place] = *new;
        }
        Harm::Cut => {
            let place = byte.index(all[at].len());
            all[at].truncate(place);
        }
    }
    *bytes = all.concat();
}

/// How many cases of each: a few in every run of the tests, more with `cargo xtask fuzz`.
fn cases() -> u32 {
    let asked = std::env::var("CALLBOARD_FUZZ_CASES").ok();
    asked.map_or(96, |number| number.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_recording_may_be_cut_anywhere(
        pick in any::<Index>(),
        cuts in prop::collection::vec(any::<Index>(), 1..10),
    ) {
        let names = names();
        fuzz(&scenes(&names[pick.index(names.len())]), &cuts);
    }

    #[test]
    fn a_damaged_recording_is_no_harm(
        pick in any::<Index>(),
        harms in prop::collection::vec((harm(), any::<Index>(), any::<Index>(), any::<Index>()), 1..20),
        cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let names = names();
        let mut scenes = scenes(&names[pick.index(names.len())]);
        for (harm, scene, line, byte) in harms {
            let at = scene.index(scenes.len());
            hurt(&mut scenes[at].0, &harm, (line, byte));
        }
        fuzz(&scenes, &cuts);
    }

    #[test]
    fn any_bytes_are_taken(
        bytes in prop::collection::vec(any::<u8>(), 0..4096),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let scenes = [(Vec::new(), Some(prompt(1))), (bytes, Some(Command::Interrupt))];
        fuzz(&scenes, &cuts);
    }
}
