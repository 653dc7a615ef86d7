//! The start file and the codec of the `shell` agent with a real bash on a real pty.
//!
//! Never waits by sleeping: each test reads until an output is there or a deadline is over. The
//! codec is restored from its snapshot after every output and every 16th read.

#![expect(
    unsafe_code,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, names what it looks for, and measures real processes"
)]

mod bash;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use callboard::domain::Outcome;
use callboard::drivers::Output;
use callboard::process::terminal::Verdict;
use serde_json::Value;

use bash::{Bash, DEADLINE, End};

fn good(end: &End, output: &str) {
    assert_eq!(
        (end.outcome, end.output.as_str()),
        (Outcome::Completed, output),
        "{end:?}"
    );
    assert_eq!(end.reason, None);
}

fn failed(end: &End, reason: &str) {
    assert_eq!(end.outcome, Outcome::Failed, "{end:?}");
    assert_eq!(end.reason.as_deref(), Some(reason), "{end:?}");
}

#[test]
fn several_lines_are_one_turn_and_the_shell_keeps_its_state() {
    let mut bash = Bash::start();
    good(
        &bash.run("cd /usr\nx='a b'\ndeclare -A m=([k]=v)\nf() { echo \"f $1\"; }"),
        "",
    );
    good(
        &bash.run("pwd; echo \"$x ${m[k]}\"\n\nf 1"),
        "/usr\na b v\nf 1\n",
    );
    good(&bash.run("printf 'no newline'"), "no newline");
    good(&bash.run("cat <<E\nin here\nE"), "in here\n");
    good(&bash.run("for i in 1 2\ndo echo $i\ndone # end"), "1\n2\n");
    good(
        &bash.run("history; echo \"$HISTFILE|${!__cb_nonce*}\""),
        "|\n",
    );
}

#[test]
fn blank_input_and_comments_go_well_at_once() {
    let mut bash = Bash::start();
    failed(&bash.run("false"), "exit_1");
    for text in ["", "  \n\t\n", "# a comment", "\n#!/bin/bash\n  # x\n"] {
        good(&bash.run(text), "");
    }
}

#[test]
fn the_exit_code_is_the_reason_and_the_next_task_sees_it() {
    let mut bash = Bash::start();
    failed(&bash.run("(exit 7)"), "exit_7");
    good(&bash.run("echo $?"), "7\n");
    failed(&bash.run("ls /does-not-exist 2>/dev/null"), "exit_2");
    failed(&bash.run("no-such-program"), "exit_127");
    failed(&bash.run("kill -9 $BASHPID & wait $!"), "exit_137");
}

#[test]
fn a_syntax_error_runs_nothing() {
    let mut bash = Bash::start();
    for text in [
        "touch ran\necho 'open",
        "touch ran; if true",
        "touch ran\nfoo ( bar",
        "}",
    ] {
        let text = format!("cd {:?}\n{text}", bash.dir.path());
        let end = bash.run(&text);
        failed(&end, "syntax_error");
        assert_eq!(end.data["result"]["exitCode"], 2);
        assert!(end.output.contains("bash"), "{end:?}");
    }
    assert!(!bash.dir.path().join("ran").exists());
    good(&bash.run("echo on"), "on\n");
}

#[test]
fn a_forged_mark_is_output() {
    let mut bash = Bash::start();
    let end = bash.run(
        "printf '\\e]133;D;0;guess;%s;1\\a' \"$__cb_task\"\n\
         printf 'a\\e]133;D;0\\ab\\e]133;A\\ac\\n'; false",
    );
    failed(&end, "exit_1");
    assert_eq!(end.output, "abc\n");
}

