//! Loading, cancelling, resuming a mission, and a person's word on how it stands.
//!
//! Never 200 for a mission that is not there.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::target::MissionInPath;
use super::{doc, wire};
use crate::api::shared::doc::Idempotent;
use crate::api::shared::work;
use crate::api::shared::{Fault, Fields, Reply, Who, idempotency};
use crate::app::{App, Cancelled, Quiet, ResumeRequest};
use crate::domain::{Error, Mission as Word};

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(load, set_status, cancel_one, cancel, resume))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/cancel").post(cancel));
}

/// The table of contents below a mission.
pub fn below(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/load").post(load))
        .service(web::resource("/status").post(set_status))
        .service(web::resource("/cancel").post(cancel_one))
        .service(web::resource("/resume").post(resume));
}

/// Loads a mission: messages that name none go to it until another one is loaded.
#[utoipa::path(
    post,
    path = "/api/control/missions/{id}/load",
    tag = "missions",
    responses((status = 200, description = "The mission", body = wire::Mission<'static>)),
    extensions(("x-error-codes" = json!(["@drives"]))),
)]
async fn load(app: web::Data<App>, Who(who): Who, of: MissionInPath) -> Reply {
    let row = app.load_mission(&who, of.0).await?;
    let history = app.mission_history(of.0).await?;
    Ok(HttpResponse::Ok().json(wire::whole(&row, &history)))
}

/// Says how a mission stands.
///
/// `completed` and `failed` end it, whatever it does. `interrupted` ends its turn (409 `no_turn`
/// without one). `active` and `pending` open one again that has come to an end, and start nothing.
#[utoipa::path(
    post,
    path = "/api/control/missions/{id}/status",
    tag = "missions",
    request_body = doc::StatusBody,
    responses((status = 200, description = "It stands so, or is about to", body = doc::Judged)),
    extensions(("x-error-codes" = json!([
        "@drives",
        "no_turn",
        "invalid_state",
        "reopened",
        "still_running",
    ]))),
)]
async fn set_status(app: web::Data<App>, Who(who): Who, of: MissionInPath, body: Fields) -> Reply {
    let word = Word::parse(&body.required_text(&["status"])?)?;
    let row = app.set_mission(&who, of.0, word).await?;
    Ok(HttpResponse::Ok().json(json!({"ok": true, "mission": wire::mission(&row)})))
}

/// Ends what runs of a mission and of the agents below it, with all that they started.
///
/// It answers when that is gone. What waits in their queues waits until somebody goes on.
#[utoipa::path(
    post,
    path = "/api/control/missions/{id}/cancel",
    tag = "missions",
    responses((status = 200, description = "It is ended", body = doc::CancelledOnes)),
    extensions(("x-error-codes" = json!(["@drives", "not_running", "still_running"]))),
)]
async fn cancel_one(app: web::Data<App>, Who(who): Who, of: MissionInPath) -> Reply {
    Ok(ended(&app.cancel_mission(&who, of.0).await?))
}

/// The same of the loaded mission, or of the one that `mission_id` names.
#[utoipa::path(
    post,
    path = "/api/control/cancel",
    tag = "missions",
    request_body(content = doc::WhichBody, description = "May be left out"),
    responses((status = 200, description = "It is ended", body = doc::CancelledOnes)),
    extensions(("x-error-codes" = json!([
        "@drives",
        "not_found",
        "no_mission_loaded",
        "not_running",
        "still_running",
    ]))),
)]
async fn cancel(app: web::Data<App>, Who(who): Who, body: Fields) -> Reply {
    let named = body.id(&["mission_id", "missionId"])?;
    let mission = app.mission_or_loaded(&who, named).await?;
    Ok(ended(&app.cancel_mission(&who, mission).await?))
}

fn ended(cancelled: &Cancelled) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "ok": true,
        "cancelled": cancelled.mission,
        "ended": cancelled.ended,
    }))
}

/// Lets a mission go on that was interrupted, failed or is paused.
///
/// What waits in its queue is taken up; when nothing waits, a program with a conversation is told to
/// go on where it left off, in the words of `content` when there are some. With `skip_message` it is
/// only started.
#[utoipa::path(
    post,
    path = "/api/control/missions/{id}/resume",
    tag = "missions",
    params(Idempotent),
    request_body(content = doc::ResumeBody, description = "May be left out"),
    responses((status = 200, description = "The mission", body = doc::MissionMade)),
    extensions(("x-error-codes" = json!([
        "@drives",
        "@starts",
        "@prompts",
        "invalid_state",
        "option_not_supported",
        "bad_idempotency_key",
        "idempotency_key_reused",
    ]))),
)]
async fn resume(
    app: web::Data<App>,
    Who(who): Who,
    of: MissionInPath,
    request: HttpRequest,
    body: Fields,
) -> Reply {
    let asked = resumption(&request, &body)?;
    let resumed = app.resume_mission(&who, of.0, asked).await?;
    let shown = crate::domain::event::json(&wire::mission(&resumed.mission));
    let shown: Value = work::wire::created(shown, resumed.placement.as_ref());
    Ok(HttpResponse::Ok().json(shown))
}

fn resumption(request: &HttpRequest, body: &Fields) -> Result<ResumeRequest, Fault> {
    if body.flag("clean_workspace")? == Some(true) {
        let text = "a mission's directory is kept as it is: it may be anybody's";
        let expected = "false, or nothing";
        let error = Error::invalid("option_not_supported", "clean_workspace", text, expected);
        return Err(error.into());
    }
    let quiet = match body.flag("skip_message")? {
        Some(true) => Quiet::Yes,
        Some(false) | None => Quiet::No,
    };
    Ok(ResumeRequest {
        words: body.text(&["content", "message"])?,
        quiet,
        key: idempotency::key(request, body)?,
    })
}
