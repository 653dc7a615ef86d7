//! Every recorded stream gives the same outputs as in the file beside it. Never skipped: a missing
//! file fails, and `CALLBOARD_REWRITE_EVENTS=1` writes them anew.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::stage::{Stage, input, prompt};
use crate::domain::{EventKind, Outcome, PermissionMode};
use crate::drivers::{Codec, Command, Driver, Output, ids};

/// Bytes of the program, then what is asked of it.
pub(super) type Scene = (Vec<u8>, Option<Command>);

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/claude")
}

/// The names of the recordings.
pub(super) fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(place())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    names.sort();
    assert!(names.len() >= 40, "{}", names.len());
    names
}

/// A recording as scenes. One of both directions has the commands that were given then, under our
/// own ids; one of the output alone begins with a prompt.
pub(super) fn scenes(name: &str) -> Vec<Scene> {
    let text = std::fs::read_to_string(place().join(name)).unwrap();
    if name.ends_with(".io.jsonl") {
        return both_ways(&text);
    }
    vec![(Vec::new(), Some(prompt(1))), (text.into_bytes(), None)]
}

struct Reading {
    scenes: Vec<Scene>,
    bytes: Vec<u8>,
    /// Ids of the recording, and ours.
    ids: Vec<(String, String)>,
    /// A prompt that waits for the end of the turn, as it would in the session's queue.
    waiting: Vec<Command>,
    prompts: u32,
    codec: Box<dyn Codec>,
}

fn both_ways(text: &str) -> Vec<Scene> {
    let mut reading = Reading {
        scenes: Vec::new(),
        bytes: Vec::new(),
        ids: Vec::new(),
        waiting: Vec::new(),
        prompts: 0,
        codec: super::Claude.codec(&super::context()),
    };
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["dir"].as_str().unwrap() {
            "out" => reading.says(&line["msg"]),
            "in" => reading.is_told(&line["msg"]),
            _ => {}
        }
    }
    reading.scenes.push((reading.bytes, None));
    reading.scenes
}

impl Reading {
    fn says(&mut self, message: &Value) {
        let mut line = message
            .as_str()
            .map_or_else(|| message.to_string(), str::to_owned);
        for (theirs, ours) in &self.ids {
            line = line.replace(theirs, ours);
        }
        line.push('\n');
        self.codec.decode(line.as_bytes(), &mut Vec::new());
        self.bytes.extend_from_slice(line.as_bytes());
        if self.codec.turn().is_none() && !self.waiting.is_empty() {
            let next = self.waiting.remove(0);
            self.command(next);
        }
    }

    fn command(&mut self, command: Command) {
        self.codec.command(&command, &mut Vec::new());
        let bytes = std::mem::take(&mut self.bytes);
        self.scenes.push((bytes, Some(command)));
    }

    fn is_told(&mut self, message: &Value) {
        let id = |at: &str| message.pointer(at).and_then(Value::as_str);
        let request = &message["request"];
        match (
            message["type"].as_str(),
            request["subtype"].as_str().unwrap_or_default(),
        ) {
            (Some("user"), _) => {
                self.prompts += 1;
                let n = self.prompts;
                if let Some(uuid) = id("/uuid") {
                    self.ids.push((uuid.to_owned(), ids::prompt(&input(n))));
                }
                if self.codec.turn().is_some() {
                    self.waiting.push(prompt(n));
                } else {
                    self.command(prompt(n));
                }
            }
            (_, "initialize") => {
                let theirs = format!("\"request_id\":\"{}\"", id("/request_id").unwrap());
                let ours = format!("\"request_id\":\"{}\"", super::wire::INITIALIZE);
                self.ids.push((theirs, ours));
            }
            (_, "interrupt") => self.command(Command::Interrupt),
            (_, "set_model") => {
                let model = request["model"].as_str().map(str::to_owned);
                self.command(Command::SetModel(model));
            }
            (_, "set_permission_mode") => {
                if let Ok(mode) = PermissionMode::parse(request["mode"].as_str().unwrap()) {
                    self.command(Command::SetMode(mode));
                }
            }
            (Some("control_response"), _) => {
                let answer = &message["response"]["response"];
                let approved = answer["behavior"] == "allow";
                let chosen = answer.pointer("/updatedInput/answers");
                let words = chosen.map(Value::to_string);
                self.command(Command::Answer {
                    request: id("/response/request_id").unwrap().to_owned(),
                    approved,
                    response: words.or(answer["message"].as_str().map(str::to_owned)),
                    args: answer["updatedInput"].clone(),
                });
            }
            _ => {}
        }
    }
}

/// Plays scenes in these pieces; each piece goes to a codec restored from its snapshot.
pub(super) fn play(scenes: &[Scene], cut: &mut dyn FnMut(&[u8]) -> Vec<usize>) -> Vec<Output> {
    let mut stage = Stage::new();
    let mut out = Vec::new();
    for (bytes, command) in scenes {
        let mut from = 0;
        for to in cut(bytes).into_iter().chain([bytes.len()]) {
            out.extend(stage.bytes(&bytes[from..to]));
            from = to;
        }
        if let Some(command) = command {
            out.extend(stage.tell(command));
        }
    }
    out.extend(stage.finish());
    out
}

/// After every line.
pub(super) fn lines(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).collect()
}

