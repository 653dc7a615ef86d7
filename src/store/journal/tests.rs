//! How fast the commit is. Ignored in the suite: a figure, not a promise; run it by name with
//! `--ignored --nocapture`.

use std::time::{Duration, SystemTime};

use diesel::connection::SimpleConnection;

use super::*;
use crate::store::fixture::*;

/// 100,000 events of 200 bytes in commits of 1,024, with FULL synchronous writes.
#[tokio::test]
#[ignore = "a measurement"]
async fn events_a_second() {
    for (sessions, per_commit, pages) in [
        (1, 1024, 1000),
        (1, 1024, 4000),
        (100, 1024, 1000),
        (100, 1024, 4000),
        (1, 4096, 1000),
        (1, 128, 1000),
    ] {
        let (_dir, store) = sqlite();
        let pragma = format!("PRAGMA wal_autocheckpoint = {pages}");
        store
            .write(move |conn| Ok(conn.batch_execute(&pragma)?))
            .await
            .unwrap();
        let mut owners = Vec::new();
        for _ in 0..sessions {
            owners.push(owned(&store).await.1);
        }
        let mut spent = Duration::ZERO;
        let cpu = cpu_ticks();
        let mut pos = 1;
        let mut seqs = vec![1; sessions];
        let share = per_commit / u64::try_from(sessions).unwrap();
        while pos <= 100_000 {
            let mut batches = Vec::new();
            for (session, seq) in owners.iter().zip(&mut seqs) {
                let mut one = batch(session, *seq, share);
                *seq += share;
                for event in &mut one.events {
                    event.data = format!("{{\"text\":\"{}\"}}", "x".repeat(188));
                }
                batches.push(one);
            }
            let first_pos = pos;
            pos += share * u64::try_from(sessions).unwrap();
            let start = SystemTime::now();
            let commit = store.write(move |conn| commit(conn, first_pos, &batches));
            commit.await.unwrap();
            spent += start.elapsed().unwrap();
        }
        let rate = u128::from(pos) * 1000 / spent.as_millis();
        let by_cpu = pos * 100 / (cpu_ticks() - cpu);
        println!(
            "{sessions} sessions, {per_commit} a commit, checkpoint at {pages}: {rate} events/s \
             by the wall, {by_cpu} by the processor"
        );
    }
}

/// Time of this process in user and kernel mode, in hundredths of a second.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
