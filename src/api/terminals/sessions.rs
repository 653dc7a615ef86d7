//! `/api/agents/sessions` and what is below a session's name, but its socket and its work.
//!
//! Never two sessions of one name: the row is the reservation.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::target::SessionInPath;
use super::{doc, wire};
use crate::api::shared::doc::Idempotent;
use crate::api::shared::socket::SocketQuery;
use crate::api::shared::work::{creation, options};
use crate::api::shared::{Fault, Fields, Query, Reply, Who, idempotency};
use crate::app::{AgentFilter, AgentRequest, App, CompletionRequest, Poll};
use crate::domain::{After, Error, Principal, Session};

/// Sessions of a list, unless the client asks for fewer.
const PAGE: usize = 1_000;
/// Events of a detail: the ring's.
const EVENTS: usize = 200;

/// Names that stand for this machine in `host`.
const HERE: [&str; 3] = ["local", "localhost", "127.0.0.1"];

/// Lists sessions, the newest first.
#[utoipa::path(
    get,
    path = "/api/agents/sessions",
    tag = "sessions",
    params(doc::ListQuery),
    responses(
        (
            status = 200,
            description = "The sessions",
            body = Vec<doc::Entry>,
            headers(("X-Total-Count" = u64, description = "How many there are in all")),
        ),
    ),
    extensions(("x-error-codes" = json!(["@stored", "bad_field", "unknown_agent_kind"]))),
)]
pub async fn list(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let filter = AgentFilter {
        kind: query.text("agentType").map(str::to_owned),
        limit: query.limit(PAGE, PAGE)?,
        offset: query.offset()?,
        ..AgentFilter::default()
    };
    let page = app.agents(&who, filter).await?;
    let entries: Vec<Value> = page
        .items
        .iter()
        .map(|row| wire::entry(&app, &who, row))
        .collect();
    Ok(HttpResponse::Ok()
        .insert_header(("X-Total-Count", page.total.to_string()))
        .json(entries))
}

/// Makes a session under a name, starts its process and gives it a first prompt.
#[utoipa::path(
    post,
    path = "/api/agents/sessions",
    tag = "sessions",
    params(Idempotent),
    request_body = doc::SessionBody,
    responses(
        (
            status = 201,
            description = "The session, and where its first prompt landed",
            body = doc::EntryMade,
        ),
    ),
    extensions(("x-error-codes" = json!(["@creates", "unknown_machine"]))),
)]
pub async fn create(
    app: web::Data<App>,
    Who(who): Who,
    request: HttpRequest,
    body: Fields,
) -> Reply {
    let asked = requested(&request, &body)?;
    creation::create(&app, &who, asked, |agent| wire::entry(&app, &who, agent)).await
}

fn requested(request: &HttpRequest, body: &Fields) -> Result<AgentRequest, Fault> {
    let name = body.required_text(&["name"])?;
    if let Some(host) = body.text(&["host", "machine"])?
        && !HERE.contains(&host.as_str())
    {
        let message = "there is no machine of this name";
        return Err(Error::invalid("unknown_machine", "host", message, "no host, or local").into());
    }
    Ok(AgentRequest {
        kind: body.text(&["agentType", "agent"])?,
        name: Some(name.trim().to_owned()),
        topic: body.text(&["label", "topic"])?,
        model: body.text(&["model"])?,
        message: body.text(&["prompt", "task"])?,
        cwd: body.text(&["workingDirectory", "cwd"])?,
        workspace: body.id(&["workspaceId", "workspace_id"])?,
        permission_mode: body.text(&["permissionMode", "mode"])?,
        scenario: body.text(&["scenario"])?,
        options: options::requested(body)?,
        env: body.texts("env")?,
        metadata: body.object("metadata")?,
        key: idempotency::key(request, body)?,
        ..AgentRequest::default()
    })
}

/// Shows a session with its last events, or opens its WebSocket.
///
/// A request with `Upgrade: websocket` becomes the WebSocket: frames in an envelope of JSON, or
/// with `format=raw` bare ones. The parameters are for the WebSocket alone. `lagged` tells which
/// events retention removed.
#[utoipa::path(
    get,
    path = "/api/agents/sessions/{name}",
    tag = "sessions",
    params(doc::TerminalQuery, SocketQuery),
    security(("bearer" = []), ("key" = []), ("ticket" = []), ("token" = [])),
    responses(
        (status = 101, description = "The WebSocket"),
        (status = 200, description = "The session", body = doc::Detail),
    ),
    extensions(("x-error-codes" = json!(["@shows"]))),
)]
pub async fn show(
    app: web::Data<App>,
    Who(who): Who,
    SessionInPath(session): SessionInPath,
) -> Reply {
    let row = app.agent(&who, session.id).await?;
    let ring = Poll {
        after: After::Oldest,
        limit: EVENTS,
        bytes: usize::MAX,
        kinds: None,
        wait: std::time::Duration::ZERO,
    };
    let page = app.events(&who, session.id, None, ring).await?;
    Ok(HttpResponse::Ok().json(wire::detail(&app, &who, (&row, &page))))
}

