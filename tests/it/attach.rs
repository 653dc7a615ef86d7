//! `callboard attach`: the real program against a scripted server, and (`live`) a real one.
//!
//! Never with the home or the sign-in of the person who runs the tests.

mod fake;
mod live;
pub mod pty;

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use fake::{Fake, Step};
use pty::Pty;

const AGENT: &str = "11111111-2222-4333-8444-555555555555";
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, signed in by a key.
pub(super) fn attach(url: &str, agent: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
    command
        .args(["--url", url, "attach", agent])
        .args(args)
        .env("CALLBOARD_API_KEY", "a-key")
        .env("HOME", "/nonexistent")
        .env_remove("CALLBOARD_URL")
        .env_remove("CALLBOARD_DETACH_KEYS");
    command
}

fn hello(incarnation: u64, offset: u64, length: u64) -> Step {
    hello_with(json!({"incarnation": incarnation, "ttyOffset": offset, "ttyLength": length}))
}

fn hello_with(more: Value) -> Step {
    let mut hello = json!({
        "type": "hello", "session": "build", "id": AGENT, "agentType": "shell",
        "sessionType": "pty", "status": "idle", "detail": "idle", "pid": 77, "epoch": "e",
        "oldestSeq": 1, "lastSeq": 1, "incarnation": 1, "ttyOffset": 0, "ttyLength": 0,
        "writable": true, "usage": null,
    });
    let all = hello.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    Step::Text(hello)
}

fn exit(code: i32) -> Step {
    Step::Text(json!({
        "type": "exit", "session": "build", "incarnation": 1, "exitCode": code, "signal": null,
        "reason": if code == 0 { "completed" } else { "failed" }, "text": "it ended",
    }))
}

fn ended() -> Step {
    Step::Close(1000, "Session ended")
}

fn run(visits: Vec<Vec<Step>>, args: &[&str], stdin: Stdio) -> (Output, Fake) {
    let fake = Fake::start(visits);
    let done = attach(&fake.url, AGENT, args)
        .stdin(stdin)
        .output()
        .unwrap();
    (done, fake)
}

