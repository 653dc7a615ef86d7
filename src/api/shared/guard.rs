//! The token before everything: without a good one there is no look at a path, an id or a body; and
//! an API key goes no further than its scopes.
//!
//! Never takes a token or a key from the address except for a WebSocket and an event stream, where a
//! browser can send no header.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, ResponseError, web};

use super::{Fault, Query, needs};
use crate::app::{App, Caller, Visit};
use crate::domain::{self, Principal};

/// Paths that anyone may GET (decisions.md 7).
const OPEN: [&str; 11] = [
    "/health",
    "/health/detailed",
    "/health/ready",
    "/health/live",
    "/api/health",
    "/openapi.json",
    "/docs",
    "/docs/",
    "/swagger",
    "/swagger/",
    // Who is signed in on it is asked of what is said there.
    REALTIME,
];
/// The path of the real-time client.
const REALTIME: &str = "/socket.io/";
/// Where the paths of the files of pages begin that anyone may GET.
const PAGES: &str = "/docs/";
/// Paths that anyone may POST to.
const OPEN_POST: [&str; 5] = [
    "/api/auth/login",
    "/api/auth/register",
    "/authentication",
    "/authentication/refresh",
    REALTIME,
];
/// Where providers send browsers back to: below the first, at the end of the second.
const REDIRECTED: (&str, &str) = ("/api/providers/", "/oauth/callback");
/// The path of the agents' WebSocket.
const SOCKET: &str = "/ws";
/// The path of the event stream: a browser's `EventSource` can send no header either.
const STREAM: &str = "/api/control/stream";
/// The path of the figures.
const FIGURES: &str = "/metrics";
/// Where the paths of the terminals' WebSockets begin.
const TERMINALS: &str = "/api/agents/sessions/";

/// Who asks.
pub struct Who(pub Principal);

/// Who asks, and until when: for what lives longer than a request.
pub struct WsVisit(pub Visit);

/// Lets requests with a good token through, and those to open paths.
///
/// # Errors
/// What the layers below return.
pub async fn token(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if open(request.method(), request.path()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    match admitted(&request).await {
        Ok(visit) => {
            let sid = visit.who.sid.clone();
            request.extensions_mut().insert(visit);
            let answered = Caller::acting(sid, next.call(request)).await?;
            Ok(answered.map_into_boxed_body())
        }
        Err(error) => Ok(request.into_response(Fault(error).error_response())),
    }
}

/// Who asks, once it is known that they may come with what they bring.
async fn admitted(request: &ServiceRequest) -> domain::Result<Visit> {
    let Some(app) = request.app_data::<web::Data<App>>() else {
        return Err(domain::Error::internal("the application is missing"));
    };
    let visit = identify(app, request).await?;
    // As the routes see it: decoded, so that no spelling of a path gets round its row.
    let (method, path) = (request.method(), request.match_info().as_str());
    let what = format!("{method} {path}");
    let admitting = app.admit(&visit.who, needs::needs(method, path), &what);
    Caller::acting(visit.who.sid.clone(), admitting).await?;
    Ok(visit)
}

fn open(method: &Method, path: &str) -> bool {
    match *method {
        Method::GET if redirected(path) => true,
        Method::GET | Method::HEAD => OPEN.contains(&path) || path.starts_with(PAGES),
        Method::POST => OPEN_POST.contains(&path),
        _ => false,
    }
}

/// A browser comes back without a token; the state that it brings is as good as one, once.
fn redirected(path: &str) -> bool {
    let rest = path.strip_prefix(REDIRECTED.0);
    let name = rest.and_then(|rest| rest.strip_suffix(REDIRECTED.1));
    name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

async fn identify(app: &App, request: &ServiceRequest) -> domain::Result<Visit> {
    if let Some(token) = header_token(request.headers())? {
        if request.method() == Method::GET && request.path() == FIGURES {
            return app.authenticate_scrape(&token).await;
        }
        return app.authenticate(&token).await;
    }
    if socket(request) {
        let query = Query::parse(request.query_string());
        if let Some(ticket) = query.text("ticket") {
            return app.redeem(ticket).await;
        }
        let named = ["token", "access_token", "api_key"];
        if let Some(token) = named.into_iter().find_map(|name| query.text(name)) {
            return app.authenticate_in_address(token).await;
        }
    }
    Err(missing())
}

/// Whether this is the handshake of a WebSocket or an event stream, by its path and its headers.
fn socket(request: &ServiceRequest) -> bool {
    let path = request.path();
    path == SOCKET
        || (path == STREAM && request.method() == Method::GET)
        || (terminal(path) && handshake(request))
}

/// Whether this is the path of a terminal's WebSocket.
fn terminal(path: &str) -> bool {
    let Some(rest) = path.strip_prefix(TERMINALS) else {
        return false;
    };
    let mut parts = rest.split('/');
    let named = parts.next().is_some_and(|name| !name.is_empty());
    let tail = (parts.next(), parts.next());
    named && matches!(tail, (None | Some("ws" | "terminal"), None))
}

fn handshake(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    request.method() == Method::GET
        && upgrades(headers)
        && headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Whether these headers ask for a WebSocket.
#[must_use]
pub fn upgrades(headers: &header::HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The token or the key in the headers of a request.
///
/// # Errors
/// `missing_token` for a header that holds none.
pub fn header_token(headers: &header::HeaderMap) -> domain::Result<Option<String>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let token = text
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|token| !token.is_empty());
        return token
            .map(|token| Some(token.to_owned()))
            .ok_or_else(missing);
    }
    let key = headers.get("x-api-key").and_then(|key| key.to_str().ok());
    Ok(key.map(str::to_owned))
}

fn missing() -> domain::Error {
    domain::Error::Unauthenticated {
        code: "missing_token",
        message: "sign in first: send `Authorization: Bearer TOKEN`".into(),
    }
}

impl FromRequest for Who {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(visit(request).map(|visit| Self(visit.who)))
    }
}

