//! The words of a mark: `SCENARIO:NAME` with arguments, read into a scenario.
//!
//! Never guesses: a number, a JSON value or a `key=value` that nobody asked for is an error. Plain
//! words behind the arguments are a remark; it makes the mark another one for counting.

use std::time::Duration;

use serde_json::json;
use thiserror::Error;

use super::arguments::Arguments;
use super::scenario::{
    Act, Call, GREETING, Place, Refusal, SILENCE, STATUSES, Scenario, Stop, Tool, Usage,
};

/// What a mark begins with.
pub const SIGN: &str = "SCENARIO:";

/// The longest mark that is looked at; the rest of its line is not seen.
const LONGEST: usize = 64 * 1024;

/// Bounds of what a mark may ask for.
const MOST_PIECES: u32 = 20_000;
const MOST_ROUNDS: u32 = 1_000;
const MOST_REFUSALS: u32 = 1_000;
const MOST_CALLS: usize = 32;
const MOST_TOKENS: u64 = 1_000_000_000_000;

/// The names, as an error lists them.
const NAMES: &str = "text, think, tool, tools, toolslow, write, task, slow, STATUS, rate_limit, \
                     overloaded, hang, broken, stream_error";

/// Why a mark is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MarkError {
    /// Nobody knows this name.
    #[error("scenario `{0}` is unknown; expected one of: {NAMES}")]
    Name(String),
    /// An argument cannot be used.
    #[error("`{given}` in a scenario: expected {expected}")]
    Argument {
        /// What stood there.
        given: String,
        /// What could stand there.
        expected: String,
    },
}

impl MarkError {
    /// An argument that cannot be used.
    pub(super) fn argument(given: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Argument {
            given: given.into(),
            expected: expected.into(),
        }
    }
}

/// The first mark in a text, without its sign, to the end of its line.
#[must_use]
pub fn find(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(SIGN)?;
    let line = rest.lines().next().unwrap_or_default();
    let mut end = line.len().min(LONGEST);
    while !line.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    line.get(..end).map(str::trim_end)
}

/// Reads a mark.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn read(mark: &str) -> Result<Scenario, MarkError> {
    let of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let (name, rest) = mark.split_at(mark.find(|c| !of_name(c)).unwrap_or(mark.len()));
    let mut arguments = Arguments::read(rest)?;
    let mut scenario = Scenario::default();
    scenario.act = act(name, &mut arguments, &mut scenario.pace)?;
    common(&mut arguments, &mut scenario)?;
    arguments.finish()?;
    Ok(scenario)
}

fn act(name: &str, arguments: &mut Arguments, pace: &mut Duration) -> Result<Act, MarkError> {
    Ok(match name {
        "text" => Act::Say {
            thought: None,
            text: arguments.text().unwrap_or_else(|| GREETING.to_owned()),
        },
        "think" => Act::Say {
            thought: Some(
                arguments
                    .text()
                    .unwrap_or_else(|| "Let me think about it. Done thinking.".to_owned()),
            ),
            text: arguments.text().unwrap_or_else(|| GREETING.to_owned()),
        },
        "tool" => calls(arguments, &[Call::command("echo hello-from-tool")])?,
        "tools" => {
            let two = ["echo first-tool", "echo second-tool"].map(Call::command);
            calls(arguments, &two)?
        }
        "toolslow" => {
            let lasts = arguments.duration()?.unwrap_or(Duration::from_secs(20));
            let seconds = lasts.as_secs_f64();
            // `claude` refuses a command that begins with a long sleep.
            once(Call::command(&format!("true; sleep {seconds}; echo slept")))
        }
        "write" | "edit" => once(write(arguments)),
        "task" => once(task(arguments)?),
        "slow" => {
            let pieces = arguments.number(MOST_PIECES)?.unwrap_or(60);
            *pace = arguments.duration()?.unwrap_or(Duration::from_millis(500));
            Act::Count { pieces }
        }
        "hang" => hang(arguments)?,
        "broken" => Act::Break {
            pieces: arguments.number(MOST_PIECES)?.unwrap_or(3),
        },
        "stream_error" => {
            let status = arguments.number(u32::MAX)?.unwrap_or(529);
            Act::Falter(Refusal::plain(known_status(&status.to_string())?))
        }
        "rate_limit" => refuse(429, Some(1), arguments)?,
        "overloaded" => refuse(529, None, arguments)?,
        other => refuse(status(other)?, None, arguments)?,
    })
}