fn shown(output: &Output) -> Value {
    match output {
        Output::Ready => json!("ready"),
        Output::TurnStarted { task } => json!({ "turn_started": task }),
        Output::Event { kind, data } => json!({ kind.name(): data }),
        Output::Delta(delta) => json!({"delta": delta.kind.name(), "message": delta.message,
            "offset": delta.offset, "text": delta.text}),
        Output::Conversation { id } => json!({ "conversation": id }),
        Output::Ask(question) => json!({"ask": question.request, "tool": question.tool,
            "args": question.args, "summary": question.summary, "question": question.question,
            "options": question.options, "risk": question.risk}),
        Output::Withdrawn { request } => json!({ "withdrawn": request }),
        Output::TurnEnded {
            task,
            outcome,
            reason,
            text,
            usage,
            limited,
        } => json!({"turn_ended": task, "outcome": outcome, "reason": reason, "text": text,
            "usage": usage, "limited": limited.map(|limited| json!({
                "until": limited.until.map(crate::domain::Timestamp::rfc3339),
                "acted": limited.acted}))}),
        Output::File { name, .. } => json!({ "file": name }),
        Output::Send { id, bytes } => {
            json!({"send": id, "line": serde_json::from_slice::<Value>(bytes).unwrap()})
        }
    }
}

#[test]
fn every_recording_gives_the_events_beside_it() {
    let rewrite = std::env::var_os("CALLBOARD_REWRITE_EVENTS").is_some();
    let mut differ = Vec::new();
    for name in names() {
        let out = play(&scenes(&name), &mut |_| Vec::new());
        let told: String = out
            .iter()
            .map(|output| format!("{}\n", shown(output)))
            .collect();
        let file = place().join(name.replace(".jsonl", ".events"));
        if rewrite {
            std::fs::write(&file, &told).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if told.is_empty() || told != expected {
            let at = told.lines().zip(expected.lines()).position(|(a, b)| a != b);
            differ.push(format!("{name}: line {at:?}"));
        }
    }
    assert_eq!(differ, [""; 0]);
}

#[test]
fn nothing_in_a_recording_is_unknown() {
    for name in names() {
        for output in play(&scenes(&name), &mut |_| Vec::new()) {
            let Output::Event { kind, data } = output else {
                continue;
            };
            assert!(data.is_object(), "{name}");
            assert!(data.get("raw").is_none(), "{name}: {data}");
            let code = data["code"].as_str().unwrap_or_default();
            assert!(
                kind != EventKind::Error || code != "line_too_long",
                "{name}: {data}"
            );
        }
    }
}

#[test]
fn pieces_stand_at_their_place_in_the_whole_message() {
    let mut whole = 0;
    for name in names() {
        let mut written: Vec<(String, String)> = Vec::new();
        for output in play(&scenes(&name), &mut |_| Vec::new()) {
            match output {
                Output::Delta(delta) => {
                    let at = written.iter().position(|(id, _)| *id == delta.message);
                    let at = at.unwrap_or_else(|| {
                        written.push((delta.message.clone(), String::new()));
                        written.len() - 1
                    });
                    assert_eq!(
                        usize::try_from(delta.offset),
                        Ok(written[at].1.len()),
                        "{name}"
                    );
                    written[at].1.push_str(&delta.text);
                }
                Output::Event { data, .. } => {
                    let id = data["messageId"].as_str().unwrap_or_default();
                    if let Some(at) = written.iter().position(|(known, _)| known == id) {
                        assert_eq!(data["content"], written.remove(at).1, "{name}");
                        whole += 1;
                    }
                }
                _ => {}
            }
        }
    }
    assert!(whole > 50, "{whole}");
}

#[test]
fn every_turn_begins_once_and_ends_once_as_it_really_went() {
    let ends = |name: &str| {
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        for output in play(&scenes(name), &mut |_| Vec::new()) {
            match output {
                Output::TurnStarted { task } => begun.push(task),
                Output::TurnEnded {
                    task,
                    outcome,
                    reason,
                    ..
                } => {
                    assert_eq!(begun.last(), Some(&task), "{name}");
                    ended.push((outcome, reason.unwrap_or_default()));
                }
                _ => {}
            }
        }
        let mut once = begun.clone();
        once.dedup();
        assert_eq!(once, begun, "{name}");
        assert!(ended.len() <= begun.len(), "{name}");
        ended
    };
    let failed = |reason: &str| vec![(Outcome::Failed, reason.to_owned())];
    let good = vec![(Outcome::Completed, String::new())];
    let stopped = vec![(Outcome::Stopped, "interrupted".to_owned())];
    for name in names() {
        ends(&name);
    }
    assert_eq!(ends("err_400.jsonl"), failed("api_error_400"));
    assert_eq!(ends("err_401.jsonl"), failed("auth"));
    assert_eq!(ends("err_429.jsonl"), failed("api_error_429"));
    assert_eq!(ends("err_500.jsonl"), failed("api_error_500"));
    assert_eq!(ends("nokey.jsonl"), failed("auth"));
    assert_eq!(ends("oneshot_connfail.jsonl"), failed("api_error"));
    assert_eq!(ends("resume_missing.jsonl"), []);
    for name in [
        "oneshot_text",
        "oneshot_think",
        "oneshot_tool",
        "fork",
        "mcp",
    ] {
        assert_eq!(ends(&format!("{name}.jsonl")), good, "{name}");
    }
    assert_eq!(ends("SIGINT_slow.io.jsonl"), stopped);
    assert_eq!(ends("SIGTERM_slow.io.jsonl"), []);
    let own = ends("background_agent.io.jsonl");
    assert_eq!(own, [good[0].clone(), good[0].clone()], "not the agent's");
    let reasons: Vec<String> = ends("api_errors.io.jsonl")
        .into_iter()
        .map(|(_, reason)| reason)
        .collect();
    let expected =
        "|api_error_429|api_error_429|api_error_529|api_error_500|auth|api_error_400|api_error";
    assert_eq!(reasons.join("|"), expected);
}
