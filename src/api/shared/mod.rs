//! What every surface shares: identity, checks before a route, bodies, queries, errors.
//!
//! Never a word of one surface alone.

pub mod answer;
pub mod body;

pub mod client;
pub mod cors;
pub mod doc;
pub mod error;
pub mod guard;
pub mod idempotency;
pub mod machine;
pub mod needs;
pub mod origin;
pub mod prepared;
pub mod query;
pub mod request;
pub mod schema;
pub mod socket;
pub mod work;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

pub use body::Fields;
pub use error::Fault;
pub use guard::{Who, WsVisit};
pub use query::Query;

/// What a handler gives.
pub type Reply = Result<HttpResponse, Fault>;

/// A path that leads nowhere.
pub async fn unknown_route() -> HttpResponse {
    error::plain(
        StatusCode::NOT_FOUND,
        "unknown_route",
        "there is no such route",
    )
}

/// Reads an id of a path; what is no UUID names nothing.
///
/// # Errors
/// `not_found`.
pub fn path_id<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, Fault> {
    let shown: String = text.chars().take(64).collect();
    text.parse()
        .map_err(|_not_an_id| Fault(crate::domain::Error::not_found(what, shown)))
}
