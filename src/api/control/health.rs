//! `GET /api/health` (contract/sandboxed.md).
//!
//! Never checks anything slow: load balancers ask often.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::app::App;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/api/health").get(health).head(health));
}

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
