//! The driver over recorded streams of the real program, and what no recording shows. Never a
//! real process.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it looks for"
)]

mod captures;
mod properties;
mod questions;
mod stage;
mod turns;

use super::*;
use crate::drivers::{Command, Output};
use serde_json::Value;
use stage::{Stage, context};

fn words(context: &LaunchContext) -> String {
    Claude.launch(context).argv[ALWAYS.len()..].join(" ")
}

#[test]
fn the_conversation_is_named_before_the_start_or_gone_on_with() {
    let mut context = context();
    let own = ids::conversation(&context.nonce);
    let rest = "--permission-mode default --allow-dangerously-skip-permissions";
    assert_eq!(words(&context), format!("--session-id {own} {rest}"));
    assert!(!own.contains(&context.nonce));
    context.fork_of = Some("f".into());
    assert_eq!(
        words(&context),
        format!("--resume f --fork-session --session-id {own} {rest}")
    );
    context.conversation = Some("c".into());
    assert_eq!(words(&context), format!("--resume c {rest}"));
    context.resume = Some("nonsense".into());
    assert_eq!(words(&context), format!("--resume c {rest}"));
}

#[test]
fn a_conversation_that_is_not_there_is_not_asked_for_again() {
    let mut stage = Stage::new();
    let line = json!({
        "type": "result", "subtype": "error_during_execution", "is_error": true,
        "session_id": "c", "total_cost_usd": 0,
        "errors": ["No conversation found with session ID: c"],
    });
    let out = stage.hear(&line);
    assert!(matches!(&out[..], [Output::Event { kind, data }]
        if *kind == crate::domain::EventKind::Error && data["code"] == "conversation_missing"));
    let mut context = context();
    context.conversation = Some("c".into());
    context.resume = Some(stage.codec.snapshot());
    assert!(words(&context).starts_with("--session-id "));
    // Nor by a process behind one that had not begun another yet.
    stage.codec = Claude.codec(&context);
    context.resume = Some(stage.codec.snapshot());
    assert!(words(&context).starts_with("--session-id "));
    stage.hear(&json!({"type": "assistant", "session_id": "d", "message": {"content": []}}));
    context.conversation = Some("d".into());
    context.resume = Some(stage.codec.snapshot());
    assert!(words(&context).starts_with("--resume d "));
    let stderr = vec!["No conversation found with session ID: c".to_owned()];
    assert_eq!(
        Claude.exit_reason(Some(1), &stderr),
        Some(ExitReason::Failed)
    );
}

#[test]
fn options_become_arguments_and_servers_a_file() {
    let mut context = context();
    context.model = Some("opus".into());
    context.effort = Some("high".into());
    context.permission_mode = PermissionMode::DontAsk;
    let servers = json!({"db": {"command": "dbmcp", "env": {"TOKEN": "s3cr3t"}}});
    context.mcp_servers = servers.as_object().cloned();
    let launch = Claude.launch(&context);
    let line = launch.argv.join(" ");
    assert!(line.contains("--model opus --effort high --permission-mode dontAsk"));
    assert!(line.ends_with("--mcp-config /data/1/mcp.json --strict-mcp-config"));
    assert!(!line.contains("s3cr3t"));
    let [(name, bytes)] = &launch.files[..] else {
        panic!("{:?}", launch.files);
    };
    assert_eq!(name, "mcp.json");
    let file: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(file, json!({ "mcpServers": servers }));
    assert_eq!(launch.stdio, Stdio::Pipes);
}

#[test]
fn root_may_bypass_only_where_it_says_so_at_the_start() {
    let mut context = context();
    context.root = true;
    assert!(!words(&context).contains("dangerously"));
    assert!(!Claude.launch(&context).env.contains_key("IS_SANDBOX"));
    context.permission_mode = PermissionMode::BypassPermissions;
    assert!(words(&context).contains("--permission-mode bypassPermissions --allow-dangerously"));
    assert_eq!(Claude.launch(&context).env["IS_SANDBOX"], "1");
    context.root = false;
    assert!(!Claude.launch(&context).env.contains_key("IS_SANDBOX"));
}

#[test]
fn the_last_words_tell_why_it_ended() {
    let told = |code, line: &str| Claude.exit_reason(code, &[line.to_owned()]);
    assert_eq!(
        told(Some(1), "Not logged in · Please run /login"),
        Some(ExitReason::Auth)
    );
    assert_eq!(
        told(Some(1), "You've hit your limit · resets 3pm"),
        Some(ExitReason::RateLimited)
    );
    let root = "--dangerously-skip-permissions cannot be used with root/sudo privileges";
    assert_eq!(told(Some(1), root), Some(ExitReason::Failed));
    assert_eq!(told(Some(1), "TypeError: x"), None);
    assert_eq!(told(Some(0), "Not logged in"), None);
    assert_eq!(told(None, "Not logged in"), None);
}

