//! What a client of the terminals' WebSocket asks for: in the address, and frame by frame.
//!
//! Never guesses: what cannot be read is answered with its field.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::words::{Bytes, Format, Shown};
use crate::api::live::dialect::{Command, MAX_MARK, Mark, Opening, Refusal, Start};
use crate::api::shared::body::bad_field;
use crate::api::shared::{Fault, Query};
use crate::app::ScreenStart;
use crate::domain::{After, Error, Remember, SessionId};

/// Reads the address of a socket.
///
/// # Errors
/// `bad_field`, `bad_cursor`.
pub fn shown(
    query: &Query,
    (agent, terminal): (SessionId, bool),
    format: Format,
) -> Result<Shown, Fault> {
    let format = match query.text("format") {
        None => format,
        Some("envelope") => Format::Envelope,
        Some("raw") => Format::Raw,
        Some(_) => return Err(bad_field("format", "envelope or raw").into()),
    };
    let raw_terminal = terminal && format == Format::Raw;
    let bytes = match query.text("tty") {
        None if raw_terminal => Bytes::Binary,
        None | Some("base64") => Bytes::Base64,
        Some("binary") => Bytes::Binary,
        Some("none") => Bytes::No,
        Some(_) => return Err(bad_field("tty", "base64, binary or none").into()),
    };
    let events = match query.text("events") {
        None => !raw_terminal,
        Some("all") => true,
        Some("none") => false,
        Some(_) => return Err(bad_field("events", "all or none").into()),
    };
    let deltas = match query.text("deltas") {
        None => events,
        Some("all") => true,
        Some("none") => false,
        Some(_) => return Err(bad_field("deltas", "all or none").into()),
    };
    let screen = (terminal && bytes != Bytes::No).then(|| screen(query));
    let opening = Opening {
        agent,
        events: start(query, events)?,
        screen: screen.transpose()?,
    };
    Ok(Shown {
        opening,
        format,
        bytes,
        events,
        deltas,
    })
}

fn start(query: &Query, events: bool) -> Result<Start, Fault> {
    if !events {
        return Ok(Start::Now);
    }
    let (after, named) = After::parse(query.raw("after"))?;
    let epoch = query.text("epoch").map(str::to_owned).or(named);
    Ok(match after {
        After::Oldest => Start::Ring,
        After::Latest => Start::Now,
        After::Seq(number) => Start::After { number, epoch },
    })
}

fn screen(query: &Query) -> Result<ScreenStart, Fault> {
    let incarnation = query.number("incarnation", 0, u64::MAX)?;
    match query.text("offset") {
        Some("latest") => Ok(ScreenStart::Now),
        Some(_) | None => match query.number("offset", 0, u64::MAX)? {
            Some(offset) => Ok(ScreenStart::At {
                incarnation,
                offset,
            }),
            None if incarnation.is_some() => Ok(ScreenStart::At {
                incarnation,
                offset: 0,
            }),
            None => Ok(ScreenStart::Tail),
        },
    }
}

/// Reads a text frame.
///
/// # Errors
/// The reply to a frame that is no command.
pub fn command(text: &str, (agent, terminal): (SessionId, bool)) -> Result<Command, Refusal> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Refusal::new("bad_json", format!("the frame is no JSON: {error}")))?;
    let Value::Object(frame) = value else {
        return Err(Refusal::new("bad_json", "the frame is no JSON object"));
    };
    let id = frame
        .get("id")
        .filter(|id| id.to_string().len() <= MAX_MARK)
        .cloned();
    let read = match frame.get("type").and_then(Value::as_str) {
        Some("input") if terminal => keys(&frame),
        Some("input" | "message") => message(&frame, agent, id.clone()),
        Some("resize") => size(&frame),
        Some("interrupt") => Ok(Command::Interrupt { id: id.clone() }),
        Some("approve" | "tool_answer") => answer(&frame, id.clone()),
        // The answer to our own sign of life is one, and nothing more.
        Some("ping" | "pong") => Ok(Command::Ping { id: id.clone() }),
        Some(_) | None => Err(Refusal::new(
            "unknown_type",
            "the type of the frame is not known; known: input, message, resize, interrupt, \
             approve, tool_answer, ping",
        )),
    };
    read.map_err(|refusal| refusal.marked(id))
}

fn keys(frame: &Map<String, Value>) -> Result<Command, Refusal> {
    if let Some(data) = text(frame, "data")? {
        let bytes = STANDARD.decode(data);
        let bytes = bytes.map_err(|_no_base64| bad("data", "bytes in base64"))?;
        return Ok(Command::Keys { bytes });
    }
    let typed = text(frame, "text")?.ok_or_else(|| bad("text", "a string"))?;
    Ok(Command::Keys {
        bytes: typed.into_bytes(),
    })
}

