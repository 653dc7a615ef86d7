//! The log against a simple model: a vector of all bytes, an acknowledged offset, a cap.

use std::io::Read;

use proptest::prelude::*;

use super::Log;
use crate::wire::frame::BlockReason;
use crate::wire::segments;

/// A program's output that gives what it is asked for, as a pipe would.
struct Source {
    next: u64,
    offered: usize,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.offered.min(buffer.len());
        for slot in &mut buffer[..count] {
            *slot = byte_at(self.next);
            self.next += 1;
        }
        Ok(count)
    }
}

fn byte_at(offset: u64) -> u8 {
    let [byte, ..] = offset.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    byte
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize),
    Ack(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1_usize..400).prop_map(Step::Write),
        1 => (0_u64..3000).prop_map(Step::Ack),
    ];
    prop::collection::vec(step, 1..120)
}

fn read_all(dir: &std::path::Path) -> (u64, Vec<u8>) {
    let list = segments::list(dir).unwrap();
    let mut next = list[0].base;
    let mut bytes = Vec::new();
    for segment in &list {
        assert_eq!(segment.base, next, "segments follow each other");
        bytes.extend(std::fs::read(segments::path(dir, segment.base)).unwrap());
        next = segment.end();
    }
    (list[0].base, bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Nothing unacknowledged is ever dropped, the cap holds, files and figures agree.
    #[test]
    fn the_log_keeps_what_nobody_has_acknowledged(
        segment_bytes in 1_u64..300,
        keep in 1_u32..5,
        steps in steps(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::create(dir.path().to_owned(), segment_bytes, keep).unwrap();
        let mut source = Source { next: 0, offered: 0 };
        let mut acked = 0;
        for step in steps {
            match step {
                Step::Write(count) if log.blocked().is_none() => {
                    source.offered = count;
                    prop_assert!(log.take_from(&mut source).unwrap());
                }
                Step::Write(_) => {
                    prop_assert_eq!(log.blocked(), Some(BlockReason::Cap));
                    let kept = log.length() - log.base();
                    prop_assert_eq!(kept, segment_bytes * u64::from(keep), "blocked only at the cap");
                }
                Step::Ack(offset) => {
                    acked = offset.min(log.length()).max(acked);
                    log.acknowledge(offset);
                }
            }
            let (base, bytes) = read_all(dir.path());
            let end = base + u64::try_from(bytes.len()).unwrap();
            prop_assert_eq!((base, end), (log.base(), log.length()));
            prop_assert!(base == 0 || base <= log.acked(), "dropped beyond the acknowledged offset");
            prop_assert!(log.length() - base <= segment_bytes * u64::from(keep));
            prop_assert!(bytes.iter().zip(base..).all(|(byte, at)| *byte == byte_at(at)));
            prop_assert_eq!(log.is_settled(), log.length() == source.next);
        }
        // With acknowledgements everything that was read arrives.
        while !log.is_settled() {
            log.acknowledge(u64::MAX);
        }
        prop_assert_eq!(log.length(), source.next);
        prop_assert!(acked <= log.acked());
    }
}

#[test]
fn lifting_the_cap_lets_the_rest_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::create(dir.path().to_owned(), 10, 2).unwrap();
    let mut source = Source {
        next: 0,
        offered: 35,
    };
    assert!(log.take_from(&mut source).unwrap());
    assert_eq!((log.length(), log.blocked()), (20, Some(BlockReason::Cap)));
    log.lift_cap();
    log.flush();
    assert_eq!((log.length(), log.blocked()), (35, None));
    source.offered = 0;
    assert!(!log.take_from(&mut source).unwrap(), "the end");
}

#[test]
fn a_directory_has_one_log() {
    let dir = tempfile::tempdir().unwrap();
    let _log = Log::create(dir.path().to_owned(), 10, 2).unwrap();
    assert!(Log::create(dir.path().to_owned(), 10, 2).is_err());
}

#[test]
fn open_at_finds_the_segment_or_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::create(dir.path().to_owned(), 10, 2).unwrap();
    log.acknowledge(0);
    let mut source = Source {
        next: 0,
        offered: 20,
    };
    assert!(log.take_from(&mut source).unwrap());
    log.acknowledge(10);
    source.offered = 5;
    assert!(log.take_from(&mut source).unwrap());
    assert_eq!(log.base(), 10);
    let base = |offset| {
        log.open_at(offset)
            .unwrap()
            .map(|(segment, _)| segment.base)
    };
    assert_eq!(
        (base(0), base(10), base(19), base(20), base(25)),
        (Some(10), Some(10), Some(10), Some(20), None)
    );
    assert_eq!(
        (log.end_of(0), log.end_of(10), log.end_of(20)),
        (None, Some(20), Some(25))
    );
}
