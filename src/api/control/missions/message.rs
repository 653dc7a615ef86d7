//! `POST /api/control/message`: a prompt for a mission, and what became of it.
//!
//! Never a message for one mission in the queue of another.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::{doc, wire};
use crate::api::shared::body::bad_field;
use crate::api::shared::doc::{Idempotent, PromptQuery, WaitQuery};
use crate::api::shared::work;
use crate::api::shared::{Fields, Query, Reply, Who, path_id};
use crate::app::{App, MessageRequest};
use crate::domain::{Error, Placement, Principal, SessionId, TaskId};

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(message, task))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/message").post(message))
        .service(web::resource("/tasks/{task}").get(task));
}

/// Gives a prompt to a mission: the one that it names, else the loaded one. It is durable when this
/// answers.
#[utoipa::path(
    post,
    path = "/api/control/message",
    tag = "missions",
    params(PromptQuery, Idempotent),
    request_body = doc::MessageBody,
    responses(
        (status = 200, description = "It runs or waits; with `wait` its task", body = doc::Sent),
    ),
    extensions(("x-error-codes" = json!([
        "@drives",
        "@prompts",
        "not_found",
        "no_mission_loaded",
        "agent_busy",
        "too_many_polls",
        "bad_idempotency_key",
        "idempotency_key_reused",
    ]))),
)]
async fn message(app: web::Data<App>, Who(who): Who, request: HttpRequest, body: Fields) -> Reply {
    let query = Query::parse(request.query_string());
    let wait = query.wait(work::MAX_WAIT)?;
    let named = body.id(&["mission_id", "missionId"])?;
    let mut prompt = work::prompt(&request, &query, &body)?;
    if prompt.text.trim().is_empty() {
        return Err(bad_field("content", "words").into());
    }
    prompt.agent = body.text(&["agent"])?;
    let agent = prompt.agent.clone();
    let permit = (!wait.is_zero()).then(|| app.may_wait(&who)).transpose()?;
    let (mission, placement) = placed(&app, &who, named, prompt).await?;
    let task = placement.task;
    let mut reply = crate::domain::event::json(&work::wire::accepted(&placement));
    if let Some(permit) = permit {
        let view = app.await_end(&who, (mission, task), wait, permit).await?;
        add(
            &mut reply,
            crate::domain::event::json(&work::wire::task(&view)),
        );
        add(&mut reply, json!({"queued": placement.queued}));
    }
    add(&mut reply, json!({"mission_id": mission, "agent": agent}));
    let missing = wire::missing(agent.as_deref());
    add(&mut reply, json!({"agent_missing": missing}));
    Ok(HttpResponse::Ok().json(reply))
}

/// Where a prompt came: under a repeated key where it came the first time, whatever is loaded now.
async fn placed(
    app: &App,
    who: &Principal,
    named: Option<SessionId>,
    prompt: MessageRequest,
) -> Result<(SessionId, Placement), Error> {
    let key = prompt.key.clone();
    if let Some(key) = &key
        && let Some(before) = app.placed_before(who, key).await?
    {
        return Ok(before);
    }
    let mission = app.mission_or_loaded(who, named).await?;
    let placement = app.send_to_mission(who, mission, prompt).await?;
    match key {
        // The same request beside this one may have been first.
        Some(_) => Ok((app.mission_of_task(who, placement.task).await?, placement)),
        None => Ok((mission, placement)),
    }
}

fn add(reply: &mut Value, more: Value) {
    if let (Value::Object(reply), Value::Object(more)) = (reply, more) {
        reply.extend(more);
    }
}

/// Shows a task of any mission, and may wait for its end.
#[utoipa::path(
    get,
    path = "/api/control/tasks/{task}",
    tag = "missions",
    params(WaitQuery),
    responses((status = 200, description = "The task", body = work::wire::Task<'static>)),
    extensions(("x-error-codes" = json!(["@lives", "bad_field", "too_many_polls"]))),
)]
async fn task(app: web::Data<App>, Who(who): Who, path: web::Path<String>, query: Query) -> Reply {
    let wait = query.wait(work::MAX_WAIT)?;
    let task: TaskId = path_id("task", &path)?;
    let mission = app.mission_of_task(&who, task).await?;
    let view = app.await_task(&who, mission, task, wait).await?;
    Ok(HttpResponse::Ok().json(work::wire::task(&view)))
}
