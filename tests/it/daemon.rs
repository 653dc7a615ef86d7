//! `callboard daemon`: a server in the background, from its start to its end.
//!
//! Never leaves a server or an agent behind, also when a test fails.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::app::PATIENCE;

/// A data directory and the person who runs a server on it.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
        command
            .args(words)
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env("CALLBOARD_DATA_DIR", self.data())
            .env_remove("CALLBOARD_ADMIN_PASSWORD")
            .env_remove("CALLBOARD_BIND")
            .env_remove("CALLBOARD_URL")
            .env_remove("CALLBOARD_API_KEY")
            .env_remove("AGOR_API_KEY")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs it, checks the exit, and returns what it printed.
    #[track_caller]
    fn ok(&self, words: &[&str], code: i32) -> String {
        let done = self.run(words);
        assert_eq!(done.status.code(), Some(code), "{words:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, words: &[&str], code: i32) -> Value {
        serde_json::from_str(&self.ok(words, code)).unwrap()
    }

    fn status(&self, code: i32) -> Value {
        self.json(&["daemon", "status", "--json"], code)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let done = self.run(&["daemon", "stop", "--stop-agents"]);
        if !std::thread::panicking() {
            assert!(done.status.success(), "{done:?}");
        }
    }
}

fn pid_of(status: &Value) -> Pid {
    Pid::from_raw(i32::try_from(status["pid"].as_i64().unwrap()).unwrap())
}

#[track_caller]
fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "it never came true");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Session of the system's, of a process.
fn session(pid: Pid) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit_once(") ").unwrap().1;
    rest.split(' ').nth(3).unwrap().parse().unwrap()
}

