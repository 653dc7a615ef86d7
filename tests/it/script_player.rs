//! `callboard agent script` as a real process on pipes, read by its own codec.
//!
//! Never waits by sleeping: each test reads until an output is there or a deadline is over.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, names what it looks for, and measures real processes"
)]

mod player;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use callboard::domain::{EventKind, Outcome, PermissionMode, TaskId};
use callboard::drivers::{Command, LaunchContext, Output};
use serde_json::{Value, json};

use player::{Player, context, data, file, question, spawn};

#[test]
fn hello_greets_a_newcomer_and_its_last_turn_repeats() {
    let mut player = Player::start(context("hello"));
    let end = player.run("is anybody there?");
    assert_eq!(end.outcome, Outcome::Completed);
    assert_eq!(
        end.usage,
        Some(json!({"inputTokens": 24, "outputTokens": 96}))
    );
    let first = data(&player.out, EventKind::AssistantMessage)
        .next()
        .unwrap();
    assert!(
        first["content"]
            .as_str()
            .unwrap()
            .contains("You wrote: is anybody there?")
    );
    assert_eq!(data(&player.out, EventKind::Thinking).count(), 1);
    let result = data(&player.out, EventKind::ToolResult).next().unwrap();
    let call = data(&player.out, EventKind::ToolCall).next().unwrap();
    assert_eq!(call["toolCallId"], result["toolCallId"]);
    assert_eq!(
        (&call["phase"], &result["phase"]),
        (&json!("start"), &json!("end"))
    );
    for _ in 0..2 {
        let text = player.run("again").text.unwrap();
        assert!(text.contains("You wrote: again") && text.contains("last turn"));
    }
}

#[test]
fn a_question_decides_about_the_tool_behind_it() {
    for (approved, mode) in [
        (Some(true), PermissionMode::Default),
        (Some(false), PermissionMode::Default),
        (None, PermissionMode::BypassPermissions),
        (None, PermissionMode::DontAsk),
    ] {
        let mut player = Player::start(LaunchContext {
            permission_mode: mode,
            ..context("ask")
        });
        let task = player.prompt("go");
        if let Some(approved) = approved {
            player.until("question", |out| question(out).is_some());
            let request = question(&player.out).unwrap();
            player.command(&Command::Answer {
                request,
                approved,
                response: None,
                args: Value::Null,
            });
        }
        assert_eq!(player.end(task).outcome, Outcome::Completed);
        let results: Vec<&Value> = data(&player.out, EventKind::ToolResult).collect();
        assert_eq!(results.len(), 1);
        let ran = approved.unwrap_or(mode == PermissionMode::BypassPermissions);
        assert_eq!(results[0]["denied"] == true, !ran, "{results:?}");
        assert_eq!(data(&player.out, EventKind::ToolCall).count(), 1);
    }
}

#[test]
fn another_mode_holds_from_the_next_question_on() {
    let mut player = Player::start(context("ask"));
    for (mode, ran) in [
        (PermissionMode::BypassPermissions, true),
        (PermissionMode::Plan, false),
    ] {
        player.out.clear();
        player.command(&Command::SetMode(mode));
        let task = player.prompt("go");
        assert_eq!(player.end(task).outcome, Outcome::Completed);
        assert!(question(&player.out).is_none());
        let result = data(&player.out, EventKind::ToolResult).next().unwrap();
        assert_eq!(result["denied"] == true, !ran, "{mode:?}: {result}");
    }
}

