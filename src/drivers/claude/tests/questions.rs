//! Questions of the program, and what it is answered.

use serde_json::{Value, json};

use super::stage::Stage;
use super::turns::{of_prompt, result};
use crate::domain::{EventKind, Risk};
use crate::drivers::{Command, Output, Question, ids};

fn asks(stage: &mut Stage, request: &str, body: &Value) -> Question {
    let mut body = body.clone();
    body["subtype"] = json!("can_use_tool");
    let line = json!({"type": "control_request", "request_id": request, "request": body});
    match &stage.hear(&line)[..] {
        [Output::Ask(question)] => question.clone(),
        other => panic!("{other:?}"),
    }
}

fn answer(request: &str, approved: bool, response: Option<&str>, args: Value) -> Command {
    Command::Answer {
        request: request.to_owned(),
        approved,
        response: response.map(str::to_owned),
        args,
    }
}

fn given(out: &[Output]) -> Value {
    let [Output::Send { bytes, .. }] = out else {
        panic!("{out:?}");
    };
    let line: Value = serde_json::from_slice(bytes).unwrap();
    line["response"]["response"].clone()
}

#[test]
fn a_question_is_put_and_its_answer_goes_to_it_once() {
    let mut stage = Stage::new();
    stage.begin(1);
    let args = json!({"command": "rm -rf x\nls"});
    let rule = json!({"type": "addRules", "behavior": "allow", "destination": "localSettings",
        "rules": [{"toolName": "Bash", "ruleContent": "rm *"}]});
    let question = asks(
        &mut stage,
        "q1",
        &json!({"tool_name": "Bash", "input": args, "blocked_path": "/x",
            "permission_suggestions": [rule, {"type": "other"}]}),
    );
    assert_eq!(question.summary, "Bash: rm -rf x");
    assert_eq!(question.risk, Risk::Critical);
    assert!(question.question.ends_with("It reaches /x."));
    assert_eq!(question.options, ["allow Bash(rm *) (localSettings)"]);
    let out = stage.tell(&answer("q1", true, None, args.clone()));
    assert_eq!(
        given(&out),
        json!({"behavior": "allow", "updatedInput": args})
    );
    assert_eq!(stage.tell(&answer("q1", true, None, args.clone())), []);
    assert_eq!(stage.tell(&answer("q9", true, None, args)), []);
}

#[test]
fn a_no_goes_with_words_and_a_chosen_rule_with_the_yes() {
    let mut stage = Stage::new();
    let body = json!({"tool_name": "Write", "input": {"file_path": "/x"},
        "permission_suggestions": [
            {"type": "setMode", "mode": "acceptEdits", "destination": "session"}]});
    for request in ["q1", "q2", "q3"] {
        let question = asks(&mut stage, request, &body);
        assert_eq!(question.risk, Risk::Medium);
        assert_eq!(question.options, ["change to acceptEdits (session)"]);
    }
    let out = stage.tell(&answer("q1", false, Some("not now"), Value::Null));
    let refused = json!({"behavior": "deny", "message": "not now", "interrupt": false});
    assert_eq!(given(&out), refused);
    let out = stage.tell(&answer("q2", false, Some(" "), Value::Null));
    assert!(given(&out)["message"].as_str().unwrap().len() > 5);
    let chosen = Some("change to acceptEdits (session)");
    let out = stage.tell(&answer("q3", true, chosen, Value::Null));
    assert_eq!(
        given(&out),
        json!({"behavior": "allow", "updatedPermissions": body["permission_suggestions"]})
    );
}

