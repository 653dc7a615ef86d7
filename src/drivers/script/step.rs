//! The steps of a scenario: one key each.
//!
//! Never accepts a key that the player would ignore.

use serde_json::{Map, Value};

use super::scenario::{Problem, brief, kind_of};

/// Longest pause or tool, in milliseconds: a day.
pub const MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// Most lines of one flood.
pub const MAX_FLOOD_LINES: u64 = 10_000_000;
/// Most bytes of one flood line's text: an event keeps 64 KiB.
pub const MAX_FLOOD_BYTES: u64 = 32 * 1024;
/// Most bytes of a text.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;

/// Most pieces of one streamed message.
pub const MAX_CHUNKS: u64 = 10_000;

const KEYS: &str = "exactly one of say, think, stream, tool, ask, sleep_ms, flood, usage, fail, crash, \
                    hang, fork";

/// Signals that end a process, with their Linux numbers (signal(7)).
const SIGNALS: [(&str, i32); 16] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("TERM", 15),
    ("XCPU", 24),
    ("XFSZ", 25),
];

/// One thing that the player does.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// One assistant message; `{{message}}` in it becomes the prompt's text.
    Say(String),
    /// One thought.
    Think(String),
    /// One message or thought that comes in pieces, and then as a whole:
    /// `{"say": TEXT, "chunks": 10, "ms": 50}`, or `think` in place of `say`.
    Stream {
        /// Whether it is a thought.
        thought: bool,
        /// The words; in a message `{{message}}` becomes the prompt's text.
        text: String,
        /// In how many pieces.
        chunks: u64,
        /// Pause behind each piece, in milliseconds.
        ms: u64,
    },
    /// A tool call with its result after `ms` milliseconds.
    Tool {
        /// The tool.
        name: String,
        /// Its arguments, an object.
        args: Value,
        /// What it gives.
        result: Value,
        /// How long it takes.
        ms: u64,
    },
    /// A question. After a no, a `tool` step of the same name right behind it is skipped.
    Ask {
        /// The tool.
        tool: String,
        /// Its arguments, an object.
        args: Value,
    },
    /// A pause of so many milliseconds.
    Sleep(u64),
    /// Many short messages as fast as the reader takes them.
    Flood {
        /// How many.
        lines: u64,
        /// Bytes of each one's text.
        bytes: u64,
    },
    /// Figures that were used.
    Usage(Map<String, Value>),
    /// Ends the turn as failed for this reason.
    Fail(String),
    /// Ends the process in mid-turn.
    Crash(Crash),
    /// Does nothing more and answers nothing, not even an interrupt or the end of input: only a
    /// signal ends it.
    Hang,
    /// Starts a process that outlives the turn (`sleep 600`), in a session of its own or not.
    Fork {
        /// Whether it leaves the program's session, which a signal to the group misses.
        setsid: bool,
    },
}

/// How a process ends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// By this signal.
    Signal(i32),
    /// With this exit code.
    Exit(u8),
}

/// Reads one step.
pub(super) fn parse(value: &Value) -> Result<Step, Problem> {
    let Value::Object(map) = value else {
        return Err(Problem::new(format!("it is {}", kind_of(value)), KEYS));
    };
    let mut entries = map.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return Err(Problem::new(format!("it has {} keys", map.len()), KEYS));
    };
    match key.as_str() {
        "say" => Ok(Step::Say(text("say", value, MAX_TEXT_BYTES)?)),
        "think" => Ok(Step::Think(text("think", value, MAX_TEXT_BYTES)?)),
        "stream" => stream(value),
        "tool" => tool(value),
        "ask" => ask(value),
        "sleep_ms" => Ok(Step::Sleep(number("sleep_ms", value, MAX_MS)?)),
        "flood" => flood(value),
        "usage" => usage(value),
        "fail" => Ok(Step::Fail(text("fail", value, 200)?)),
        "crash" => crash(value),
        "hang" if *value == Value::Bool(true) => Ok(Step::Hang),
        "hang" => Err(Problem::new(
            format!("`hang` is {}", kind_of(value)),
            "true",
        )),
        "fork" => fork(value),
        other => Err(Problem::new(
            format!("the step `{}` is not known", brief(other)),
            KEYS,
        )),
    }
}

fn stream(value: &Value) -> Result<Step, Problem> {
    let map = fields("stream", value, &["say", "think", "chunks", "ms"])?;
    let (thought, text) = match (map.get("say"), map.get("think")) {
        (Some(words), None) => (false, text("stream.say", words, MAX_TEXT_BYTES)?),
        (None, Some(words)) => (true, text("stream.think", words, MAX_TEXT_BYTES)?),
        (Some(_), Some(_)) | (None, None) => {
            let found = "`stream` has not exactly one of say, think";
            return Err(Problem::new(found, "{\"say\": TEXT} or {\"think\": TEXT}"));
        }
    };
    let given = |name: &str, most: u64, or: u64| {
        map.get(name).map_or(Ok(or), |value| {
            number(&format!("stream.{name}"), value, most)
        })
    };
    let chunks = given("chunks", MAX_CHUNKS, 10)?;
    if chunks == 0 {
        let expected = format!("a whole number, 1 to {MAX_CHUNKS}");
        return Err(Problem::new("`stream.chunks` is 0", expected));
    }
    Ok(Step::Stream {
        thought,
        text,
        chunks,
        ms: given("ms", MAX_MS, 50)?,
    })
}

