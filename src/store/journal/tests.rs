//! How fast the commit is. Ignored in the suite: a figure, not a promise; run it by name with
//! `--ignored --nocapture`.

use std::time::SystemTime;

use super::*;
use crate::store::fixture::*;

/// 100,000 events of 200 bytes in commits of 1,024, with FULL synchronous writes.
#[tokio::test]
#[ignore = "a measurement"]
async fn events_a_second() {
    for (sessions, per_commit) in [(1, 1024), (100, 1024), (1, 4096), (1, 128)] {
        let (_dir, store) = sqlite();
        let mut owners = Vec::new();
        for _ in 0..sessions {
            owners.push(owned(&store).await.1);
        }
        let start = SystemTime::now();
        let mut pos = 1;
        let mut seqs = vec![1; sessions];
        while pos <= 100_000 {
            let share = per_commit / u64::try_from(sessions).unwrap();
            let batches: Vec<Batch> = owners
                .iter()
                .zip(&mut seqs)
                .map(|(session, seq)| {
                    let mut one = batch(session, *seq, share);
                    *seq += share;
                    for event in &mut one.events {
                        event.data = format!("{{\"text\":\"{}\"}}", "x".repeat(188));
                    }
                    one
                })
                .collect();
            let first_pos = pos;
            pos += share * u64::try_from(sessions).unwrap();
            let commit = store.write(move |conn| commit(conn, first_pos, &batches));
            commit.await.unwrap();
        }
        let ms = start.elapsed().unwrap().as_millis();
        let rate = u128::from(pos) * 1000 / ms;
        println!("{sessions} sessions, {per_commit} a commit: {rate} events/s");
    }
}
