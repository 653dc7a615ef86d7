//! A process that is killed in the middle of commits leaves whole batches only.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;
use crate::domain::{Batch, Change, Incarnation, Progress, SessionId};

/// The child's part is the test below, called by name with this variable set.
const PART: &str = "CALLBOARD_TEST_CRASH_DATABASE";
const EVENTS: u64 = 7;

/// Commits batches until it is killed; says each one's number after its commit. Does nothing when
/// it is run as a test of the suite.
#[tokio::test]
async fn the_part_of_the_killed_process() {
    let Ok(path) = std::env::var(PART) else {
        return;
    };
    let store = Store::open(path).unwrap();
    let (_, one) = owned(&store).await;
    let start = Batch {
        changes: vec![Change::Started(life(1).into())],
        ..batch(&one, 1, 0)
    };
    store
        .write(move |conn| journal::commit(conn, 1, &[start]))
        .await
        .unwrap();
    println!("\nsession {} {}", one.id, one.owner);
    for number in 0.. {
        let batch = Batch {
            progress: Some(Progress {
                incarnation: Incarnation(1),
                offset: number + 1,
                snapshot: (number + 1).to_string(),
            }),
            ..batch(&one, number * EVENTS + 1, EVENTS)
        };
        let first_pos = number * EVENTS + 1;
        let commit = store.write(move |conn| journal::commit(conn, first_pos, &[batch]));
        commit.await.unwrap();
        println!("committed {}", number + 1);
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_batches_and_all_that_it_promised() {
    for wanted in [1, 20, 60] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("callboard.db");
        survives(path.to_str().unwrap(), wanted).await;
        let fresh = Fresh::migrated();
        survives(&fresh.url(), wanted).await;
    }
}

async fn survives(database: &str, wanted: u64) {
    let (session, promised) = kill_after(database, wanted);
    let store = Store::open(database).unwrap();
    let ((oldest, latest), life) = store
        .read(move |conn| {
            Ok((
                events::bounds(conn, session)?,
                incarnations::latest(conn, session)?.unwrap(),
            ))
        })
        .await
        .unwrap();
    assert!(promised >= wanted);
    assert_eq!(oldest, 1);
    assert_eq!(latest % EVENTS, 0, "half a batch");
    let batches = latest / EVENTS;
    assert!(
        batches >= promised,
        "{batches} of {promised} promised ones are there"
    );
    assert_eq!((life.offset, life.snapshot), (batches, batches.to_string()));
    let page = store.read(move |conn| events::page(conn, session, 0, usize::MAX, None));
    let seqs: Vec<u64> = page.await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=latest).collect::<Vec<_>>());
}

/// Runs the child and kills it (SIGKILL) after it has said so many commits. Returns its session
/// and the last number that it said.
#[expect(
    clippy::disallowed_methods,
    reason = "the test's own process, not an agent"
)]
fn kill_after(database: &str, wanted: u64) -> (SessionId, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("store::tests::crash::the_part_of_the_killed_process")
        .env(PART, database)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut session = None;
    let mut promised = 0;
    for line in lines {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["session", id, _] => session = Some(id.parse().unwrap()),
            ["committed", number] => promised = number.parse().unwrap(),
            _ => {}
        }
        if promised == wanted {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    (session.unwrap(), promised)
}
