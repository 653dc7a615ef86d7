//! A great deal of output while no server is there.
//! Never a byte of it lost, and never all of it in memory.

use serde_json::json;

use super::*;

const LINES: u64 = 50_000;
const BYTES: u64 = 4_000;

#[tokio::test]
async fn two_hundred_megabytes_are_caught_up_with() {
    let mut app = TestApp::with("[agents]\nlog_segment_bytes = \"256 MiB\"\n").await;
    let ada = app.sign_in("ada").await;
    let turns = json!([[{"sleep_ms": 1_000}, {"flood": {"lines": LINES, "bytes": BYTES}}]]);
    let id = player(&app, &ada, &turns).await;
    let task = send(&ada, &id, "go").await;
    started(&ada, &id, &task).await;
    let dir = keeper_dir(&app, &id);
    let keeper = recorded(&dir, "keeper_pid");
    app.kill9();
    let mut way = Way::default();
    let mut most = 0;
    while logged(&dir) < LINES * BYTES {
        most = most.max(memory(keeper));
        way.goes_on(logged(&dir));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(most < 2 * 1024 * 1024, "the keeper took {most} bytes");
    let begun = Instant::now();
    app.boot().await;
    let ready = begun.elapsed();
    let ada = ada.at(&app);
    let mut peak = 0;
    let mut way = Way::default();
    let end = format!("/api/agents/{id}/events?after=latest");
    loop {
        peak = peak.max(app.memory());
        if ended(task_state(&ada, &id, &task).await.as_str()) {
            break;
        }
        way.goes_on(ada.get(&end).await.ok(200)["latestSeq"].as_u64().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = begun.elapsed();
    assert_eq!(task_state(&ada, &id, &task).await, "completed");
    let (mut after, mut line) = (0, 0);
    loop {
        let page = ada
            .get(&format!("/api/agents/{id}/events?after={after}"))
            .await
            .ok(200);
        for event in page["events"].as_array().unwrap() {
            after += 1;
            assert_eq!(event["seq"], after);
            if let Some(number) = event["data"]["line"].as_u64() {
                line += 1;
                assert_eq!(number, line);
                let text = event["data"]["content"].as_str().unwrap();
                assert_eq!(text.len(), usize::try_from(BYTES).unwrap());
            }
        }
        if page["hasMore"] == false {
            break;
        }
    }
    assert_eq!(line, LINES);
    eprintln!("ready {ready:?}, caught up {took:?}, server {peak} bytes, keeper {most} bytes");
    assert!(peak < 192 * 1024 * 1024, "the server took {peak} bytes");
}

/// How far something large is. A slow disk makes it slow; it fails when nothing moves any more.
struct Way {
    at: u64,
    since: Instant,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            at: 0,
            since: Instant::now(),
        }
    }
}

impl Way {
    fn goes_on(&mut self, at: u64) {
        if at > self.at {
            *self = Self {
                at,
                ..Self::default()
            };
        }
        assert!(self.since.elapsed() < LONG, "it stays at {at}");
    }
}

async fn task_state(who: &Caller, id: &str, name: &str) -> String {
    task(who, id, name).await["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Bytes of output that the keeper has on disk.
fn logged(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().flatten();
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("out."))
        .map(|file| file.metadata().map_or(0, |data| data.len()))
        .sum()
}
