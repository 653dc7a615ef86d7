//! `/socket.io/`: the handshake of the real-time client and its two transports (contract/agor.md 3).
//!
//! Never a service's answer to a socket on which nobody is signed in.

use actix_web::{HttpRequest, HttpResponse, web};

use super::engine::{Address, Refused, Transport};
use super::links::Links;
use super::{doc, polling, websocket};
use crate::api::shared::guard::{header_token, upgrades};
use crate::api::shared::socket::Handshake;
use crate::api::shared::{Query, Reply};
use crate::app::App;

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(listen, bring))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/socket.io/").get(listen).post(bring));
}

/// Opens a real-time connection, waits for its packets, or makes a WebSocket of it.
///
/// Engine.IO 4 with Socket.IO 5 in it, as `socket.io-client` 4 speaks them: `transport=polling`,
/// `websocket`, or the one and then the other. Open to anybody: a token in the handshake or a call of
/// `authentication` signs in, within a minute, and until then nothing else is answered. Calls are
/// events (`find`, `get`, `create`, `update`, `patch`, `remove`) with the path of a service; each is
/// acknowledged by `[null, result]` or `[error]`. The public client does all of this.
#[utoipa::path(
    get,
    path = "/socket.io/",
    tag = "sockets",
    params(doc::RealtimeQuery, Handshake),
    security(()),
    responses(
        (status = 101, description = "The WebSocket"),
        (status = 200, description = "Packets", body = String, content_type = "text/plain"),
        (status = 400, description = "It is no request of the protocol", body = doc::Refusal),
    ),
    extensions(("x-error-codes" = json!([
        "bad_handshake",
        "draining",
        "too_many_connections",
    ]))),
)]
async fn listen(
    app: web::Data<App>,
    links: web::Data<Links>,
    request: HttpRequest,
    payload: web::Payload,
) -> Reply {
    let query = Query::parse(request.query_string());
    let transport = match address(&request, &query).judge() {
        Ok(transport) => transport,
        Err(why) => return Ok(refused(why)),
    };
    let token = || header_token(request.headers());
    let Some(sid) = query.text("sid") else {
        return match transport {
            Transport::Polling => polling::begin(&app, &links, token()),
            Transport::Websocket => Ok(websocket::begin(
                (&app, &links),
                token(),
                &request,
                payload,
            )?),
        };
    };
    match (links.find(sid), transport) {
        (None, _) => Ok(refused(Refused::Sid)),
        (Some(link), Transport::Polling) => polling::wait(link, &request).await,
        (Some(link), Transport::Websocket) => Ok(websocket::probe(link, &request, payload)?),
    }
}

/// Brings packets to a connection that goes by requests.
#[utoipa::path(
    post,
    path = "/socket.io/",
    tag = "sockets",
    params(doc::RealtimeQuery),
    security(()),
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 200, description = "They are taken", body = String, content_type = "text/plain"),
        (status = 400, description = "It is no request of the protocol", body = doc::Refusal),
    ),
    extensions(("x-error-codes" = json!([]))),
)]
async fn bring(links: web::Data<Links>, request: HttpRequest, payload: web::Payload) -> Reply {
    let query = Query::parse(request.query_string());
    if let Err(why) = address(&request, &query).judge() {
        return Ok(refused(why));
    }
    match query.text("sid").and_then(|sid| links.find(sid)) {
        None => Ok(refused(Refused::Sid)),
        Some(link) => polling::post(link, payload.into_inner()).await,
    }
}

fn address<'a>(request: &HttpRequest, query: &'a Query) -> Address<'a> {
    Address {
        version: query.text("EIO"),
        transport: query.text("transport"),
        get: request.method() == actix_web::http::Method::GET,
        upgrades: upgrades(request.headers()),
        named: query.text("sid").is_some(),
    }
}

/// A refusal in the client's words.
#[must_use]
pub fn refused(why: Refused) -> HttpResponse {
    HttpResponse::BadRequest().json(why.body())
}
