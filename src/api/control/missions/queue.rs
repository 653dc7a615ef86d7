//! `/api/control/queue*`: what waits for a person's missions.
//!
//! Never a task of another mission than it was sent to.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{doc, wire};
use crate::api::shared::body::bad_field;
use crate::api::shared::doc::{OrderBody, Queue, TextBody};
use crate::api::shared::work;
use crate::api::shared::{Fields, Query, Reply, Who, path_id};
use crate::app::{App, Waiting};
use crate::domain::{SessionId, TaskId};

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(list, clear, order, edit, withdraw))]
pub struct Document;

/// The table of contents; `order` before `{task}`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/queue").get(list).delete(clear))
        .service(web::resource("/queue/order").put(order))
        .service(web::resource("/queue/{task}").patch(edit).delete(withdraw));
}

fn asked_for(query: &Query) -> Result<Option<SessionId>, crate::domain::Error> {
    query.id("mission_id")
}

/// Prompts of a page: default and most.
const PAGE: (usize, usize) = (200, 1_000);

/// Lists what waits for one's own missions, in the order of each queue.
///
/// A page shows 8 MiB of words; of what comes behind them it has the beginnings (`truncated`), and
/// `GET /api/control/tasks/{task}` has all.
#[utoipa::path(
    get,
    path = "/api/control/queue",
    tag = "missions",
    params(doc::QueueQuery),
    responses((
        status = 200,
        description = "What waits",
        body = Vec<doc::Waiting>,
        headers(("X-Total-Count" = u64, description = "How many there are in all")),
    )),
    extensions(("x-error-codes" = json!(["@stored", "bad_field", "not_found"]))),
)]
async fn list(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let range = (query.offset()?, query.limit(PAGE.0, PAGE.1)?);
    let page = app.waiting(&who, asked_for(&query)?, range).await?;
    let shown: Vec<Value> = page.items.iter().map(worded).collect();
    Ok(HttpResponse::Ok()
        .insert_header(("X-Total-Count", page.total.to_string()))
        .json(shown))
}

fn worded(one: &Waiting) -> Value {
    let task = &one.task;
    let agent = task.metadata.get("agent").and_then(Value::as_str);
    json!({
        "id": task.id,
        "content": task.prompt,
        "agent": agent,
        "agent_missing": wire::missing(agent),
        "mission_id": task.session,
        "position": one.position,
        "truncated": one.cut,
        "created_at": task.created_at.rfc3339(),
    })
}

/// Withdraws what waits: for one mission, or for all of one's own.
#[utoipa::path(
    delete,
    path = "/api/control/queue",
    tag = "missions",
    params(doc::ClearQuery),
    responses((status = 200, description = "It is gone", body = doc::Cleared)),
    extensions(("x-error-codes" = json!(["@drives", "bad_field", "not_found"]))),
)]
async fn clear(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let cleared = app.clear_waiting(&who, asked_for(&query)?).await?;
    Ok(HttpResponse::Ok().json(json!({"ok": true, "cleared": cleared})))
}

/// Orders what waits for one mission.
#[utoipa::path(
    put,
    path = "/api/control/queue/order",
    tag = "missions",
    request_body = OrderBody,
    responses((status = 200, description = "The mission's queue", body = Queue)),
    extensions(("x-error-codes" = json!(["@drives", "bad_order", "not_found"]))),
)]
async fn order(app: web::Data<App>, Who(who): Who, body: Fields) -> Reply {
    let queue = app.reorder_waiting(&who, body.ids("order")?).await?;
    Ok(HttpResponse::Ok().json(work::wire::queue(&queue)))
}

/// Changes the words of a prompt that waits.
#[utoipa::path(
    patch,
    path = "/api/control/queue/{task}",
    tag = "missions",
    request_body = TextBody,
    responses((status = 200, description = "The task", body = work::wire::Task<'static>)),
    extensions(("x-error-codes" = json!([
        "@drives",
        "bad_field",
        "invalid_state",
        "covered_words",
        "too_large",
    ]))),
)]
async fn edit(app: web::Data<App>, Who(who): Who, path: web::Path<String>, body: Fields) -> Reply {
    let task: TaskId = path_id("task", &path)?;
    let text = body.required_text(&work::WORDS)?;
    if text.trim().is_empty() {
        return Err(bad_field("content", "words").into());
    }
    let mission = app.mission_of_task(&who, task).await?;
    let view = app.edit_task(&who, mission, task, text).await?;
    Ok(HttpResponse::Ok().json(work::wire::task(&view)))
}

/// Takes a prompt that waits out of its queue.
#[utoipa::path(
    delete,
    path = "/api/control/queue/{task}",
    tag = "missions",
    responses((status = 200, description = "It is gone", body = doc::Withdrawn)),
    extensions(("x-error-codes" = json!(["@drives", "invalid_state"]))),
)]
async fn withdraw(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let task: TaskId = path_id("task", &path)?;
    let mission = app.mission_of_task(&who, task).await?;
    app.cancel_task(&who, mission, task).await?;
    Ok(HttpResponse::Ok().json(json!({"ok": true, "removed": true})))
}
