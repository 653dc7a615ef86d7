//! Events as text for people.
//!
//! Never shows control characters of an agent, and never more than its line.

use serde_json::Value;

use super::find::{short, tail};
use super::plain;
use super::wire::{Agent, Approval, Event, Gap};
use super::{clock, out};

/// Longest text of one event's line, in characters.
const LINE: usize = 160;
/// Longest path in a table.
const PATH: usize = 40;

/// One event on one line: number, time, type, words.
#[must_use]
pub fn event(event: &Event) -> String {
    let time = event
        .timestamp
        .split('T')
        .nth(1)
        .unwrap_or("-")
        .trim_end_matches('Z');
    let words = cut(&plain::cell(&words(event)), LINE);
    format!("{:>6}  {time:<12}  {:<18}  {words}", event.seq, event.kind)
        .trim_end()
        .to_owned()
}

/// A gap on one line.
#[must_use]
pub fn gap(gap: &Gap) -> String {
    let reason = gap.reason.as_deref().unwrap_or("removed by retention");
    format!(
        "   ---  events {} to {} are missing: {reason}",
        gap.from, gap.to
    )
}

/// What the data of an event say, in words.
#[must_use]
pub fn words(event: &Event) -> String {
    let data = &event.data;
    match event.kind.as_str() {
        "status" => status(data),
        "turn_started" => {
            field(data, &["taskId"]).map_or_else(String::new, |id| format!("task {}", tail(&id)))
        }
        "user_message" | "assistant_message" | "thinking" => {
            field(data, &["content", "text", "message"]).unwrap_or_else(|| compact(data))
        }
        "tool_call" => format!("{} {}", tool(data), arguments(data)),
        "tool_result" => format!("{} {}", tool(data), result(data)),
        "approval_requested" => {
            let id = field(data, &["requestId"]).unwrap_or_default();
            let asked = field(data, &["summary", "question"]).unwrap_or_else(|| compact(data));
            format!("{} {asked}", tail(&id))
        }
        "approval_resolved" => {
            let id = field(data, &["requestId"]).unwrap_or_default();
            let answer = field(data, &["status", "state"]).unwrap_or_else(|| compact(data));
            match field(data, &["resolvedBy", "by"]) {
                Some(by) => format!("{} {answer} by {by}", tail(&id)),
                None => format!("{} {answer}", tail(&id)),
            }
        }
        "turn_ended" => {
            let outcome = field(data, &["outcome"]).unwrap_or_else(|| compact(data));
            match field(data, &["reason"]) {
                Some(reason) => format!("{outcome} ({reason})"),
                None => outcome,
            }
        }
        "exit" => exit(data),
        "error" => field(data, &["message", "error", "text"]).unwrap_or_else(|| compact(data)),
        _ => compact(data),
    }
}

/// The tool's name.
#[must_use]
pub fn tool(data: &Value) -> String {
    field(data, &["toolName", "tool", "name"]).unwrap_or_else(|| String::from("tool"))
}

/// Arguments that say in short what a call is about; the first that is there.
const ABOUT: [&str; 8] = [
    "command",
    "file_path",
    "notebook_path",
    "pattern",
    "path",
    "url",
    "query",
    "description",
];

/// A tool call's arguments, short: the command alone when there is one.
#[must_use]
pub fn arguments(data: &Value) -> String {
    let args = data.get("args").or_else(|| data.get("arguments"));
    args.map_or_else(String::new, |args| {
        let asked = args.pointer("/questions/0").unwrap_or(&Value::Null);
        let about = field(args, &ABOUT).or_else(|| field(asked, &["question"]));
        about.unwrap_or_else(|| compact(args))
    })
}

/// A tool's result: its output and exit code when it has them.
#[must_use]
pub fn result(data: &Value) -> String {
    let result = data.get("result").unwrap_or(data);
    match output(data) {
        Some(output) => match result.get("exitCode").and_then(Value::as_i64) {
            Some(0) | None => output,
            Some(code) => format!("[{code}] {output}"),
        },
        None => compact(result),
    }
}

/// The text that a tool printed, when it printed text.
#[must_use]
pub fn output(data: &Value) -> Option<String> {
    let result = data.get("result").unwrap_or(data);
    if let Value::String(text) = result {
        return Some(text.clone());
    }
    field(result, &["output", "stdout", "text"])
}

/// The rows of `ps`.
#[must_use]
pub fn agents(agents: &[Agent]) -> String {
    let header = [
        "ID", "NAME", "KIND", "STATUS", "DETAIL", "PID", "QUEUE", "AGE", "CWD",
    ];
    let rows = agents
        .iter()
        .map(|agent| {
            vec![
                short(&agent.id).to_owned(),
                agent.name.clone().unwrap_or_else(|| String::from("-")),
                agent.agent_type.clone(),
                agent.status.clone(),
                agent.detail.clone(),
                agent
                    .pid
                    .map_or_else(|| String::from("-"), |pid| pid.to_string()),
                agent.queue_depth.to_string(),
                clock::age(&agent.created_at),
                end_of(&agent.cwd, PATH),
            ]
        })
        .collect();
    out::table(&header, rows)
}

/// The rows of `approve`.
#[must_use]
pub fn approvals(approvals: &[Approval]) -> String {
    let rows = approvals
        .iter()
        .map(|one| {
            vec![
                tail(&one.request_id).to_owned(),
                short(&one.agent_id).to_owned(),
                one.kind.clone(),
                one.risk.clone(),
                one.expires_at
                    .as_deref()
                    .map_or_else(|| String::from("never"), until),
                cut(&one.summary, LINE / 2),
            ]
        })
        .collect();
    out::table(
        &["REQUEST", "AGENT", "KIND", "RISK", "EXPIRES", "QUESTION"],
        rows,
    )
}

