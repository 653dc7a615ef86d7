//! The control door.
//!
//! Never names a sibling door.

mod doc;
mod health;
mod missions;
mod providers;
mod stats;
mod stream;
mod workspaces;

use actix_web::web;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

/// The door's table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(health::routes)
        .configure(stats::routes)
        .configure(workspaces::routes)
        .configure(providers::routes)
        .service(
            web::scope("/api/control")
                .configure(stream::routes)
                .configure(missions::routes),
        );
}

/// The door in the document.
pub fn document() -> Document {
    let mut door = health::Document::openapi();
    door.merge(stats::Document::openapi());
    door.merge(stream::Document::openapi());
    door.merge(missions::document());
    door.merge(workspaces::Document::openapi());
    door.merge(providers::Document::openapi());
    door
}
