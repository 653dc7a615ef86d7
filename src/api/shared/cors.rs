//! What a browser hears of a page of another origin that may call this server (CORS).
//!
//! Never a wildcard, and never cookies: a page brings its token itself.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};

/// How long a browser remembers what it was told, in seconds.
const REMEMBERED: &str = "600";
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// What a page may send.
const SENT: &str = "authorization, content-type, idempotency-key, if-none-match, last-event-id, \
                    x-api-key";
/// What a page may read besides the usual.
const READ: &str = "etag, retry-after, x-has-more, x-request-id, x-total-count";

/// Whether a browser asks first what a page may do.
#[must_use]
pub fn asks_first(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What it is told then.
#[must_use]
pub fn told_first() -> HttpResponse {
    HttpResponse::build(StatusCode::NO_CONTENT)
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, SENT))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, REMEMBERED))
        .finish()
}

/// Lets the page of this origin read an answer.
pub fn let_read(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(READ),
    );
}
