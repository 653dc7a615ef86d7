//! What an agent is made with beside its program, place and mode: checked against its kind.
//!
//! Never takes what the kind would ignore, and never repeats a value that may be a secret.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Number, Value};

use super::App;
use crate::domain::{Error, Kind, Options, Principal, Result, Session, SessionLimits};

/// The words for how hard a model thinks.
const EFFORTS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];
/// Most MCP servers of one agent.
const MAX_SERVERS: usize = 64;
/// Most bytes of their settings together, as JSON.
const MAX_SERVER_BYTES: usize = 64 * 1024;
/// Most characters of the name of one.
const MAX_SERVER_NAME: usize = 64;
/// Most bytes of the name of an agent.
const MAX_AGENT: usize = 128;
/// Most bytes of the name of a model.
const MAX_MODEL: usize = 512;
/// Highest limit of what may be spent, in US dollars.
const MAX_USD: f64 = 1_000_000.0;
/// Longest limit of time: ten years, in seconds.
const MAX_SECONDS: f64 = 315_360_000.0;

/// What a client asks for.
#[derive(Clone, Default)]
pub struct OptionsRequest {
    /// How hard the model thinks.
    pub effort: Option<String>,
    /// The agent of the library, or the kind, that is asked for.
    pub agent: Option<String>,
    /// MCP servers by name.
    pub mcp_servers: Map<String, Value>,
    /// Id or name of the session whose conversation is branched off.
    pub fork_of: Option<String>,
    /// Hard stops.
    pub limits: LimitsRequest,
}

/// Names alone: values may be secrets.
impl fmt::Debug for OptionsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptionsRequest")
            .field("effort", &self.effort)
            .field("mcp_servers", &self.mcp_servers.keys())
            .field("fork_of", &self.fork_of)
            .field("limits", &self.limits)
            .finish()
    }
}

/// Hard stops as they are asked for.
#[derive(Debug, Clone, Default)]
pub struct LimitsRequest {
    /// US dollars.
    pub spend_usd: Option<Number>,
    /// Turns.
    pub turns: Option<Number>,
    /// Seconds of work in all turns together.
    pub busy_seconds: Option<Number>,
    /// Seconds of one turn.
    pub turn_seconds: Option<Number>,
}

impl App {
    /// The session that a fork branches off from: the person's own, by name or id.
    ///
    /// # Errors
    /// `not_found`; `cannot_fork` for a kind without conversations, `no_conversation` before the
    /// first turn.
    pub(super) async fn origin(
        &self,
        who: &Principal,
        asked: &OptionsRequest,
    ) -> Result<Option<Session>> {
        let Some(word) = &asked.fork_of else {
            return Ok(None);
        };
        let session = self.session_named(who, word).await?;
        if session.owner != who.user {
            let shown: String = word.chars().take(64).collect();
            return Err(Error::not_found("session", shown));
        }
        if !session.kind.has_model() {
            let kind = session.kind.name();
            let why = format!("a session of the kind {kind} has no conversation to branch off");
            return Err(Error::conflict("cannot_fork", why));
        }
        if session.facts.conversation.is_none() {
            let why = "the session has no conversation yet: it has to end a turn first";
            return Err(Error::conflict("no_conversation", why));
        }
        Ok(Some(session))
    }
}

/// Checks what is asked for against the kind.
///
/// # Errors
/// `option_not_supported`, `bad_field`.
pub(super) fn settle(
    kind: Kind,
    asked: &OptionsRequest,
    origin: Option<&Session>,
) -> Result<Options> {
    for (field, asked) in [
        ("effort", asked.effort.is_some()),
        ("mcpServers", !asked.mcp_servers.is_empty()),
        ("forkOf", origin.is_some()),
    ] {
        if asked && !kind.has_model() {
            return Err(not_supported(kind, field, Kind::has_model));
        }
    }
    if let Some(origin) = origin.filter(|origin| origin.kind != kind) {
        let why = format!("the session is of the kind {}", origin.kind.name());
        return Err(Error::conflict("cannot_fork", why));
    }
    let effort = asked.effort.as_deref().map(effort).transpose()?;
    servers(&asked.mcp_servers)?;
    Ok(Options {
        effort,
        agent: asked.agent.as_deref().map(agent).transpose()?,
        mcp_servers: asked.mcp_servers.keys().cloned().collect(),
        fork_of: origin.and_then(|origin| origin.facts.conversation.clone()),
        forked_from: origin.map(|origin| origin.id),
        limits: limits(kind, &asked.limits)?,
    })
}