#[test]
fn an_interrupt_ends_a_pause_and_a_question_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let turns = json!([
        [{"say": "waiting"}, {"sleep_ms": 3_600_000}, {"say": "no"}],
        [{"ask": {"tool": "Bash", "args": {}}}, {"say": "no"}],
        [{"tool": {"name": "Slow", "ms": 3_600_000}}],
        [{"flood": {"lines": 10_000_000, "bytes": 100}}, {"say": "no"}],
        [{"say": "on"}],
    ]);
    let mut player = Player::start(context(&file(dir.path(), "s.json", &turns)));
    let interrupted = |player: &mut Player, task| {
        player.command(&Command::Interrupt);
        let end = player.end(task);
        assert_eq!(
            (end.outcome, end.reason.as_deref()),
            (Outcome::Stopped, Some("interrupted"))
        );
    };
    let task = player.prompt("1");
    player.says("waiting");
    interrupted(&mut player, task);
    let task = player.prompt("2");
    player.until("question", |out| question(out).is_some());
    interrupted(&mut player, task);
    let request = question(&player.out).unwrap();
    assert!(player.out.contains(&Output::Withdrawn { request }));
    let task = player.prompt("3");
    player.until("tool", |out| {
        data(out, EventKind::ToolCall).next().is_some()
    });
    interrupted(&mut player, task);
    let task = player.prompt("4");
    player.until("flood", |out| {
        data(out, EventKind::AssistantMessage).count() > 10
    });
    interrupted(&mut player, task);
    // Both at once: the interrupt is for the prompt before it, not for the one behind.
    let task = player.prompt("5");
    assert_eq!(player.end(task).outcome, Outcome::Completed);
    player.command(&Command::Interrupt);
    assert_eq!(player.run("6").text.as_deref(), Some("on"));
}

#[test]
fn a_flood_of_100_000_lines_comes_whole_in_order_and_fast() {
    let dir = tempfile::tempdir().unwrap();
    let turns = json!([[{"flood": {"lines": 100_000, "bytes": 200}}]]);
    let mut player = Player::start(context(&file(dir.path(), "s.json", &turns)));
    let begun = Instant::now();
    assert_eq!(player.run("go").outcome, Outcome::Completed);
    let took = begun.elapsed();
    println!("100,000 lines written, read and decoded in {took:?}");
    let mut next = 0;
    for data in data(&player.out, EventKind::AssistantMessage) {
        next += 1;
        assert_eq!(
            (&data["line"], &data["of"]),
            (&json!(next), &json!(100_000))
        );
        assert_eq!(data["content"].as_str().unwrap().len(), 200);
    }
    assert_eq!(next, 100_000);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_crash_is_a_real_one_and_the_next_process_plays_on() {
    let mut player = Player::start(context("crash"));
    let task = player.prompt("go");
    let status = player.exit();
    assert_eq!(status.signal(), Some(nix::libc::SIGSEGV));
    assert!(
        data(&player.out, EventKind::AssistantMessage)
            .next()
            .is_some()
    );
    assert_eq!(player.codec.turn(), Some(task));

    let resumed = |player: &Player| LaunchContext {
        resume: Some(player.codec.snapshot()),
        ..context("crash")
    };
    let mut player = Player::start(resumed(&player));
    player.prompt("go");
    assert_eq!(player.exit().code(), Some(3));
    let mut player = Player::start(resumed(&player));
    assert_eq!(player.run("go").outcome, Outcome::Completed);

    let dir = tempfile::tempdir().unwrap();
    for (signal, number) in [("PIPE", 13), ("KILL", 9), ("TERM", 15), ("ABRT", 6)] {
        let turns = json!([[{"crash": {"signal": signal}}]]);
        let mut player = Player::start(context(&file(dir.path(), "s.json", &turns)));
        player.prompt("go");
        assert_eq!(player.exit().signal(), Some(number));
    }
}

#[test]
fn a_turn_that_fails_leaves_the_process_alive() {
    let mut player = Player::start(context("fail"));
    let end = player.run("go");
    assert_eq!(
        (end.outcome, end.reason.as_deref()),
        (Outcome::Failed, Some("build_failed"))
    );
    assert_eq!(player.run("again").outcome, Outcome::Completed);
}

#[test]
fn a_message_chooses_another_scenario() {
    let dir = tempfile::tempdir().unwrap();
    let home = file(
        dir.path(),
        "home.json",
        &json!([[{"say": "h1"}], [{"say": "h2"}]]),
    );
    file(
        dir.path(),
        "other.json",
        &json!([[{"say": "o1"}], [{"say": "o2"}]]),
    );
    let mut player = Player::start(context(&home));
    let text = |player: &mut Player, message: &str| player.run(message).text.unwrap();
    assert_eq!(text(&mut player, "x"), "h1");
    assert_eq!(text(&mut player, "/scenario other"), "o1");
    assert_eq!(text(&mut player, "x"), "o2");
    assert_eq!(text(&mut player, "/scenarios are not meant"), "o2");
    for name in [
        "/scenario nothing",
        "/scenario",
        "/scenario ../home",
        &format!("/scenario {home}x"),
    ] {
        let end = player.run(name);
        assert_eq!(end.reason.as_deref(), Some("unknown_scenario"), "{name}");
        assert!(end.text.unwrap().contains("hello, tools, ask, flood"));
    }
    let mut player = Player::start(LaunchContext {
        resume: Some(player.codec.snapshot()),
        ..context(&home)
    });
    assert_eq!(
        text(&mut player, "x"),
        "o2",
        "the last turn repeats after a restart too"
    );
    assert!(text(&mut player, "/scenario hello").contains("tool call"));
    assert_eq!(text(&mut player, &format!("/scenario {home}")), "h1");
}

#[test]
fn a_hang_hears_nothing_and_dies_by_a_signal() {
    let mut player = Player::start(context("hang"));
    player.prompt("go");
    player.says("From here on I hang.");
    player.command(&Command::Interrupt);
    player.stdin = None;
    let quiet = player.bytes.recv_timeout(Duration::from_millis(300));
    assert!(quiet.is_err(), "it said something: {quiet:?}");
    assert!(player.child.try_wait().unwrap().is_none());
    player.child.kill().unwrap();
    assert_eq!(player.exit().signal(), Some(9));
}

#[test]
fn a_fork_leaves_a_process_that_outlives_the_player() {
    let dir = tempfile::tempdir().unwrap();
    let turns = json!([[{"fork": {"setsid": true}}, {"fork": {}}]]);
    let mut player = Player::start(context(&file(dir.path(), "s.json", &turns)));
    player.run("go");
    let pids: Vec<i32> = data(&player.out, EventKind::ToolResult)
        .map(|data| i32::try_from(data["result"]["pid"].as_i64().unwrap()).unwrap())
        .collect();
    let session = |pid| nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid))).unwrap();
    let own = session(i32::try_from(player.child.id()).unwrap());
    assert_eq!(session(pids[0]).as_raw(), pids[0]);
    assert_eq!(session(pids[1]), own);
    player.stdin = None;
    assert_eq!(player.exit().code(), Some(0));
    for pid in pids {
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}