/// Stops a session and takes it off the lists; its history stays.
#[utoipa::path(
    delete,
    path = "/api/agents/sessions/{name}",
    tag = "sessions",
    responses((status = 200, description = "It is gone", body = doc::Killed)),
    extensions(("x-error-codes" = json!(["@drives", "still_running"]))),
)]
pub async fn remove(
    app: web::Data<App>,
    Who(who): Who,
    SessionInPath(session): SessionInPath,
) -> Reply {
    app.remove(&who, session.id).await?;
    Ok(HttpResponse::Ok().json(json!({"killed": true})))
}

/// Ends the process and starts a fresh one without the conversation.
#[utoipa::path(
    post,
    path = "/api/agents/sessions/{name}/reset",
    tag = "sessions",
    responses((status = 200, description = "It is fresh", body = doc::Reset)),
    extensions(("x-error-codes" = json!([
        "@drives",
        "@starts",
        "reset_cancelled",
        "still_running",
    ]))),
)]
pub async fn reset(
    app: web::Data<App>,
    Who(who): Who,
    SessionInPath(session): SessionInPath,
) -> Reply {
    let name = wire::name(&who, &session).into_owned();
    let row = app.reset(&who, session.id).await?;
    Ok(HttpResponse::Ok().json(json!({
        "reset": true,
        "name": name,
        "sessionName": name,
        "pid": row.session.facts.process.pid().unwrap_or(0),
        "status": wire::status(&row.session),
        "lastSeq": row.last_seq,
    })))
}

/// Ends a session with an account of how it went.
#[utoipa::path(
    post,
    path = "/api/agents/sessions/{name}/complete",
    tag = "sessions",
    request_body = doc::CompleteBody,
    responses((status = 200, description = "The account", body = doc::Completed)),
    extensions(("x-error-codes" = json!(["@drives", "reopened", "still_running"]))),
)]
pub async fn complete(
    app: web::Data<App>,
    Who(who): Who,
    SessionInPath(session): SessionInPath,
    body: Fields,
) -> Reply {
    let request = CompletionRequest {
        status: body.text(&["status"])?,
        comment: body.text(&["comment", "finalComment"])?,
        cost_usd: body.number(&["costUsd", "cost_usd"])?,
    };
    let record = app.complete(&who, session.id, request).await?;
    Ok(HttpResponse::Ok().json(completed(&who, &session, &record)))
}

fn completed(who: &Principal, session: &Session, record: &crate::domain::Completion) -> Value {
    json!({
        "name": wire::name(who, session),
        "completed": true,
        "status": record.status,
        "result": wire::result(record),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<AgentRequest, Fault> {
        let request = actix_web::test::TestRequest::post().to_http_request();
        let body = Fields::parse(bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap();
        requested(&request, &body)
    }

    #[test]
    fn both_spellings_of_a_creation_are_read() {
        let seed = asked(
            r#"{"name":"a","agentType":"shell","workingDirectory":"/x","permissionMode":"plan","prompt":"p"}"#,
        );
        let source = asked(
            r#"{"name":" a ","agentType":"shell","cwd":"/x","mode":"plan","task":"p","host":null}"#,
        );
        for read in [seed.unwrap(), source.unwrap()] {
            assert_eq!(read.name.as_deref(), Some("a"));
            assert_eq!(read.cwd.as_deref(), Some("/x"));
            assert_eq!(read.permission_mode.as_deref(), Some("plan"));
            assert_eq!(read.message.as_deref(), Some("p"));
        }
    }

    #[test]
    fn a_creation_needs_a_name_and_this_machine() {
        let code = |text: &str| asked(text).unwrap_err().0.code().to_owned();
        assert_eq!(code("{}"), "bad_field");
        assert_eq!(code(r#"{"name":"a","prompt":5}"#), "bad_field");
        assert_eq!(code(r#"{"name":"a","host":"mars"}"#), "unknown_machine");
    }
}
