//! Transcripts of the terminal: bytes in, outputs out, restored at every point. Never a real
//! bash; that is in tests/it/shell_rc.rs.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it looks for"
)]

mod transcripts;

use super::*;
use crate::domain::{EventKind, Outcome, PermissionMode, Risk, SessionId, TaskId};
use crate::drivers::{Command, Output, Question};
use serde_json::Value;

const NONCE: &str = "s3cret";

fn context(mode: PermissionMode) -> LaunchContext {
    LaunchContext {
        session: SessionId::generate(),
        dir: "/data/it's/1".into(),
        cwd: "/".into(),
        server_exe: "/bin/callboard".into(),
        nonce: NONCE.into(),
        permission_mode: mode,
        scenario: None,
        model: None,
        effort: None,
        mcp_servers: None,
        conversation: None,
        fork_of: None,
        root: false,
        resume: None,
    }
}

fn task() -> TaskId {
    "01890000-0000-7000-8000-000000000001".parse().unwrap()
}

fn prompt(text: &str) -> Command {
    Command::Prompt {
        task: task(),
        input_id: format!("{}:1", task()),
        text: text.into(),
    }
}

fn answer(approved: bool) -> Command {
    Command::Answer {
        request: format!("run-{}", task()),
        approved,
        response: None,
        args: Value::Null,
    }
}

fn start() -> String {
    format!("\x1b]133;C;{NONCE};{}\x07", task())
}

fn end(code: u8) -> String {
    format!(
        "\x1b]133;A;{NONCE}\x07\x1b]133;D;{code};{NONCE};{};1\x07",
        task()
    )
}

/// Runs a turn's bytes behind a prompt, in these pieces, through a restored codec each time.
fn run(pieces: &[&[u8]]) -> Vec<Output> {
    let context = context(PermissionMode::BypassPermissions);
    let mut codec = Shell.codec(&context);
    let mut out = Vec::new();
    codec.command(&prompt("make"), &mut out);
    let mut held: Vec<u8> = Vec::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        let taken = codec.decode(&held, &mut out);
        held.drain(..taken);
        let snapshot = codec.snapshot();
        assert!(snapshot.len() < 60 * 1024, "{}", snapshot.len());
        codec = Shell.restore(&context, &snapshot).unwrap();
    }
    codec.finish(&held, &mut out);
    out
}

fn command(mode: PermissionMode, commands: &[Command]) -> Vec<Output> {
    let context = context(mode);
    let mut codec = Shell.codec(&context);
    let mut out = Vec::new();
    for command in commands {
        codec.command(command, &mut out);
        codec = Shell.restore(&context, &codec.snapshot()).unwrap();
    }
    out
}

fn end_of(out: &[Output]) -> Option<(Outcome, Option<&str>, Option<&str>)> {
    out.iter().find_map(|output| match output {
        Output::TurnEnded {
            outcome,
            reason,
            text,
            ..
        } => Some((*outcome, reason.as_deref(), text.as_deref())),
        _ => None,
    })
}

fn result_of(out: &[Output]) -> &Value {
    let mut results = out.iter().filter_map(|output| match output {
        Output::Event {
            kind: EventKind::ToolResult,
            data,
        } => Some(data),
        _ => None,
    });
    let first = results.next().unwrap();
    assert!(results.next().is_none(), "two results");
    first
}

#[test]
fn a_turn_is_what_stands_between_its_marks() {
    let bytes = format!("$ __cb x\r\n{}hello\r\n{}$ later", start(), end(0));
    let out = run(&[bytes.as_bytes()]);
    assert!(matches!(&out[0], Output::File { name, .. } if *name == format!("task-{}.sh", task())));
    let Output::Send { id, bytes } = &out[1] else {
        panic!("{out:?}");
    };
    assert_eq!(*id, format!("{}:1", task()));
    assert!(bytes.len() < 100 && bytes.ends_with(b"\n"));
    assert_eq!(out[2], Output::TurnStarted { task: task() });
    assert!(
        matches!(&out[3], Output::Event { kind: EventKind::ToolCall, data }
            if data["args"]["command"] == "make" && data["phase"] == "start")
    );
    let data = result_of(&out);
    assert_eq!(data["result"]["output"], "hello\n");
    assert_eq!(data["result"]["exitCode"], 0);
    assert_eq!(data["toolCallId"], format!("shell-{}", task()));
    assert_eq!(
        end_of(&out),
        Some((Outcome::Completed, None, Some("hello")))
    );
}

