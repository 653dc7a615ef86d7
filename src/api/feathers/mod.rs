//! The feathers door: so far the API keys of a person.
//!
//! Never names a sibling door.

mod doc;
mod keys;

use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

pub use keys::routes;

/// The door in the document.
pub fn document() -> Document {
    keys::Document::openapi()
}