fn told(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn output_goes_on_over_lost_connections_without_a_lost_or_doubled_byte() {
    let whole: Vec<u8> = (0..251).cycle().take(200_000).collect();
    let piece = |from: usize, to: usize| Step::Bytes(whole[from..to].to_vec());
    let (done, fake) = run(
        vec![
            vec![
                hello(3, 0, 0),
                piece(0, 70_000),
                piece(70_000, 100_000),
                Step::Cut,
            ],
            // The server that stops in order, and one that sends some bytes again.
            vec![
                hello(3, 100_000, 0),
                piece(100_000, 100_001),
                Step::Close(1001, ""),
            ],
            vec![
                hello(3, 90_000, 0),
                piece(90_000, 95_000),
                piece(95_000, 150_000),
                Step::Cut,
            ],
            vec![
                hello(3, 150_000, 0),
                piece(150_000, 200_000),
                exit(0),
                ended(),
            ],
        ],
        &[],
        Stdio::null(),
    );
    assert!(done.status.success(), "{}", told(&done));
    assert_eq!(done.stdout.len(), whole.len());
    assert!(done.stdout == whole, "the bytes differ");
    let lines: Vec<String> = fake.visits().into_iter().map(|visit| visit.line).collect();
    let path = format!("/api/agents/sessions/{AGENT}?tty=binary&events=none");
    assert_eq!(
        lines,
        [
            path.clone(),
            format!("{path}&incarnation=3&offset=100000"),
            format!("{path}&incarnation=3&offset=100001"),
            format!("{path}&incarnation=3&offset=150000"),
        ]
    );
    let told = told(&done);
    assert_eq!(
        told.matches("connection lost, trying again").count(),
        3,
        "{told}"
    );
    assert_eq!(told.matches("the connection is back").count(), 3, "{told}");
}

#[test]
fn missing_bytes_and_other_processes_are_told_and_counted() {
    let gap = json!({"type": "tty_gap", "session": "b", "incarnation": 1, "from": 7, "to": 10});
    let start = json!({"type": "tty_start", "session": "b", "incarnation": 2, "offset": 0});
    let (done, fake) = run(
        vec![
            vec![
                hello(1, 5, 0),
                Step::Bytes(b"ab".to_vec()),
                Step::Text(gap),
                Step::Bytes(b"cd".to_vec()),
                exit(1),
                Step::Text(start),
                Step::Bytes(b"new".to_vec()),
                Step::Cut,
            ],
            vec![
                hello(2, 3, 0),
                Step::Bytes(b"er".to_vec()),
                exit(0),
                ended(),
            ],
        ],
        &[],
        Stdio::null(),
    );
    let told = told(&done);
    assert!(done.status.success(), "{told}");
    assert_eq!(done.stdout, b"abcdnewer");
    assert!(
        told.contains("3 bytes of output are no longer kept"),
        "{told}"
    );
    assert!(told.contains("its process number 2"), "{told}");
    assert!(fake.visits()[1].line.ends_with("&incarnation=2&offset=3"));
}

#[test]
fn the_end_of_the_program_is_the_exit_of_the_command() {
    for (last, code, words) in [
        (vec![exit(0), ended()], 0, "exit code 0"),
        (vec![exit(3), ended()], 1, "exit code 3"),
        (
            vec![Step::Close(1000, "Session killed")],
            6,
            "somebody removed the session",
        ),
        (
            vec![Step::Close(4001, "Token expired")],
            3,
            "callboard login",
        ),
        (vec![Step::Close(1008, "no")], 9, "code 1008: no"),
    ] {
        let mut visit = vec![hello(1, 0, 0)];
        visit.extend(last);
        let (done, _fake) = run(vec![visit], &[], Stdio::null());
        let told = told(&done);
        assert_eq!(done.status.code(), Some(code), "{told}");
        assert!(told.contains(words), "no `{words}` in {told}");
    }
}

#[test]
fn what_is_no_terminal_or_does_not_run_is_refused_with_a_way_out() {
    let stream = json!({"sessionType": "stream", "agentType": "script"});
    let stopped = json!({"pid": 0, "status": "exited", "detail": "stopped"});
    for (hello, code, words) in [
        (
            stream,
            2,
            "callboard events 11111111-2222-4333-8444-555555555555 --follow",
        ),
        (
            stopped,
            9,
            "callboard attach 11111111-2222-4333-8444-555555555555 --start",
        ),
    ] {
        let (done, _fake) = run(
            vec![vec![hello_with(hello), Step::Gone]],
            &[],
            Stdio::null(),
        );
        let told = told(&done);
        assert_eq!(done.status.code(), Some(code), "{told}");
        assert!(told.contains(words), "no `{words}` in {told}");
    }
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let done = attach("http://127.0.0.1:9", AGENT, &[]).output().unwrap();
    assert_eq!(done.status.code(), Some(5), "{}", told(&done));
    assert!(told(&done).contains("callboard daemon start"));
}

#[test]
fn a_piped_stdin_is_typed_to_its_end_and_the_output_is_awaited() {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), "make\nexit\n").unwrap();
    let (done, fake) = run(
        vec![vec![
            hello(1, 0, 0),
            Step::Await("make\nexit\n"),
            Step::Bytes(b"made\r\n".to_vec()),
            exit(0),
            ended(),
        ]],
        &[],
        std::fs::File::open(script.path()).unwrap().into(),
    );
    assert!(done.status.success(), "{}", told(&done));
    assert_eq!(done.stdout, b"made\r\n");
    assert_eq!(fake.visits()[0].texts, [""; 0], "a pipe has no size");
}