#[test]
fn the_first_prompt_is_ready_once() {
    let mark = format!("\x1b]133;A;{NONCE}\x07");
    let out = run(&[mark.as_bytes(), b"$ \r\n", mark.as_bytes()]);
    let ready = out
        .iter()
        .filter(|output| **output == Output::Ready)
        .count();
    assert_eq!(ready, 1);
}

#[test]
fn exit_codes_become_reasons() {
    let bytes = start() + &end(3);
    let out = run(&[bytes.as_bytes()]);
    assert_eq!(end_of(&out), Some((Outcome::Failed, Some("exit_3"), None)));
    let bytes = start() + &end(2).replace(";1\x07", ";\x07");
    let out = run(&[bytes.as_bytes()]);
    assert_eq!(
        end_of(&out),
        Some((Outcome::Failed, Some("syntax_error"), None))
    );
}

#[test]
fn forged_and_foreign_marks_end_nothing() {
    let other = TaskId::generate().to_string();
    let forged = end(0).replace(NONCE, "guess");
    let foreign = end(0).replace(&task().to_string(), &other);
    let bytes = format!("{}a{forged}b{foreign}c\r\n", start());
    let out = run(&[bytes.as_bytes()]);
    assert_eq!(end_of(&out), None);
    assert_eq!(result_of(&out)["result"]["output"], "abc\n");
}

#[test]
fn a_stream_that_ends_in_mid_turn_gives_the_output_so_far() {
    let bytes = start() + "half";
    let out = run(&[bytes.as_bytes()]);
    assert_eq!(result_of(&out)["result"]["output"], "half");
    assert_eq!(result_of(&out)["result"]["exitCode"], Value::Null);
    assert_eq!(end_of(&out), None);
}

#[test]
fn large_output_is_cut_in_the_middle() {
    let line = "\x1b[31m\"quoted\" \\ text\x1b[0m\r\n";
    let bytes = start() + &line.repeat(50_000) + &end(0);
    let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(70_001).collect();
    let out = run(&pieces);
    let data = result_of(&out);
    assert_eq!(data["truncated"], true);
    assert_eq!(data["originalBytes"], 50_000 * 16);
    assert!(data.to_string().len() < crate::domain::event::MAX_EVENT_BYTES);
    assert_eq!(out, run(&[bytes.as_bytes()]));
}

