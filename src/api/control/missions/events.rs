//! `GET /api/control/missions/{id}/events`: what happened, by place in the list or by cursor.
//!
//! Never more in one answer than a bound of bytes, and it says when there is more.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::target::MissionInPath;
use super::{doc, wire};
use crate::api::shared::body::bad_field;
use crate::api::shared::{Fault, Query, Reply, Who};
use crate::app::{App, Excerpt, Poll};
use crate::domain::{After, EventKind};

/// Events of an answer: default and most.
const PAGE: (usize, usize) = (200, 1_000);
/// Most bytes of their data, but for one that is larger by itself.
const BYTES: usize = 8 * 1024 * 1024;
/// Most events behind a cursor, and the longest wait for the first in seconds (decisions.md 5).
const AFTER: (usize, u64) = (200, 30);

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(events))]
pub struct Document;

/// The table of contents below a mission.
pub fn below(config: &mut web::ServiceConfig) {
    config.service(web::resource("/events").get(events));
}

/// Reads a mission's events, oldest first.
///
/// By `offset`, and by `types` if it is given, the answer is a list, and `X-Has-More` says whether it
/// goes on. With `after` it is a page behind that number, as of any agent, and may wait for the first.
#[utoipa::path(
    get,
    path = "/api/control/missions/{id}/events",
    tag = "missions",
    params(doc::MissionEventsQuery),
    responses(
        (
            status = 200,
            description = "Events in the order of their numbers",
            body = doc::EventsAnswer,
            headers(("X-Has-More" = bool, description = "Whether a list goes on")),
        ),
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
async fn events(app: web::Data<App>, Who(who): Who, of: MissionInPath, query: Query) -> Reply {
    let kinds = query.text("types").map(kinds).transpose()?;
    if query.raw("after").is_some() {
        return page(&app, (&who, of), &query, kinds).await;
    }
    let asked = Excerpt {
        kinds,
        limit: query.limit(PAGE.0, PAGE.1)?,
        bytes: BYTES,
        offset: query.offset()?,
    };
    let (found, more) = app.mission_excerpt(&who, of.0, asked).await?;
    let shown: Vec<Value> = found.iter().map(wire::stored).collect();
    let more = HeaderValue::from_static(if more { "true" } else { "false" });
    Ok(HttpResponse::Ok()
        .insert_header((HeaderName::from_static("x-has-more"), more))
        .json(shown))
}

async fn page(
    app: &App,
    (who, of): (&crate::domain::Principal, MissionInPath),
    query: &Query,
    kinds: Option<Vec<EventKind>>,
) -> Reply {
    let (after, named) = After::parse(query.raw("after"))?;
    let epoch = query.text("epoch").map(str::to_owned).or(named);
    let poll = Poll {
        after,
        limit: query.limit(AFTER.0, AFTER.0)?,
        bytes: BYTES,
        kinds,
        wait: query.wait(AFTER.1)?,
    };
    let page = app.mission_events(who, of.0, (epoch, poll)).await?;
    let gap = page
        .gap
        .map(|gap| json!({"from": gap.from, "to": gap.to, "reason": "retention"}));
    let shown = page.events.iter().map(|event| wire::stored(&event.event));
    Ok(HttpResponse::Ok().json(json!({
        "epoch": app.epoch(),
        "source": if page.live { "live" } else { "persisted" },
        "mission_id": of.0,
        "events": shown.collect::<Vec<_>>(),
        "nextCursor": page.next,
        "hasMore": page.more,
        "oldestSeq": page.oldest,
        "latestSeq": page.latest,
        "gap": gap,
    })))
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
