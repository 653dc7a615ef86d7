//! Transcripts of the player: lines in, outputs out, restored at every point. Never a real
//! process; that is in tests/it/script_player.rs.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it looks for"
)]

use super::*;
use crate::domain::{EventKind, Outcome, PermissionMode, Risk, SessionId, TaskId};
use crate::drivers::MAX_UNIT_BYTES;
use crate::drivers::{Command, Output};
use proptest::prelude::*;
use serde_json::{Value, json};

fn context() -> LaunchContext {
    LaunchContext {
        session: SessionId::generate(),
        dir: "/data/1".into(),
        cwd: "/".into(),
        server_exe: "/bin/callboard".into(),
        nonce: "s3cret".into(),
        permission_mode: PermissionMode::Default,
        scenario: Some("/x/mine.json".into()),
        model: None,
        effort: None,
        mcp_servers: None,
        conversation: None,
        fork_of: None,
        root: false,
        resume: None,
    }
}

const TASK: &str = "01890000-0000-7000-8000-000000000001";

fn task() -> TaskId {
    TASK.parse().unwrap()
}

fn lines(lines: &[Value]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|line| format!("{line}\n").into_bytes())
        .collect()
}

/// Decodes the bytes in these pieces, through a restored codec each time.
fn run(pieces: &[&[u8]]) -> (Vec<Output>, String) {
    let context = context();
    let mut codec = Script.codec(&context);
    let mut out = Vec::new();
    let mut held: Vec<u8> = Vec::new();
    let mut snapshot = codec.snapshot();
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let taken = codec.decode(&held, &mut out);
            held.drain(..taken);
            snapshot = codec.snapshot();
            assert!(snapshot.len() < 60 * 1024);
            codec = Script.restore(&context, &snapshot).unwrap();
            if taken == 0 {
                break;
            }
        }
    }
    codec.finish(&held, &mut out);
    (out, snapshot)
}

fn turn() -> Vec<Value> {
    vec![
        json!({"type": "ready", "home": "/x/mine.json", "scenario": "/x/mine.json", "played": 0}),
        json!({"type": "turn_started", "task": TASK, "scenario": "/x/mine.json", "played": 1}),
        json!({"type": "think", "text": "hm"}),
        json!({"type": "say", "text": "one"}),
        json!({"type": "tool", "id": "t1", "name": "Read", "args": {"path": "x"}}),
        json!({"type": "tool_result", "id": "t1", "name": "Read", "result": "text", "ms": 4}),
        json!({"type": "ask", "id": "a1", "tool": "Bash", "args": {"command": "rm -rf x\nls"}}),
        json!({"type": "withdrawn", "id": "a1"}),
        json!({"type": "usage", "usage": {"inputTokens": 3, "cost": 0.5}}),
        json!({"type": "usage", "usage": {"inputTokens": 4, "cost": 0.25}}),
        json!({"type": "error", "message": "oops"}),
        json!({"type": "flood", "line": 1, "of": 2, "text": "f1"}),
        json!({"type": "flood", "line": 2, "of": 2, "text": "f2"}),
        json!({"type": "say", "text": "two"}),
        json!({"type": "turn_ended", "task": TASK, "outcome": "failed", "reason": "why"}),
    ]
}

