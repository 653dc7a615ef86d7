//! `GET /api/control/stream`: missions as an event stream (SSE), over all of a person's or over one.
//!
//! Never an event of its own: what is told is what the polls and the sockets tell, by the same
//! numbers.

mod blocks;
mod wanted;
mod words;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, web};
use utoipa::IntoParams;

use crate::api::live::dialect::Start;
use crate::api::live::stream::{self, Subject};
use crate::api::shared::body::bad_field;
use crate::api::shared::doc::StreamPart;
use crate::api::shared::socket::SocketQuery;
use crate::api::shared::{Fault, Query, Reply, WsVisit};
use crate::app::App;
use crate::domain::{After, Error, Principal, SessionId, StreamCursor};
use wanted::Types;
use words::{Opening, Seen, Words};

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(connect))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/stream").get(connect));
}

/// Of which missions, and from where.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "shapes are described, not built")]
struct StreamQuery {
    /// Only this mission's; ids are `<epoch>:<seq>` then, else `<epoch>:p<pos>`.
    mission_id: Option<SessionId>,
    /// Only these events, with commas.
    types: Option<String>,
    /// The last id that is known, where no `Last-Event-ID` can be sent; `0` is the beginning.
    after: Option<String>,
}

/// Where a browser goes on by itself.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "shapes are described, not built")]
struct Resumption {
    /// The id of the last event that was received; it counts more than `after`.
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

/// Streams the events of missions as they are committed (SSE).
///
/// Events have the id of their number and are told once each; `text_delta` and `thinking_delta` are
/// the words of a message that is still being written, with their offset in it and without an id.
/// `gap` tells what retention removed, `closing` why the stream ends. A reader that does not read for
/// ten seconds is closed and misses nothing when it comes back with its last id.
#[utoipa::path(
    get,
    path = "/api/control/stream",
    tag = "missions",
    params(StreamQuery, Resumption, SocketQuery),
    security(("bearer" = []), ("key" = []), ("ticket" = []), ("token" = [])),
    responses(
        (
            status = 200,
            description = "The stream",
            body = StreamPart,
            content_type = "text/event-stream",
        ),
    ),
    extensions(("x-error-codes" = json!([
        "@lives",
        "not_found",
        "bad_field",
        "bad_cursor",
        "epoch_changed",
        "too_many_connections",
        "bad_ticket",
    ]))),
)]
async fn connect(
    app: web::Data<App>,
    WsVisit(visit): WsVisit,
    request: HttpRequest,
    query: Query,
) -> Reply {
    let mission = query.id("mission_id")?;
    let types = query.text("types").map_or(Ok(Types::ALL), Types::parse)?;
    let (start, seen) = start(request.headers(), &query, mission)?;
    let (start, opening) = match start {
        Start::Now => opening(&app, &visit.who, mission).await?,
        Start::Ring | Start::After { .. } => (start, Opening::default()),
    };
    let words = Words::new(app.epoch(), (mission, types), Opening { seen, ..opening });
    let subject = Subject {
        agent: mission,
        start,
    };
    let answer = stream::accept(&app, (visit, &request), words, subject).await;
    answer.map_err(|error| Fault(error.called("agent", "mission")))
}

/// Where a stream without a past begins, and how the mission stands that it is about, or the loaded
/// one. The place is taken first: what changes behind it is told.
async fn opening(
    app: &App,
    who: &Principal,
    mission: Option<SessionId>,
) -> Result<(Start, Opening), Error> {
    let number = match mission {
        Some(id) => app.mission(who, id).await?.last_seq,
        None => app.latest_pos(),
    };
    let id = match mission {
        Some(id) => Some(id),
        None => app.loaded_mission(who).await?,
    };
    let standing = match id {
        Some(id) => Some(blocks::standing(&app.mission(who, id).await?)),
        None => None,
    };
    let start = Start::After {
        number,
        epoch: None,
    };
    let opening = Opening {
        at: Some(number),
        standing,
        seen: None,
    };
    Ok((start, opening))
}

/// From where, by the header that a browser sends by itself, else by the address; and which event is
/// known in part.
fn start(
    headers: &HeaderMap,
    query: &Query,
    mission: Option<SessionId>,
) -> Result<(Start, Option<Seen>), Fault> {
    let header = headers.get("last-event-id");
    let header = header.map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header.filter(|id| !id.is_empty()).or(query.text("after")) else {
        return Ok((Start::Now, None));
    };
    if text == "latest" {
        return Ok((Start::Now, None));
    }
    let (text, parts) = words::whole_id(text);
    let bare = text.bytes().all(|byte| byte.is_ascii_digit());
    let (number, epoch) = match (mission, bare) {
        (_, true) => match After::parse(Some(text))? {
            (After::Seq(number), epoch) => (number, epoch),
            (After::Oldest | After::Latest, _) => return Ok((Start::Now, None)),
        },
        (one, false) => match (one, StreamCursor::parse(text)?) {
            (Some(_), StreamCursor::Seq { epoch, seq }) => (seq, Some(epoch)),
            (None, StreamCursor::Pos { epoch, pos }) => (pos, Some(epoch)),
            (Some(_), StreamCursor::Pos { .. }) | (None, StreamCursor::Seq { .. }) => {
                return Err(other_stream());
            }
        },
    };
    let seen = parts.map(|parts| Seen { number, parts });
    // The rest of an event that is known in part is behind the one before it.
    let number = number.saturating_sub(u64::from(seen.is_some()));
    Ok((Start::After { number, epoch }, seen))
}

fn other_stream() -> Fault {
    let text = "the cursor is of another stream";
    let expected = "of one mission `<epoch>:<seq>`, of all `<epoch>:p<pos>`";
    Fault(Error::invalid("bad_cursor", "after", text, expected))
}

/// A name of `types` that is none.
fn unknown_type() -> Fault {
    let all = wanted::NAMES.join(", ");
    Fault(bad_field("types", &format!("a list of: {all}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(id: Option<&str>, query: &str, mission: bool) -> Result<Start, String> {
        let mut headers = HeaderMap::new();
        if let Some(id) = id {
            let name = actix_web::http::header::HeaderName::from_static("last-event-id");
            headers.insert(name, id.parse().unwrap());
        }
        let mission = mission.then(SessionId::generate);
        let read = start(&headers, &Query::parse(query), mission);
        read.map(|(start, _)| start)
            .map_err(|fault| fault.0.code().to_owned())
    }

    #[test]
    fn a_stream_goes_on_from_its_own_ids_alone() {
        let after = |number, epoch: &str| Start::After {
            number,
            epoch: Some(epoch.into()),
        };
        assert_eq!(read(None, "", true), Ok(Start::Now));
        assert_eq!(read(Some("e1:7"), "", true), Ok(after(7, "e1")));
        assert_eq!(read(Some("e1:p9"), "", false), Ok(after(9, "e1")));
        assert_eq!(read(Some("e1:p9"), "after=3", false), Ok(after(9, "e1")));
        assert_eq!(read(Some(""), "after=e1:3", true), Ok(after(3, "e1")));
        let bare = Start::After {
            number: 0,
            epoch: None,
        };
        assert_eq!(read(None, "after=0", false), Ok(bare));
        for (id, mission) in [("e1:p9", true), ("e1:9", false), ("x", true), ("-1", true)] {
            let refused = read(Some(id), "", mission).unwrap_err();
            assert_eq!(refused, "bad_cursor", "{id}");
        }
    }
}
