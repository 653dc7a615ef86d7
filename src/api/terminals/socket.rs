//! The WebSocket at a session's own path, in its two formats.
//!
//! Never a byte of the terminal in a numbered event: bytes have their offset.

mod read;
mod words;

use actix_web::{HttpRequest, web};

use super::doc::TerminalQuery;
use super::target::SessionInPath;
use super::wire;
use crate::api::live::serve;
use crate::api::shared::socket::{Handshake, SocketQuery};
use crate::api::shared::{Fault, Query, Reply, WsVisit};
use crate::app::App;
use words::{Format, Words};

/// `GET /api/agents/sessions/{name}` as a WebSocket: frames with an envelope.
pub async fn connect(
    app: web::Data<App>,
    visit: WsVisit,
    session: SessionInPath,
    request: HttpRequest,
    payload: web::Payload,
) -> Reply {
    accept(&app, (visit, session, Format::Envelope), &request, payload).await
}

/// Opens the WebSocket of a session: bare events, or bare bytes of a terminal.
#[utoipa::path(
    get,
    path = "/api/agents/sessions/{name}/ws",
    tag = "sessions",
    params(TerminalQuery, SocketQuery, Handshake),
    security(("bearer" = []), ("key" = []), ("ticket" = []), ("token" = [])),
    responses((status = 101, description = "The WebSocket")),
    extensions(("x-error-codes" = json!(["@shows"]))),
)]
pub async fn connect_bare(
    app: web::Data<App>,
    visit: WsVisit,
    session: SessionInPath,
    request: HttpRequest,
    payload: web::Payload,
) -> Reply {
    accept(&app, (visit, session, Format::Raw), &request, payload).await
}

/// The same, at the address that terminals of older clients know.
#[utoipa::path(
    get,
    path = "/api/agents/sessions/{name}/terminal",
    tag = "sessions",
    params(TerminalQuery, SocketQuery, Handshake),
    security(("bearer" = []), ("key" = []), ("ticket" = []), ("token" = [])),
    responses((status = 101, description = "The WebSocket")),
    extensions(("x-error-codes" = json!(["@shows"]))),
)]
pub async fn connect_terminal(
    app: web::Data<App>,
    visit: WsVisit,
    session: SessionInPath,
    request: HttpRequest,
    payload: web::Payload,
) -> Reply {
    accept(&app, (visit, session, Format::Raw), &request, payload).await
}

async fn accept(
    app: &App,
    (WsVisit(visit), SessionInPath(session), format): (WsVisit, SessionInPath, Format),
    request: &HttpRequest,
    payload: web::Payload,
) -> Reply {
    let query = Query::parse(request.query_string());
    let terminal = app.has_terminal(session.kind);
    let shown = read::shown(&query, (session.id, terminal), format)?;
    let name = wire::name(&visit.who, &session).into_owned();
    let words = Words::new(name, terminal, shown);
    let accepted = serve::accept(app, visit, words, request, payload).await;
    accepted.map_err(Fault)
}
