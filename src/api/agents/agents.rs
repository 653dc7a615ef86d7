//! `/api/agents` and `/api/agents/{id}*`: making, looking at and driving agents.
//!
//! Never a status that is not committed.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{doc, wire};
use crate::api::shared::body::bad_field;
use crate::api::shared::doc::{Idempotent, Removed};
use crate::api::shared::prepared::{Answer, Prepared, Question};
use crate::api::shared::work::{creation, has_more, on_uncertain, options};
use crate::api::shared::{Fault, Fields, Query, Reply, Who, idempotency, path_id};
use crate::app::{AgentFilter, AgentRequest, App, Force, Interrupt, Lazy, Overview, Page, Paused};
use crate::domain::{Error, PermissionMode, Principal, Timestamp, Tuning};

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (50, 200);
/// Bytes of a piece of a log: default and most.
const LOG: (usize, usize) = (64 * 1024, 1024 * 1024);

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    list, create, show, pause, resume, interrupt, stop, kill, start, tune, remove, log
))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/api/agents").get(list).post(create));
}

/// The table of contents below an agent.
pub fn below(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/pause").post(pause))
        .service(web::resource("/resume").post(resume))
        .service(web::resource("/interrupt").post(interrupt))
        .service(web::resource("/stop").post(stop))
        .service(web::resource("/kill").post(kill))
        .service(web::resource("/start").post(start))
        .service(web::resource("/log").get(log))
        .service(web::resource("").get(show).patch(tune).delete(remove));
}

/// Lists agents, the newest first.
///
/// Admins see those of everybody.
#[utoipa::path(
    get,
    path = "/api/agents",
    tag = "agents",
    params(doc::AgentsQuery),
    responses((status = 200, description = "A page of agents", body = ListWire<'static>)),
    extensions(("x-error-codes" = json!(["@stored", "bad_field", "unknown_agent_kind"]))),
)]
async fn list(app: web::Data<App>, Who(who): Who, request: HttpRequest, query: Query) -> Reply {
    let question = Question::new(&who, "/api/agents", request.query_string());
    let prepared = request.app_data::<web::Data<Prepared>>();
    let version = app.version();
    if let Some(answer) = prepared.and_then(|known| known.get(&question, version)) {
        return Ok(json_bytes(answer.body));
    }
    let filter = AgentFilter {
        group: query.id("sessionId")?,
        status: query.text("status").map(str::to_owned),
        kind: query.text("agentType").map(str::to_owned),
        limit: query.limit(PAGE.0, PAGE.1)?,
        offset: query.offset()?,
    };
    let (limit, offset) = (filter.limit, filter.offset);
    let page = app.agents(&who, filter).await?;
    let answer = rendered(&page, app.now(), (limit, offset))?;
    // How long an agent has been at work changes with the clock.
    let still = !page.items.iter().any(wire::at_work);
    if let Some(known) = prepared.filter(|_| still) {
        let (total, body) = (page.total, answer.clone());
        known.put(question, version, Answer { total, body });
    }
    Ok(json_bytes(answer))
}

fn json_bytes(body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(body)
}

fn rendered(
    page: &Page<Overview>,
    now: Timestamp,
    (limit, offset): (usize, usize),
) -> Result<Bytes, Fault> {
    let agents: Vec<_> = page.items.iter().map(|row| wire::agent(row, now)).collect();
    let list = ListWire {
        total: page.total,
        limit,
        offset,
        has_more: has_more(offset, agents.len(), page.total),
        agents,
    };
    let body = serde_json::to_vec(&list).map_err(|error| Fault(Error::internal(error)))?;
    Ok(Bytes::from(body))
}

/// A page of agents.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgentPage)]
struct ListWire<'a> {
    agents: Vec<wire::Agent<'a>>,
    /// How many there are in all.
    total: u64,
    /// The size of the page.
    limit: usize,
    /// How many were left out before it.
    offset: usize,
    /// Whether the list goes on.
    #[schema(value_type = bool)]
    has_more: Value,
}

/// Makes an agent, starts its process and gives it a first prompt.
///
/// The same `Idempotency-Key` with the same body gets the first answer again, byte for byte.
#[utoipa::path(
    post,
    path = "/api/agents",
    tag = "agents",
    params(Idempotent),
    request_body = doc::AgentBody,
    responses(
        (
            status = 201,
            description = "The agent, and where its first prompt landed",
            body = doc::AgentMade,
        ),
    ),
    extensions(("x-error-codes" = json!(["@creates"]))),
)]
async fn create(app: web::Data<App>, Who(who): Who, request: HttpRequest, body: Fields) -> Reply {
    let asked = requested(&request, &body)?;
    creation::create(&app, &who, asked, |agent| {
        crate::domain::event::json(&wire::agent(agent, app.now()))
    })
    .await
}