fn tool(value: &Value) -> Result<Step, Problem> {
    let map = fields("tool", value, &["name", "args", "result", "ms"])?;
    Ok(Step::Tool {
        name: name("tool.name", map.get("name"))?,
        args: arguments("tool.args", map.get("args"))?,
        result: map.get("result").cloned().unwrap_or(Value::Null),
        ms: map
            .get("ms")
            .map_or(Ok(0), |ms| number("tool.ms", ms, MAX_MS))?,
    })
}

fn ask(value: &Value) -> Result<Step, Problem> {
    let map = fields("ask", value, &["tool", "args"])?;
    Ok(Step::Ask {
        tool: name("ask.tool", map.get("tool"))?,
        args: arguments("ask.args", map.get("args"))?,
    })
}

fn flood(value: &Value) -> Result<Step, Problem> {
    let map = fields("flood", value, &["lines", "bytes"])?;
    let lines = map.get("lines").unwrap_or(&Value::Null);
    Ok(Step::Flood {
        lines: number("flood.lines", lines, MAX_FLOOD_LINES)?,
        bytes: map.get("bytes").map_or(Ok(64), |bytes| {
            number("flood.bytes", bytes, MAX_FLOOD_BYTES)
        })?,
    })
}

fn usage(value: &Value) -> Result<Step, Problem> {
    const EXPECTED: &str = "an object of 1 to 32 numbers, for example {\"inputTokens\": 12}";
    value
        .as_object()
        .filter(|map| (1..=32).contains(&map.len()) && map.values().all(Value::is_number))
        .map(|map| Step::Usage(map.clone()))
        .ok_or_else(|| Problem::new(format!("`usage` is {}", kind_of(value)), EXPECTED))
}

fn crash(value: &Value) -> Result<Step, Problem> {
    const EXPECTED: &str = "{\"signal\": \"SEGV\"} or {\"exit\": 0 to 255}";
    let map = fields("crash", value, &["signal", "exit"])?;
    match (map.get("signal"), map.get("exit")) {
        (Some(signal), None) => signal_number(signal)
            .map(|number| Step::Crash(Crash::Signal(number)))
            .ok_or_else(|| {
                Problem::new(
                    "`crash.signal` names no signal that ends a process",
                    EXPECTED,
                )
            }),
        (None, Some(code)) => code
            .as_u64()
            .and_then(|code| u8::try_from(code).ok())
            .map(|code| Step::Crash(Crash::Exit(code)))
            .ok_or_else(|| Problem::new("`crash.exit` is no exit code", EXPECTED)),
        (None, None) => Err(Problem::new(
            "`crash` says neither signal nor exit",
            EXPECTED,
        )),
        (Some(_), Some(_)) => Err(Problem::new("`crash` says both signal and exit", EXPECTED)),
    }
}

fn signal_number(value: &Value) -> Option<i32> {
    let found = |wanted: &dyn Fn(&(&str, i32)) -> bool| {
        SIGNALS
            .iter()
            .find(|entry| wanted(entry))
            .map(|entry| entry.1)
    };
    match value {
        Value::String(word) => {
            let word = word.to_ascii_uppercase();
            let word = word.strip_prefix("SIG").unwrap_or(&word);
            found(&|(name, _)| *name == word)
        }
        Value::Number(_) => found(&|(_, number)| value.as_i64() == Some(i64::from(*number))),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn fork(value: &Value) -> Result<Step, Problem> {
    let map = fields("fork", value, &["setsid"])?;
    match map.get("setsid") {
        None => Ok(Step::Fork { setsid: false }),
        Some(Value::Bool(setsid)) => Ok(Step::Fork { setsid: *setsid }),
        Some(other) => Err(Problem::new(
            format!("`fork.setsid` is {}", kind_of(other)),
            "true or false",
        )),
    }
}

fn fields<'a>(
    what: &str,
    value: &'a Value,
    allowed: &[&str],
) -> Result<&'a Map<String, Value>, Problem> {
    let expected = format!("an object with {}", allowed.join(", "));
    let Value::Object(map) = value else {
        return Err(Problem::new(
            format!("`{what}` is {}", kind_of(value)),
            expected,
        ));
    };
    match map.keys().find(|key| !allowed.contains(&key.as_str())) {
        Some(key) => Err(Problem::new(
            format!("`{what}.{}` is not known", brief(key)),
            expected,
        )),
        None => Ok(map),
    }
}

fn text(what: &str, value: &Value, most: usize) -> Result<String, Problem> {
    let Value::String(text) = value else {
        return Err(Problem::new(
            format!("`{what}` is {}", kind_of(value)),
            "a string",
        ));
    };
    if text.is_empty() || text.len() > most {
        return Err(Problem::new(
            format!("`{what}` has {} bytes", text.len()),
            format!("1 to {most}"),
        ));
    }
    Ok(text.clone())
}

fn name(what: &str, value: Option<&Value>) -> Result<String, Problem> {
    text(what, value.unwrap_or(&Value::Null), 128)
}

fn arguments(what: &str, value: Option<&Value>) -> Result<Value, Problem> {
    match value {
        None => Ok(Value::Object(Map::new())),
        Some(Value::Object(map)) => Ok(Value::Object(map.clone())),
        Some(other) => Err(Problem::new(
            format!("`{what}` is {}", kind_of(other)),
            "an object",
        )),
    }
}

fn number(what: &str, value: &Value, most: u64) -> Result<u64, Problem> {
    value
        .as_u64()
        .filter(|number| *number <= most)
        .ok_or_else(|| {
            Problem::new(
                format!("`{what}` is {}", shown(value)),
                format!("a whole number, 0 to {most}"),
            )
        })
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            kind_of(value).to_owned()
        }
    }
}
