//! The feathers door: so far the API keys of a person.
//!
//! Never names a sibling door.

mod call;
mod doc;
mod fault;
mod keys;
mod services;

use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

pub use keys::routes;

/// The door in the document.
pub fn document() -> Document {
    keys::Document::openapi()
}
