//! The WebSocket at a session's own path, in its two formats.
//!
//! Never a byte of the terminal in a numbered event: bytes have their offset.

mod read;
mod words;

use actix_web::{HttpRequest, web};

use super::target::SessionInPath;
use super::wire;
use crate::api::live::serve;
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
    accept(&app, (visit, session, Format::Envelope), &request, payload)
}

/// The same at the older paths below it: bare events, or bare bytes of a terminal.
pub async fn connect_bare(
    app: web::Data<App>,
    visit: WsVisit,
    session: SessionInPath,
    request: HttpRequest,
    payload: web::Payload,
) -> Reply {
    accept(&app, (visit, session, Format::Raw), &request, payload)
}

fn accept(
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
    serve::accept(app, visit, words, request, payload).map_err(Fault)
}
