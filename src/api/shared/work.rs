//! Prompts, tasks and queues of a session: the same below every door's own way to name one
//! (decisions.md 2).
//!
//! Never answers an accepted prompt before it is durable, and never touches a running task here.

pub mod creation;
pub mod options;
pub mod wire;

use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::{Fault, Fields, Query, Reply, Who, doc, idempotency, path_id};
use crate::app::{App, MessageRequest, TaskFilter, WhenBusy};
use crate::domain::{Error, OnUncertain, SessionId, TaskId};

/// Longest wait for the end of a task, in seconds.
pub const MAX_WAIT: u64 = 600;
/// Rows of a page: default and most.
const PAGE: (usize, usize) = (50, 200);
/// The names of a prompt's words.
pub const WORDS: [&str; 4] = ["message", "content", "prompt", "text"];

/// The session that the path of a request means, in a door's own words.
pub trait Target: FromRequest<Error = Fault> + 'static {
    /// Its id.
    fn session(&self) -> SessionId;
}

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(message, tasks, task, queue, order, edit, cancel))]
pub struct Document;

/// The table of contents below a path that names a session; `order` before `{task}`.
pub fn routes<T: Target>(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/message").post(message::<T>))
        .service(web::resource("/tasks").get(tasks::<T>))
        .service(web::resource("/tasks/{task}").get(task::<T>))
        .service(web::resource("/queue").get(queue::<T>))
        .service(web::resource("/queue/order").put(order::<T>))
        .service(
            web::resource("/queue/{task}")
                .patch(edit::<T>)
                .delete(cancel::<T>),
        );
}

/// Gives a prompt to the agent: it is durable when this answers.
#[utoipa::path(
    post,
    path = "/message",
    tag = "tasks",
    params(doc::PromptQuery, doc::Idempotent),
    request_body = doc::PromptBody,
    responses(
        (status = 200, description = "It ended while this waited", body = wire::Task<'static>),
        (status = 202, description = "It runs or waits", body = wire::Accepted),
    ),
    extensions(("x-error-codes" = json!([
        "@drives",
        "@prompts",
        "agent_busy",
        "too_many_polls",
        "bad_idempotency_key",
        "idempotency_key_reused",
    ]))),
)]
async fn message<T: Target>(
    app: web::Data<App>,
    Who(who): Who,
    target: T,
    request: HttpRequest,
    body: Fields,
) -> Reply {
    let id = target.session();
    let query = Query::parse(request.query_string());
    let wait = query.wait(MAX_WAIT)?;
    let prompt = prompt(&request, &query, &body)?;
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

/// Reads a prompt.
///
/// # Errors
/// `bad_field`, `bad_on_uncertain`, `bad_idempotency_key`.
pub fn prompt(
    request: &HttpRequest,
    query: &Query,
    body: &Fields,
) -> Result<MessageRequest, Fault> {
    let when_busy = match query.flag("queue")? {
        Some(false) => WhenBusy::Refuse,
        Some(true) | None => WhenBusy::Queue,
    };
    Ok(MessageRequest {
        on_uncertain: on_uncertain(body)?,
        metadata: body.object("metadata")?,
        key: idempotency::key(request, body)?,
        ..MessageRequest::new(body.required_text(&WORDS)?, when_busy)
    })
}

/// Reads `onUncertain`.
///
/// # Errors
/// `bad_field`, `bad_on_uncertain`.
pub fn on_uncertain(body: &Fields) -> Result<OnUncertain, Error> {
    let word = body.text(&["onUncertain", "on_uncertain"])?;
    word.map_or(Ok(OnUncertain::default()), |word| OnUncertain::parse(&word))
}

/// Whether a list goes on after this page.
pub fn has_more(offset: usize, shown: usize, total: u64) -> Value {
    let end = u64::try_from(offset.saturating_add(shown)).unwrap_or(u64::MAX);
    (end < total).into()
}

fn task_id(request: &HttpRequest) -> Result<TaskId, Fault> {
    let text = request.match_info().get("task").unwrap_or_default();
    path_id("task", text)
}

/// Lists the tasks of the agent, the newest first.
#[utoipa::path(
    get,
    path = "/tasks",
    tag = "tasks",
    params(doc::TasksQuery),
    responses((status = 200, description = "A page of them", body = doc::TaskPage)),
    extensions(("x-error-codes" = json!(["@stored", "bad_field"]))),
)]
async fn tasks<T: Target>(app: web::Data<App>, Who(who): Who, target: T, query: Query) -> Reply {
    let filter = TaskFilter {
        status: query.text("status").map(str::to_owned),
        limit: query.limit(PAGE.0, PAGE.1)?,
        offset: query.offset()?,
    };
    let (limit, offset) = (filter.limit, filter.offset);
    let page = app.tasks(&who, target.session(), filter).await?;
    let tasks: Vec<_> = page.items.iter().map(wire::task).collect();
    Ok(HttpResponse::Ok().json(json!({
        "tasks": tasks,
        "total": page.total,
        "limit": limit,
        "offset": offset,
        "hasMore": has_more(offset, tasks.len(), page.total),
    })))
}