/// Checks the name of an agent: any short word, since it is kept also where nobody knows it.
///
/// # Errors
/// `bad_field`.
pub(super) fn agent(name: &str) -> Result<String> {
    let name = name.trim();
    let plain = !name.is_empty() && !name.chars().any(char::is_control);
    if plain && name.len() <= MAX_AGENT {
        return Ok(name.to_owned());
    }
    let expected = "1 to 128 bytes without control characters";
    Err(bad(
        "agent",
        "the name of the agent is not allowed",
        expected,
    ))
}

/// Checks the name of a model. It is refused for a kind that was named and has none; clients that
/// name no kind may send one to a server whose default has none.
///
/// # Errors
/// `option_not_supported`, `bad_field`.
pub(super) fn model(named: Option<Kind>, model: Option<&str>) -> Result<()> {
    let Some(model) = model else {
        return Ok(());
    };
    if let Some(kind) = named.filter(|kind| !kind.has_model()) {
        return Err(not_supported(kind, "model", Kind::has_model));
    }
    let plain = !model.starts_with('-') && !model.chars().any(char::is_control);
    if plain && (1..=MAX_MODEL).contains(&model.len()) {
        return Ok(());
    }
    let expected = "1 to 512 bytes that do not start with `-`, without control characters";
    Err(bad(
        "model",
        "the name of the model is not allowed",
        expected,
    ))
}

pub(super) fn effort(word: &str) -> Result<String> {
    if EFFORTS.contains(&word) {
        return Ok(word.to_owned());
    }
    let expected = format!("one of: {}", EFFORTS.join(", "));
    Err(bad("effort", "the word is not known", expected))
}

fn servers(servers: &Map<String, Value>) -> Result<()> {
    let expected = "an object of at most 64 servers and 64 KiB: a name of A-Z a-z 0-9 _ - for each, \
                    and an object with `command` or `url` behind it";
    if servers.len() > MAX_SERVERS {
        return Err(bad("mcpServers", "there are too many servers", expected));
    }
    for (name, server) in servers {
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let shown: String = name.chars().take(MAX_SERVER_NAME).collect();
        let field = format!("mcpServers.{shown}");
        if !(1..=MAX_SERVER_NAME).contains(&name.len()) || !name.bytes().all(letter) {
            return Err(bad(
                &field,
                "the name of the server is not allowed",
                expected,
            ));
        }
        let text = |key: &str| server.get(key).is_some_and(Value::is_string);
        if !server.is_object() || !(text("command") || text("url")) {
            let why = "the server has neither a `command` nor a `url`";
            return Err(bad(&field, why, expected));
        }
    }
    let bytes = serde_json::to_vec(servers).map_err(Error::internal)?.len();
    if bytes > MAX_SERVER_BYTES {
        return Err(bad("mcpServers", "the servers are too large", expected));
    }
    Ok(())
}

fn limits(kind: Kind, asked: &LimitsRequest) -> Result<SessionLimits> {
    if asked.spend_usd.is_some() && !kind.tells_cost() {
        return Err(not_supported(kind, "limits.spendUsd", Kind::tells_cost));
    }
    let spend = asked.spend_usd.as_ref();
    let spend = spend.map(|number| part("limits.spendUsd", number, MAX_USD, Duration::as_micros));
    let busy = asked.busy_seconds.as_ref();
    let busy = busy.map(|number| seconds("limits.busySeconds", number));
    let turn = asked.turn_seconds.as_ref();
    let turn = turn.map(|number| seconds("limits.turnSeconds", number));
    let turns = asked.turns.as_ref().map(|number| {
        let whole = number.as_u64().filter(|count| *count > 0);
        whole.ok_or_else(|| {
            let why = "the limit is no number of turns";
            bad("limits.turns", why, "a whole number of 1 or more")
        })
    });
    Ok(SessionLimits {
        spend_micro_usd: spend.transpose()?,
        turns: turns.transpose()?,
        busy_ms: busy.transpose()?,
        turn_ms: turn.transpose()?,
    })
}

fn seconds(field: &str, number: &Number) -> Result<u64> {
    part(field, number, MAX_SECONDS, Duration::as_millis)
}

/// The number in whole small parts, at least one. A `Duration` divides a number exactly as is
/// needed here, whatever it counts.
fn part(field: &str, number: &Number, most: f64, parts: fn(&Duration) -> u128) -> Result<u64> {
    let whole = number
        .as_f64()
        .filter(|number| *number <= most)
        .and_then(|number| Duration::try_from_secs_f64(number).ok())
        .and_then(|number| u64::try_from(parts(&number)).ok())
        .filter(|count| *count > 0);
    whole.ok_or_else(|| {
        let expected = format!("a number above 0, at most {most}");
        bad(field, "the limit is out of range", expected)
    })
}

