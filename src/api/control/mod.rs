//! The control door.
//!
//! Never names a sibling door.

mod doc;
mod health;
mod missions;
mod stats;

use actix_web::web;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

/// The door's table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.configure(health::routes).configure(stats::routes);
}

/// The door in the document.
pub fn document() -> Document {
    let mut door = health::Document::openapi();
    door.merge(stats::Document::openapi());
    door
}