#[test]
fn the_first_word_repeats_and_its_answer_makes_ready_once() {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut stage = Stage::new();
    stage.codec.start(&mut first);
    stage.codec.start(&mut second);
    assert_eq!(first, second);
    let answer = |id: &str| {
        json!({"type": "control_response", "response": {
            "subtype": "success", "request_id": id, "response": {"commands": []}}})
    };
    assert_eq!(stage.hear(&answer("other")), []);
    assert_eq!(stage.hear(&answer(wire::INITIALIZE)), [Output::Ready]);
    assert_eq!(stage.hear(&answer(wire::INITIALIZE)), []);
}

#[test]
fn orders_are_numbered_and_their_refusals_are_told() {
    let mut stage = Stage::new();
    let sent = |out: Vec<Output>| match &out[..] {
        [Output::Send { id, bytes }] => (
            id.clone(),
            serde_json::from_slice::<Value>(bytes).unwrap()["request"].clone(),
        ),
        other => panic!("{other:?}"),
    };
    let mode = Command::SetMode(PermissionMode::BypassPermissions);
    let (id, request) = sent(stage.tell(&mode));
    assert_eq!(id, "set_mode:0");
    assert_eq!(
        request,
        json!({"subtype": "set_permission_mode", "mode": "bypassPermissions"})
    );
    let (id, request) = sent(stage.tell(&Command::SetModel(None)));
    assert_eq!(id, "set_model:1");
    assert_eq!(request, json!({"subtype": "set_model", "model": null}));
    let out = stage.hear(&json!({"type": "control_response", "response": {
        "subtype": "error", "request_id": "set_mode:0", "error": "no",
        "error_code": "bypass_not_launched"}}));
    assert!(matches!(&out[..], [Output::Event { data, .. }]
        if data["code"] == "bypass_not_launched" && data["order"] == "set_mode"));
}

#[test]
fn what_is_no_message_is_shown_raw_and_what_is_unknown_is_not() {
    let mut stage = Stage::new();
    let out = stage.bytes(b"Segmentation fault\r\n\r\n[1]\n{\"type\":\"dance\"}\n{}\n\xff\n");
    let raw: Vec<&Value> = out
        .iter()
        .map(|output| match output {
            Output::Event { data, .. } => &data["content"],
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(raw, ["Segmentation fault", "[1]", "\u{fffd}"]);
}

#[test]
fn a_line_that_is_too_long_is_told_and_the_next_one_is_whole() {
    let mut stage = Stage::new();
    stage.hear(&json!({"type": "assistant", "message": {"content": [
        {"type": "tool_use", "id": "t1", "name": "Read"}]}}));
    let much = "x".repeat(2 * MAX_UNIT_BYTES);
    let long = json!({"type": "user", "message": {"content": much}});
    let plain = "y".repeat(MAX_UNIT_BYTES + 5);
    let picture = format!("{{\"content\":[{{\"tool_use_id\":\"t1\",\"data\":\"{much}\"}}]}}");
    let bytes = format!("{long}\n{plain}\n{picture}\n{picture}\nshort\n");
    let out = stage.bytes(bytes.as_bytes());
    let data: Vec<&Value> = out
        .iter()
        .map(|output| match output {
            Output::Event { data, .. } => data,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(data.len(), 5);
    assert_eq!(data[0]["code"], "line_too_long");
    assert_eq!(data[1]["truncated"], true);
    assert_eq!(
        (&data[2]["toolCallId"], &data[2]["toolName"]),
        (&json!("t1"), &json!("Read"))
    );
    assert_eq!(data[3]["code"], "line_too_long");
    assert_eq!(data[4]["content"], "short");
}

#[test]
fn the_snapshot_has_a_bound() {
    let mut stage = Stage::new();
    stage.begin(1);
    let long = "\u{1}".repeat(100_000);
    for n in 0..300 {
        let name = format!("{n}-{long}");
        stage.hear(
            &json!({"type": "control_request", "request_id": format!("r{n}"), "request": {
            "subtype": "can_use_tool", "tool_name": name, "input": {"command": long},
            "permission_suggestions": [{"type": "setMode", "mode": long}]}}),
        );
        stage.hear(
            &json!({"type": "stream_event", "api_message_id": format!("m{n}"), "event": {
            "type": "content_block_start", "index": n, "content_block": {"type": "text"}}}),
        );
        stage.hear(&json!({"type": "stream_event", "event": {
            "type": "message_start", "message": {"id": name}}}));
        stage.hear(
            &json!({"type": "assistant", "session_id": name, "message": {"id": "m",
            "content": [{"type": "text", "text": name},
                {"type": "tool_use", "id": format!("t{n}"), "name": name}]}}),
        );
        stage.hear(&json!({"type": "system", "subtype": "init", "permissionMode": name}));
    }
    let snapshot = stage.codec.snapshot();
    assert!(snapshot.len() < 60 * 1024, "{}", snapshot.len());
    assert!(Claude.restore(&context(), &snapshot).is_some());
}