#[test]
fn a_question_comes_before_a_command_and_survives_a_restart() {
    let asked = command(PermissionMode::Default, &[prompt("rm -rf x\nls")]);
    let [Output::File { bytes, .. }, Output::Ask(question)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert!(String::from_utf8_lossy(bytes).contains("\nrm -rf x\nls\n"));
    let Question {
        request,
        summary,
        risk,
        args,
        ..
    } = question;
    assert_eq!(*request, format!("run-{}", task()));
    assert_eq!(summary, "rm -rf x (and 1 more lines)");
    assert_eq!(*risk, Risk::Critical);
    assert_eq!(args["command"], "rm -rf x\nls");

    let yes = command(
        PermissionMode::AcceptEdits,
        &[prompt("ls"), answer(true), answer(true)],
    );
    assert!(
        matches!(yes.as_slice(), [_, _, Output::Send { id, .. }] if *id == format!("{}:1", task()))
    );
    let no = command(
        PermissionMode::Default,
        &[prompt("ls"), answer(false), answer(true)],
    );
    assert_eq!(no.len(), 3);
    assert_eq!(end_of(&no), Some((Outcome::Stopped, Some("denied"), None)));
}

#[test]
fn modes_decide_without_a_person() {
    let plan = command(PermissionMode::Plan, &[prompt("ls")]);
    assert_eq!(
        end_of(&plan),
        Some((Outcome::Failed, Some("plan_mode"), None))
    );
    let dont = command(PermissionMode::DontAsk, &[prompt("ls")]);
    assert_eq!(end_of(&dont), Some((Outcome::Failed, Some("denied"), None)));
    let blank = command(PermissionMode::Default, &[prompt(" \n")]);
    assert!(matches!(
        blank.as_slice(),
        [Output::File { .. }, Output::Send { .. }]
    ));
    let nul = command(PermissionMode::BypassPermissions, &[prompt("a\0b")]);
    assert_eq!(
        end_of(&nul),
        Some((Outcome::Failed, Some("nul_byte"), None))
    );
}

#[test]
fn an_interrupt_reaches_what_there_is() {
    let asking = command(PermissionMode::Default, &[prompt("ls"), Command::Interrupt]);
    assert!(matches!(&asking[2], Output::Withdrawn { .. }));
    assert_eq!(
        end_of(&asking),
        Some((Outcome::Stopped, Some("interrupted"), None))
    );
    assert_eq!(command(PermissionMode::Default, &[Command::Interrupt]), []);

    let mode = PermissionMode::BypassPermissions;
    let twice = command(
        mode,
        &[prompt("ls"), Command::Interrupt, Command::Interrupt],
    );
    let ids: Vec<&String> = twice[2..]
        .iter()
        .map(|output| match output {
            Output::Send { id, bytes } if bytes == b"\x03" => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_line_that_was_lost_is_typed_again_under_another_id() {
    let mode = PermissionMode::BypassPermissions;
    let out = command(mode, &[prompt("ls"), Command::Remind, Command::Remind]);
    let sent: Vec<(&String, &Vec<u8>)> = out
        .iter()
        .filter_map(|output| match output {
            Output::Send { id, bytes } => Some((id, bytes)),
            _ => None,
        })
        .collect();
    let [first, second, third] = sent[..] else {
        panic!("{sent:?}");
    };
    assert!(first.1 == second.1 && second.1 == third.1);
    assert!(first.0 != second.0 && second.0 != third.0);
    assert!(third.0.len() <= 64);
    // Not while a person is asked, nor behind an interrupt, nor once it runs, nor without a turn.
    let asked = command(PermissionMode::Default, &[prompt("ls")]);
    let again = command(PermissionMode::Default, &[prompt("ls"), Command::Remind]);
    assert_eq!(asked, again);
    let cut = [prompt("ls"), Command::Interrupt];
    let again = [prompt("ls"), Command::Interrupt, Command::Remind];
    assert_eq!(command(mode, &cut), command(mode, &again));
    assert_eq!(command(mode, &[Command::Remind]), []);
    let mut codec = Shell.codec(&context(mode));
    let mut out = Vec::new();
    codec.command(&prompt("ls"), &mut out);
    codec.decode(start().as_bytes(), &mut out);
    let before = out.len();
    codec.command(&Command::Remind, &mut out);
    assert_eq!(out.len(), before);
}

#[test]
fn an_interrupt_decides_how_a_bad_end_counts() {
    let context = context(PermissionMode::BypassPermissions);
    for (bytes, expected) in [
        (start() + &end(130), Outcome::Stopped),
        (start() + &end(1), Outcome::Stopped),
        (start() + &end(0), Outcome::Completed),
        // The typed line was thrown away: only the prompt comes back.
        (format!("\x1b]133;A;{NONCE}\x07"), Outcome::Stopped),
    ] {
        let mut codec = Shell.codec(&context);
        let mut out = Vec::new();
        codec.command(&prompt("x"), &mut out);
        codec.command(&Command::Interrupt, &mut out);
        codec.decode(bytes.as_bytes(), &mut out);
        assert_eq!(end_of(&out).unwrap().0, expected);
        assert_eq!(codec.turn(), None);
    }
}

#[test]
fn the_launch_quotes_its_directory_and_hides_its_word() {
    let launch = Shell.launch(&context(PermissionMode::Default));
    let (name, rc) = &launch.files[0];
    let rc = String::from_utf8(rc.clone()).unwrap();
    assert_eq!(name, "rc");
    assert!(rc.contains(r"rm -f -- '/data/it'\''s/1/rc'"));
    assert!(!rc.contains('@'), "a place is left open");
    assert!(launch.argv.iter().all(|arg| !arg.contains(NONCE)) && launch.env.is_empty());
}

#[test]
fn another_mode_holds_from_the_next_prompt_on() {
    let mut codec = Shell.codec(&context(PermissionMode::Default));
    let mut said = |command: &Command| {
        let mut out = Vec::new();
        codec.command(command, &mut out);
        out
    };
    assert_eq!(said(&Command::SetMode(PermissionMode::Plan)), []);
    let refused = said(&prompt("ls"));
    assert!(
        matches!(&refused[..], [Output::TurnEnded { reason: Some(why), .. }] if why == "plan_mode")
    );
    assert_eq!(
        said(&Command::SetMode(PermissionMode::BypassPermissions)),
        []
    );
    let typed = said(&prompt("ls"));
    assert!(matches!(typed.last(), Some(Output::Send { .. })));
}
