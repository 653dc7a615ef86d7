//! Crashes of every part at every moment: nothing accepted is lost, and nothing happens twice.
//! Never waits for a time to pass: every wait is for a condition, with a deadline.

mod agent;
mod away;
mod chaos;
mod copies;
mod deaths;
pub mod drain;
mod edges;
mod keeper;
pub mod panics;
pub mod queue;
pub mod readers;
pub mod server;
mod soak;
mod stop;
mod trees;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::app::{Caller, TestApp};

/// Longest wait for a thing that takes a while on a busy machine.
pub const LONG: Duration = Duration::from_secs(120);

/// Writes a scenario into the app's directory and returns its path.
fn scenario(app: &TestApp, name: &str, turns: &Value) -> String {
    let file = app.dir().join(format!("{name}.json"));
    std::fs::write(&file, json!({ "turns": turns }).to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A script agent that plays these turns, in the app's directory.
pub async fn player(app: &TestApp, who: &Caller, turns: &Value) -> String {
    let scenario = scenario(app, "play", turns);
    who.agent(&json!({"agentType": "script", "scenario": scenario, "cwd": app.dir()}))
        .await
}

/// A shell in the app's directory that asks nobody.
async fn shell(app: &TestApp, who: &Caller) -> String {
    let made = json!({
        "agentType": "shell", "cwd": app.dir(), "permissionMode": "bypassPermissions",
    });
    who.agent(&made).await
}

/// Sends a prompt without waiting for its end; the task's id.
pub async fn send(who: &Caller, id: &str, message: &str) -> String {
    let path = format!("/api/agents/{id}/message");
    let sent = who.post_once(&path, &json!({ "message": message })).await;
    sent.ok(202)["taskId"].as_str().unwrap().to_owned()
}

pub async fn agent(who: &Caller, id: &str) -> Value {
    who.get(&format!("/api/agents/{id}")).await.ok(200)
}

async fn task(who: &Caller, id: &str, task: &str) -> Value {
    who.get(&format!("/api/agents/{id}/tasks/{task}"))
        .await
        .ok(200)
}

/// Asks until there is an answer; what there is instead is told when the time is over. The one
/// place where these tests look again: other processes give no signal to wait for.
pub async fn answer<T>(ask: impl AsyncFn() -> Result<T, String>) -> T {
    answer_within(LONG, ask).await
}

pub async fn answer_within<T>(most: Duration, ask: impl AsyncFn() -> Result<T, String>) -> T {
    let end = Instant::now() + most;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(still) => assert!(Instant::now() < end, "still {still}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the agent is as wanted, and returns it.
async fn agent_until(who: &Caller, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    answer(async || {
        let now = agent(who, id).await;
        if wanted(&now) {
            return Ok(now);
        }
        Err(now.to_string())
    })
    .await
}

/// Waits until the task has ended or is held as uncertain, and returns it.
pub async fn settled(who: &Caller, id: &str, name: &str) -> Value {
    answer(async || {
        let now = task(who, id, name).await;
        let state = now["state"].as_str().unwrap();
        if ended(state) || state == "uncertain" {
            return Ok(now);
        }
        Err(format!("{now}: {}", agent(who, id).await))
    })
    .await
}

/// Waits until the program has taken the task.
async fn started(who: &Caller, id: &str, name: &str) {
    answer(async || {
        if task(who, id, name).await["state"] == "running" {
            return Ok(());
        }
        Err(agent(who, id).await.to_string())
    })
    .await;
}

fn ended(state: &str) -> bool {
    !matches!(
        state,
        "queued" | "dispatching" | "running" | "stopping" | "awaiting_approval" | "uncertain"
    )
}

/// The last number of an agent's journal.
pub async fn latest(who: &Caller, id: &str) -> u64 {
    agent(who, id).await["lastSeq"].as_u64().unwrap_or(0)
}

/// Waits until the agent has more events than this. Returns within moments of that event.
pub async fn beyond(who: &Caller, id: &str, seq: u64) {
    let end = Instant::now() + LONG;
    let mut now = latest(who, id).await;
    while now <= seq {
        let path = format!("/api/agents/{id}/events?after={now}&wait=10&limit=1");
        who.get(&path).await.ok(200);
        let path = format!("/api/agents/{id}/events?after=latest");
        now = who.get(&path).await.ok(200)["latestSeq"].as_u64().unwrap();
        assert!(Instant::now() < end, "still {}", agent(who, id).await);
    }
}

/// The whole history, with its numbers checked: 1 to n without a hole, nothing twice.
pub async fn whole(who: &Caller, id: &str) -> Vec<Value> {
    let all = who.history(id).await;
    for (event, seq) in all.iter().zip(1_u64..) {
        assert_eq!(
            event["seq"].as_u64(),
            Some(seq),
            "a hole in the numbers at {event}"
        );
        assert_eq!(event["agentId"], *id);
    }
    all
}

/// The same, once it tells the end of these tasks: rows may be read a moment before the feed shows
/// what was committed with them.
pub async fn with_ends(who: &Caller, id: &str, tasks: &[String]) -> Vec<Value> {
    answer(async || {
        let history = whole(who, id).await;
        let open = tasks
            .iter()
            .find(|task| count(&history, "turn_ended", task) == 0);
        open.map_or(Ok(history.clone()), |task| {
            Err(format!("without the end of {task}"))
        })
    })
    .await
}

/// The numbers of the flood's lines in a history, in the order in which they came.
pub fn lines(history: &[Value]) -> Vec<u64> {
    history
        .iter()
        .filter_map(|event| event["data"]["line"].as_u64())
        .collect()
}

fn count(history: &[Value], kind: &str, task: &str) -> usize {
    let same = |event: &&Value| event["type"] == kind && event["data"]["taskId"] == task;
    history.iter().filter(same).count()
}

/// Waits until a line of the agent's own output ends with this.
async fn printed(who: &Caller, id: &str, words: &str) {
    let echo = |line: &&str| line.contains("echo") || line.contains("\x1b[200~");
    answer(async || {
        let text = who.get(&format!("/api/agents/{id}/log")).await.text;
        let mut own = text.lines().filter(|line| !echo(line));
        if own.any(|line| line.ends_with(words)) {
            return Ok(());
        }
        Err(format!("without {words}: {text}"))
    })
    .await;
}

/// Checks that these tasks have one start at most per attempt and exactly one end each.
pub fn ended_once(history: &[Value], tasks: &[String]) {
    for task in tasks {
        assert_eq!(count(history, "turn_ended", task), 1, "the end of {task}");
    }
}

fn pid_of(agent: &Value) -> i32 {
    agent["pid"]
        .as_i64()
        .and_then(|pid| i32::try_from(pid).ok())
        .expect("it has no pid")
}

/// Copies a directory with everything in it, as a person does.
pub fn copy(from: &Path, to: &Path) {
    let mut words = std::process::Command::new("cp");
    let copied = words.args(["-r", "-T"]).arg(from).arg(to).status().unwrap();
    assert!(copied.success(), "cp: {copied}");
}

fn kill9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The directory of the newest process of an agent, where its keeper has its files.
pub fn keeper_dir(app: &TestApp, id: &str) -> PathBuf {
    let all = app.dir().join("keepers").join(id);
    let newest = std::fs::read_dir(&all)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u64>().ok())
        .max()
        .unwrap();
    all.join(newest.to_string())
}

/// A number of the keeper's `record` file.
pub fn recorded(dir: &Path, key: &str) -> i32 {
    let text = std::fs::read_to_string(dir.join("record")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    line.unwrap_or_else(|| panic!("no {key} in {text}"))
}

/// Whatever says that it runs has a living process: nothing claims more than is true.
async fn truthful(who: &Caller, id: &str) {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let now = agent(who, id).await;
        let claims = matches!(
            now["detail"].as_str().unwrap(),
            "busy" | "idle" | "starting" | "stopping" | "awaiting_approval"
        );
        let alive = now["pid"]
            .as_i64()
            .is_some_and(|pid| lives(i32::try_from(pid).unwrap()));
        if !claims || alive {
            return;
        }
        assert!(
            Instant::now() < end,
            "it says that it runs and does not: {now}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A repeatable source of numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// Every process with this keeper's mark in its environment: the program and all that it started.
fn marked(dir: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(dir.join("record")).unwrap();
    let mark = text
        .lines()
        .find_map(|line| line.strip_prefix("mark "))
        .unwrap()
        .to_owned();
    with_mark(&mark)
}

fn with_mark(mark: &str) -> Vec<i32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let env = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&env).contains(mark) && lives(*pid)
    })
    .collect()
}

/// Private memory of a process in bytes (RssAnon).
fn memory(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
