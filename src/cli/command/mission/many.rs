//! `mission follow --all`: one line for each event of all missions, over the event stream.
//!
//! Never shows an event twice: the stream goes on from its last id.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::super::super::args::FollowMissionArgs;
use super::super::super::client::{Client, Request};
use super::super::super::failure::{Exit, Failure};
use super::super::super::sse::{Part, Sse};
use super::super::super::{clock, find, out, plain, render};
use super::{path, title};

/// Longest title in front of a line, and longest line, in characters.
const TITLE: usize = 18;
const LINE: usize = 140;
/// Longest pause between two tries to reach a server that went away.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Watches all missions until Ctrl-C.
pub fn follow(client: &Client, args: &FollowMissionArgs) -> Result<Exit, Failure> {
    let mut titles = HashMap::new();
    let (mut last, mut pause, mut reached) = (None, Duration::from_millis(200), false);
    loop {
        let mut stream = match Sse::open(client, "/api/control/stream", last.as_deref()) {
            Ok(stream) => stream,
            Err(failure) if reached && failure.transient() => {
                clock::pause(pause);
                pause = (pause * 2).min(MAX_PAUSE);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if !reached && !args.json {
            out::note("callboard: watching all missions; Ctrl-C leaves them as they are");
        }
        (reached, pause) = (true, Duration::from_millis(200));
        while let Some(part) = stream.next() {
            last = part.id.clone().or(last);
            if args.json {
                out::json_line(&part.data.to_string())?;
            } else if let Some(line) = line(client, &part, &mut titles) {
                out::line(&line)?;
            }
        }
        if !args.json {
            out::note("callboard: the stream ended; trying again");
        }
    }
}

fn line(client: &Client, part: &Part, titles: &mut HashMap<String, String>) -> Option<String> {
    let words = said(part)?;
    let id = render::field(&part.data, &["mission_id"])?;
    let title = titles.entry(id.clone()).or_insert_with(|| {
        let mission: Value = client
            .json(&Request::get(path(&id, "")))
            .unwrap_or(Value::Null);
        title(&mission)
    });
    let title = render::cut(&plain::cell(title), TITLE);
    let words = render::cut(&plain::cell(&words), LINE);
    Some(format!("{}  {title:<TITLE$}  {words}", find::short(&id)))
}

/// What an event says, on one line; nothing for what is only of use to programs.
fn said(part: &Part) -> Option<String> {
    let text = |keys: &[&str]| render::field(&part.data, keys).unwrap_or_default();
    Some(match part.event.as_str() {
        "user_message" => format!("> {}", text(&["content"])),
        "assistant_message" => text(&["content"]),
        "mission_activity" => format!("  {}", text(&["label"])),
        "mission_status_changed" => format!("= {}", text(&["status"])),
        "approval_requested" => format!("? {}", text(&["summary", "question"])),
        "approval_resolved" => format!("? {}", text(&["status"])),
        "turn_ended" => format!("  turn {}", text(&["outcome"])),
        "error" => format!("! {}", text(&["message"])),
        "rate_limited" => String::from("! rate limited"),
        "gap" => String::from("! some events are gone (retention)"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_see_what_was_said_and_how_it_stands() {
        let of = |event: &str, data: Value| {
            said(&Part {
                event: event.into(),
                id: None,
                data,
            })
        };
        assert_eq!(
            of("user_message", json!({"content": "go"})).unwrap(),
            "> go"
        );
        let changed = json!({"status": "completed"});
        assert_eq!(
            of("mission_status_changed", changed).unwrap(),
            "= completed"
        );
        assert_eq!(of("heartbeat", json!({})), None);
    }
}
