//! What a creation may say beside program, place and prompt, the same on every door; and how it is
//! shown again.
//!
//! Never shows what a server of tools was set up with, only its name.

use serde_json::{Map, Value, json};

use crate::api::shared::Fields;
use crate::api::shared::body::bad_field;
use crate::app::{LimitsRequest, OptionsRequest};
use crate::domain::{Error, Options, SessionLimits};

/// The members of `limits`.
const LIMITS: [&str; 4] = ["spendUsd", "turns", "busySeconds", "turnSeconds"];

/// Reads the options of a creation.
///
/// # Errors
/// `bad_field`.
pub fn requested(body: &Fields) -> Result<OptionsRequest, Error> {
    Ok(OptionsRequest {
        effort: body.text(&["effort"])?,
        mcp_servers: servers(body.object("mcpServers")?)?,
        fork_of: body.text(&["forkOf"])?,
        limits: limits(body.object("limits")?)?,
        ..OptionsRequest::default()
    })
}

fn servers(asked: Value) -> Result<Map<String, Value>, Error> {
    match asked {
        Value::Object(servers) => Ok(servers),
        Value::Null => Ok(Map::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(bad_field("mcpServers", "an object"))
        }
    }
}

fn limits(asked: Value) -> Result<LimitsRequest, Error> {
    let mut limits = LimitsRequest::default();
    for (name, value) in asked.as_object().into_iter().flatten() {
        let place = match name.as_str() {
            "spendUsd" => &mut limits.spend_usd,
            "turns" => &mut limits.turns,
            "busySeconds" => &mut limits.busy_seconds,
            "turnSeconds" => &mut limits.turn_seconds,
            _ => {
                let shown: String = name.chars().take(64).collect();
                let expected = format!("among {}", LIMITS.join(", "));
                return Err(bad_field(&format!("limits.{shown}"), &expected));
            }
        };
        *place = match value {
            Value::Null => None,
            Value::Number(number) => Some(number.clone()),
            Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                return Err(bad_field(&format!("limits.{name}"), "a number"));
            }
        };
    }
    Ok(limits)
}

/// The options that a session has, as members of its JSON; nothing of those that it has not.
#[must_use]
pub fn shown(options: &Options) -> Map<String, Value> {
    let mut shown = Map::new();
    if let Some(effort) = &options.effort {
        shown.insert("effort".into(), effort.clone().into());
    }
    if !options.mcp_servers.is_empty() {
        shown.insert("mcpServers".into(), json!(options.mcp_servers));
    }
    if let Some(origin) = options.forked_from {
        shown.insert("forkOf".into(), json!(origin));
    }
    if !options.limits.is_empty() {
        shown.insert("limits".into(), Value::Object(worded(&options.limits)));
    }
    shown
}

fn worded(limits: &SessionLimits) -> Map<String, Value> {
    let parts = [
        ("spendUsd", limits.spend_micro_usd, 1_000_000),
        ("turns", limits.turns, 1),
        ("busySeconds", limits.busy_ms, 1_000),
        ("turnSeconds", limits.turn_ms, 1_000),
    ];
    let set = parts.into_iter();
    set.filter_map(|(name, count, unit)| Some((name.to_owned(), number(count?, unit))))
        .collect()
}

/// So many parts of a unit as a number of units, without an error of a division.
fn number(count: u64, unit: u64) -> Value {
    let rest = count % unit;
    if rest == 0 {
        return json!(count / unit);
    }
    let digits = unit.to_string().len().saturating_sub(1);
    let text = format!("{}.{rest:0digits$}", count / unit);
    text.parse::<f64>()
        .map_or(Value::Null, |value| json!(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<OptionsRequest, Error> {
        requested(&Fields::parse(bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap())
    }

    #[test]
    fn mistakes_name_their_member() {
        for (text, place) in [
            (r#"{"effort":1}"#, "effort"),
            (r#"{"mcpServers":[]}"#, "mcpServers"),
            (r#"{"forkOf":{}}"#, "forkOf"),
            (r#"{"limits":3}"#, "limits"),
            (r#"{"limits":{"turns":"3"}}"#, "limits.turns"),
            (r#"{"limits":{"money":3}}"#, "limits.money"),
        ] {
            let Error::Invalid { code, field, .. } = read(text).unwrap_err() else {
                panic!("{text}");
            };
            assert_eq!((code, field.as_str()), ("bad_field", place));
        }
        let asked = read(r#"{"limits":{"spendUsd":0.5,"turns":null}}"#).unwrap();
        assert_eq!(asked.limits.spend_usd.unwrap().as_f64(), Some(0.5));
        assert!(asked.limits.turns.is_none());
    }

    #[test]
    fn options_are_shown_as_they_were_asked_for() {
        let options = Options {
            effort: Some("high".into()),
            mcp_servers: vec!["notes".into()],
            limits: SessionLimits {
                spend_micro_usd: Some(290_000),
                turns: Some(3),
                busy_ms: Some(1_050),
                turn_ms: Some(600_000),
            },
            ..Options::default()
        };
        let expected = json!({
            "effort": "high",
            "mcpServers": ["notes"],
            "limits": {"spendUsd": 0.29, "turns": 3, "busySeconds": 1.05, "turnSeconds": 600},
        });
        assert_eq!(Value::Object(shown(&options)), expected);
        assert!(shown(&Options::default()).is_empty());
    }
}
