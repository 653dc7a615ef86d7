//! The outermost layer: each request gets an id, a line in the log, and an answer even when its
//! handler panics.
//!
//! Never writes a token into the log.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError, web};
use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::{client, error};
use crate::app::{App, Caller};
#[cfg(feature = "failpoints")]
use crate::crash;

tokio::task_local! {
    static ID: Uuid;
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Query members that carry secrets (reliability.md 6).
const SECRETS: [&str; 8] = [
    "token",
    "ticket",
    "access_token",
    "api_key",
    "code",
    "password",
    "secret",
    "state",
];

/// The id of the request that is being answered; empty outside of one.
#[must_use]
pub fn id() -> String {
    ID.try_with(|id| id.simple().to_string())
        .unwrap_or_default()
}

/// Gives the id, catches panics, completes bare errors, writes the access line.
///
/// # Errors
/// Only a panic's stand-in, which renders itself.
pub async fn envelop(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let uuid = Uuid::now_v7();
    let started = Instant::now();
    let method = request.method().clone();
    let target = redacted(request.path(), request.query_string());
    let app = request.app_data::<web::Data<App>>();
    let behind = app.filter(|app| app.config().behind_proxy);
    let proxies = behind.map_or(&[][..], |app| &app.config().trusted_proxies);
    let peer = request.peer_addr().map(|peer| peer.ip());
    let caller = Caller {
        address: client::address(peer, request.headers(), proxies),
        request: uuid,
    };
    ID.scope(uuid, caller.scope(async move {
        let outcome = AssertUnwindSafe(next.call(request)).catch_unwind().await;
        let answered = match outcome {
            Ok(answered) => answered?,
            Err(panic) => {
                let text = panic_text(panic.as_ref());
                tracing::error!(request.id = %id(), %method, path = %target, error = text, "a handler panicked");
                return Err(Panicked(uuid).into());
            }
        };
        let mut response = complete(answered.map_into_boxed_body());
        stamp(response.headers_mut());
        let status = response.status().as_u16();
        let ms = started.elapsed().as_millis();
        tracing::debug!(request.id = %id(), %method, path = %target, status, duration_ms = ms, "request");
        Ok(response)
    }))
    .await
}

/// Goes through the crash points around a handler: `GET /api/agents/{id}` before it, and the same
/// with ` answered` behind it.
///
/// # Errors
/// What the handler returns.
#[cfg(feature = "failpoints")]
pub async fn pass_points(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let pattern = request.match_pattern().unwrap_or_default();
    let route = format!("{} {pattern}", request.method());
    crash::point(&route);
    let answered = next.call(request).await?;
    crash::point(&format!("{route} answered"));
    Ok(answered)
}

/// Errors of the framework have no body: a wrong method, a bad path.
fn complete(response: ServiceResponse) -> ServiceResponse {
    let status = response.status();
    let bare = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| {
            kind.to_str()
                .is_ok_and(|kind| kind.starts_with("text/plain"))
        });
    if !status.is_client_error() || !bare {
        return response;
    }
    let (code, message) = if status == StatusCode::METHOD_NOT_ALLOWED {
        ("method_not_allowed", "the route does not take this method")
    } else {
        ("bad_request", "the request cannot be understood")
    };
    let body = Value::Object(error::body(code, message)).to_string();
    let (request, mut inner) = response.into_parts();
    inner.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    ServiceResponse::new(request, inner.set_body(BoxBody::new(body)))
}

fn stamp(headers: &mut header::HeaderMap) {
    if let Ok(value) = HeaderValue::try_from(id()) {
        headers.insert(X_REQUEST_ID, value);
    }
}

/// Stands in for the answer of a handler that panicked.
#[derive(Debug, thiserror::Error)]
#[error("internal error")]
struct Panicked(Uuid);

impl ResponseError for Panicked {
    /// Rendered outside of the request's scope: it brings its id.
    fn error_response(&self) -> HttpResponse {
        ID.sync_scope(self.0, || {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let mut response = error::plain(status, "internal", "internal error");
            stamp(response.headers_mut());
            response
        })
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
}

fn redacted(path: &str, query: &str) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let parts = query.split('&').map(|part| {
        let name = part.split('=').next().unwrap_or_default();
        if SECRETS
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret))
        {
            format!("{name}=***")
        } else {
            part.to_owned()
        }
    });
    format!("{path}?{}", parts.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::middleware::from_fn;
    use actix_web::{App, test};

    #[test]
    async fn tokens_do_not_reach_the_log() {
        let shown = redacted("/ws", "a=1&token=ey.J.x&Ticket=y&b");
        assert_eq!(shown, "/ws?a=1&token=***&Ticket=***&b");
    }

    #[actix_web::test]
    async fn a_panic_is_answered_with_the_id() {
        let app = App::new()
            .route("/", web::get().to(|| async { panic_now() }))
            .wrap(from_fn(envelop));
        let app = test::init_service(app).await;
        let request = test::TestRequest::get().uri("/").to_request();
        let error = test::try_call_service(&app, request).await.unwrap_err();
        let response = error.error_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = response.headers().get(X_REQUEST_ID).unwrap().clone();
        assert_eq!(id.len(), 32);
        let body = actix_web::body::to_bytes(response.into_body()).await;
        let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!(body["requestId"], id.to_str().unwrap());
    }

    fn panic_now() -> HttpResponse {
        panic!("on purpose")
    }

    #[actix_web::test]
    async fn a_wrong_method_gets_a_body_and_the_list_of_methods() {
        let app = App::new()
            .service(web::resource("/").route(web::get().to(HttpResponse::Ok)))
            .wrap(from_fn(envelop));
        let app = test::init_service(app).await;
        let request = test::TestRequest::delete().uri("/").to_request();
        let response = test::call_service(&app, request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers().get("allow").unwrap(), "GET");
        assert!(response.headers().contains_key("x-request-id"));
        let body: Value = test::read_body_json(response).await;
        assert_eq!(body["code"], "method_not_allowed");
        assert_eq!(body["requestId"].as_str().unwrap().len(), 32);
    }
}
