//! What a machine does to a server: each fault makes it serve less for a while, is told, and passes.
//! Never a fault that ends an actor's tree or loses what was accepted.

mod clock;
mod cuts;
mod database;
mod disk;
mod files;
mod logs;
pub mod memory;
mod metrics;
mod threads;
mod upgrade;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{Answer, Caller, TestApp, answer};

/// Longest wait for a fault to pass on a busy machine.
const LONG: Duration = Duration::from_secs(90);

/// Asks until there is an answer; what there is instead is told when the time is over.
async fn soon<T>(ask: impl AsyncFn() -> Result<T, String>) -> T {
    let end = Instant::now() + LONG;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(still) => assert!(Instant::now() < end, "still {still}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What anyone is told about the server.
async fn health(app: &TestApp) -> Value {
    answer(app.http.get(app.url() + "/health/detailed"))
        .await
        .ok(200)
}

/// Whether the server says that it takes new work, and why not.
async fn ready(app: &TestApp) -> Answer {
    answer(app.http.get(app.url() + "/health/ready")).await
}

/// Waits until a part of the server is as wanted, and returns what is told then.
async fn until_part(app: &TestApp, part: &str, wanted: &str) -> Value {
    soon(async || {
        let now = health(app).await;
        match now["services"][part]["status"] == wanted {
            true => Ok(now),
            false => Err(now.to_string()),
        }
    })
    .await
}

/// Waits until all is well again.
async fn until_well(app: &TestApp) {
    soon(async || {
        let (now, ready) = (health(app).await, ready(app).await);
        match now["status"] == "ok" && ready.status == 200 {
            true => Ok(()),
            false => Err(format!("{now} {}", ready.text)),
        }
    })
    .await;
}

/// A script agent that plays these turns.
async fn player(app: &TestApp, who: &Caller, turns: &Value) -> String {
    let file = app.dir().join("play.json");
    std::fs::write(&file, json!({ "turns": turns }).to_string()).unwrap();
    let made = json!({"agentType": "script", "scenario": file, "cwd": app.dir()});
    who.ready_agent(&made).await
}

/// Sends a prompt without waiting for its end.
async fn post(who: &Caller, id: &str, message: &str) -> Answer {
    let path = format!("/api/agents/{id}/message");
    who.post_once(&path, &json!({ "message": message })).await
}

/// The same for one that is taken; the task's id.
async fn send(who: &Caller, id: &str, message: &str) -> String {
    let taken = post(who, id, message).await.ok(202);
    taken["taskId"].as_str().unwrap().to_owned()
}

/// Waits until a task is in this state.
async fn until_task(who: &Caller, id: &str, task: &str, state: &str) {
    soon(async || {
        let now = who.get(&format!("/api/agents/{id}/tasks/{task}")).await;
        let now = now.ok(200);
        match now["state"] == state {
            true => Ok(()),
            false => Err(now.to_string()),
        }
    })
    .await;
}

/// Every event of an agent so far: numbered without a hole, each task's end told once.
async fn whole(who: &Caller, id: &str, tasks: &[String]) -> Vec<Value> {
    let all = who.history(id).await;
    for (event, seq) in all.iter().zip(1_u64..) {
        assert_eq!(event["seq"], seq, "{event}");
    }
    for task in tasks {
        let ends = all
            .iter()
            .filter(|event| event["type"] == "turn_ended" && event["data"]["taskId"] == **task);
        assert_eq!(ends.count(), 1, "the end of {task}");
    }
    all
}

/// What Prometheus is told.
async fn scrape(admin: &Caller) -> String {
    let reply = admin.get("/metrics").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text
}

/// A figure by its name, with its label if it has one. One with a label is missing while there is
/// nothing to count, and 0 then; any other is always there.
pub async fn figure(admin: &Caller, name: &str) -> f64 {
    let text = scrape(admin).await;
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    match lines.find(|(before, _)| *before == name) {
        Some((_, value)) => value.parse().unwrap(),
        None if name.contains('{') => 0.0,
        None => panic!("{name} is not told: {text}"),
    }
}

/// How often actors were started again, of any kind.
async fn restarts(admin: &Caller) -> Vec<String> {
    let text = scrape(admin).await;
    // Stands beside it whether there were any or not.
    assert!(
        text.contains("\ncallboard_supervisor_escalations_total 0\n"),
        "{text}"
    );
    let of_actors = |line: &&str| line.starts_with("callboard_actor_restarts_total{");
    text.lines().filter(of_actors).map(str::to_owned).collect()
}

/// Sends another process that belongs to nobody's test but this one.
fn run(program: &str, args: &[&str]) {
    let done = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .status();
    assert!(done.unwrap().success(), "{program} {args:?}");
}

/// How many descriptors the server may have.
fn file_limit(app: &TestApp) -> f64 {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", app.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    soft.parse().unwrap()
}

/// Set in the copy of a test that has mounts of its own: where it may mount.
const INSIDE: &str = "CALLBOARD_TEST_OWN_MOUNTS";

/// A file system of so many MiB of this test's own; `None` after the test has run in a copy that has
/// one.
pub async fn small_disk(test: &'static str, mib: u32) -> Option<PathBuf> {
    if let Some(place) = std::env::var_os(INSIDE).map(PathBuf::from) {
        let target = place.to_str().unwrap();
        let size = format!("size={mib}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", target]);
        return Some(place);
    }
    let place = tempfile::tempdir().unwrap();
    let name = test.split_once("::").unwrap().1;
    let mut again = Command::new("unshare");
    again
        .args(["--map-root-user", "--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .env(INSIDE, place.path())
        .stdin(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut again, 0);
    let done = tokio::task::spawn_blocking(move || again.output().unwrap());
    let done = done.await.unwrap();
    let told = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
    eprintln!("{told}");
    None
}