fn requested(request: &HttpRequest, body: &Fields) -> Result<AgentRequest, Fault> {
    let start = body.flag("start")?.unwrap_or(true);
    Ok(AgentRequest {
        kind: body.text(&["agentType", "agent", "kind", "backend"])?,
        session: body.id(&["sessionId"])?,
        name: body.text(&["name"])?,
        topic: body.text(&["topic"])?,
        model: body.text(&["model"])?,
        message: body.text(&["message"])?,
        cwd: body.text(&["workingDirectory", "cwd"])?,
        workspace: body.id(&["workspaceId", "workspace_id"])?,
        permission_mode: body.text(&["permissionMode"])?,
        scenario: body.text(&["scenario"])?,
        options: options::requested(body)?,
        env: body.texts("env")?,
        metadata: body.object("metadata")?,
        on_uncertain: on_uncertain(body)?,
        lazy: if start { Lazy::No } else { Lazy::Yes },
        key: idempotency::key(request, body)?,
        ..AgentRequest::default()
    })
}

/// Shows an agent.
#[utoipa::path(
    get,
    path = "/api/agents/{id}",
    tag = "agents",
    responses((status = 200, description = "The agent", body = wire::Agent<'static>)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn show(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let row = app.agent(&who, path_id("agent", &path)?).await?;
    Ok(one(&app, &row))
}

fn one(app: &App, row: &Overview) -> HttpResponse {
    HttpResponse::Ok().json(wire::agent(row, app.now()))
}

/// Takes nothing more from the queue.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/pause",
    tag = "agents",
    params(doc::PauseQuery),
    responses(
        (status = 200, description = "It is paused", body = doc::StatusWord),
        (status = 202, description = "It pauses at the end of its turn", body = doc::StatusWord),
    ),
    extensions(("x-error-codes" = json!(["@drives", "bad_field"]))),
)]
async fn pause(app: web::Data<App>, Who(who): Who, path: web::Path<String>, query: Query) -> Reply {
    let how = match query.text("mode") {
        None | Some("turn") => Interrupt::No,
        Some("now") => Interrupt::Now,
        Some(_) => return Err(bad_field("mode", "turn or now").into()),
    };
    let paused = app.pause(&who, path_id("agent", &path)?, how).await?;
    Ok(match paused {
        Paused::Now => HttpResponse::Ok().json(json!({"status": "paused"})),
        Paused::AfterTurn => HttpResponse::Accepted().json(json!({"status": "pausing"})),
    })
}

/// Takes from the queue again.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/resume",
    tag = "agents",
    responses((status = 200, description = "What it does now", body = doc::Resumed)),
    extensions(("x-error-codes" = json!(["@drives"]))),
)]
async fn resume(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let row = app.resume(&who, path_id("agent", &path)?).await?;
    let session = &row.session;
    let status = session.status.lifecycle(&session.facts).name();
    Ok(HttpResponse::Ok().json(json!({"status": status, "detail": session.status.name()})))
}

/// Ends the running turn; the process stays.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/interrupt",
    tag = "agents",
    responses((status = 202, description = "It is being ended", body = doc::Interrupted)),
    extensions(("x-error-codes" = json!(["@drives", "no_turn"]))),
)]
async fn interrupt(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let task = app.interrupt(&who, path_id("agent", &path)?).await?;
    Ok(HttpResponse::Accepted().json(json!({"status": "stopping", "taskId": task})))
}

/// Ends the process in order; the next prompt starts it again.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/stop",
    tag = "agents",
    responses(
        (status = 200, description = "Whether there was one, and the agent", body = doc::Stopped),
    ),
    extensions(("x-error-codes" = json!(["@drives", "still_running"]))),
)]
async fn stop(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    end(&app, &who, &path, Force::Ladder).await
}

/// Ends the process and all that it started, at once.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/kill",
    tag = "agents",
    responses(
        (status = 200, description = "Whether there was one, and the agent", body = doc::Stopped),
    ),
    extensions(("x-error-codes" = json!(["@drives", "still_running"]))),
)]
async fn kill(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    end(&app, &who, &path, Force::Kill).await
}

