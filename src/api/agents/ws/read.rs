//! Frames of clients of `/ws` to commands.
//!
//! Never takes a frame for something that it does not say.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::{ANSWERED, ASKED, DELTA, MESSAGE, STATUS, TOOL};
use crate::api::live::dialect::{Channels, Command, MAX_MARK, Mark, Refusal, Scope, Start};
use crate::domain::{Error, Remember, SessionId, StreamCursor};

/// Most agents in one frame.
const MAX_AGENTS: usize = 200;
/// Most channels in one frame.
const MAX_CHANNELS: usize = 50;

/// Reads a text frame.
///
/// # Errors
/// `bad_json`, `unknown_type`, `unknown_channel`, `bad_field`, `bad_cursor`.
pub fn command(text: &str) -> Result<Command, Refusal> {
    let frame = match serde_json::from_str(text) {
        Ok(Value::Object(frame)) => frame,
        Ok(_) | Err(_) => return Err(Refusal::new("bad_json", "the frame is no JSON object")),
    };
    let id = frame
        .get("id")
        .filter(|id| id.is_string() || id.is_number())
        .filter(|id| id.to_string().len() <= MAX_MARK)
        .cloned();
    read(&frame, id.clone()).map_err(|refusal| refusal.marked(id))
}

fn read(frame: &Map<String, Value>, id: Mark) -> Result<Command, Refusal> {
    match frame.get("type").and_then(Value::as_str) {
        Some("subscribe") => subscribe(frame, id),
        Some("unsubscribe") => {
            let (names, channels, mut agents) = channels(frame)?;
            agents.extend(named(frame)?);
            Ok(Command::Unsubscribe {
                id,
                names,
                channels,
                agents,
            })
        }
        Some("message") => Ok(Command::Message {
            id,
            agent: required(frame, "agentId", "the UUID of an agent")?,
            content: required(frame, "content", "a string")?,
            key: key(frame)?,
        }),
        Some("approve") => Ok(Command::Approve {
            id,
            request: required(frame, "requestId", "the UUID of a question")?,
            approved: frame
                .get("approved")
                .and_then(Value::as_bool)
                .ok_or_else(|| bad("approved", "true or false"))?,
            response: optional(frame, "response")?,
            remember: Remember::read(frame.get("remember"))
                .map_err(|error| Refusal::of(&error, None))?,
        }),
        Some("ping") => Ok(Command::Ping { id }),
        Some(_) | None => Err(Refusal::new(
            "unknown_type",
            "the type of the frame is not known; known: subscribe, unsubscribe, message, approve, \
             ping",
        )),
    }
}

fn subscribe(frame: &Map<String, Value>, id: Mark) -> Result<Command, Refusal> {
    let (names, mut channels, mut agents) = channels(frame)?;
    match frame.get("deltas") {
        None | Some(Value::Null | Value::Bool(true)) => {}
        Some(Value::Bool(false)) => channels = channels.without(DELTA),
        Some(_) => return Err(bad("deltas", "true or false")),
    }
    if channels.is_empty() {
        return Err(bad("deltas", "true, where agent.delta is the only channel"));
    }
    agents.extend(named(frame)?);
    let after = frame.get("after").filter(|after| !after.is_null());
    if let Some(Value::Object(map)) = after {
        for name in map.keys() {
            let agent = parse(name, "after", "an object of agents and numbers")?;
            if !agents.contains(&agent) {
                agents.push(agent);
            }
        }
    }
    agents.sort_unstable();
    agents.dedup();
    if agents.len() > MAX_AGENTS {
        return Err(bad("agentIds", "at most 200 agents in a frame"));
    }
    let scope = if agents.is_empty() {
        Scope::All(start_all(after)?)
    } else {
        let with_start = |agent: SessionId| Ok((agent, start_of(agent, after)?));
        Scope::Agents(
            agents
                .into_iter()
                .map(with_start)
                .collect::<Result<_, Refusal>>()?,
        )
    };
    Ok(Command::Subscribe {
        id,
        names,
        channels,
        scope,
    })
}

/// Channels, and the agents that are named among them as `agent:ID`.
fn channels(
    frame: &Map<String, Value>,
) -> Result<(Vec<String>, Channels, Vec<SessionId>), Refusal> {
    let expected = "an array of at most 50 channel names";
    let items = match frame.get("channels") {
        Some(Value::Array(items)) if items.len() <= MAX_CHANNELS => items,
        Some(_) | None => return Err(bad("channels", expected)),
    };
    let (mut names, mut set, mut agents) = (Vec::new(), Channels::default(), Vec::new());
    for item in items {
        let name = item.as_str().ok_or_else(|| bad("channels", expected))?;
        if let Some(agent) = name.strip_prefix("agent:") {
            agents.push(parse(agent, "channels", "agent:UUID")?);
        } else {
            set = set.with(channel(name)?);
        }
        names.push(name.to_owned());
    }
    // A scope alone means everything of it.
    if set.is_empty() && !agents.is_empty() {
        set = Channels::ALL;
    }
    if set.is_empty() {
        return Err(bad("channels", "at least one channel name"));
    }
    Ok((names, set, agents))
}

