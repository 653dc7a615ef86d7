//! `/api/control/missions*`: making, looking at and driving missions.
//!
//! Never a status that is not committed.

mod body;
mod doc;
mod drive;
mod events;
mod message;
mod queue;
mod target;
mod tree;
pub mod wire;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::api::shared::doc::Idempotent;
use crate::api::shared::prepared::{Answer, Prepared, Question};
use crate::api::shared::work::{self, creation};
use crate::api::shared::{Fault, Fields, Query, Reply, Who, path_id};
use crate::app::{App, MissionFilter, MissionOrder, Overview, Page};
use crate::domain::{Error, Mission as Word};
use target::MissionInPath;

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (50, 200);
/// Where a mission is below.
const ONE: &str = "/api/control/missions/{id}";

#[derive(OpenApi)]
#[openapi(paths(list, create, show, remove, current))]
struct Own;

/// These routes in the document.
pub fn document() -> Document {
    let mut all = Own::openapi();
    for part in [
        drive::Document::openapi(),
        message::Document::openapi(),
        queue::Document::openapi(),
        events::Document::openapi(),
        tree::Document::openapi(),
    ] {
        all.merge(part);
    }
    all.nest(ONE, work::Document::openapi())
}

/// The table of contents; literal paths before `{id}`.
pub fn routes(config: &mut web::ServiceConfig) {
    let one = web::scope("/missions/{id}")
        .service(web::resource("").get(show).delete(remove))
        .configure(drive::below)
        .configure(events::below)
        .configure(tree::below)
        .configure(work::routes::<MissionInPath>);
    config
        .service(web::resource("/missions").get(list).post(create))
        .service(web::resource("/missions/current").get(current))
        .service(one)
        .configure(drive::routes)
        .configure(message::routes)
        .configure(queue::routes)
        .configure(tree::routes);
}

/// Lists missions, the last changed first.
///
/// Admins see those of everybody. `history` is empty here.
#[utoipa::path(
    get,
    path = "/api/control/missions",
    tag = "missions",
    params(doc::MissionsQuery),
    responses(
        (
            status = 200,
            description = "A page of missions",
            body = Vec<wire::Mission<'static>>,
            headers(("X-Total-Count" = u64, description = "How many there are in all")),
        ),
    ),
    extensions(("x-error-codes" = json!(["@stored", "bad_field", "unknown_agent_kind"]))),
)]
async fn list(app: web::Data<App>, Who(who): Who, request: HttpRequest, query: Query) -> Reply {
    let question = Question::new(&who, "/api/control/missions", request.query_string());
    let prepared = request.app_data::<web::Data<Prepared>>();
    let version = app.version();
    if let Some(answer) = prepared.and_then(|known| known.get(&question, version)) {
        return answered(answer);
    }
    let page = app.missions(&who, filter(&query)?).await?;
    let answer = rendered(&page)?;
    if let Some(known) = prepared {
        known.put(question, version, answer.clone());
    }
    answered(answer)
}

fn filter(query: &Query) -> Result<MissionFilter, Fault> {
    let words = query.text("status").map(|text| text.split(','));
    let standing = words.into_iter().flatten().map(str::trim).map(Word::parse);
    let order = match query.text("sort") {
        None | Some("updated") => MissionOrder::Changed,
        Some("created") => MissionOrder::Newest,
        Some("oldest") => MissionOrder::Oldest,
        Some(_) => {
            let expected = "updated, created or oldest";
            return Err(crate::api::shared::body::bad_field("sort", expected).into());
        }
    };
    Ok(MissionFilter {
        standing: standing.collect::<Result<_, Error>>()?,
        backend: query.text("backend").map(str::to_owned),
        order,
        limit: query.limit(PAGE.0, PAGE.1)?,
        offset: query.offset()?,
    })
}

fn rendered(page: &Page<Overview>) -> Result<Answer, Fault> {
    let missions: Vec<_> = page.items.iter().map(wire::mission).collect();
    let body = serde_json::to_vec(&missions).map_err(|error| Fault(Error::internal(error)))?;
    Ok(Answer {
        total: page.total,
        body: Bytes::from(body),
    })
}

fn answered(answer: Answer) -> Reply {
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("X-Total-Count", answer.total.to_string()))
        .body(answer.body))
}

/// Makes a mission. It starts with its first message.
///
/// It is the loaded one then, unless another was loaded by name. The same `Idempotency-Key` with the
/// same body gets the first answer again, byte for byte.
#[utoipa::path(
    post,
    path = "/api/control/missions",
    tag = "missions",
    params(Idempotent),
    request_body = doc::MissionBody,
    responses((status = 200, description = "The mission", body = doc::MissionMade)),
    extensions(("x-error-codes" = json!(["@creates"]))),
)]
async fn create(app: web::Data<App>, Who(who): Who, request: HttpRequest, body: Fields) -> Reply {
    let worded = |Fault(error)| Fault(error.in_words(&body::WORDS));
    let asked = body::requested(&request, &body).map_err(worded)?;
    let key = asked.key.clone();
    let created = app.create_mission(&who, asked).await;
    let created = created.map_err(|error| worded(Fault(error)))?;
    let word = |row: &Overview| crate::domain::event::json(&wire::mission(row));
    let reply = creation::reply(&app, &who, (created, key), word).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(reply))
}

/// Shows a mission with its last messages.
#[utoipa::path(
    get,
    path = "/api/control/missions/{id}",
    tag = "missions",
    responses((status = 200, description = "The mission", body = wire::Mission<'static>)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn show(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let id = path_id("mission", &path)?;
    let row = app.mission(&who, id).await?;
    let history = app.mission_history(id).await?;
    Ok(HttpResponse::Ok().json(wire::whole(&row, &history)))
}

/// Shows the loaded mission; null when none is.
#[utoipa::path(
    get,
    path = "/api/control/missions/current",
    tag = "missions",
    responses(
        (status = 200, description = "The mission, or null", body = Option<wire::Mission<'static>>),
    ),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn current(app: web::Data<App>, Who(who): Who) -> Reply {
    let Some(id) = app.loaded_mission(&who).await? else {
        return Ok(HttpResponse::Ok().json(Value::Null));
    };
    let row = app.mission(&who, id).await?;
    let history = app.mission_history(id).await?;
    Ok(HttpResponse::Ok().json(wire::whole(&row, &history)))
}

/// Stops a mission and takes it off the lists; its history stays until retention takes it.
#[utoipa::path(
    delete,
    path = "/api/control/missions/{id}",
    tag = "missions",
    responses((status = 200, description = "It is gone", body = doc::Deleted)),
    extensions(("x-error-codes" = json!(["@drives", "still_running"]))),
)]
async fn remove(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let id = path_id("mission", &path)?;
    app.mission(&who, id).await?;
    app.remove(&who, id).await?;
    Ok(HttpResponse::Ok().json(json!({"ok": true, "deleted": id})))
}
