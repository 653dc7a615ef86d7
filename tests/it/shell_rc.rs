//! The start file and the codec of the `shell` agent with a real bash on a real pty.
//!
//! Never waits by sleeping: each test reads until an output is there or a deadline is over. The
//! codec is restored from its snapshot after every read.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use callboard::domain::{EventKind, Kind, Outcome, PermissionMode, SessionId, TaskId};
use callboard::drivers::{Codec, Command, LaunchContext, Output, driver};
use callboard::process::terminal::{Verdict, Watch};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(20);

/// An interactive bash as the keeper would hold it.
struct Bash {
    master: File,
    child: Child,
    context: LaunchContext,
    codec: Box<dyn Codec>,
    held: Vec<u8>,
    raw: Vec<u8>,
    out: Vec<Output>,
    dir: tempfile::TempDir,
}

/// How a turn ended.
#[derive(Debug)]
struct End {
    outcome: Outcome,
    reason: Option<String>,
    output: String,
    data: Value,
}

impl Bash {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("it's ").tempdir().unwrap();
        let context = LaunchContext {
            session: SessionId::generate(),
            dir: dir.path().to_str().unwrap().to_owned(),
            cwd: "/".into(),
            server_exe: String::new(),
            nonce: "0123456789abcdef0123456789abcdef".into(),
            permission_mode: PermissionMode::BypassPermissions,
            scenario: None,
            resume: None,
        };
        let driver = driver(Kind::Shell);
        let launch = driver.launch(&context);
        for (name, bytes) in &launch.files {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        let pty = nix::pty::openpty(None, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut process = Process::new(&launch.argv[0]);
        process
            .args(&launch.argv[1..])
            .current_dir(&context.cwd)
            .env_clear();
        for name in ["PATH", "HOME"] {
            process.env(name, std::env::var(name).unwrap());
        }
        process.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        process.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: only system calls between fork and exec.
        unsafe {
            process.pre_exec(|| {
                nix::unistd::setsid()?;
                match nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = process.spawn().unwrap();
        drop(process);
        let mut bash = Self {
            master: File::from(pty.master),
            child,
            codec: driver.codec(&context),
            context,
            held: Vec::new(),
            raw: Vec::new(),
            out: Vec::new(),
            dir,
        };
        bash.until("ready", |bash| bash.out.contains(&Output::Ready));
        bash
    }

    /// Reads what is there within 50 ms; false at the end of the stream.
    fn read(&mut self) -> bool {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(50_u16)).unwrap() == 0 {
            return true;
        }
        let mut buffer = [0; 7_001];
        // A pty without its other side gives EIO.
        let Ok(count @ 1..) = self.master.read(&mut buffer) else {
            return false;
        };
        self.raw.extend_from_slice(&buffer[..count]);
        self.held.extend_from_slice(&buffer[..count]);
        let taken = self.codec.decode(&self.held, &mut self.out);
        self.held.drain(..taken);
        let snapshot = self.codec.snapshot();
        assert!(snapshot.len() < 64 * 1024);
        self.codec = driver(Kind::Shell)
            .restore(&self.context, &snapshot)
            .unwrap();
        true
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done(self) {
            let raw = String::from_utf8_lossy(&self.raw).into_owned();
            assert!(Instant::now() < deadline, "no {what}: {raw:?}",);
            assert!(self.read(), "the stream ended before {what}: {raw:?}");
        }
    }

    fn command(&mut self, command: &Command) {
        let mut out = Vec::new();
        self.codec.command(command, &mut out);
        for output in out {
            match output {
                Output::File { name, bytes } => {
                    std::fs::write(self.dir.path().join(name), bytes).unwrap();
                }
                Output::Send { bytes, .. } => self.master.write_all(&bytes).unwrap(),
                other => self.out.push(other),
            }
        }
    }

    fn prompt(&mut self, text: &str) -> TaskId {
        let task = TaskId::generate();
        self.command(&Command::Prompt {
            task,
            input_id: format!("{task}:1"),
            text: text.into(),
        });
        task
    }

    /// Interrupts until the turn is over, as a stop does that is repeated. One interrupt is not
    /// always enough: bash holds one back that comes after the start mark and before the job has
    /// the terminal, until that job ends.
    fn interrupt(&mut self) {
        for _ in 0..10 {
            self.command(&Command::Interrupt);
            let again = Instant::now() + Duration::from_secs(1);
            while self.codec.turn().is_some() && Instant::now() < again {
                assert!(self.read(), "the shell ended");
            }
            if self.codec.turn().is_none() {
                return;
            }
        }
        panic!("no end: {:?}", String::from_utf8_lossy(&self.raw));
    }

    fn end_of(&self, task: TaskId) -> Option<End> {
        let data = self.out.iter().find_map(|output| match output {
            Output::Event {
                kind: EventKind::ToolResult,
                data,
            } if data["toolCallId"] == format!("shell-{task}") => Some(data.clone()),
            _ => None,
        });
        self.out.iter().find_map(|output| match output {
            Output::TurnEnded {
                task: ended,
                outcome,
                reason,
                ..
            } if *ended == task => Some(End {
                outcome: *outcome,
                reason: reason.clone(),
                output: data.as_ref()?["result"]["output"].as_str()?.to_owned(),
                data: data.clone()?,
            }),
            _ => None,
        })
    }

    fn run(&mut self, text: &str) -> End {
        let task = self.prompt(text);
        self.until("end", |bash| bash.end_of(task).is_some());
        self.end_of(task).unwrap()
    }

    fn started(&mut self, text: &str) -> TaskId {
        let task = self.prompt(text);
        self.until("start", |bash| {
            bash.out.contains(&Output::TurnStarted { task })
        });
        task
    }

    /// Samples faster than the runtime does, until the verdict is no longer fine or the count is
    /// reached.
    fn watch(&mut self, watch: &mut Watch, samples: usize) -> Verdict {
        for _ in 0..samples {
            self.read();
            self.child.try_wait().unwrap();
            watch.sample().unwrap();
            if watch.verdict() != Verdict::Fine {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        watch.verdict()
    }

    fn watched(&self) -> Watch {
        let mut watch = Watch::new(i32::try_from(self.child.id()).unwrap());
        watch.sample().unwrap();
        watch.restart();
        watch
    }
}

impl Drop for Bash {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
        "printf '\\e]133;D;0;guess;%s;1\\a' 01890000-0000-7000-8000-000000000001\n\
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
    assert_eq!(bash.watch(&mut watch, 100), Verdict::Gone);
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
        assert_eq!(bash.watch(&mut watch, 14), Verdict::Fine, "{text}");
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
