//! The operator's door: the supervisor tree and its decisions, who did what, and figures.
//!
//! Never open to anyone but admins.

mod audit;
mod doc;
mod family;
mod metrics;
mod supervisor;

use actix_web::web;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

/// The door's table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(audit::routes)
        .configure(supervisor::routes)
        .configure(metrics::routes);
}

/// The door in the document.
pub fn document() -> Document {
    let mut door = supervisor::Document::openapi();
    for part in [audit::Document::openapi(), metrics::Document::openapi()] {
        door.merge(part);
    }
    door
}