#[test]
fn a_terminal_is_raw_while_attached_and_as_it_was_afterwards() {
    let pty = Pty::open(33, 101);
    let before = pty.modes();
    let fake = Fake::start(vec![vec![
        hello(1, 0, 20),
        // Old output asks for the cursor's place: nobody may answer for it now.
        Step::Bytes(b"old\x1b[6nend of old....".to_vec()),
        Step::Bytes(b"\x1b[?1049h\x1b[?1000h\x1b[?25lfull screen".to_vec()),
        Step::Await("ls\r\x03\x1dx"),
        Step::Gone,
    ]]);
    let mut child = pty.spawn(&mut attach(&fake.url, AGENT, &[]));
    pty.shows("full screen");
    pty.until(|| pty.modes().is_raw);
    pty.types(b"ls\r\x03\x1dx");
    pty.until(|| fake.visits()[0].input == b"ls\r\x03\x1dx");
    pty.types(b"\x1d\x1d");
    assert_eq!(pty.wait(&mut child).code(), Some(0));
    assert_eq!(pty.modes(), before);
    let shown = pty.shown();
    assert!(shown.contains("ctrl-] ctrl-] detaches"), "{shown:?}");
    assert!(shown.contains("oldend of old"), "{shown:?}");
    for undo in ["\x1b[?1049l", "\x1b[?1000l", "\x1b[?25h", "\x1b[?2004l"] {
        let (_, behind) = shown.split_once("full screen").unwrap();
        assert!(behind.contains(undo), "no {undo:?} in {shown:?}");
    }
    assert!(shown.contains("runs on]"), "{shown:?}");
    let sizes = &fake.visits()[0].texts;
    assert_eq!(sizes[0], r#"{"cols":101,"rows":33,"type":"resize"}"#);
}

#[test]
fn signals_resize_or_end_it_and_the_terminal_is_put_back() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let pty = Pty::open(24, 80);
        let before = pty.modes();
        let fake = Fake::start(vec![vec![
            hello(1, 0, 0),
            Step::Bytes(b"here".to_vec()),
            Step::Gone,
        ]]);
        let mut child = pty.spawn(&mut attach(&fake.url, AGENT, &[]));
        pty.shows("here");
        pty.until(|| pty.modes().is_raw);
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        pty.resize(50, 120);
        kill(pid, Signal::SIGWINCH).unwrap();
        let size = r#"{"cols":120,"rows":50,"type":"resize"}"#;
        pty.until(|| fake.visits()[0].texts.iter().any(|text| text == size));
        kill(pid, signal).unwrap();
        assert_eq!(pty.wait(&mut child).code(), Some(130), "{signal}");
        assert_eq!(pty.modes(), before, "{signal}");
    }
}

#[test]
fn keys_typed_while_the_server_is_away_arrive_and_the_detach_keys_work() {
    let pty = Pty::open(24, 80);
    let fake = Fake::start(vec![
        vec![hello(1, 0, 0), Step::Bytes(b"one".to_vec()), Step::Cut],
        vec![
            Step::Pause,
            hello(1, 3, 0),
            Step::Bytes(b"two".to_vec()),
            Step::Await("typed"),
            Step::Cut,
        ],
    ]);
    let mut child = pty.spawn(&mut attach(
        &fake.url,
        AGENT,
        &["--detach-keys", "ctrl-p,q"],
    ));
    pty.shows("trying again; ctrl-p q detaches");
    pty.types(b"typed");
    fake.go_on();
    pty.shows("two");
    pty.until(|| {
        fake.visits()
            .get(1)
            .is_some_and(|visit| visit.input == b"typed")
    });
    let started = Instant::now();
    pty.until(|| pty.shown().matches("trying again").count() == 2);
    pty.types(b"\x10q");
    assert_eq!(pty.wait(&mut child).code(), Some(0));
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn a_reader_only_looks_on_and_ctrl_c_leaves() {
    let pty = Pty::open(24, 132);
    let fake = Fake::start(vec![vec![
        hello(1, 0, 0),
        Step::Bytes(b"here".to_vec()),
        Step::Gone,
    ]]);
    let mut child = pty.spawn(&mut attach(&fake.url, AGENT, &["--read-only"]));
    pty.shows("read only; Ctrl-C detaches");
    pty.until(|| pty.modes().is_raw);
    pty.types(b"rm -rf x\r");
    pty.types(b"\x03");
    assert_eq!(pty.wait(&mut child).code(), Some(0));
    let visit = &fake.visits()[0];
    assert_eq!((visit.input.len(), visit.texts.len()), (0, 0), "{visit:?}");
}
