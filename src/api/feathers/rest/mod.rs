//! The services over REST: paths and methods become calls (contract/agor.md 2).
//!
//! Never a rule of a service: those are beside it.

mod authentication;
mod people;
mod sessions;
mod tasks;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use super::call::{Call, Method};
use super::{qs, services};
use crate::api::shared::body::Document as Body;
use crate::api::shared::{Reply, WsVisit, idempotency};
use crate::app::App;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(authentication::routes)
        .configure(sessions::routes)
        .configure(tasks::routes)
        .configure(people::routes);
}

/// These routes in the document.
pub fn document() -> Document {
    let mut all = authentication::Document::openapi();
    for part in [
        sessions::Document::openapi(),
        tasks::Document::openapi(),
        people::Document::openapi(),
    ] {
        all.merge(part);
    }
    all
}

/// Answers a request: its path is the service's, without the id where `method` takes one.
async fn answer(
    app: &App,
    WsVisit(visit): WsVisit,
    request: &HttpRequest,
    method: Method,
    body: Option<Body>,
) -> Reply {
    let path = request.match_info().as_str().trim_matches('/');
    let (path, id) = match (method.takes_id(), path.rsplit_once('/')) {
        (true, Some((service, id))) => (service, Some(id.to_owned())),
        _ => (path, None),
    };
    let key = match &body {
        Some(body) => idempotency::key_over(request, &body.raw)?,
        None => None,
    };
    let call = Call {
        method,
        path: path.to_owned(),
        id,
        data: body.map_or(Value::Null, |body| body.value),
        query: qs::parse(request.query_string())?,
        key,
    };
    let answer = services::answer(app, &visit, call).await?;
    let status = match method {
        Method::Create => StatusCode::CREATED,
        Method::Find | Method::Get | Method::Update | Method::Patch | Method::Remove => {
            StatusCode::OK
        }
    };
    Ok(HttpResponse::build(status).json(answer))
}
