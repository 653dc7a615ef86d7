//! `/api/agents/{id}/message` and `/api/agents/{id}/tasks*`.
//!
//! Never answers an accepted prompt before it is durable.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::wire;
use crate::api::shared::{Fields, Query, Reply, Who, idempotency, path_id};
use crate::app::{App, MessageRequest, TaskFilter, WhenBusy};
use crate::domain::{Error, OnUncertain};

/// Longest wait for the end of a task, in seconds.
pub const MAX_WAIT: u64 = 600;
/// Rows of a page: default and most.
const PAGE: (usize, usize) = (50, 200);

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/api/agents/{id}/message").post(message))
        .service(web::resource("/api/agents/{id}/tasks").get(list))
        .service(web::resource("/api/agents/{id}/tasks/{task}").get(show));
}

async fn message(
    app: web::Data<App>,
    Who(who): Who,
    path: web::Path<String>,
    request: HttpRequest,
    body: Fields,
) -> Reply {
    let id = path_id("agent", &path)?;
    let query = Query::parse(request.query_string());
    let wait = query.wait(MAX_WAIT)?;
    let when_busy = match query.flag("queue")? {
        Some(false) => WhenBusy::Refuse,
        Some(true) | None => WhenBusy::Queue,
    };
    let prompt = MessageRequest {
        on_uncertain: on_uncertain(&body)?,
        metadata: body.object("metadata")?,
        key: idempotency::key(&request, &body)?,
        ..MessageRequest::new(
            body.required_text(&["message", "content", "prompt"])?,
            when_busy,
        )
    };
    // Taken before: a refusal after the prompt is accepted would hide that it runs.
    let permit = (!wait.is_zero()).then(|| app.may_wait(&who)).transpose()?;
    let placement = app.message(&who, id, prompt).await?;
    if let Some(permit) = permit {
        let of = (id, placement.task);
        let view = app.await_end(&who, of, wait, permit).await?;
        if view.task.state.ended() {
            return Ok(HttpResponse::Ok().json(wire::task(&view)));
        }
    }
    Ok(HttpResponse::Accepted().json(wire::accepted(&placement)))
}

/// Reads `onUncertain`.
///
/// # Errors
/// `bad_field`, `bad_on_uncertain`.
pub fn on_uncertain(body: &Fields) -> Result<OnUncertain, Error> {
    let word = body.text(&["onUncertain", "on_uncertain"])?;
    word.map_or(Ok(OnUncertain::default()), |word| OnUncertain::parse(&word))
}

async fn list(app: web::Data<App>, Who(who): Who, path: web::Path<String>, query: Query) -> Reply {
    let id = path_id("agent", &path)?;
    let filter = TaskFilter {
        status: query.text("status").map(str::to_owned),
        limit: query.limit(PAGE.0, PAGE.1)?,
        offset: query.offset()?,
    };
    let (limit, offset) = (filter.limit, filter.offset);
    let page = app.tasks(&who, id, filter).await?;
    let tasks: Vec<_> = page.items.iter().map(wire::task).collect();
    Ok(HttpResponse::Ok().json(json!({
        "tasks": tasks,
        "total": page.total,
        "limit": limit,
        "offset": offset,
        "hasMore": has_more(offset, tasks.len(), page.total),
    })))
}

/// Whether a list goes on after this page.
pub fn has_more(offset: usize, shown: usize, total: u64) -> Value {
    let end = u64::try_from(offset.saturating_add(shown)).unwrap_or(u64::MAX);
    (end < total).into()
}

async fn show(
    app: web::Data<App>,
    Who(who): Who,
    path: web::Path<(String, String)>,
    query: Query,
) -> Reply {
    let (id, task) = (path_id("agent", &path.0)?, path_id("task", &path.1)?);
    let wait = query.wait(MAX_WAIT)?;
    let view = app.await_task(&who, id, task, wait).await?;
    Ok(HttpResponse::Ok().json(wire::task(&view)))
}