fn bad(field: &str, message: &str, expected: impl Into<String>) -> Error {
    Error::invalid("bad_field", field, message, expected)
}

fn not_supported(kind: Kind, field: &str, able: fn(Kind) -> bool) -> Error {
    let able = Kind::ALL.into_iter().filter(|kind| able(*kind));
    let able: Vec<&str> = able.map(Kind::name).collect();
    Error::invalid(
        "option_not_supported",
        field,
        format!("agents of the kind {} have no `{field}`", kind.name()),
        format!("agentType {}, or no `{field}`", able.join(" or ")),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(value: Value) -> Option<Number> {
        value.as_number().cloned()
    }

    fn refused(kind: Kind, asked: &OptionsRequest) -> (String, String) {
        let error = settle(kind, asked, None).unwrap_err();
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        let Error::Invalid { code, field, .. } = error else {
            panic!("{error:?}");
        };
        (code.to_owned(), field)
    }

    fn with_servers(servers: Value) -> OptionsRequest {
        OptionsRequest {
            mcp_servers: servers.as_object().unwrap().clone(),
            ..OptionsRequest::default()
        }
    }

    #[test]
    fn of_the_servers_the_names_are_kept_and_mistakes_repeat_no_value() {
        let server = json!({"command": "x", "env": {"TOKEN": "hush"}});
        let good = with_servers(json!({"b": server, "a-1": {"type": "http", "url": "http://x"}}));
        let options = settle(Kind::Claude, &good, None).unwrap();
        let mut names = options.mcp_servers;
        names.sort();
        assert_eq!(names, ["a-1", "b"]);
        for (servers, field) in [
            (json!({"a b": server}), "mcpServers.a b"),
            (json!({"": server}), "mcpServers."),
            (json!({"a": "hush"}), "mcpServers.a"),
            (json!({"a": {"env": {"T": "hush"}}}), "mcpServers.a"),
            (
                json!({"a": {"command": "hush".repeat(20_000)}}),
                "mcpServers",
            ),
        ] {
            let told = refused(Kind::Claude, &with_servers(servers));
            assert_eq!(told, ("bad_field".to_owned(), field.to_owned()));
        }
        let told = refused(Kind::Shell, &good);
        assert_eq!(told.0, "option_not_supported");
    }

    #[test]
    fn limits_are_kept_in_whole_small_parts() {
        let asked = LimitsRequest {
            spend_usd: number(json!(0.29)),
            turns: number(json!(3)),
            busy_seconds: number(json!(1.5)),
            turn_seconds: number(json!(600)),
        };
        let kept = limits(Kind::Claude, &asked).unwrap();
        let whole = SessionLimits {
            spend_micro_usd: Some(290_000),
            turns: Some(3),
            busy_ms: Some(1_500),
            turn_ms: Some(600_000),
        };
        assert_eq!(kept, whole);
        assert_eq!(
            limits(Kind::Shell, &asked).unwrap_err().code(),
            "option_not_supported"
        );
        for wrong in [json!(0), json!(-1), json!(1e300), json!(1e-9)] {
            let asked = LimitsRequest {
                turn_seconds: number(wrong.clone()),
                ..LimitsRequest::default()
            };
            assert!(limits(Kind::Shell, &asked).is_err(), "{wrong}");
            let asked = LimitsRequest {
                turns: number(wrong.clone()),
                ..LimitsRequest::default()
            };
            assert!(limits(Kind::Shell, &asked).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_model_is_for_kinds_that_have_one() {
        assert!(model(Some(Kind::Claude), Some("opus")).is_ok());
        assert!(model(None, Some("opus")).is_ok());
        assert!(model(Some(Kind::Shell), None).is_ok());
        for wrong in ["", "--x", "a\0", "a\n"] {
            assert!(model(Some(Kind::Claude), Some(wrong)).is_err(), "{wrong}");
        }
        let shell = model(Some(Kind::Shell), Some("opus")).unwrap_err();
        assert_eq!(shell.code(), "option_not_supported");
        let effort = OptionsRequest {
            effort: Some("huge".into()),
            ..OptionsRequest::default()
        };
        assert_eq!(refused(Kind::Claude, &effort).1, "effort");
    }
}