impl FromRequest for WsVisit {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(visit(request).map(Self))
    }
}

fn visit(request: &HttpRequest) -> Result<Visit, Fault> {
    let found = request.extensions().get::<Visit>().cloned();
    found.ok_or_else(|| Fault(missing()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_address_is_for_sockets_alone() {
        for path in ["x", "x/ws", "x/terminal"] {
            assert!(terminal(&format!("{TERMINALS}{path}")), "{path}");
        }
        for path in ["", "/ws", "x/queue", "x/ws/", "x/ws/y", "x/message"] {
            assert!(!terminal(&format!("{TERMINALS}{path}")), "{path}");
        }
        assert!(!terminal("/api/agents"));
    }

    #[test]
    fn only_the_listed_paths_are_open() {
        assert!(open(&Method::GET, "/health/ready"));
        assert!(open(&Method::POST, "/api/auth/login"));
        assert!(open(&Method::POST, "/api/auth/register"));
        assert!(open(&Method::GET, "/socket.io/") && open(&Method::POST, "/socket.io/"));
        assert!(open(&Method::GET, "/api/providers/one/oauth/callback"));
        for (method, path) in [
            (Method::GET, "/api/auth/login"),
            (Method::GET, "/api/auth/register"),
            (Method::POST, "/api/providers/one/oauth/callback"),
            (Method::GET, "/api/providers/one/two/oauth/callback"),
            (Method::GET, "/api/providers//oauth/callback"),
            (Method::GET, "/api/providers/oauth/callback"),
            (Method::POST, "/health"),
            (Method::GET, "/health/"),
            (Method::GET, "/socket.io"),
            (Method::GET, "/socket.io/x"),
            (Method::DELETE, "/socket.io/"),
            (Method::GET, "/HEALTH"),
            (Method::GET, "/api/agents"),
            (Method::OPTIONS, "/api/agents"),
            (Method::GET, "/ws"),
            (Method::GET, "/"),
        ] {
            assert!(!open(&method, path), "{method} {path}");
        }
    }
}
