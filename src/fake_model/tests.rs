//! What marks mean, where they are found, and what follows from them.
//!
//! Never a socket: the wire has tests of its own.

use std::time::Duration;

use serde_json::json;

use super::conversation::{Given, Said, standing};
use super::mark::{MarkError, find, read};
use super::reply::{Ending, Message, Part, Reply, reply};
use super::scenario::{Act, Call, Place, Refusal, SILENCE, Scenario, Stop, Tool, Usage};

fn act(mark: &str) -> Act {
    read(mark).unwrap().act
}

#[track_caller]
fn refused(mark: &str, words: &str) {
    let error = read(mark).unwrap_err().to_string();
    assert!(error.contains(words), "{mark}: {error}");
}

#[test]
fn every_name_is_read() {
    for name in [
        "text",
        "think",
        "tool",
        "tools",
        "toolslow",
        "write",
        "edit",
        "task",
        "slow",
        "400",
        "err401",
        "403",
        "429",
        "500",
        "529",
        "rate_limit",
        "overloaded",
        "hang",
        "broken",
        "stream_error",
    ] {
        assert!(read(name).is_ok(), "{name}");
        assert_eq!(read(&format!("{name} hi")), read(name), "{name}");
    }
}

#[test]
fn arguments_are_read_by_their_form() {
    let say = |thought: Option<&str>, text: &str| Act::Say {
        thought: thought.map(str::to_owned),
        text: text.to_owned(),
    };
    assert_eq!(act(r#"text "a \"b\"" and more"#), say(None, "a \"b\""));
    assert_eq!(act(r#"think "hm" "so""#), say(Some("hm"), "so"));
    let slow = read("slow 60 100ms").unwrap();
    assert_eq!(slow.act, Act::Count { pieces: 60 });
    assert_eq!(slow.pace, Duration::from_millis(100));
    assert_eq!(read("slow 2m").unwrap().pace, Duration::from_secs(120));
    assert_eq!(
        read("text pace=5ms").unwrap().pace,
        Duration::from_millis(5)
    );
    assert_eq!(act("broken 7"), Act::Break { pieces: 7 });
    let hang = |place, lasts| Act::Hang { place, lasts };
    assert_eq!(act("hang"), hang(Place::Headers, SILENCE));
    assert_eq!(act("hang before"), hang(Place::Before, SILENCE));
    assert_eq!(
        act("hang pings 5s"),
        hang(Place::Pings, Duration::from_secs(5))
    );
    assert_eq!(act("stream_error 500"), Act::Falter(Refusal::plain(500)));
    let limit = Refusal {
        after: Some(Duration::from_secs(3)),
        again: Some(false),
        limit: Some("five_hour".into()),
        ..Refusal::plain(429)
    };
    assert_eq!(
        act("rate_limit 2 after=3s retry=no limit=five_hour"),
        Act::Refuse {
            refusal: limit,
            first: Some(2)
        }
    );
    let all = Act::Refuse {
        refusal: Refusal::plain(500),
        first: None,
    };
    assert_eq!(act("err500"), all);
}

#[test]
fn tools_are_called_by_name_and_input() {
    let call = |name: &str, input| Call {
        tool: Tool::Named(name.into()),
        input,
    };
    let calls = |calls, rounds| Act::Call { calls, rounds };
    let touch = call("Bash", json!({"command": "touch x"}));
    let one = r#"tool Bash {"command":"touch x"}"#;
    assert_eq!(act(one), calls(vec![touch.clone()], 1));
    let own = call("mcp__a__b", json!({}));
    let two = r#"tool rounds=3 Bash {"command":"touch x"} mcp__a__b {} and more"#;
    assert_eq!(act(two), calls(vec![touch, own], 3));
    assert_eq!(
        act("toolslow 300ms"),
        calls(vec![Call::command("true; sleep 0.3; echo slept")], 1)
    );
    let Act::Call { calls, .. } = act(r#"write path=/tmp/a.txt "hello""#) else {
        panic!("no call");
    };
    assert_eq!(
        calls[0].input,
        json!({"file_path": "/tmp/a.txt", "content": "hello"})
    );
    let Act::Call { calls, .. } = act(r#"task "SCENARIO:tool Bash {}" background=yes"#) else {
        panic!("no call");
    };
    assert_eq!(calls[0].tool, Tool::Delegate);
    assert_eq!(calls[0].input["prompt"], "SCENARIO:tool Bash {}");
    assert_eq!(calls[0].input["run_in_background"], true);
}

#[test]
fn figures_and_reasons_can_be_set() {
    let scenario = read("text in=1 out=2 cache_read=3 cache_write=4 stop=max_tokens wait=1s");
    let expected = Scenario {
        usage: Usage {
            input: 1,
            output: 2,
            cache_read: 3,
            cache_write: 4,
        },
        stop: Some(Stop::Length),
        wait: Duration::from_secs(1),
        ..Scenario::default()
    };
    assert_eq!(scenario.unwrap(), expected);
}

#[test]
fn what_looks_meant_and_is_not_understood_is_refused() {
    let unknown = |name: &str| Err(MarkError::Name(name.into()));
    assert_eq!(read("dance"), unknown("dance"));
    assert_eq!(read(""), unknown(""));
    assert_eq!(read("errors"), unknown("errors"));
    refused("418", "one of the statuses");
    refused("stream_error 200", "one of the statuses");
    refused("99999999999999999999", "one of the statuses");
    refused("tool Bash", "a JSON object");
    refused("tool Bash [1]", "a JSON object");
    refused(r#"tool Bash {"command":"#, "JSON on one line");
    refused(r#"text "open"#, "JSON on one line");
    refused("slow 20001", "a number up to 20000");
    refused("slow 10x", "`10x`");
    refused("slow 5 2h", "`2h`");
    refused("slow 5 61m", "at most 60m");
    refused("text 5", "`5`");
    refused("text {}", "`{}`");
    refused("text pace=fast", "a time");
    refused("text in=-1", "in=-1");
    refused("text in=1 in=2", "each key once");
    refused("text colour=red", "colour=red");
    refused("text stop=never", "stop=never");
    refused("429 retry=maybe", "yes or no");
    refused("tool rounds=1001", "up to 1000");
    refused(&format!("tool {}", "A {} ".repeat(33)), "at most 32");
}

#[test]
fn a_mark_ends_with_its_line() {
    assert_eq!(find("please SCENARIO:slow 3 1s \nnow"), Some("slow 3 1s"));
    assert_eq!(
        find("SCENARIO:task \"SCENARIO:text\""),
        Some("task \"SCENARIO:text\"")
    );
    assert_eq!(find("scenario:text"), None);
    let long = format!("SCENARIO:text {}", "ä".repeat(40_000));
    assert!(find(&long).unwrap().len() <= 64 * 1024);
}

fn user(texts: &[&str]) -> Said {
    Said {
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        ..Said::default()
    }
}

fn model() -> Said {
    Said {
        by_model: true,
        ..user(&["SCENARIO:400 is what the model says"])
    }
}

fn given(text: &str) -> Given {
    Given {
        text: text.into(),
        failed: false,
    }
}

fn result(text: &str, texts: &[&str]) -> Said {
    Said {
        results: vec![given(text)],
        ..user(texts)
    }
}

#[track_caller]
fn stands(said: &[Said], mark: Option<&str>, answers: usize, text: Option<&str>) {
    let standing = standing(said);
    assert_eq!(standing.mark, mark);
    assert_eq!(standing.answers, answers);
    assert_eq!(standing.given.map(|it| it.text.as_str()), text);
}

#[test]
fn the_newest_prompt_of_a_person_counts() {
    let added = "<system-reminder>SCENARIO:500</system-reminder>";
    let prompt = user(&[added, "SCENARIO:tool go", added]);
    stands(&[], None, 0, None);
    stands(std::slice::from_ref(&prompt), Some("tool go"), 0, None);
    let round = [prompt, model(), result("SCENARIO:400", &[added])];
    stands(&round, Some("tool go"), 1, Some("SCENARIO:400"));
    let told = [&round[..], &[model(), user(&[added])]].concat();
    stands(&told, Some("tool go"), 2, None);
    let cut = [&round[..], &[user(&["[Request interrupted by user]"])]].concat();
    stands(&cut, Some("tool go"), 1, None);
    let plain = [&round[..], &[model(), user(&["hello", added])]].concat();
    stands(&plain, None, 0, None);
    let steered = [&round[..2], &[result("x", &["SCENARIO:text new"])]].concat();
    stands(&steered, Some("text new"), 0, None);
    let failed = user(&["SCENARIO:500", "SCENARIO:text b", "[Image]", added]);
    stands(&[failed], Some("text b"), 0, None);
    stands(&[user(&["SCENARIO:500", "hello"])], None, 0, None);
    stands(
        &[user(&["<x> SCENARIO:text", "<y>", " "])],
        Some("text"),
        0,
        None,
    );
    stands(&[model()], None, 1, None);
}

fn replied(mark: &str, said: &[Said], attempt: u32) -> Reply {
    reply(&read(mark).unwrap(), &standing(said), attempt)
}

fn message(reply: Reply) -> Message {
    match reply {
        Reply::Message(message) => message,
        Reply::Refusal(_) | Reply::Silence { .. } => panic!("{reply:?}"),
    }
}

fn said(message: &Message) -> String {
    let texts = message.parts.iter().map(|part| match part {
        Part::Text(pieces) => pieces.concat(),
        Part::Thought(_) | Part::Call(_) => String::new(),
    });
    texts.collect()
}

#[test]
fn a_tool_is_called_its_rounds_and_closed_with_what_it_gave() {
    let mark = "tool rounds=2 go";
    let mut told = vec![user(&["SCENARIO:tool rounds=2 go"])];
    for _ in 0..2 {
        let called = message(replied(mark, &told, 1));
        assert_eq!(called.stop, Stop::Tools);
        assert!(matches!(called.parts[1], Part::Call(_)));
        told.extend([model(), result(&"é".repeat(1_100), &[])]);
    }
    let closed = message(replied(mark, &told, 0));
    assert_eq!(closed.stop, Stop::Done);
    assert_eq!(
        said(&closed),
        format!("The tool has run: {}", "é".repeat(1_000))
    );
    told[4].results[0].failed = true;
    let closed = message(replied(mark, &told, 0));
    assert!(said(&closed).starts_with("The tool failed or was refused: é"));
    told.extend([model(), user(&["<system-reminder>a task ended"])]);
    let again = message(replied(mark, &told, 0));
    assert_eq!(again.stop, Stop::Done, "no calls without a new prompt");
}

#[test]
fn a_failure_is_over_when_its_requests_are() {
    let told = [user(&["SCENARIO:rate_limit 2"])];
    let at = |attempt| replied("rate_limit 2", &told, attempt);
    assert!(matches!(at(1), Reply::Refusal(_)) && matches!(at(2), Reply::Refusal(_)));
    assert!(said(&message(at(3))).contains("Request 3"));
    assert!(matches!(replied("500", &told, 900), Reply::Refusal(_)));
}

#[test]
fn silences_and_breaks_come_where_they_should() {
    let told = [user(&["SCENARIO:x"])];
    let lasts = SILENCE;
    let hang = |place: &str| replied(&format!("hang {place}"), &told, 1);
    assert_eq!(
        hang("before"),
        Reply::Silence {
            headers: false,
            lasts
        }
    );
    assert_eq!(
        hang("headers"),
        Reply::Silence {
            headers: true,
            lasts
        }
    );
    for (place, pings) in [("midway", false), ("pings", true)] {
        let silent = message(hang(place));
        assert_eq!(silent.ending, Ending::Silence { lasts, pings });
        assert_eq!(said(&silent), "chunk0 chunk1 chunk2 ");
    }
    let broken = message(replied("broken 1", &told, 1));
    assert_eq!(
        (broken.ending.clone(), said(&broken)),
        (Ending::Cut, "chunk0 ".to_owned())
    );
    let falter = message(replied("stream_error", &told, 1));
    assert_eq!(falter.ending, Ending::Refusal(Refusal::plain(529)));
}
