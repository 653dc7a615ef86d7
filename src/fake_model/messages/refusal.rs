//! Refusals in the API's words: documents, and the headers that say when to come again.
//!
//! Never a status that the API has no word for.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::scenario::Refusal;
use super::answer::id;

/// A refusal with a text of its own.
#[must_use]
pub fn told(status: u16, text: &str) -> HttpResponse {
    let mut response = head(status);
    response.json(document(status, text))
}

/// A refusal that a scenario asked for.
#[must_use]
pub fn played(refusal: &Refusal) -> HttpResponse {
    let mut response = head(refusal.status);
    if let Some(after) = refusal.after {
        let seconds = after.as_millis().div_ceil(1000).to_string();
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    if let Some(again) = refusal.again {
        response.insert_header(("x-should-retry", if again { "true" } else { "false" }));
    }
    if refusal.status == StatusCode::TOO_MANY_REQUESTS.as_u16() {
        limits(&mut response, refusal);
    }
    response.json(document(refusal.status, text(refusal.status)))
}

/// The document of a refusal.
#[must_use]
pub fn document(status: u16, text: &str) -> Value {
    let error = json!({"type": kind(status), "message": text});
    json!({"type": "error", "error": error, "request_id": id("req")})
}

/// What a scripted refusal says.
#[must_use]
pub fn text(status: u16) -> &'static str {
    match status {
        400 => "The request is wrong, says the scenario.",
        401 => "The key is not valid, says the scenario.",
        402 => "Nobody paid, says the scenario.",
        403 => "The key may not do this, says the scenario.",
        404 => "There is no such thing, says the scenario.",
        413 => "The request is too large, says the scenario.",
        429 => "Too many requests, says the scenario.",
        529 => "Overloaded, says the scenario.",
        _ => "The server failed, says the scenario.",
    }
}

fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

fn head(status: u16) -> HttpResponseBuilder {
    let known = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(known);
    response.insert_header(("request-id", id("req")));
    response
}

/// What is left of the limits: nothing, until `after` is over.
fn limits(response: &mut HttpResponseBuilder, refusal: &Refusal) {
    let after = refusal.after.unwrap_or(Duration::ZERO);
    let seconds = i64::try_from(after.as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
    let now = OffsetDateTime::now_utc();
    let reset = now
        .checked_add(time::Duration::seconds(seconds))
        .unwrap_or(now);
    let written = reset.format(&Rfc3339).unwrap_or_default();
    for (what, limit) in [("requests", "50"), ("tokens", "30000")] {
        let name = |of: &str| format!("anthropic-ratelimit-{what}-{of}");
        response.insert_header((name("limit"), limit));
        response.insert_header((name("remaining"), "0"));
        response.insert_header((name("reset"), written.as_str()));
    }
    if let Some(limit) = &refusal.limit {
        let name = |of: &str| format!("anthropic-ratelimit-unified-{of}");
        response.insert_header((name("status"), "rejected"));
        response.insert_header((name("representative-claim"), limit.as_str()));
        response.insert_header((name("reset"), reset.unix_timestamp().to_string()));
    }
}
