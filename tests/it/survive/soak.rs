//! Weeks in small: many sessions and much output, while retention goes over them and memory and disk
//! are looked at.
//! Never judged by one look: the middle of the run is compared with its end; and never with less output
//! than retention would leave anyway.
//!
//! `CALLBOARD_SOAK_MINUTES`, `CALLBOARD_SOAK_SESSIONS` and `CALLBOARD_SOAK_MEGABYTES` set its size;
//! `cargo xtask soak` sets them.

use serde_json::json;

use super::*;
use crate::app::PATIENCE;
use crate::keep::tidied_within;

/// Lines of a turn, and bytes of each: four turns are a megabyte.
const LINES: u64 = 250;
const BYTES: u64 = 1_000;
/// Sessions at work at one time, which is also the number of turns that make a megabyte.
const AT_ONCE: usize = 4;
/// Looks at the server in a run.
const LOOKS: u32 = 60;
/// Goes of retention in a long run.
const GOES: u32 = 12;
/// What an allocator may keep beyond what it needs (KiB).
const SLACK: u64 = 8 * 1024;
/// What retention leaves of each session: events, and logs of processes before the last.
const EVENTS: u64 = 300;
const LOGS: u64 = 1;
/// The room that these take at most, in KiB: a log is a turn's lines and their frames, an event some
/// copies of its line.
const KEPT: u64 = (LOGS + 1) * 300 + EVENTS * 5 / 2;
/// What a megabyte of output takes before retention has been over it, in KiB: its log, its rows and the
/// journal of the database.
const FRESH: u64 = 3 * 1024;
/// The time that retention may take for each session.
const TIDYING: Duration = Duration::from_millis(600);
/// What an empty server takes, in KiB.
const EMPTY: u64 = 16 * 1024;

/// How much.
#[derive(Debug, Clone, Copy)]
struct Size {
    sessions: u32,
    megabytes: u32,
    /// The output is spread evenly over this time; zero: as fast as it goes.
    within: Duration,
}

/// One look at the server.
#[derive(Debug, Clone, Copy)]
struct Look {
    megabytes: u32,
    /// Resident and its own, in KiB.
    memory: u64,
    /// All of the data directory, in KiB.
    disk: u64,
}

#[tokio::test]
async fn a_short_soak_stays_flat() {
    soak(Size {
        sessions: 12,
        megabytes: 48,
        within: Duration::ZERO,
    })
    .await;
}