#[test]
fn closed_streams_are_a_good_end() {
    let mut player = Player::start(context("long"));
    player.stdin = None;
    assert_eq!(player.exit().code(), Some(0), "idle");

    let mut player = Player::start(context("long"));
    player.prompt("go");
    player.says("This takes about a minute. Stop me at any time.");
    player.stdin = None;
    assert_eq!(player.exit().code(), Some(0), "in a pause");

    let dir = tempfile::tempdir().unwrap();
    let turns = json!([[{"flood": {"lines": 1_000_000}}]]);
    let mut child = spawn(&context(&file(dir.path(), "s.json", &turns)));
    let task = TaskId::generate();
    let line = json!({"type": "prompt", "task": task, "text": "go"});
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{line}").unwrap();
    let mut some = [0; 100];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut some).unwrap();
    drop(stdout);
    assert_eq!(
        child.wait().unwrap().code(),
        Some(0),
        "stdout closed in a flood"
    );
}

#[test]
fn nonsense_on_stdin_is_told_and_survived() {
    let mut player = Player::start(context("hello"));
    let stdin = player.stdin.as_mut().unwrap();
    stdin
        .write_all(b"nonsense\n\n{\"type\":\"dance\"}\n")
        .unwrap();
    assert_eq!(player.run("go").outcome, Outcome::Completed);
    assert_eq!(data(&player.out, EventKind::Error).count(), 2);
}

#[test]
fn a_bad_scenario_is_refused_before_anything_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let bad = file(
        dir.path(),
        "bad.json",
        &json!([[{"say": "x"}, {"sleep_ms": "y"}]]),
    );
    for (scenario, says) in [
        (
            bad.as_str(),
            "turn 1, step 2: `sleep_ms` is a string; expected a whole number",
        ),
        ("/does/not/exist.json", "cannot be read"),
        ("nothing", "hello, tools"),
    ] {
        let output = spawn(&context(scenario)).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(output.stdout, b"");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(says), "{told}");
    }
}