/// `429` and `err429`.
fn status(name: &str) -> Result<u16, MarkError> {
    let digits = name.strip_prefix("err").unwrap_or(name);
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(MarkError::Name(name.to_owned()));
    }
    known_status(digits)
}

fn known_status(digits: &str) -> Result<u16, MarkError> {
    let status = digits.parse().ok().filter(|it| STATUSES.contains(it));
    let expected = || format!("one of the statuses {STATUSES:?}");
    status.ok_or_else(|| MarkError::argument(digits, expected()))
}

fn once(call: Call) -> Act {
    Act::Call {
        calls: vec![call],
        rounds: 1,
    }
}

fn calls(arguments: &mut Arguments, ready: &[Call]) -> Result<Act, MarkError> {
    let mut calls = Vec::new();
    while let Some((tool, input)) = arguments.call()? {
        let tool = Tool::Named(tool);
        calls.push(Call { tool, input });
    }
    if calls.len() > MOST_CALLS {
        return Err(MarkError::argument(
            format!("{} calls", calls.len()),
            format!("at most {MOST_CALLS}"),
        ));
    }
    if calls.is_empty() {
        calls.extend_from_slice(ready);
    }
    let rounds = arguments.pair_number("rounds", u64::from(MOST_ROUNDS))?;
    let rounds = rounds.and_then(|it| u32::try_from(it).ok()).unwrap_or(1);
    Ok(Act::Call { calls, rounds })
}

fn write(arguments: &mut Arguments) -> Call {
    let path = arguments.pair("path");
    let content = arguments.text();
    Call {
        tool: Tool::Named("Write".to_owned()),
        input: json!({
            "file_path": path.unwrap_or_else(|| "written.txt".to_owned()),
            "content": content.unwrap_or_else(|| "written by the fake model\n".to_owned()),
        }),
    }
}

fn task(arguments: &mut Arguments) -> Result<Call, MarkError> {
    let prompt = arguments.text();
    let background = arguments.pair_yes("background")?.unwrap_or(false);
    let kind = arguments.pair("type");
    Ok(Call {
        tool: Tool::Delegate,
        input: json!({
            "description": "A scripted task",
            "prompt": prompt.unwrap_or_else(|| format!("{SIGN}text \"The sub-agent is done.\"")),
            "subagent_type": kind.unwrap_or_else(|| "general-purpose".to_owned()),
            "run_in_background": background,
        }),
    })
}

fn hang(arguments: &mut Arguments) -> Result<Act, MarkError> {
    let place = match arguments.word(&["before", "headers", "midway", "pings"]) {
        Some("before") => Place::Before,
        Some("midway") => Place::Midway,
        Some("pings") => Place::Pings,
        Some(_) | None => Place::Headers,
    };
    let lasts = arguments.duration()?.unwrap_or(SILENCE);
    Ok(Act::Hang { place, lasts })
}

fn refuse(status: u16, first: Option<u32>, arguments: &mut Arguments) -> Result<Act, MarkError> {
    let first = arguments.number(MOST_REFUSALS)?.or(first);
    let after = arguments.pair_duration("after")?;
    let refusal = Refusal {
        status,
        after: after.or((status == 429).then_some(Duration::from_secs(1))),
        again: arguments.pair_yes("retry")?,
        limit: arguments.pair("limit"),
    };
    Ok(Act::Refuse { refusal, first })
}

/// The keys that every scenario has.
fn common(arguments: &mut Arguments, scenario: &mut Scenario) -> Result<(), MarkError> {
    let mut tokens = |key, ready| {
        let given = arguments.pair_number(key, MOST_TOKENS)?;
        Ok::<u64, MarkError>(given.unwrap_or(ready))
    };
    let ready = Usage::default();
    scenario.usage = Usage {
        input: tokens("in", ready.input)?,
        output: tokens("out", ready.output)?,
        cache_read: tokens("cache_read", ready.cache_read)?,
        cache_write: tokens("cache_write", ready.cache_write)?,
    };
    if let Some(pace) = arguments.pair_duration("pace")? {
        scenario.pace = pace;
    }
    if let Some(wait) = arguments.pair_duration("wait")? {
        scenario.wait = wait;
    }
    scenario.stop = match arguments.pair("stop").as_deref() {
        None => None,
        Some("end_turn") => Some(Stop::Done),
        Some("max_tokens") => Some(Stop::Length),
        Some("refusal") => Some(Stop::Declined),
        Some(other) => {
            let expected = "end_turn, max_tokens or refusal";
            return Err(MarkError::argument(format!("stop={other}"), expected));
        }
    };
    Ok(())
}
