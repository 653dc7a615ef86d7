//! `POST /api/workspaces/{id}/exec`: a command, waited for or followed.
//!
//! Never runs on for nobody: it ends with the connection that asked for it.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{body, doc, followed, id, wire};
use crate::api::live::cutter::{Line, Watched};
use crate::api::shared::doc::StreamPart;
use crate::api::shared::{Fields, Query, Reply, Who};
use crate::app::App;
use crate::domain::Error;

/// Runs a command in a workspace.
///
/// It begins with an empty environment, the workspace's variables and its own. When its time is over
/// it is asked to end, and killed with all that it started soon after; what it leaves in the
/// background ends with it, and it ends when the client goes. Of long outputs the beginning and the
/// end are answered. With `?stream=true`, or `Accept: text/event-stream`, it answers events: `stdout`
/// and `stderr` (`{offset, text}`), `heartbeat`, and at last `exit` with the fields of the answer but
/// the texts, or `error`.
#[utoipa::path(
    post,
    path = "/api/workspaces/{id}/exec",
    tag = "workspaces",
    params(doc::ExecQuery),
    request_body = doc::ExecBody,
    responses((
        status = 200,
        description = "It ended; or events, where they are asked for",
        content((wire::ExecAnswer = "application/json"), (StreamPart = "text/event-stream")),
    )),
    extensions(("x-error-codes" = json!([
        "@stored",
        "forbidden",
        "bad_env",
        "client_gone",
        "cwd_denied",
        "cwd_missing",
        "cwd_not_a_directory",
        "exec_lost",
        "spawn_failed",
        "too_many_execs",
        "workspace_not_ready",
    ]))),
)]
pub async fn run(app: web::Data<App>, Who(who): Who, request: HttpRequest, body: Fields) -> Reply {
    let id = id(&request)?;
    let query = Query::parse(request.query_string());
    let follows = query
        .flag("stream")?
        .unwrap_or_else(|| wants_events(&request));
    let asked = body::command(&body)?;
    let (run, kept) = app.exec(&who, id, asked).await?;
    if follows {
        return Ok(HttpResponse::Ok()
            .content_type("text/event-stream; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
            .insert_header(("X-Accel-Buffering", "no"))
            .streaming(followed::events(&app, run, &request)));
    }
    let line = request.conn_data::<Arc<Line>>();
    let line = line.and_then(|line| line.watched());
    let done = tokio::select! {
        done = run.collect(kept) => done.map_err(Error::from)?,
        () = gone(line.as_ref()) => return Err(left().into()),
    };
    let seat = Arc::clone(&done.seat);
    let body = serde_json::to_vec(&wire::answer(done)).map_err(Error::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(followed::handed(&app, seat, body.into(), &request)))
}

fn wants_events(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// Until the client has gone.
pub(super) async fn gone(line: Option<&Watched>) {
    match line {
        Some(line) => line.gone().await,
        // Without a descriptor to look at, the write of the answer tells.
        None => std::future::pending().await,
    }
}

fn left() -> Error {
    Error::unavailable(
        "client_gone",
        "the client has gone, and the command with it",
    )
}
