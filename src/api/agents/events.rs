//! `GET /api/agents/{id}/events` (decisions.md 5).
//!
//! Never renders an event again: its bytes are ready.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::doc;
use crate::api::shared::body::bad_field;
use crate::api::shared::doc::Conditional;
use crate::api::shared::{Fault, Query, Reply, Who, path_id};
use crate::app::{App, EventPage, Poll};
use crate::domain::{After, EventKind, SessionId};

/// Most events of an answer, also the default.
const PAGE: usize = 200;
/// Longest wait for a first event, in seconds.
const MAX_WAIT: u64 = 30;

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(events))]
pub struct Document;

/// The table of contents below an agent.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/events").get(events));
}

/// Reads an agent's events after a number, and may wait for the first.
///
/// The `ETag` of an answer is good for the same query; a query with `wait` never gives 304.
#[utoipa::path(
    get,
    path = "/api/agents/{id}/events",
    tag = "events",
    params(doc::EventsQuery, Conditional),
    responses(
        (
            status = 200,
            description = "Events in the order of their numbers",
            body = doc::EventsPage,
            headers(("ETag" = String, description = "For `If-None-Match`")),
        ),
        (status = 304, description = "Nothing has changed since the `ETag`"),
    ),
    extensions(("x-error-codes" = json!([
        "@lives",
        "bad_field",
        "bad_cursor",
        "epoch_changed",
        "too_many_polls",
        "timeout",
    ]))),
)]
async fn events(
    app: web::Data<App>,
    Who(who): Who,
    path: web::Path<String>,
    request: HttpRequest,
) -> Reply {
    let id = path_id("agent", &path)?;
    let query = Query::parse(request.query_string());
    let (poll, epoch) = asked(&query)?;
    let waits = !poll.wait.is_zero();
    let page = app.events(&who, id, epoch, poll).await?;
    let tag = tag(app.epoch(), &page);
    if !waits && matches(&request, &tag) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::ETAG, tag))
            .finish());
    }
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .body(body(app.epoch(), id, &page)))
}

fn asked(query: &Query) -> Result<(Poll, Option<String>), Fault> {
    let (after, named) = After::parse(query.raw("after"))?;
    let epoch = query.text("epoch").map(str::to_owned).or(named);
    let kinds = query.text("types").map(kinds).transpose()?;
    let poll = Poll {
        after,
        limit: query.limit(PAGE, PAGE)?,
        bytes: usize::MAX,
        kinds,
        wait: query.wait(MAX_WAIT)?,
    };
    Ok((poll, epoch))
}

fn kinds(text: &str) -> Result<Vec<EventKind>, Fault> {
    let names = text.split(',').map(str::trim);
    names
        .map(|name| {
            EventKind::parse(name).ok_or_else(|| {
                let all = EventKind::ALL.map(EventKind::name).join(", ");
                Fault(bad_field("types", &format!("a list of: {all}")))
            })
        })
        .collect()
}

/// Weak and meant for one address: the same query gives the same events until the log grows or
/// retention takes some away.
fn tag(epoch: &str, page: &EventPage) -> String {
    format!("W/\"{epoch}:{}:{}\"", page.oldest, page.latest)
}

fn matches(request: &HttpRequest, tag: &str) -> bool {
    let known = request.headers().get(header::IF_NONE_MATCH);
    let known = known
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let bare = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    known == "*" || known.split(',').any(|one| bare(one) == bare(tag))
}

fn body(epoch: &str, id: SessionId, page: &EventPage) -> String {
    let size: usize = page.events.iter().map(|event| event.weight()).sum();
    let count = page.events.len();
    let mut out = String::with_capacity(size.saturating_add(count.saturating_mul(40)) + 512);
    let source = if page.live { "live" } else { "persisted" };
    let head = json!({"epoch": epoch, "source": source, "agentId": id}).to_string();
    out.push_str(head.trim_end_matches('}'));
    out.push_str(",\"events\":[");
    for (index, event) in page.events.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str("{\"type\":\"");
        out.push_str(event.event.kind.name());
        out.push_str("\",");
        out.push_str(event.tail());
    }
    let gap = page
        .gap
        .map(|gap| json!({"from": gap.from, "to": gap.to, "reason": "retention"}));
    let rest = json!({
        "nextCursor": page.next,
        "hasMore": page.more,
        "oldestSeq": page.oldest,
        "latestSeq": page.latest,
        "gap": gap,
    });
    out.push_str("],");
    out.push_str(rest.to_string().trim_start_matches('{'));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Gap, Published};
    use crate::domain::{Event, Timestamp, UserId};

    fn page(count: u64) -> EventPage {
        let id = SessionId::generate();
        let event = |seq| Event {
            seq,
            pos: seq + 100,
            agent: id,
            group: id,
            kind: EventKind::Status,
            at: Timestamp(0),
            data: "{\"a\":\"}\"}".into(),
        };
        EventPage {
            live: false,
            events: (1..=count)
                .map(|seq| Published::new(event(seq), UserId::generate()))
                .collect(),
            next: count,
            more: true,
            oldest: 1,
            latest: 9,
            gap: Some(Gap { from: 1, to: 2 }),
        }
    }

    #[test]
    fn the_pieces_make_one_json_document() {
        for count in [0, 1, 3] {
            let text = body("e1", SessionId::generate(), &page(count));
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                u64::try_from(value["events"].as_array().unwrap().len()).unwrap(),
                count
            );
            assert_eq!(value["source"], "persisted");
            assert_eq!(value["gap"]["to"], 2);
            assert_eq!(value["nextCursor"], count);
            if count > 0 {
                assert_eq!(value["events"][0]["type"], "status");
                assert_eq!(value["events"][0]["data"]["a"], "}");
            }
        }
    }

    #[test]
    fn queries_are_read_as_documented() {
        let of = |text: &str| asked(&Query::parse(text)).map(|(poll, epoch)| (poll.after, epoch));
        assert_eq!(of("").unwrap(), (After::Oldest, None));
        assert_eq!(
            of("after=e1:5").unwrap(),
            (After::Seq(5), Some("e1".into()))
        );
        for bad in [
            "after=",
            "after=-1",
            "after=x",
            "limit=0",
            "limit=x",
            "wait=-1",
            "types=nope",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
        let (poll, _) = asked(&Query::parse("types=status,exit&limit=500&wait=99")).unwrap();
        assert_eq!(poll.kinds.unwrap(), [EventKind::Status, EventKind::Exit]);
        assert_eq!((poll.limit, poll.wait.as_secs()), (200, 30));
    }
}