fn message(frame: &Map<String, Value>, agent: SessionId, id: Mark) -> Result<Command, Refusal> {
    let content = match text(frame, "text")? {
        Some(words) => Some(words),
        None => text(frame, "message")?,
    };
    Ok(Command::Message {
        id,
        agent,
        content: content.ok_or_else(|| bad("text", "a string"))?,
        key: match text(frame, "idempotencyKey")? {
            Some(key) => Some(key),
            None => text(frame, "clientSendId")?,
        },
    })
}

fn size(frame: &Map<String, Value>) -> Result<Command, Refusal> {
    let number = |name: &str| {
        let number = frame.get(name).and_then(Value::as_u64);
        let number = number.and_then(|number| u16::try_from(number).ok());
        number
            .filter(|number| (1..=500).contains(number))
            .ok_or_else(|| bad(name, "a whole number from 1 to 500"))
    };
    Ok(Command::Resize {
        rows: number("rows")?,
        cols: number("cols")?,
    })
}

fn answer(frame: &Map<String, Value>, id: Mark) -> Result<Command, Refusal> {
    let request = match text(frame, "requestId")? {
        Some(request) => Some(request),
        None => text(frame, "toolId")?,
    };
    let request = request.and_then(|request| request.parse().ok());
    let approved = match frame.get("approved") {
        Some(Value::Bool(approved)) => *approved,
        Some(_) | None => return Err(bad("approved", "true or false")),
    };
    Ok(Command::Approve {
        id,
        request: request.ok_or_else(|| bad("requestId", "the id of an open question"))?,
        approved,
        response: text(frame, "response")?,
        remember: Remember::read(frame.get("remember"))
            .map_err(|error| Refusal::of(&error, None))?,
    })
}

fn text(frame: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match frame.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad(name, "a string")),
    }
}

fn bad(name: &str, expected: &str) -> Refusal {
    let message = format!("the field `{name}` is missing or of a wrong type");
    Refusal::of(&Error::invalid("bad_field", name, message, expected), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<Shown, Fault> {
        let of = (SessionId::generate(), true);
        shown(&Query::parse(text), of, Format::Envelope)
    }

    #[test]
    fn the_address_says_from_where() {
        let screen = |text: &str| asked(text).unwrap().opening.screen;
        assert_eq!(screen(""), Some(ScreenStart::Tail));
        assert_eq!(screen("offset=latest"), Some(ScreenStart::Now));
        assert_eq!(screen("tty=none"), None);
        let at = ScreenStart::At {
            incarnation: Some(2),
            offset: 7,
        };
        assert_eq!(screen("incarnation=2&offset=7"), Some(at));
        let events = |text: &str| asked(text).unwrap().opening.events;
        assert_eq!(events(""), Start::Ring);
        assert_eq!(events("events=none&after=5"), Start::Now);
        for bad in [
            "tty=x",
            "format=x",
            "events=x",
            "deltas=x",
            "offset=-1",
            "after=x",
        ] {
            assert!(asked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_come_with_the_events_unless_the_address_says_otherwise() {
        for (text, wanted) in [
            ("", true),
            ("deltas=none", false),
            ("events=none", false),
            ("events=none&deltas=all", true),
        ] {
            assert_eq!(asked(text).unwrap().deltas, wanted, "{text}");
        }
    }

    #[test]
    fn the_older_paths_give_bare_bytes() {
        let of = (SessionId::generate(), true);
        let bare = shown(&Query::parse(""), of, Format::Raw).unwrap();
        assert!(bare.bytes == Bytes::Binary && !bare.events);
        let of = (SessionId::generate(), false);
        let bare = shown(&Query::parse(""), of, Format::Raw).unwrap();
        assert!(bare.events && bare.opening.screen.is_none());
    }

    #[test]
    fn input_is_typed_at_a_terminal_and_is_a_prompt_elsewhere() {
        let agent = SessionId::generate();
        let text = r#"{"type":"input","text":"ls\n"}"#;
        let typed = command(text, (agent, true)).unwrap();
        assert_eq!(
            typed,
            Command::Keys {
                bytes: b"ls\n".to_vec()
            }
        );
        let prompt = command(text, (agent, false)).unwrap();
        assert!(matches!(prompt, Command::Message { .. }));
    }

    #[test]
    fn what_cannot_be_read_names_its_field() {
        let of = (SessionId::generate(), true);
        for (frame, code) in [
            ("x", "bad_json"),
            ("[]", "bad_json"),
            ("{}", "unknown_type"),
            (r#"{"type":"input"}"#, "bad_field"),
            (r#"{"type":"input","data":"*"}"#, "bad_field"),
            (r#"{"type":"resize","rows":0,"cols":80}"#, "bad_field"),
            (r#"{"type":"resize","rows":24,"cols":501}"#, "bad_field"),
            (
                r#"{"type":"approve","requestId":"x","approved":true}"#,
                "bad_field",
            ),
        ] {
            assert_eq!(command(frame, of).unwrap_err().code, code, "{frame}");
        }
    }
}