fn events(out: &[Output]) -> Vec<(EventKind, &Value)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Event { kind, data } => Some((*kind, data)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_turn_becomes_its_outputs_in_order() {
    let (out, _) = run(&[&lines(&turn())]);
    assert_eq!(out[0], Output::Ready);
    assert_eq!(out[1], Output::TurnStarted { task: task() });
    let Output::Ask(question) = &out[6] else {
        panic!("{:?}", out[6]);
    };
    assert_eq!(question.request, "a1");
    assert_eq!(question.risk, Risk::Critical);
    assert_eq!(question.summary, "Bash: rm -rf x");
    assert_eq!(
        out[7],
        Output::Withdrawn {
            request: "a1".into()
        }
    );
    assert_eq!(
        out.last().unwrap(),
        &Output::TurnEnded {
            task: task(),
            outcome: Outcome::Failed,
            reason: Some("why".into()),
            text: Some("two".into()),
            usage: Some(json!({"inputTokens": 7, "cost": 0.75})),
            limited: None,
        }
    );
    let events = events(&out);
    let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.name()).collect();
    assert_eq!(
        kinds,
        [
            "thinking",
            "assistant_message",
            "tool_call",
            "tool_result",
            "usage",
            "usage",
            "error",
            "assistant_message",
            "assistant_message",
            "assistant_message",
        ]
    );
    assert_eq!(events[1].1["content"], "one");
    assert_eq!(events[1].1["role"], "assistant");
    assert_eq!(events[2].1["toolCallId"], "t1");
    assert_eq!(events[3].1["durationMs"], 4);
    assert_eq!(
        (&events[8].1["line"], &events[8].1["of"]),
        (&json!(2), &json!(2))
    );
    let ids: Vec<&str> = [0, 1, 7, 8, 9]
        .iter()
        .map(|at: &usize| events[*at].1["messageId"].as_str().unwrap())
        .collect();
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn pieces_have_their_place_and_the_whole_has_their_id() {
    let piece =
        |thought: bool, text: &str| json!({"type": "piece", "thought": thought, "text": text});
    let bytes = lines(&[
        turn()[1].clone(),
        piece(true, "h"),
        piece(true, "m"),
        json!({"type": "think", "text": "hm"}),
        piece(false, "\u{e4}"),
        piece(false, "bc"),
        json!({"type": "say", "text": "\u{e4}bc"}),
        json!({"type": "say", "text": "next"}),
        piece(false, "lost"),
        turn()[14].clone(),
        json!({"type": "turn_started", "task": TASK, "scenario": "x", "played": 2}),
        piece(false, "new"),
    ]);
    let (out, _) = run(&[&bytes]);
    let pieces: Vec<(EventKind, u64, &str)> = out
        .iter()
        .filter_map(|one| match one {
            Output::Delta(delta) => Some((delta.kind, delta.offset, delta.text.as_str())),
            _ => None,
        })
        .collect();
    let (said, thought) = (EventKind::AssistantMessage, EventKind::Thinking);
    let wanted = [
        (thought, 0, "h"),
        (thought, 1, "m"),
        (said, 0, "\u{e4}"),
        (said, 2, "bc"),
        (said, 0, "lost"),
        (said, 0, "new"),
    ];
    assert_eq!(pieces, wanted);
    let ids: Vec<&str> = out
        .iter()
        .filter_map(|one| match one {
            Output::Delta(delta) => Some(delta.message.as_str()),
            Output::Event { data, .. } => data["messageId"].as_str(),
            _ => None,
        })
        .collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
    assert!(ids[3] == ids[4] && ids[4] == ids[5], "{ids:?}");
    // Thought, message, the next message, the lost one; then a new turn.
    assert!(
        ids[2] < ids[3] && ids[5] < ids[6] && ids[6] < ids[7],
        "{ids:?}"
    );
    let cuts: Vec<&[u8]> = bytes.chunks(7).collect();
    assert_eq!(run(&cuts).0, out);
}

#[test]
fn what_is_no_message_is_shown_raw_and_is_no_last_word() {
    let mut bytes = lines(&turn()[..4]);
    bytes.extend_from_slice(b"Segmentation fault\n\n  \n{\"type\":\"dance\"}\n[1]\n\xff\xfe\n");
    bytes.extend_from_slice(b"{\"type\":\"say\"}\n{\"type\":\"turn_started\",\"task\":\"x\"}\n");
    bytes.extend(lines(&turn()[14..]));
    let (out, _) = run(&[&bytes]);
    let raw: Vec<&Value> = events(&out)
        .into_iter()
        .filter(|(_, data)| data["raw"] == true)
        .map(|(_, data)| &data["content"])
        .collect();
    assert_eq!(raw.len(), 6);
    assert_eq!(*raw[0], "Segmentation fault");
    assert_eq!(*raw[3], "\u{fffd}\u{fffd}");
    assert!(
        matches!(out.last(), Some(Output::TurnEnded { text: Some(text), .. }) if text == "one")
    );
}

#[test]
fn a_line_that_is_too_long_is_cut_with_a_mark_and_the_next_one_is_whole() {
    let long = json!({"type": "say", "text": "x".repeat(2 * MAX_UNIT_BYTES + 5)});
    let bytes = lines(&[long, json!({"type": "say", "text": "short"})]);
    let (whole, _) = run(&[&bytes]);
    let events = events(&whole);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].1["truncated"], true);
    assert!(events[0].1["content"].as_str().unwrap().len() <= 16 * 1024);
    assert_eq!(events[1].1["content"], "short");
    let pieces: Vec<&[u8]> = bytes.chunks(300_000).collect();
    assert_eq!(run(&pieces).0, whole);
    // Exactly the bound is no line yet, one byte less and its newline is.
    let fits = vec![b'x'; MAX_UNIT_BYTES - 1];
    let (out, _) = run(&[&fits, b"\n"]);
    assert_eq!(out.len(), 1);
    assert!(matches!(&out[0], Output::Event { data, .. } if data.get("truncated").is_none()));
}

#[test]
fn the_next_incarnation_goes_on_behind_the_played_turns() {
    let mut context = context();
    let args = |context: &LaunchContext| Script.launch(context).argv[3..].join(" ");
    assert_eq!(args(&context), "/x/mine.json --permission-mode default");
    let (_, snapshot) = run(&[&lines(&turn()[..3])]);
    context.resume = Some(snapshot);
    assert_eq!(
        args(&context),
        "/x/mine.json --turns-done 1 --permission-mode default"
    );
    let moved = json!({"type": "turn_started", "task": TASK, "scenario": "ask", "played": 3});
    let (_, snapshot) = run(&[&lines(&[turn()[0].clone(), moved])]);
    context.resume = Some(snapshot);
    assert_eq!(
        args(&context),
        "/x/mine.json --turns-done 3 --at ask --permission-mode default"
    );
    context.scenario = None;
    assert_eq!(args(&context), "hello --permission-mode default");
    context.resume = Some("nonsense".into());
    assert_eq!(args(&context), "hello --permission-mode default");
}

