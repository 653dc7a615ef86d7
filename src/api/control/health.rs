//! `GET /api/health` (contract/sandboxed.md).
//!
//! Never checks anything slow: load balancers ask often.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::doc;
use crate::app::App;

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(health))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/api/health").get(health).head(health));
}

/// Says that the server is there.
#[utoipa::path(
    method(get, head),
    path = "/api/health",
    tag = "health",
    security(()),
    responses((status = 200, description = "It is there", body = doc::Health)),
    extensions(("x-error-codes" = json!([]))),
)]
async fn health(app: web::Data<App>) -> HttpResponse {
    let mode = if app.config().auth.single_user {
        "single_tenant"
    } else {
        "multi_user"
    };
    HttpResponse::Ok().json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "dev_mode": false,
        "auth_required": true,
        "auth_mode": mode,
    }))
}
