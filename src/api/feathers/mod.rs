//! The feathers door: so far the API keys of a person, and the real-time client.
//!
//! Never names a sibling door.

mod call;
mod doc;
mod fault;
mod keys;
mod services;
mod socketio;

use actix_web::web;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

pub use socketio::Links;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.configure(keys::routes).configure(socketio::routes);
}

/// The door in the document.
pub fn document() -> Document {
    let mut all = keys::Document::openapi();
    all.merge(socketio::Document::openapi());
    all
}
