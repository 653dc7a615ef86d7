//! `/tasks`.
//!
//! Never a body without a bound.

use actix_web::{HttpRequest, web};

use super::answer;
use crate::api::feathers::call::Method;
use crate::api::feathers::doc;
use crate::api::shared::body::Document as Body;
use crate::api::shared::{Reply, WsVisit};
use crate::app::App;

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(find, get, patch, remove))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/tasks").get(find)).service(
        web::resource("/tasks/{id}")
            .get(get)
            .patch(patch)
            .delete(remove),
    );
}

/// Finds tasks, the oldest first.
#[utoipa::path(
    get,
    path = "/tasks",
    tag = "tasks",
    params(doc::FindQuery),
    responses((status = 200, description = "A page of tasks", body = doc::TaskRecordPage)),
    extensions(("x-error-codes" = json!(["@stored", "bad_query"]))),
)]
async fn find(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Find, None).await
}

/// Shows a task.
#[utoipa::path(
    get,
    path = "/tasks/{id}",
    tag = "tasks",
    responses((status = 200, description = "The task", body = doc::TaskRecord)),
    extensions(("x-error-codes" = json!(["@stored", "bad_query"]))),
)]
async fn get(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Get, None).await
}

/// Changes the words of a task that waits.
#[utoipa::path(
    patch,
    path = "/tasks/{id}",
    tag = "tasks",
    request_body = doc::TaskPatch,
    responses((status = 200, description = "The task", body = doc::TaskRecord)),
    extensions(("x-error-codes" = json!(["@drives", "invalid_state", "covered_words", "too_large"]))),
)]
async fn patch(app: web::Data<App>, visit: WsVisit, request: HttpRequest, body: Body) -> Reply {
    answer(&app, visit, &request, Method::Patch, Some(body)).await
}

/// Withdraws a task that waits.
#[utoipa::path(
    delete,
    path = "/tasks/{id}",
    tag = "tasks",
    responses((status = 200, description = "As it was", body = doc::TaskRecord)),
    extensions(("x-error-codes" = json!(["@drives", "invalid_state"]))),
)]
async fn remove(app: web::Data<App>, visit: WsVisit, request: HttpRequest) -> Reply {
    answer(&app, visit, &request, Method::Remove, None).await
}
