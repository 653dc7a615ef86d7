//! Failures as HTTP: a real status code and `{error, code, ..., requestId}`.
//!
//! Never the text of an internal error: that goes to the log, once, with the request's id.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::{Map, Value};

use super::request;
use crate::app::cover;
use crate::domain::Error;

/// A failure of the house on its way out.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Fault(#[from] pub Error);

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        match &self.0 {
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Invalid {
                code: "bad_host", ..
            } => StatusCode::MISDIRECTED_REQUEST,
            Error::Invalid { .. } => StatusCode::BAD_REQUEST,
            Error::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Error::Forbidden { .. } | Error::MissingScope { .. } => StatusCode::FORBIDDEN,
            Error::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Error::Conflict { .. } => StatusCode::CONFLICT,
            Error::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::EpochChanged { .. } => StatusCode::GONE,
            Error::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Error::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
            Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = Map::new();
        let mut response = HttpResponse::build(self.status_code());
        match &self.0 {
            Error::Invalid {
                field, expected, ..
            } => {
                if !field.is_empty() {
                    body.insert("field".into(), field.clone().into());
                }
                if let Some(expected) = expected {
                    body.insert("expected".into(), expected.clone().into());
                }
            }
            Error::TooLarge { field, .. } => {
                body.insert("field".into(), field.clone().into());
            }
            Error::Busy { retry_after, .. } | Error::Unavailable { retry_after, .. } => {
                body.insert("retryAfter".into(), (*retry_after).into());
                response.insert_header((header::RETRY_AFTER, retry_after.to_string()));
            }
            Error::EpochChanged { epoch, latest_seq } => {
                body.insert("epoch".into(), epoch.clone().into());
                body.insert("latestSeq".into(), (*latest_seq).into());
            }
            Error::MissingScope { scope } => {
                body.insert("scope".into(), scope.name().into());
            }
            Error::Unauthenticated { .. } => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            Error::Internal(text) => {
                tracing::error!(request.id = %request::id(), error = %text, "request failed");
            }
            Error::NotFound { .. }
            | Error::Forbidden { .. }
            | Error::Conflict { .. }
            | Error::MethodNotAllowed { .. }
            | Error::KeyReused
            | Error::Unsupported { .. }
            | Error::Timeout { .. } => {}
        }
        finish(response, body, self.0.code(), &self.0.to_string())
    }
}

/// A failure that the house has no word for.
#[must_use]
pub fn plain(status: StatusCode, code: &str, message: &str) -> HttpResponse {
    finish(HttpResponse::build(status), Map::new(), code, message)
}

/// The body of a failure, with the request's id.
#[must_use]
pub fn body(code: &str, message: &str) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("error".into(), message.into());
    body.insert("code".into(), code.into());
    body.insert("requestId".into(), request::id().into());
    body
}

fn finish(
    mut response: HttpResponseBuilder,
    more: Map<String, Value>,
    code: &str,
    message: &str,
) -> HttpResponse {
    let mut all = body(code, message);
    all.extend(more);
    let mut all = Value::Object(all);
    // What somebody sent comes back in the words of a refusal.
    cover(&mut all);
    response.json(all)
}