/// Shows a task, and may wait for its end.
///
/// An ended one that retention has forgotten is 404 `not_found`: never within a day of its end.
#[utoipa::path(
    get,
    path = "/tasks/{task}",
    tag = "tasks",
    params(doc::WaitQuery),
    responses((status = 200, description = "The task", body = wire::Task<'static>)),
    extensions(("x-error-codes" = json!(["@lives", "bad_field", "too_many_polls"]))),
)]
async fn task<T: Target>(
    app: web::Data<App>,
    Who(who): Who,
    target: T,
    request: HttpRequest,
    query: Query,
) -> Reply {
    let wait = query.wait(MAX_WAIT)?;
    let task = task_id(&request)?;
    let view = app.await_task(&who, target.session(), task, wait).await?;
    Ok(HttpResponse::Ok().json(wire::task(&view)))
}

/// Shows what runs and what waits.
#[utoipa::path(
    get,
    path = "/queue",
    tag = "tasks",
    responses((status = 200, description = "The queue", body = doc::Queue)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn queue<T: Target>(app: web::Data<App>, Who(who): Who, target: T) -> Reply {
    let queue = app.queue(&who, target.session()).await?;
    Ok(HttpResponse::Ok().json(wire::queue(&queue)))
}

/// Orders what waits.
#[utoipa::path(
    put,
    path = "/queue/order",
    tag = "tasks",
    request_body = doc::OrderBody,
    responses((status = 200, description = "The queue", body = doc::Queue)),
    extensions(("x-error-codes" = json!(["@drives", "bad_order"]))),
)]
async fn order<T: Target>(app: web::Data<App>, Who(who): Who, target: T, body: Fields) -> Reply {
    let order = body.ids("order")?;
    let queue = app.reorder(&who, target.session(), order).await?;
    Ok(HttpResponse::Ok().json(wire::queue(&queue)))
}

/// Changes the words of a prompt that waits.
///
/// Signs that stand for a secret in the words that are shown do not take its place: said again
/// unchanged, they change nothing; other words say the secret again or leave it out.
#[utoipa::path(
    patch,
    path = "/queue/{task}",
    tag = "tasks",
    request_body = doc::TextBody,
    responses((status = 200, description = "The task", body = wire::Task<'static>)),
    extensions(("x-error-codes" = json!(["@drives", "invalid_state", "covered_words", "too_large"]))),
)]
async fn edit<T: Target>(
    app: web::Data<App>,
    Who(who): Who,
    target: T,
    request: HttpRequest,
    body: Fields,
) -> Reply {
    let task = task_id(&request)?;
    let text = body.required_text(&WORDS)?;
    let view = app.edit_task(&who, target.session(), task, text).await?;
    Ok(HttpResponse::Ok().json(wire::task(&view)))
}

/// Takes a prompt that waits out of the queue.
#[utoipa::path(
    delete,
    path = "/queue/{task}",
    tag = "tasks",
    responses((status = 200, description = "It is gone", body = doc::Removed)),
    extensions(("x-error-codes" = json!(["@drives", "invalid_state"]))),
)]
async fn cancel<T: Target>(
    app: web::Data<App>,
    Who(who): Who,
    target: T,
    request: HttpRequest,
) -> Reply {
    let task = task_id(&request)?;
    app.cancel_task(&who, target.session(), task).await?;
    Ok(HttpResponse::Ok().json(json!({"removed": true})))
}
