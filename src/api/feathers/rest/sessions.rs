//! `/sessions` and what is done with one.
//!
//! Never a body without a bound.

use actix_web::{HttpRequest, web};

use super::answer;
use crate::api::feathers::call::Method;
use crate::api::feathers::doc;
use crate::api::shared::body::Document as Body;
use crate::api::shared::doc::Idempotent;
use crate::api::shared::{Reply, WsVisit};
use crate::app::App;

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(find, create, get, patch, remove, prompt, stop, genealogy, queue))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/sessions").get(find).post(create))
        .service(
            web::resource("/sessions/{id}")
                .get(get)
                .patch(patch)
                .delete(remove),
        )
        .service(web::resource("/sessions/{id}/prompt").post(prompt))
        .service(web::resource("/sessions/{id}/stop").post(stop))
        .service(web::resource("/sessions/{id}/genealogy").get(genealogy))
        .service(web::resource("/sessions/{id}/tasks/queue").get(queue));
}

/// Finds sessions, the newest first.
///
/// Fields take `$in`, `$nin`, `$ne`, `$lt`, `$lte`, `$gt`, `$gte`; `$or` and `$and` take lists of queries.
#[utoipa::path(
    get,
    path = "/sessions",
    tag = "sessions",
    params(doc::FindQuery),
    responses((status = 200, description = "A page of sessions", body = doc::SessionPage)),
    extensions(("x-error-codes" = json!(["@stored", "bad_query"]))),
)]
async fn find(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Find, None).await
}

/// Makes a session, or one for each object of a list. Its program starts with the first prompt.
#[utoipa::path(
    post,
    path = "/sessions",
    tag = "sessions",
    params(Idempotent),
    request_body = doc::SessionToMake,
    responses((status = 201, description = "The session, or a list of them for a list", body = doc::SessionsMade)),
    extensions(("x-error-codes" = json!(["@creates"]))),
)]
async fn create(app: web::Data<App>, visit: WsVisit, request: HttpRequest, body: Body) -> Reply {
    answer(&app, visit, &request, Method::Create, Some(body)).await
}

/// Shows a session: by its id, or by the beginning of it.
#[utoipa::path(
    get,
    path = "/sessions/{id}",
    tag = "sessions",
    responses((status = 200, description = "The session", body = doc::SessionRecord)),
    extensions(("x-error-codes" = json!(["@stored", "bad_query", "ambiguous_id"]))),
)]
async fn get(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Get, None).await
}

/// Changes the permission mode and the model.
#[utoipa::path(
    patch,
    path = "/sessions/{id}",
    tag = "sessions",
    request_body = doc::SessionPatch,
    responses((status = 200, description = "The session", body = doc::SessionRecord)),
    extensions(("x-error-codes" = json!(["@drives", "ambiguous_id", "bad_permission_mode", "unsupported", "restart_needed"]))),
)]
async fn patch(app: web::Data<App>, visit: WsVisit, request: HttpRequest, body: Body) -> Reply {
    answer(&app, visit, &request, Method::Patch, Some(body)).await
}

/// Stops a session and takes it off the lists.
#[utoipa::path(
    delete,
    path = "/sessions/{id}",
    tag = "sessions",
    responses((status = 200, description = "As it was", body = doc::SessionRecord)),
    extensions(("x-error-codes" = json!(["@drives", "ambiguous_id", "still_running"]))),
)]
async fn remove(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Remove, None).await
}

/// Gives a prompt to a session: it is durable when this answers.
#[utoipa::path(
    post,
    path = "/sessions/{id}/prompt",
    tag = "tasks",
    params(Idempotent),
    request_body = doc::SessionPrompt,
    responses((status = 201, description = "Its task: it runs, or waits", body = doc::TaskRecord)),
    extensions(("x-error-codes" = json!(["@drives", "@prompts", "ambiguous_id", "bad_permission_mode", "restart_needed", "bad_idempotency_key", "idempotency_key_reused"]))),
)]
async fn prompt(app: web::Data<App>, visit: WsVisit, request: HttpRequest, body: Body) -> Reply {
    answer(&app, visit, &request, Method::Create, Some(body)).await
}

/// Ends the running turn. What waits runs behind it.
#[utoipa::path(
    post,
    path = "/sessions/{id}/stop",
    tag = "sessions",
    request_body = doc::StopBody,
    responses((status = 201, description = "It is ended, or nothing ran", body = doc::StopTold)),
    extensions(("x-error-codes" = json!(["@drives", "ambiguous_id"]))),
)]
async fn stop(app: web::Data<App>, visit: WsVisit, request: HttpRequest, body: Body) -> Reply {
    answer(&app, visit, &request, Method::Create, Some(body)).await
}

/// Shows where a session comes from, and what comes from it.
#[utoipa::path(
    get,
    path = "/sessions/{id}/genealogy",
    tag = "sessions",
    responses((status = 200, description = "Where it comes from, and what comes from it", body = doc::Genealogy)),
    extensions(("x-error-codes" = json!(["@stored", "bad_query", "ambiguous_id"]))),
)]
async fn genealogy(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Find, None).await
}

/// Lists what waits in the queue of a session.
#[utoipa::path(
    get,
    path = "/sessions/{id}/tasks/queue",
    tag = "tasks",
    responses((status = 200, description = "What waits, in its order", body = doc::TaskQueue)),
    extensions(("x-error-codes" = json!(["@stored", "bad_query", "ambiguous_id"]))),
)]
async fn queue(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Find, None).await
}