#[tokio::test]
#[ignore = "long: run by cargo xtask soak"]
async fn soak_as_asked() {
    let number = |name: &str, default: u32| {
        let text = std::env::var(format!("CALLBOARD_SOAK_{name}")).ok();
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    soak(Size {
        sessions: number("SESSIONS", 1_000),
        megabytes: number("MEGABYTES", 1_024),
        within: Duration::from_secs(60) * number("MINUTES", 60),
    })
    .await;
}

impl Size {
    fn turns(self) -> u32 {
        self.megabytes * u32::try_from(AT_ONCE).unwrap()
    }

    /// The time from one go of retention to the next.
    fn every(self) -> Duration {
        (self.within / GOES).max(Duration::from_secs(1))
    }

    /// The room that everything takes at most once retention has been over it, in KiB.
    fn kept(self) -> u64 {
        EMPTY + u64::from(self.sessions) * KEPT
    }

    /// The same at any time of a run that fills its time evenly: what came since the last go but one.
    fn at_work(self) -> u64 {
        self.kept() + FRESH * u64::from(2 * self.megabytes.div_ceil(GOES))
    }
}

async fn soak(size: Size) {
    let (made, left) = (
        u64::from(size.turns()) * LINES,
        u64::from(size.sessions) * EVENTS,
    );
    assert!(
        made > 2 * left,
        "{size:?} is too little for retention to be seen"
    );
    let settings = format!(
        "[retention]\nevery = \"{}s\"\nevents_per_agent = {EVENTS}\nlogs_per_agent = {LOGS}\n",
        size.every().as_secs()
    );
    let mut app = TestApp::with(&settings).await;
    let ada = app.sign_in("ada").await.patient();
    let flood = json!([[{"flood": {"lines": LINES, "bytes": BYTES}}]]);
    let agent = json!({
        "agentType": "script", "scenario": scenario(&app, "flood", &flood), "cwd": app.dir(),
        "start": false,
    });
    let mut sessions = vec![];
    for _ in 0..size.sessions {
        sessions.push(ada.agent(&agent).await);
    }
    let looks = work(&app, &ada, &sessions, size).await;
    tell(&looks);
    flat(&looks);
    if !size.within.is_zero() {
        for look in &looks {
            assert!(
                look.disk <= size.at_work(),
                "{look:?}: {} KiB",
                size.at_work()
            );
        }
    }
    kept(&mut app, size).await;
}

/// All the output, and what was seen on the way.
async fn work(app: &TestApp, who: &Caller, sessions: &[String], size: Size) -> Vec<Look> {
    let mut next = sessions.iter().cycle();
    let (begun, mut looks) = (Instant::now(), vec![look(app, 0)]);
    for done in 1..=size.megabytes {
        let group: Vec<&String> = next.by_ref().take(AT_ONCE).collect();
        let turns = group.iter().map(|id| turn(who, id));
        futures_util::future::join_all(turns).await;
        let seen = u32::try_from(looks.len()).unwrap();
        if done * LOOKS >= size.megabytes * seen {
            looks.push(look(app, done));
        }
        // Only the long run has a time to fill.
        let due = size.within * done / size.megabytes;
        tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
    }
    looks
}

/// What retention leaves, which goes over everything at a start, is what its settings say.
async fn kept(app: &mut TestApp, size: Size) {
    let before = look(app, size.megabytes);
    app.stop().await;
    app.boot().await;
    // It goes on beside the work, in small steps.
    let stats = tidied_within(app, PATIENCE + TIDYING * size.sessions).await;
    let sessions = u64::from(size.sessions);
    let events = stats["events"]["total"].as_u64().unwrap();
    assert!(events <= sessions * EVENTS, "{stats}");
    let logs = stats["logs"]["total"].as_u64().unwrap();
    assert!(logs <= sessions * (LOGS + 1), "{stats}");
    let after = look(app, size.megabytes);
    tell(&[before, after]);
    assert!(after.disk <= size.kept(), "{} KiB: {stats}", size.kept());
}

/// A turn, seen to its end; then the process goes, so that another has its place.
async fn turn(who: &Caller, id: &str) {
    let before = latest(who, id).await;
    let task = send(who, id, "more").await;
    let end = settled(who, id, &task).await;
    assert_eq!(end["state"], "completed", "{end}");
    assert!(latest(who, id).await >= before + LINES, "{end}");
    let path = format!("/api/agents/{id}/stop");
    who.post(&path, &json!({})).await.ok(200);
}

fn look(app: &TestApp, megabytes: u32) -> Look {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let memory = line.and_then(|text| text.split_whitespace().next());
    Look {
        megabytes,
        memory: memory.unwrap().parse().unwrap(),
        disk: size_of(app.dir()),
    }
}

/// What a directory takes on the disk, in KiB.
fn size_of(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => size_of(&entry.path()),
        Ok(about) => about.blocks() / 2,
        // A socket or a side file of the database that has gone since.
        Err(_) => 0,
    });
    sizes.sum()
}

fn tell(looks: &[Look]) {
    for look in looks {
        eprintln!(
            "soak: {:>6} MB of output: memory {:>4} MiB, disk {:>6} MiB",
            look.megabytes,
            look.memory / 1024,
            look.disk / 1024
        );
    }
}

/// The last quarter of the run is no higher than the second.
fn flat(looks: &[Look]) {
    let quarter = looks.len() / 4;
    let middle = |part: &[Look]| {
        let mut memory: Vec<u64> = part.iter().map(|look| look.memory).collect();
        memory.sort_unstable();
        memory[memory.len() / 2]
    };
    let early = middle(&looks[quarter..2 * quarter]);
    let late = middle(&looks[looks.len() - quarter..]);
    assert!(
        late <= early + early / 10 + SLACK,
        "{early} KiB, then {late} KiB"
    );
}
