//! Scenarios: what is read, and what the refusals say. Never touches a file.

use super::*;
use crate::drivers::script::step::Crash;
use serde_json::json;

fn refused(step: &Value) -> ScenarioError {
    let text = json!({ "turns": [[{"say": "x"}], [{"say": "x"}, step]] }).to_string();
    Scenario::parse("a.json", &text).unwrap_err()
}

fn read(step: &Value) -> Step {
    let text = json!({ "turns": [[step]] }).to_string();
    Scenario::parse("a.json", &text)
        .unwrap()
        .turns
        .remove(0)
        .remove(0)
}

#[test]
fn every_step_is_read() {
    for (json, step) in [
        (json!({"say": "a"}), Step::Say("a".into())),
        (json!({"think": "a"}), Step::Think("a".into())),
        (
            json!({"tool": {"name": "Read", "args": {"path": "x"}, "result": [1], "ms": 5}}),
            Step::Tool {
                name: "Read".into(),
                args: json!({"path": "x"}),
                result: json!([1]),
                ms: 5,
            },
        ),
        (
            json!({"ask": {"tool": "Bash", "args": {"command": "ls"}}}),
            Step::Ask {
                tool: "Bash".into(),
                args: json!({"command": "ls"}),
            },
        ),
        (
            json!({"stream": {"say": "abc", "chunks": 3, "ms": 5}}),
            Step::Stream {
                thought: false,
                text: "abc".into(),
                chunks: 3,
                ms: 5,
            },
        ),
        (
            json!({"stream": {"think": "abc"}}),
            Step::Stream {
                thought: true,
                text: "abc".into(),
                chunks: 10,
                ms: 50,
            },
        ),
        (json!({"sleep_ms": 20}), Step::Sleep(20)),
        (
            json!({"flood": {"lines": 3}}),
            Step::Flood {
                lines: 3,
                bytes: 64,
            },
        ),
        (json!({"fail": "why"}), Step::Fail("why".into())),
        (
            json!({"crash": {"signal": "SIGSEGV"}}),
            Step::Crash(Crash::Signal(11)),
        ),
        (
            json!({"crash": {"signal": "kill"}}),
            Step::Crash(Crash::Signal(9)),
        ),
        (
            json!({"crash": {"signal": 6}}),
            Step::Crash(Crash::Signal(6)),
        ),
        (json!({"crash": {"exit": 3}}), Step::Crash(Crash::Exit(3))),
        (json!({"hang": true}), Step::Hang),
        (
            json!({"fork": {"setsid": true}}),
            Step::Fork { setsid: true },
        ),
        (json!({"fork": {}}), Step::Fork { setsid: false }),
    ] {
        assert_eq!(read(&json), step);
    }
}

#[test]
fn an_error_says_file_turn_step_and_what_was_expected() {
    let error = refused(&json!({"sleep_ms": "long"}));
    assert_eq!(
        error.to_string(),
        "a.json: turn 2, step 2: `sleep_ms` is a string; expected a whole number, 0 to 86400000"
    );
    let Error::Invalid {
        code,
        message,
        expected,
        ..
    } = Error::from(error)
    else {
        panic!("wrong kind");
    };
    assert_eq!(code, "bad_scenario");
    assert!(message.starts_with("a.json: turn 2, step 2"));
    assert_eq!(expected.unwrap(), "a whole number, 0 to 86400000");
}

#[test]
fn bad_steps_are_refused() {
    for step in [
        json!("say"),
        json!({}),
        json!({"say": "a", "think": "b"}),
        json!({"shout": "a"}),
        json!({"say": 3}),
        json!({"say": ""}),
        json!({"stream": "abc"}),
        json!({"stream": {}}),
        json!({"stream": {"say": "a", "think": "b"}}),
        json!({"stream": {"say": ""}}),
        json!({"stream": {"say": "a", "chunks": 0}}),
        json!({"stream": {"say": "a", "chunks": 10_001}}),
        json!({"stream": {"say": "a", "ms": 0.5}}),
        json!({"stream": {"say": "a", "words": 3}}),
        json!({"tool": {"args": {}}}),
        json!({"tool": {"name": "x", "took": 3}}),
        json!({"tool": {"name": "x", "args": []}}),
        json!({"ask": {"args": {}}}),
        json!({"sleep_ms": -1}),
        json!({"sleep_ms": 86_400_001}),
        json!({"flood": {"bytes": 3}}),
        json!({"flood": {"lines": 1, "bytes": 1_000_000}}),
        json!({"usage": {"inputTokens": "many"}}),
        json!({"usage": {}}),
        json!({"crash": {}}),
        json!({"crash": {"signal": "STOP"}}),
        json!({"crash": {"signal": "SEGV", "exit": 1}}),
        json!({"crash": {"exit": 256}}),
        json!({"hang": false}),
        json!({"fork": {"setsid": 1}}),
    ] {
        let error = refused(&step);
        assert_eq!((error.turn, error.step), (Some(2), Some(2)), "{step}");
    }
}

#[test]
fn bad_files_are_refused() {
    for (text, says) in [
        ("", "not JSON"),
        ("[]", "a list"),
        ("{}", "turns is missing"),
        (r#"{"turns":[]}"#, "turns is empty"),
        (r#"{"turns":{}}"#, "turns is an object"),
        (r#"{"turns":[[]]}"#, "turn 1"),
        (r#"{"turns":[[{"say":"x"}]],"loop":true}"#, "`loop`"),
        (r#"{"turns":[[{"say":"x"}]],"name":3}"#, "`name`"),
    ] {
        let error = Scenario::parse("f", text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn the_last_turn_repeats() {
    let scenario = Scenario::parse("f", r#"{"turns":[[{"say":"1"}],[{"say":"2"}]]}"#).unwrap();
    assert_eq!(scenario.turn(0), [Step::Say("1".into())]);
    assert_eq!(scenario.turn(1), [Step::Say("2".into())]);
    assert_eq!(scenario.turn(9), [Step::Say("2".into())]);
}