/// The rows of `approve --overrides`.
#[must_use]
pub fn overrides(page: &Value) -> String {
    let text = |rule: &Value, key: &str| field(rule, &[key]).unwrap_or_default();
    let rules = page.get("overrides").and_then(Value::as_array);
    let rows = rules
        .into_iter()
        .flatten()
        .map(|rule| {
            let agent = field(rule, &["agentId"]);
            vec![
                tail(&text(rule, "id")).to_owned(),
                text(rule, "decision"),
                agent.map_or_else(|| String::from("every"), |id| short(&id).to_owned()),
                text(rule, "agentType"),
                text(rule, "by"),
                cut(&text(rule, "matches"), LINE / 2),
            ]
        })
        .collect();
    out::table(
        &["OVERRIDE", "ANSWER", "AGENT", "TYPE", "BY", "REQUESTS"],
        rows,
    )
}

/// At most so many characters, with a mark where it was cut.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}\u{2026}", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// JSON on one line.
#[must_use]
pub fn compact(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A member, or null.
#[must_use]
pub fn at<'a>(data: &'a Value, key: &str) -> &'a Value {
    data.get(key).unwrap_or(&Value::Null)
}

/// The first of these keys that is a text.
#[must_use]
pub fn field(data: &Value, keys: &[&str]) -> Option<String> {
    keys.iter()
        .find_map(|key| data.get(*key).and_then(Value::as_str))
        .map(str::to_owned)
}

fn status(data: &Value) -> String {
    let now = field(data, &["detail", "status"]).unwrap_or_default();
    let before = field(data, &["previousDetail", "previous"]);
    let mut line = match before {
        Some(before) if before != now => format!("{before} -> {now}"),
        _ => now,
    };
    if let Some(pid) = data.get("pid").and_then(Value::as_u64) {
        line.push_str(&format!(", pid {pid}"));
    }
    if let Some(reason) = field(data, &["reason"]) {
        line.push_str(&format!(" ({reason})"));
    }
    line
}

/// How a process ended, by its exit report.
fn exit(data: &Value) -> String {
    let mut words = vec![field(data, &["reason"]).unwrap_or_else(|| compact(data))];
    for (key, word) in [("exitCode", "code"), ("signal", "signal"), ("by", "by")] {
        match data.get(key) {
            None | Some(Value::Null) => {}
            Some(value) => words.push(format!("{word} {}", compact(value))),
        }
    }
    words.join(", ")
}

/// The fields of an object in one line, those without a value left out.
#[must_use]
pub fn fields(value: &Value) -> String {
    let Value::Object(map) = value else {
        return compact(value);
    };
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    map.iter()
        .filter(|(_, value)| !empty(value))
        .map(|(key, value)| format!("{key} {}", compact(value)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn until(time: &str) -> String {
    let time = time.split('T').nth(1).unwrap_or(time);
    time.split('.')
        .next()
        .unwrap_or(time)
        .trim_end_matches('Z')
        .to_owned()
}

fn end_of(path: &str, most: usize) -> String {
    let count = path.chars().count();
    if count <= most {
        return path.to_owned();
    }
    let kept: String = path.chars().skip(count.saturating_sub(most)).collect();
    format!("\u{2026}{kept}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(kind: &str, data: Value) -> String {
        event(&Event {
            seq: 7,
            kind: kind.into(),
            timestamp: "2026-01-02T03:04:05.678Z".into(),
            data,
        })
    }

    #[test]
    fn events_read_as_one_line_each() {
        assert_eq!(
            line(
                "status",
                json!({"detail":"busy","previousDetail":"idle","pid":12})
            ),
            "     7  03:04:05.678  status              idle -> busy, pid 12"
        );
        assert_eq!(
            line(
                "tool_result",
                json!({"toolName":"shell","result":{"output":"a\nb\u{1b}[2J\n","exitCode":2}})
            ),
            "     7  03:04:05.678  tool_result         shell [2] a b"
        );
        assert_eq!(
            line("turn_ended", json!({"outcome":"failed","reason":"exit_2"})),
            "     7  03:04:05.678  turn_ended          failed (exit_2)"
        );
        assert_eq!(
            line(
                "exit",
                json!({"reason":"crashed","exitCode":3,"signal":null,"by":null})
            ),
            "     7  03:04:05.678  exit                crashed, code 3"
        );
        assert_eq!(
            fields(&json!({"state":"live","pid":7,"x":null,"y":[]})),
            "pid 7, state live"
        );
        assert_eq!(
            line("brand_new", json!({"a":1})),
            "     7  03:04:05.678  brand_new           {\"a\":1}"
        );
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let shown = line(
            "assistant_message",
            json!({"content": "\u{e4}".repeat(500)}),
        );
        assert!(shown.ends_with("\u{e4}\u{2026}"));
        assert_eq!(cut("\u{e4}\u{e4}", 2), "\u{e4}\u{e4}");
    }

    #[test]
    fn a_table_row_shows_what_people_ask_for() {
        let agent = Agent {
            id: "0a1b2c3d-0000-4000-8000-000000000000".into(),
            name: Some("build".into()),
            agent_type: "shell".into(),
            status: "running".into(),
            detail: "busy".into(),
            pid: Some(42),
            queue_depth: 2,
            cwd: format!("/{}", "d/".repeat(40)),
            ..Agent::default()
        };
        let text = agents(&[agent]);
        let row = text.lines().nth(1).unwrap();
        for word in [
            "0a1b2c3d", "build", "shell", "running", "busy", "42", " 2 ", "\u{2026}",
        ] {
            assert!(row.contains(word), "{word}: {row}");
        }
    }
}