fn runs(pid: i64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn a_server_is_started_looked_at_restarted_and_stopped() {
    let machine = Machine::new();
    assert_eq!(machine.status(5)["state"], "stopped");
    assert!(
        machine
            .ok(&["daemon", "status"], 5)
            .starts_with("not running\n")
    );
    assert!(machine.ok(&["daemon", "stop"], 0).contains("not running"));

    let started = machine.ok(&["daemon", "start", "--bind", "127.0.0.1:0"], 0);
    assert!(
        started.contains("running at http://127.0.0.1:"),
        "{started}"
    );
    let first = machine.status(0);
    assert_eq!(
        (&first["state"], &first["ready"]),
        (&json!("running"), &json!(true))
    );
    assert_eq!(first["dataDir"], machine.data().to_str().unwrap());
    let pid = pid_of(&first);
    assert_eq!(session(pid), pid.as_raw(), "it has no session of its own");
    let log = fs::read_to_string(machine.data().join("server.log")).unwrap();
    assert!(log.contains("\"ready\""), "{log}");

    let again = machine.ok(&["daemon", "start"], 0);
    assert!(again.starts_with("already running\n"), "{again}");
    assert_eq!(machine.status(0)["pid"], first["pid"]);

    let url = first["url"].as_str().unwrap();
    machine.ok(&["--url", url, "login"], 0);
    let run = [
        "run",
        "echo $$",
        "--name",
        "b",
        "--permission-mode",
        "bypassPermissions",
    ];
    machine.ok(&run, 0);
    let agent = || machine.json(&["ps", "--json", "--all"], 0)["agents"][0].clone();
    let agent_pid = agent()["pid"].as_i64().unwrap();

    let restarted = machine.json(&["daemon", "restart", "--json"], 0);
    assert_eq!(restarted["url"], first["url"], "it listens elsewhere");
    assert_ne!(restarted["pid"], first["pid"]);
    assert_eq!(restarted["agents"]["running"], 1);
    assert_eq!(
        agent()["pid"].as_i64(),
        Some(agent_pid),
        "the agent did not stay"
    );

    let stopped = machine.ok(&["daemon", "stop"], 0);
    assert!(stopped.contains("1 agent runs on"), "{stopped}");
    assert!(runs(agent_pid));
    assert_eq!(machine.status(5)["state"], "stopped");

    machine.ok(&["daemon", "start", "--bind", "127.0.0.1:0"], 0);
    let stopped = machine.ok(&["daemon", "stop", "--stop-agents"], 0);
    assert!(stopped.contains("its agents with it"), "{stopped}");
    until(|| !runs(agent_pid));
}

#[test]
fn a_server_that_was_killed_is_told_and_started_again() {
    let machine = Machine::new();
    machine.ok(&["daemon", "start", "--bind", "127.0.0.1:0"], 0);
    let pid = pid_of(&machine.status(0));
    kill(pid, Signal::SIGKILL).unwrap();
    until(|| machine.status(5)["state"] == "stale");
    let told = machine.ok(&["daemon", "status"], 5);
    assert!(
        told.contains(&format!("process {pid} did not end in order")),
        "{told}"
    );
    assert!(machine.ok(&["daemon", "stop"], 0).contains("not running"));
    machine.ok(&["daemon", "start", "--bind", "127.0.0.1:0"], 0);
    assert_ne!(pid_of(&machine.status(0)), pid);
}

#[test]
fn starts_at_the_same_time_make_one_server() {
    let machine = Machine::new();
    let start = ["daemon", "start", "--bind", "127.0.0.1:0", "--json"];
    let starts: Vec<Child> = (0..4)
        .map(|_| {
            machine
                .command(&start)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let pids: Vec<Value> = starts
        .into_iter()
        .map(|child| {
            let done = child.wait_with_output().unwrap();
            assert!(done.status.success(), "{done:?}");
            serde_json::from_slice::<Value>(&done.stdout).unwrap()["pid"].clone()
        })
        .collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
}

#[test]
fn a_start_that_fails_says_why() {
    let machine = Machine::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let done = machine.run(&["daemon", "start", "--bind", &bind]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(told.contains(&format!("cannot listen on {bind}")), "{told}");
    assert!(told.contains("server.log"), "{told}");

    let done = machine.run(&["daemon", "start", "--bind", "192.0.2.1:1"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{told}");
    assert!(told.contains("behind_proxy"), "{told}");
}

#[test]
fn a_lock_that_nobody_seen_holds_is_not_signalled() {
    let machine = Machine::new();
    fs::create_dir(machine.data()).unwrap();
    let path = machine.data().join("server.lock");
    let mut innocent = Command::new("sleep").arg("600").spawn().unwrap();
    fs::write(&path, format!("{}\n127.0.0.1:1\n", innocent.id())).unwrap();
    assert_eq!(machine.status(5)["state"], "stale");
    assert!(machine.ok(&["daemon", "stop"], 0).contains("not running"));
    let held = fs::File::open(&path).unwrap();
    held.try_lock().unwrap();
    assert_eq!(machine.status(5)["state"], "hidden");
    machine.ok(&["daemon", "stop"], 9);
    machine.ok(&["daemon", "start"], 9);
    drop(held);
    assert!(
        innocent.try_wait().unwrap().is_none(),
        "a stranger was ended"
    );
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

#[test]
fn the_log_is_printed_followed_and_kept_in_bounds() {
    let machine = Machine::new();
    let missing = machine.run(&["daemon", "logs"]);
    assert_eq!(missing.status.code(), Some(4), "{missing:?}");
    fs::create_dir(machine.data()).unwrap();
    let log = machine.data().join("server.log");
    let old: String = (0..200).map(|n| format!("old {n}\n")).collect();
    fs::write(&log, old).unwrap();
    assert_eq!(
        machine.ok(&["daemon", "logs", "-n", "2"], 0),
        "old 198\nold 199\n"
    );
    assert_eq!(machine.ok(&["daemon", "logs"], 0).lines().count(), 100);

    let printed = machine.dir.path().join("printed");
    let out = fs::File::create(&printed).unwrap();
    let mut follow = machine
        .command(&["daemon", "logs", "--follow", "-n", "1"])
        .stdout(out)
        .spawn()
        .unwrap();
    let shows = |words: &str| fs::read_to_string(&printed).unwrap().contains(words);
    until(|| shows("old 199"));
    fs::File::options()
        .write(true)
        .open(&log)
        .unwrap()
        .set_len(9 * 1024 * 1024)
        .unwrap();
    machine.ok(&["daemon", "start", "--bind", "127.0.0.1:0"], 0);
    assert!(Path::new(&machine.data().join("server.log.1")).exists());
    until(|| shows("\"ready\""));
    assert!(fs::metadata(&log).unwrap().len() < 1024 * 1024);
    follow.kill().unwrap();
    follow.wait().unwrap();
}

#[test]
fn a_log_that_grows_is_put_aside_while_its_server_runs() {
    const MOST: u64 = 16 * 1024;
    let machine = Machine::new();
    let start = ["daemon", "start", "--bind", "127.0.0.1:0", "--log", "debug"];
    let started = machine
        .command(&start)
        .env("CALLBOARD_LOG_BYTES", MOST.to_string())
        .status();
    assert!(started.unwrap().success());
    let status = machine.status(0);
    let url = format!("{}/health", status["url"].as_str().unwrap());
    let (log, before) = (
        machine.data().join("server.log"),
        machine.data().join("server.log.1"),
    );
    let first = fs::metadata(&log).unwrap().ino();
    let mut aside = None;
    // Twice, so that the first one is gone.
    for _round in 0..2 {
        until(|| {
            for _request in 0..50 {
                reqwest::blocking::get(&url).unwrap();
            }
            fs::metadata(&before).is_ok_and(|file| Some(file.ino()) != aside)
        });
        aside = Some(fs::metadata(&before).unwrap().ino());
    }
    for file in [&log, &before] {
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    }
    assert!(fs::metadata(&before).unwrap().len() > MOST);
    assert_ne!(aside, Some(first), "the first one is still there");
    until(|| fs::read_to_string(&log).unwrap().contains("is put aside"));
    assert_eq!(machine.status(0)["pid"], status["pid"]);
    let shown = machine.ok(&["daemon", "logs", "--lines", "1"], 0);
    assert!(shown.contains('{'), "{shown}");
}