fn channel(name: &str) -> Result<Channels, Refusal> {
    match name {
        "*" | "agent.*" | "agent.event" => Ok(Channels::ALL),
        "agent.status" | "session.status" => Ok(STATUS),
        "agent.message" => Ok(MESSAGE.with(DELTA)),
        "agent.delta" => Ok(DELTA),
        "agent.tool_call" => Ok(TOOL),
        "approval.required" => Ok(ASKED),
        "approval.resolved" => Ok(ANSWERED),
        "system.stats" => Ok(Channels::FIGURES),
        "approval.*" => Ok(ASKED.with(ANSWERED)),
        _ => {
            let shown: String = name.chars().take(64).collect();
            Err(Refusal::new(
                "unknown_channel",
                format!(
                    "there is no channel `{shown}`; known: *, agent.*, agent.event, agent.status, \
                     agent.message, agent.delta, agent.tool_call, session.status, approval.required, \
                     approval.resolved, approval.*, system.stats, agent:ID"
                ),
            ))
        }
    }
}

fn named(frame: &Map<String, Value>) -> Result<Vec<SessionId>, Refusal> {
    let mut agents = Vec::new();
    if let Some(text) = optional(frame, "agentId")? {
        agents.push(parse(&text, "agentId", "the UUID of an agent")?);
    }
    match frame.get("agentIds") {
        None | Some(Value::Null) => {}
        Some(Value::Array(items)) => {
            for item in items {
                let text = item.as_str().unwrap_or_default();
                agents.push(parse(text, "agentIds", "an array of UUIDs")?);
            }
        }
        Some(_) => return Err(bad("agentIds", "an array of UUIDs")),
    }
    Ok(agents)
}

/// Where the stream over all starts: a pos, or `EPOCH:pPOS`.
fn start_all(after: Option<&Value>) -> Result<Start, Refusal> {
    let start = |number, epoch| Start::After { number, epoch };
    match after {
        None => Ok(Start::Now),
        Some(Value::Number(number)) => {
            let number = number.as_u64().ok_or_else(bad_cursor)?;
            Ok(start(number, None))
        }
        Some(Value::String(text)) if text == "latest" => Ok(Start::Now),
        Some(Value::String(text)) => match StreamCursor::parse(text) {
            Ok(StreamCursor::Pos { epoch, pos }) => Ok(start(pos, Some(epoch))),
            Ok(StreamCursor::Seq { .. }) | Err(_) => Err(bad_cursor()),
        },
        Some(_) => Err(bad_cursor()),
    }
}

/// Where one agent's stream starts: a seq, `EPOCH:SEQ`, `latest`, or a map of them by agent.
fn start_of(agent: SessionId, after: Option<&Value>) -> Result<Start, Refusal> {
    let start = |number, epoch| Start::After { number, epoch };
    match after {
        None => Ok(Start::Now),
        Some(Value::Object(map)) => start_of(agent, map.get(&agent.to_string())),
        Some(Value::Number(number)) => {
            let number = number.as_u64().ok_or_else(bad_cursor)?;
            Ok(start(number, None))
        }
        Some(Value::String(text)) if text == "latest" => Ok(Start::Now),
        Some(Value::String(text)) => match StreamCursor::parse(text) {
            Ok(StreamCursor::Seq { epoch, seq }) => Ok(start(seq, Some(epoch))),
            Ok(StreamCursor::Pos { .. }) => Err(bad_cursor()),
            Err(_) => text
                .parse()
                .map(|number| start(number, None))
                .map_err(|_no_number| bad_cursor()),
        },
        Some(_) => Err(bad_cursor()),
    }
}

/// The same rule as for the header: 1 to 255 visible ASCII characters.
fn key(frame: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let key = optional(frame, "idempotencyKey")?;
    let fits =
        |key: &String| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    match key {
        Some(key) if !fits(&key) => Err(bad("idempotencyKey", "1 to 255 visible ASCII characters")),
        other => Ok(other),
    }
}

fn optional(frame: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match frame.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad(name, "a string")),
    }
}

fn required<T: FromStr>(
    frame: &Map<String, Value>,
    name: &str,
    expected: &str,
) -> Result<T, Refusal> {
    let text = optional(frame, name)?.ok_or_else(|| bad(name, expected))?;
    parse(&text, name, expected)
}

fn parse<T: FromStr>(text: &str, name: &str, expected: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_unreadable| bad(name, expected))
}

fn bad(name: &str, expected: &str) -> Refusal {
    let message = format!("the field `{name}` is missing or of a wrong type");
    Refusal::of(&Error::invalid("bad_field", name, message, expected), None)
}

fn bad_cursor() -> Refusal {
    let error = Error::invalid(
        "bad_cursor",
        "after",
        "the cursor cannot be read",
        "of one agent a number or `<epoch>:<seq>`, of all a pos or `<epoch>:p<pos>`, or an object \
         of agents and numbers",
    );
    Refusal::of(&error, None)
}
