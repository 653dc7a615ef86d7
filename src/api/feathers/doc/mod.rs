//! The feathers door's shapes, for the document of the API.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

mod people;
mod records;

use utoipa::ToSchema;

use crate::api::shared::schema::{self, joined};
use crate::domain::{KeyId, UserId};

pub use people::*;
pub use records::*;

/// An API key, in both spellings; never its text.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ApiKey {
    id: KeyId,
    /// Whose it is.
    user_id: UserId,
    /// The same.
    #[schema(rename = "user_id")]
    user_id_snake: UserId,
    /// What its owner calls it.
    name: String,
    /// How its text begins.
    prefix: String,
    /// What it may be used for.
    #[schema(schema_with = schema::scopes)]
    scopes: Vec<String>,
    created_at: String,
    /// The same.
    #[schema(rename = "created_at")]
    created_at_snake: String,
    /// Null: it has no end.
    #[schema(required)]
    expires_at: Option<String>,
    /// The same.
    #[schema(rename = "expires_at", required)]
    expires_at_snake: Option<String>,
    /// When it was used last, to the minute.
    #[schema(required)]
    last_used_at: Option<String>,
    /// The same.
    #[schema(rename = "last_used_at", required)]
    last_used_at_snake: Option<String>,
}

/// The text of a key.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct KeyText {
    /// For `Authorization: Bearer` or `X-API-Key`.
    raw_key: String,
    /// The same members once more.
    key: ApiKey,
}

joined! {
    /// A new key, with its text.
    KeyMade as "KeyMade": ApiKey, KeyText;
}

/// A key to make.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct KeyBody {
    /// What you call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Of `read`, `write`, `admin` and `metrics`, as far as your role has them; `write`, or `read`
    /// for viewers, without it. `write` and `admin` include `read`.
    scopes: Option<Vec<String>>,
    /// When it ends, as RFC 3339; never without it.
    expires_at: Option<String>,
    /// Another spelling of `expiresAt`.
    #[schema(rename = "expires_at")]
    expires_at_snake: Option<String>,
}

/// Another name for a key.
#[derive(ToSchema)]
pub struct KeyName {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// A key is revoked.
#[derive(ToSchema)]
pub struct KeyRevoked {
    id: KeyId,
    /// Always true.
    revoked: bool,
}