#[test]
fn programs_do_not_get_the_word_of_the_marks() {
    let mut bash = Bash::start();
    let nonce = bash.context.nonce.clone();
    let end = bash.run(
        "env; cat /proc/$PPID/cmdline /proc/self/environ /proc/$$/cmdline | tr '\\0' '\\n'; ls -A",
    );
    assert!(!end.output.contains(&nonce), "{end:?}");
    let end = bash.run("set -x; bash -c 'set; declare -f'; true");
    assert!(!end.output.contains(&nonce), "{end:?}");
    let end = bash.run("set +x; echo still");
    assert!(
        !end.output.contains(&nonce) && end.output.contains("still\n"),
        "{end:?}"
    );
    assert!(
        !bash.dir.path().join("rc").exists(),
        "the start file is left"
    );
}

#[test]
fn a_background_job_does_not_hold_the_turn() {
    let mut bash = Bash::start();
    let begun = Instant::now();
    let end = bash.run("sleep 100 & echo on");
    assert_eq!(end.outcome, Outcome::Completed);
    assert!(end.output.ends_with("on\n"), "{end:?}");
    assert!(begun.elapsed() < Duration::from_secs(50));
    bash.run("kill %1; wait");
}

#[test]
fn a_shell_that_ends_ends_the_stream_in_mid_turn() {
    for (text, code) in [("echo bye; exit 3", 3), ("set -e; echo bye; false", 1)] {
        let mut bash = Bash::start();
        let task = bash.started(text);
        let deadline = Instant::now() + DEADLINE;
        while bash.read() {
            assert!(Instant::now() < deadline, "{text}");
        }
        assert_eq!(bash.child.wait().unwrap().code(), Some(code));
        assert_eq!(bash.codec.turn(), Some(task));
        let (rest, mut out) = (std::mem::take(&mut bash.held), Vec::new());
        bash.codec.finish(&rest, &mut out);
        let [Output::Event { data, .. }] = out.as_slice() else {
            panic!("{out:?}");
        };
        assert!(data["result"]["output"].as_str().unwrap().contains("bye\n"));
        assert_eq!(data["result"]["exitCode"], Value::Null);
    }
}

#[test]
fn an_interrupt_stops_the_turn_and_not_the_shell() {
    let mut bash = Bash::start();
    for text in [
        "sleep 100; echo no",
        "while :; do :; done",
        "cat",
        "sleep 100 | cat",
    ] {
        let task = bash.started(text);
        bash.interrupt();
        let end = bash.end_of(task).unwrap();
        assert_eq!(end.outcome, Outcome::Stopped, "{text}: {end:?}");
        assert_eq!(end.reason.as_deref(), Some("interrupted"));
        assert!(!end.output.contains("no\n"), "{end:?}");
    }
    good(&bash.run("echo on"), "on\n");
}

#[test]
fn an_interrupt_right_behind_the_typed_line_ends_the_turn_too() {
    let mut bash = Bash::start();
    for _ in 0..20 {
        let task = bash.prompt("sleep 100");
        bash.interrupt();
        let outcome = bash.out.iter().find_map(|output| match output {
            Output::TurnEnded {
                task: ended,
                outcome,
                ..
            } if *ended == task => Some(*outcome),
            _ => None,
        });
        assert_eq!(outcome, Some(Outcome::Stopped));
    }
    good(&bash.run("echo on"), "on\n");
}

#[test]
fn large_and_binary_output_are_bounded_text() {
    let mut bash = Bash::start();
    let end = bash.run("seq 1 300000");
    assert!(end.output.starts_with("1\n2\n") && end.output.ends_with("\n300000\n"));
    assert_eq!(end.data["truncated"], true);
    assert_eq!(end.data["originalBytes"], 1_988_895);
    assert!(end.data.to_string().len() < 64 * 1024);
    let end = bash.run("head -c 300000 /dev/urandom; echo; echo end");
    assert!(end.output.ends_with("end\n"), "{end:?}");
    let end = bash.run("head -c 300000 \"$(type -P bash)\"; printf '\\e]0;open'");
    assert_eq!(end.outcome, Outcome::Completed);
    good(
        &bash.run("printf '\\e[31mred\\e[0m 10%%\\rdone\\n\\e[1;1H'"),
        "done\n",
    );
}

