//! Turns, costs and limits, line by line.

use serde_json::{Value, json};

use super::stage::{Stage, context, input, prompt, task};
use super::{Claude, Driver};
use crate::domain::{EventKind, Outcome, Timestamp};
use crate::drivers::{Command, Limited, Output, ids};

pub(super) fn of_prompt(n: u32, mut line: Value) -> Value {
    line["user_message_uuids"] = json!([ids::prompt(&input(n))]);
    line
}

pub(super) fn result() -> Value {
    json!({
        "type": "result", "subtype": "success", "is_error": false, "api_error_status": null,
        "result": "done", "terminal_reason": "completed", "session_id": "c",
        "total_cost_usd": 0.5, "usage": {"input_tokens": 3, "output_tokens": 4},
    })
}

fn end(
    out: &[Output],
) -> (
    Outcome,
    Option<String>,
    Option<String>,
    Value,
    Option<Limited>,
) {
    match out.last() {
        Some(Output::TurnEnded {
            outcome,
            reason,
            text,
            usage,
            limited,
            ..
        }) => (
            *outcome,
            reason.clone(),
            text.clone(),
            usage.clone().unwrap_or_default(),
            *limited,
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_prompt_is_known_by_its_own_id_and_acknowledged_once() {
    let mut stage = Stage::new();
    let out = stage.tell(&prompt(1));
    let [Output::Send { id, bytes }] = &out[..] else {
        panic!("{out:?}");
    };
    assert_eq!(*id, input(1));
    let line: Value = serde_json::from_slice(bytes).unwrap();
    let uuid = ids::prompt(&input(1));
    assert_eq!(line["uuid"], *uuid);
    assert_eq!(line["message"]["content"][0]["text"], "prompt 1");
    assert_eq!(stage.codec.turn(), Some(task(1)));

    let lifecycle = |uuid: &str, state: &str| json!({"type": "command_lifecycle", "command_uuid": uuid, "state": state});
    let status = json!({"type": "system", "subtype": "status", "status": "requesting"});
    let begun = [Output::TurnStarted { task: task(1) }];
    assert_eq!(stage.hear(&lifecycle("another", "started")), []);
    assert_eq!(stage.hear(&lifecycle(&uuid, "queued")), []);
    // The turn of another line begins: it is not ours.
    let init = json!({"type": "system", "subtype": "init", "session_id": "c"});
    assert!(!stage.hear(&init).contains(&begun[0]));
    assert_eq!(stage.hear(&lifecycle(&uuid, "started")), begun);
    assert_eq!(stage.hear(&of_prompt(1, status.clone())), []);
    assert_eq!(stage.hear(&lifecycle(&uuid, "started")), []);
    let replay = json!({"type": "user", "uuid": uuid, "isReplay": true});
    assert_eq!(stage.hear(&replay), []);

    stage.tell(&prompt(2));
    let begun = [Output::TurnStarted { task: task(2) }];
    assert_eq!(stage.hear(&of_prompt(2, status)), begun);
}

#[test]
fn the_end_of_another_turn_is_not_ours() {
    let mut stage = Stage::new();
    stage.begin(1);
    let mut background = result();
    background["origin"] = json!({"kind": "task-notification"});
    for line in [background, result(), of_prompt(7, result())] {
        let out = stage.hear(&line);
        assert!(
            !out.iter()
                .any(|out| matches!(out, Output::TurnEnded { .. })),
            "{line}"
        );
    }
    let out = stage.hear(&of_prompt(1, result()));
    assert_eq!(end(&out).0, Outcome::Completed);
    assert_eq!(end(&out).2.as_deref(), Some("done"));
    assert_eq!(stage.codec.turn(), None);
    let out = stage.hear(&of_prompt(1, result()));
    assert!(
        !out.iter()
            .any(|out| matches!(out, Output::TurnEnded { .. }))
    );
}

#[test]
fn success_needs_every_sign_of_it() {
    let ends = |change: Value| {
        let mut stage = Stage::new();
        stage.begin(1);
        let mut line = of_prompt(1, result());
        for (key, value) in change.as_object().unwrap() {
            line[key] = value.clone();
        }
        let (outcome, reason, ..) = end(&stage.hear(&line));
        (outcome, reason.unwrap_or_default())
    };
    let failed = |reason: &str| (Outcome::Failed, reason.to_owned());
    assert_eq!(ends(json!({})).0, Outcome::Completed);
    assert_eq!(ends(json!({"is_error": true})), failed("error"));
    assert_eq!(ends(json!({"is_error": null})), failed("error"));
    assert_eq!(
        ends(json!({"api_error_status": 500})),
        failed("api_error_500")
    );
    assert_eq!(ends(json!({"api_error_status": 403})), failed("auth"));
    assert_eq!(
        ends(json!({"terminal_reason": "api_error"})),
        failed("api_error")
    );
    assert_eq!(
        ends(json!({"subtype": "error_max_turns"})),
        failed("max_turns")
    );
    assert_eq!(
        ends(json!({"subtype": "error_during_execution", "is_error": true})),
        failed("error_during_execution")
    );
    let stopped = (Outcome::Stopped, "interrupted".to_owned());
    for word in ["aborted_streaming", "aborted_tools"] {
        let line = json!({"subtype": "error_during_execution", "is_error": true,
            "terminal_reason": word});
        assert_eq!(ends(line), stopped);
    }
}

#[test]
fn a_dropped_prompt_ends_its_turn() {
    let dropped = |states: &[&str]| {
        let mut stage = Stage::new();
        stage.tell(&prompt(1));
        let mut out = Vec::new();
        for state in states {
            out.extend(stage.hear(&json!({"type": "command_lifecycle",
                "command_uuid": ids::prompt(&input(1)), "state": state})));
        }
        assert_eq!(out[0], Output::TurnStarted { task: task(1) });
        (end(&out).0, end(&out).1.unwrap(), out.len())
    };
    // Nobody had asked for that.
    let stopped = (Outcome::Failed, "cancelled".to_owned(), 2);
    assert_eq!(dropped(&["queued", "cancelled"]), stopped);
    assert_eq!(dropped(&["started", "cancelled", "completed"]), stopped);
    let run = (Outcome::Failed, "already_run".to_owned(), 2);
    assert_eq!(dropped(&["completed"]), run);
}

#[test]
fn interrupts_are_numbered_in_their_turn() {
    let mut stage = Stage::new();
    assert_eq!(stage.tell(&Command::Interrupt), []);
    stage.begin(1);
    let ids: Vec<String> = (0..2)
        .map(|_| match &stage.tell(&Command::Interrupt)[..] {
            [Output::Send { id, bytes }] => {
                let line: Value = serde_json::from_slice(bytes).unwrap();
                assert_eq!(line["request"]["subtype"], "interrupt");
                assert_eq!(line["request_id"], **id);
                id.clone()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids[1], format!("interrupt:{}:1", task(1)));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_turn_costs_what_was_added_since_the_last_one() {
    let cost = |stage: &mut Stage, n: u32, total: f64, recent: Option<f64>| {
        stage.begin(n);
        let mut line = of_prompt(n, result());
        line["total_cost_usd"] = json!(total);
        if let Some(recent) = recent {
            line["model_usage_since_last_result"] = json!({"m": {"costUSD": recent,
                "inputTokens": 10, "cacheCreationInputTokens": 2}});
        }
        let usage = end(&stage.hear(&line)).3;
        assert_eq!(usage["totalCostUsd"], json!(total));
        usage
    };
    let mut stage = Stage::new();
    let usage = cost(&mut stage, 1, 0.1, None);
    assert_eq!(
        (&usage["costUsd"], &usage["inputTokens"]),
        (&json!(0.1), &json!(3))
    );
    assert_eq!(cost(&mut stage, 2, 0.3, None)["costUsd"], 0.2);
    let usage = cost(&mut stage, 3, 0.7, Some(0.25));
    assert_eq!(usage["costUsd"], 0.25);
    assert_eq!(
        (&usage["inputTokens"], &usage["cacheWriteTokens"]),
        (&json!(10), &json!(2))
    );

    // A process that goes on counts on; one after a kill begins again.
    let mut context = context();
    context.conversation = Some("c".into());
    context.resume = Some(stage.codec.snapshot());
    stage.codec = Claude.codec(&context);
    assert_eq!(cost(&mut stage, 4, 0.75, None)["costUsd"], 0.05);
    stage.codec = Claude.codec(&context);
    assert_eq!(cost(&mut stage, 5, 0.04, None)["costUsd"], 0.04);
    context.resume = None;
    stage.codec = Claude.codec(&context);
    assert_eq!(cost(&mut stage, 6, 0.8, None).get("costUsd"), None);
    assert_eq!(cost(&mut stage, 7, 0.9, None)["costUsd"], 0.1);
}

#[test]
fn a_limit_is_told_with_its_end_and_whether_the_turn_had_acted() {
    let limited = |acts: bool, info: Option<Value>, status: Value| {
        let mut stage = Stage::new();
        stage.begin(1);
        if acts {
            stage.hear(&json!({"type": "assistant", "message": {"model": "m",
                "content": [{"type": "text", "text": "so far"}]}}));
        }
        if let Some(info) = info {
            let out = stage.hear(&json!({"type": "rate_limit_event", "rate_limit_info": info}));
            assert!(matches!(&out[..], [Output::Event { kind, .. }]
                if *kind == EventKind::RateLimited));
        }
        let mut line = of_prompt(1, result());
        line["is_error"] = json!(!status.is_null());
        line["api_error_status"] = status;
        end(&stage.hear(&line)).4
    };
    let rejected =
        json!({"status": "rejected", "resetsAt": 1_795_351_388, "rateLimitType": "five_hour"});
    let until = Some(Timestamp(1_795_351_388_000));
    assert_eq!(
        limited(false, Some(rejected.clone()), json!(429)),
        Some(Limited {
            until,
            acted: false
        })
    );
    assert_eq!(
        limited(true, Some(rejected.clone()), json!(429)),
        Some(Limited { until, acted: true })
    );
    let plain = Some(Limited {
        until: None,
        acted: false,
    });
    assert_eq!(limited(false, None, json!(429)), plain);
    assert_eq!(limited(false, None, json!(529)), plain);
    assert_eq!(limited(false, None, json!(500)), None);
    // It went on at a person's cost.
    assert_eq!(limited(true, Some(rejected), Value::Null), None);
    let near = json!({"status": "allowed_warning", "utilization": 0.93});
    assert_eq!(limited(false, Some(near), json!(500)), None);
}

#[test]
fn retries_are_told_by_kind() {
    let mut stage = Stage::new();
    let mut told = |status: Value, word: &str| {
        let out = stage.hear(
            &json!({"type": "system", "subtype": "api_retry", "attempt": 1,
            "max_retries": 2, "retry_delay_ms": 530, "error_status": status, "error": word}),
        );
        match &out[..] {
            [Output::Event { kind, data }] => {
                assert_eq!(
                    (&data["willRetry"], &data["delayMs"]),
                    (&json!(true), &json!(530))
                );
                (*kind, data["code"].as_str().unwrap().to_owned())
            }
            other => panic!("{other:?}"),
        }
    };
    let limited = EventKind::RateLimited;
    assert_eq!(
        told(json!(429), "rate_limit"),
        (limited, "api_error_429".into())
    );
    assert_eq!(
        told(json!(529), "overloaded"),
        (limited, "api_error_529".into())
    );
    assert_eq!(
        told(json!(500), "server_error"),
        (EventKind::Error, "api_error_500".into())
    );
    assert_eq!(
        told(json!(401), "authentication_failed"),
        (EventKind::Error, "auth".into())
    );
    assert_eq!(
        told(Value::Null, "unknown"),
        (EventKind::Error, "api_error".into())
    );
}

#[test]
fn the_conversation_is_told_once_the_program_keeps_it() {
    let mut stage = Stage::new();
    stage.begin(1);
    let told = |out: Vec<Output>| {
        out.iter()
            .any(|out| matches!(out, Output::Conversation { .. }))
    };
    let init = json!({"type": "system", "subtype": "init", "session_id": "c", "model": "m"});
    let start = json!({"type": "stream_event", "session_id": "c", "event": {
        "type": "message_start", "message": {"id": "m1"}}});
    let out = stage.hear(&init);
    assert!(matches!(&out[..], [Output::Event { kind, data }]
        if *kind == EventKind::Session && data["action"] == "initialized"));
    assert_eq!(stage.hear(&init), []);
    assert_eq!(
        stage.hear(&start),
        [Output::Conversation { id: "c".into() }]
    );
    assert!(!told(stage.hear(&start)));
    let mut cleared = start;
    cleared["session_id"] = json!("d");
    assert!(told(stage.hear(&cleared)));
}

#[test]
fn a_turn_whose_result_was_lost_does_not_run_for_ever() {
    let mut stage = Stage::new();
    stage.begin(1);
    let mut long = result();
    long["result"] = json!("x".repeat(2 * 1024 * 1024));
    let out = stage.hear(&of_prompt(1, long));
    assert!(
        matches!(
            &out[..],
            [Output::Event {
                kind: EventKind::Error,
                ..
            }]
        ),
        "{out:?}"
    );
    let uuid = ids::prompt(&input(1));
    let over = json!({"type": "command_lifecycle", "command_uuid": uuid, "state": "completed"});
    let out = stage.hear(&over);
    let (outcome, reason, ..) = end(&out);
    assert_eq!(
        (outcome, reason),
        (Outcome::Failed, Some("result_lost".into()))
    );
    assert_eq!(stage.codec.turn(), None);
}

#[test]
fn what_a_turn_of_the_programs_own_used_is_marked() {
    let mut stage = Stage::new();
    stage.begin(1);
    stage.hear(&of_prompt(1, result()));
    let mut own = result();
    own["origin"] = json!({"kind": "task-notification"});
    own["total_cost_usd"] = json!(0.75);
    let out = stage.hear(&own);
    let [
        Output::Event {
            kind: EventKind::Usage,
            data,
        },
    ] = &out[..]
    else {
        panic!("{out:?}");
    };
    assert_eq!(data["outsideTurn"], true);
    assert_eq!(data["costUsd"], 0.25);
}