#[test]
fn the_models_own_question_gets_a_persons_words() {
    let mut stage = Stage::new();
    let one = json!({"questions": [{"question": "Which?", "options": [
        {"label": "Red", "description": "warm"}, {"label": "Blue"}]}]});
    let two = json!({"questions": [{"question": "A?"}, {"question": "B?"}]});
    let mut said = |args: &Value, words: &str| {
        let body = json!({"tool_name": "AskUserQuestion", "input": args});
        let question = asks(&mut stage, "q", &body);
        assert_eq!(question.risk, Risk::Low);
        let out = stage.tell(&answer("q", true, Some(words), args.clone()));
        (question, given(&out)["updatedInput"]["answers"].clone())
    };
    let (question, answers) = said(&one, "Red");
    assert_eq!(question.summary, "Which?");
    assert_eq!(question.options, ["Red", "Blue"]);
    assert!(question.question.contains("- Red: warm"));
    assert_eq!(answers, json!({"Which?": "Red"}));
    let (question, answers) = said(&two, "x\ny");
    assert_eq!(question.options, [""; 0]);
    assert_eq!(answers, json!({"A?": "x", "B?": "y"}));
    let (_, answers) = said(&two, "both");
    assert_eq!(answers, json!({"A?": "both", "B?": "both"}));
    let (_, answers) = said(&two, r#"{"A?": "z"}"#);
    assert_eq!(answers, json!({"A?": "z"}));
}

#[test]
fn what_is_no_question_to_a_person_is_refused() {
    let mut stage = Stage::new();
    let line = json!({"type": "control_request", "request_id": "h",
        "request": {"subtype": "hook_callback"}});
    let out = stage.hear(&line);
    let [Output::Send { bytes, .. }] = &out[..] else {
        panic!("{out:?}");
    };
    let line: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(line["response"]["subtype"], "error");
    assert_eq!(line["response"]["request_id"], "h");
}

#[test]
fn a_tools_name_is_bounded() {
    let mut stage = Stage::new();
    stage.begin(1);
    let body = json!({"tool_name": "T".repeat(10_000), "input": {}});
    let question = asks(&mut stage, "q1", &body);
    assert!(question.tool.starts_with("TTT") && question.tool.len() <= 128);
    assert!(question.question.len() < 300);
}

#[test]
fn a_question_ends_with_the_programs_word_its_turn_or_the_stream() {
    let mut stage = Stage::new();
    stage.begin(1);
    let body = json!({"tool_name": "Read", "input": {}});
    for request in ["q1", "q2", "q3"] {
        asks(&mut stage, request, &body);
        if request == "q1" {
            let line = json!({"type": "control_cancel_request", "request_id": "q1"});
            let gone = Output::Withdrawn {
                request: "q1".into(),
            };
            assert_eq!(stage.hear(&line), [gone]);
            assert_eq!(stage.hear(&line), []);
        }
        if request == "q2" {
            let out = stage.hear(&of_prompt(1, result()));
            let gone = Output::Withdrawn {
                request: "q2".into(),
            };
            assert!(out.contains(&gone));
            assert!(out.iter().any(|out| matches!(out, Output::Send { id, .. }
                if *id == ids::answer_frame("q2"))));
        }
    }
    let gone = Output::Withdrawn {
        request: "q3".into(),
    };
    assert_eq!(stage.finish(), [gone]);
}

#[test]
fn a_question_too_many_is_refused_to_the_program() {
    let mut stage = Stage::new();
    stage.begin(1);
    let body = json!({"tool_name": "Bash", "input": {"command": "ls"}});
    for n in 0..16 {
        asks(&mut stage, &format!("q{n}"), &body);
    }
    let mut request = body.clone();
    request["subtype"] = json!("can_use_tool");
    let line = json!({"type": "control_request", "request_id": "q16", "request": request});
    let out = stage.hear(&line);
    let [
        Output::Event {
            kind: EventKind::Error,
            ..
        },
        sent @ ..,
    ] = &out[..]
    else {
        panic!("{out:?}");
    };
    assert_eq!(given(sent)["behavior"], "deny");
    // The same question again is none.
    let again = json!({"type": "control_request", "request_id": "q3", "request": request});
    assert_eq!(stage.hear(&again), []);
}