#[test]
fn what_a_message_changes_in_the_shell_does_not_break_the_marks() {
    let mut bash = Bash::start();
    for text in [
        "trap 'echo debug' DEBUG",
        "trap - DEBUG; trap 'echo err' ERR",
        "trap - ERR; set -u; set -o noclobber",
        "set -o vi",
        "set -o posix",
        "set +o posix; IFS=0123456789-",
        "alias eval=false __cb=false; eval() { echo mine; }; printf() { echo mine; }; set() { :; }; read() { :; }; local() { :; }",
        "PS1=; PS1='a prompt \\$ '",
        "stty raw -echo",
        "stty sane; exec >/dev/null 2>&1",
    ] {
        let end = bash.run(text);
        assert_eq!(end.outcome, Outcome::Completed, "{text}: {end:?}");
    }
    good(&bash.run("echo seen >/dev/tty"), "seen\n");
    let end = bash.run("__cb_mark() { :; }");
    failed(&end, "exit_1");
    good(&bash.run("echo still >/dev/tty"), "still\n");
}

#[test]
fn half_typed_words_of_a_person_are_killed() {
    let mut bash = Bash::start();
    for mode in ["emacs", "vi"] {
        bash.run(&format!("set -o {mode}"));
        bash.master.write_all(b"echo half typed").unwrap();
        bash.until("echo", |bash| bash.raw.ends_with(b"typed"));
        good(&bash.run("echo whole"), "whole\n");
    }
    bash.master.write_all(b"echo by hand\n").unwrap();
    bash.until("output", |bash| {
        bash.raw.windows(9).any(|part| part == b"\nby hand\r")
    });
    good(&bash.run("echo next"), "next\n");
}

#[test]
fn a_message_of_a_mebibyte_runs() {
    let mut bash = Bash::start();
    let words = "x".repeat(1024 * 1024 - 20);
    good(
        &bash.run(&format!("v='{words}'\necho ${{#v}}")),
        "1048556\n",
    );
}

#[test]
fn a_lost_prompt_is_seen() {
    for text in [
        "exec sh",
        "exec bash --norc",
        "PROMPT_COMMAND=",
        "unset PROMPT_COMMAND",
        "exec sleep 100",
    ] {
        let mut bash = Bash::start();
        let mut watch = bash.watched();
        bash.started(text);
        assert_eq!(bash.watch(&mut watch, 100), Verdict::Lost, "{text}");
        assert!(bash.codec.turn().is_some(), "{text}: the mark came");
    }
    let mut bash = Bash::start();
    let mut watch = bash.watched();
    bash.started("exit");
    assert_eq!(bash.watch(&mut watch, 1_000), Verdict::Gone);
}

#[test]
fn work_is_not_taken_for_a_lost_prompt() {
    for text in [
        "while :; do :; done",
        "sleep 100 & wait",
        "sleep 100",
        "x=$(sleep 100)",
        "sleep 100 | cat",
        "read x < <(sleep 100)",
        "(sleep 100)",
        "set +m; sleep 100",
        "cat",
    ] {
        let mut bash = Bash::start();
        let mut watch = bash.watched();
        bash.started(text);
        assert_eq!(bash.watch(&mut watch, 8), Verdict::Fine, "{text}");
    }
}

#[test]
fn a_shell_without_a_task_waits_at_its_prompt_and_files_stay_private_words() {
    let mut bash = Bash::start();
    let names: Vec<PathBuf> = std::fs::read_dir(bash.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(names, Vec::<PathBuf>::new());
    let task = bash.prompt("echo x");
    bash.until("end", |bash| bash.end_of(task).is_some());
    assert!(bash.dir.path().join(format!("task-{task}.sh")).exists());
}