async fn end(app: &App, who: &Principal, path: &str, force: Force) -> Reply {
    let (stopped, row) = app.stop(who, path_id("agent", path)?, force).await?;
    let agent = wire::agent(&row, app.now());
    Ok(HttpResponse::Ok().json(json!({"stopped": stopped, "agent": agent})))
}

/// Starts the process.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/start",
    tag = "agents",
    responses((status = 200, description = "The agent", body = wire::Agent<'static>)),
    extensions(("x-error-codes" = json!(["@drives", "@starts"]))),
)]
async fn start(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let row = app.start(&who, path_id("agent", &path)?).await?;
    Ok(one(&app, &row))
}

/// Changes the permission mode or the model.
#[utoipa::path(
    patch,
    path = "/api/agents/{id}",
    tag = "agents",
    request_body = doc::TuneBody,
    responses((status = 200, description = "The agent", body = wire::Agent<'static>)),
    extensions(("x-error-codes" = json!([
        "@drives",
        "bad_permission_mode",
        "unsupported",
        "restart_needed",
        "no_process",
    ]))),
)]
async fn tune(app: web::Data<App>, Who(who): Who, path: web::Path<String>, body: Fields) -> Reply {
    let tuning = tuning(&body)?;
    let row = app.tune(&who, path_id("agent", &path)?, tuning).await?;
    Ok(one(&app, &row))
}

/// What an agent keeps all its life.
const FIXED: &str = "name topic cwd workspaceId agentType effort mcpServers limits forkOf env \
                     scenario metadata";

fn tuning(body: &Fields) -> Result<Tuning, Fault> {
    for fixed in FIXED.split(' ') {
        if body.value(fixed).is_some() {
            return Err(bad_field(fixed, "only permissionMode and model can be changed").into());
        }
    }
    let mode = body.text(&["permissionMode"])?;
    let mode = mode.as_deref().map(PermissionMode::parse).transpose()?;
    let model = match body.value("model") {
        None => None,
        // Back to the program's own choice.
        Some(Value::Null) => Some(None),
        Some(Value::String(own)) if own.is_empty() || own == "default" => Some(None),
        Some(Value::String(model)) => Some(Some(model.clone())),
        Some(_) => return Err(bad_field("model", "a string or null").into()),
    };
    if mode.is_none() && model.is_none() {
        return Err(bad_field("permissionMode", "permissionMode, model or both").into());
    }
    Ok(Tuning {
        permission_mode: mode,
        model,
    })
}

/// Stops an agent and takes it off the lists; its history stays.
#[utoipa::path(
    delete,
    path = "/api/agents/{id}",
    tag = "agents",
    responses((status = 200, description = "It is gone", body = Removed)),
    extensions(("x-error-codes" = json!(["@drives", "still_running"]))),
)]
async fn remove(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    app.remove(&who, path_id("agent", &path)?).await?;
    Ok(HttpResponse::Ok().json(json!({"removed": true})))
}

/// Reads what an agent's process wrote, as it came.
#[utoipa::path(
    get,
    path = "/api/agents/{id}/log",
    tag = "agents",
    params(doc::LogQuery),
    responses(
        (
            status = 200,
            description = "Bytes",
            body = Vec<u8>,
            content_type = "application/octet-stream",
            headers(
                ("X-Log-Incarnation" = u64, description = "Which process"),
                ("X-Log-Base" = u64, description = "The first byte that is kept"),
                ("X-Log-Offset" = u64, description = "The first byte of the answer"),
                ("X-Log-Length" = u64, description = "How many there are in all"),
            ),
        ),
    ),
    extensions(("x-error-codes" = json!(["@stored", "bad_field", "log_unreadable"]))),
)]
async fn log(app: web::Data<App>, Who(who): Who, path: web::Path<String>, query: Query) -> Reply {
    let id = path_id("agent", &path)?;
    let incarnation = query.number("incarnation", 1, u64::MAX)?;
    let offset = query.number("offset", 0, u64::MAX)?.unwrap_or_default();
    let limit = query.limit(LOG.0, LOG.1)?;
    let slice = app.log(&who, id, incarnation, (offset, limit)).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header(("X-Log-Incarnation", slice.incarnation.to_string()))
        .insert_header(("X-Log-Base", slice.base.to_string()))
        .insert_header(("X-Log-Offset", slice.offset.to_string()))
        .insert_header(("X-Log-Length", slice.len.to_string()))
        .body(slice.bytes))
}

#[cfg(test)]
mod tests;