#[test]
fn commands_become_lines_under_ids_that_repeat() {
    let context = context();
    let mut codec = Script.codec(&context);
    let mut out = Vec::new();
    let prompt = Command::Prompt {
        task: task(),
        input_id: "in:1".into(),
        text: "hi\nthere".into(),
    };
    let answer = Command::Answer {
        request: "a1".into(),
        approved: true,
        response: None,
        args: Value::Null,
    };
    codec.command(&Command::Interrupt, &mut out);
    codec.command(&answer, &mut out);
    assert_eq!(out, [], "nothing runs and nothing was asked");
    codec.command(&prompt, &mut out);
    assert_eq!(codec.turn(), Some(task()));
    let expected = json!({"type": "prompt", "task": TASK, "text": "hi\nthere"});
    let Output::Send { id, bytes } = &out[0] else {
        panic!("{out:?}");
    };
    assert_eq!(id, "in:1");
    assert_eq!(serde_json::from_slice::<Value>(bytes).unwrap(), expected);
    codec.decode(&lines(&turn()[..7]), &mut Vec::new());

    let commands = [
        Command::Interrupt,
        Command::Interrupt,
        answer.clone(),
        answer,
    ];
    let mut again = Script.restore(&context, &codec.snapshot()).unwrap();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for command in &commands {
        codec.command(command, &mut first);
        again.command(command, &mut second);
        again = Script.restore(&context, &again.snapshot()).unwrap();
    }
    assert_eq!(first, second);
    assert_eq!(first.len(), 3, "an answer is sent once");
    assert_ne!(first[0], first[1]);
}

#[test]
fn the_end_of_the_stream_withdraws_what_is_open() {
    let (out, _) = run(&[
        &lines(&turn()[..7]),
        b"{\"type\":\"say\",\"text\":\"last\"}",
    ]);
    assert!(matches!(&out[7], Output::Event { data, .. } if data["content"] == "last"));
    assert_eq!(
        out[8],
        Output::Withdrawn {
            request: "a1".into()
        }
    );
    assert_eq!(out.len(), 9);
}

#[test]
fn a_flood_is_decoded_in_bounded_steps() {
    let flood: Vec<Value> = (1..=10_000)
        .map(|n| json!({"type": "flood", "line": n, "of": 10_000, "text": "x"}))
        .collect();
    let bytes = lines(&flood);
    let mut codec = Script.codec(&context());
    let (mut out, mut at, mut steps) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let before = out.len();
        at += codec.decode(&bytes[at..], &mut out);
        assert!(out.len() - before <= 4_096);
        steps += 1;
    }
    assert_eq!((out.len(), steps), (10_000, 3));
}

proptest! {
    #[test]
    fn splits_and_restarts_do_not_matter(
        picks in prop::collection::vec(0_usize..20, 0..30),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let all = turn();
        let bytes: Vec<u8> = picks
            .iter()
            .flat_map(|pick| match (all.get(*pick), pick) {
                (Some(line), _) => format!("{line}\n").into_bytes(),
                (None, 15) => b"no json \xff\n".to_vec(),
                (None, 17) => b"{\"type\":\"piece\",\"text\":\"a\"}\n".to_vec(),
                (None, 18) => b"{\"type\":\"piece\",\"thought\":true,\"text\":\"b\"}\n".to_vec(),
                (None, 16) => b"\n\r\n".to_vec(),
                (None, _) => "\"\u{e4}".as_bytes().to_vec(),
            })
            .collect();
        let whole = run(&[&bytes]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(run(&pieces), whole);
    }
}

#[test]
fn each_other_mode_is_an_order_under_an_id_of_its_own() {
    let context = context();
    let mut codec = Script.codec(&context);
    let mut sent = Vec::new();
    for mode in [PermissionMode::Plan, PermissionMode::Default] {
        let mut out = Vec::new();
        codec.command(&Command::SetMode(mode), &mut out);
        codec = Script.restore(&context, &codec.snapshot()).unwrap();
        for output in out {
            let Output::Send { id, bytes } = output else {
                panic!("{output:?}");
            };
            sent.push((id, String::from_utf8(bytes).unwrap()));
        }
    }
    let order = |n: u32, mode: &str| {
        let line = format!("{{\"type\":\"mode\",\"mode\":\"{mode}\"}}\n");
        (format!("tuning:{n}"), line)
    };
    assert_eq!(sent, [order(0, "plan"), order(1, "default")]);
}
