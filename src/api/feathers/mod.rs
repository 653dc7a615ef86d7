//! The feathers door: services over REST and over the real-time connection, and the API keys of a
//! person (contract/agor.md).
//!
//! Never names a sibling door.

mod call;
mod doc;
mod fault;
mod finding;
mod keys;
mod qs;
mod rest;
mod services;
mod socketio;
mod wire;

use std::borrow::Cow;

use actix_web::web;
use utoipa::openapi::{OpenApi as Document, RefOr, Schema};
use utoipa::{OpenApi, PartialSchema, ToSchema};

pub use fault::{is_service, translate};
pub use socketio::Links;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(keys::routes)
        .configure(rest::routes)
        .configure(socketio::routes);
}

/// The name of the shape of refusals here, and the shapes that it takes.
#[must_use]
pub fn refusal() -> (Cow<'static, str>, Vec<(String, RefOr<Schema>)>) {
    let mut shapes = Vec::new();
    doc::FeathersError::schemas(&mut shapes);
    let name = doc::FeathersError::name();
    shapes.push((name.clone().into_owned(), doc::FeathersError::schema()));
    (name, shapes)
}

/// The door in the document.
pub fn document() -> Document {
    let mut all = keys::Document::openapi();
    all.merge(rest::document());
    all.merge(socketio::Document::openapi());
    all
}
