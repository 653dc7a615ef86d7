//! `POST /api/workspaces/{id}/exec`: a command, waited for or followed.
//!
//! Never runs on for nobody: it ends with the connection that asked for it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{body, doc, id, wire};
use crate::api::live::cutter::{Line, Watched};
use crate::api::shared::doc::StreamPart;
use crate::api::shared::error::body as refusal;
use crate::api::shared::{Fields, Query, Reply, Who};
use crate::app::{App, Channel, Finish, Run, Step};
use crate::domain::Error;

/// How long a follower hears nothing at most.
const HEARTBEAT: Duration = Duration::from_secs(15);

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
    let followed = query
        .flag("stream")?
        .unwrap_or_else(|| wants_events(&request));
    let asked = body::command(&body)?;
    let (run, kept) = app.exec(&who, id, asked).await?;
    let line = request.conn_data::<Arc<Line>>();
    let line = line.and_then(|line| line.watched());
    if followed {
        return Ok(HttpResponse::Ok()
            .content_type("text/event-stream; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .streaming(events(run, line)));
    }
    let done = tokio::select! {
        done = run.collect(kept) => done.map_err(Error::from)?,
        () = gone(line.as_ref()) => return Err(left().into()),
    };
    Ok(HttpResponse::Ok().json(wire::answer(done)))
}

fn wants_events(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// Until the client has gone.
async fn gone(line: Option<&Watched>) {
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

/// A command that is followed.
struct Followed {
    run: Run,
    line: Option<Watched>,
    /// What was told of each output, and the beginning of a character that is not whole.
    told: [(u64, Vec<u8>); 2],
    over: bool,
}

/// Events as they are asked for: who does not read slows the command.
fn events(
    run: Run,
    line: Option<Watched>,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    let followed = Followed {
        run,
        line,
        told: Default::default(),
        over: false,
    };
    stream::unfold(followed, |mut followed| async move {
        if followed.over {
            return None;
        }
        let event = followed.next().await?;
        Some((Ok(event), followed))
    })
}

impl Followed {
    /// The next event; `None` when the client has gone.
    async fn next(&mut self) -> Option<Bytes> {
        let step = tokio::select! {
            step = timeout(HEARTBEAT, self.run.next()) => step,
            () = gone(self.line.as_ref()) => return None,
        };
        Some(match step {
            Err(_quiet) => frame("heartbeat", json!({})),
            Ok(Ok(Step::Out(channel, bytes))) => self.out(channel, &bytes),
            Ok(Ok(Step::Ended(end))) => self.end(end),
            Ok(Err(error)) => {
                self.over = true;
                let error = Error::from(error);
                let told = Value::Object(refusal(error.code(), &error.to_string()));
                frame("error", told)
            }
        })
    }

    fn out(&mut self, channel: Channel, bytes: &[u8]) -> Bytes {
        let [out, err] = &mut self.told;
        let (offset, held) = match channel {
            Channel::Stdout => out,
            Channel::Stderr => err,
        };
        held.extend_from_slice(bytes);
        let whole = held.len().saturating_sub(crate::app::unfinished(held));
        let rest = held.split_off(whole);
        let text = String::from_utf8_lossy(held);
        let event = frame(channel.name(), json!({"offset": *offset, "text": text}));
        *offset = offset.saturating_add(u64::try_from(whole).unwrap_or(u64::MAX));
        *held = rest;
        event
    }

    /// What was held back is no character any more; then the end.
    fn end(&mut self, end: Finish) -> Bytes {
        self.over = true;
        let mut last = Vec::new();
        for (channel, (offset, held)) in [Channel::Stdout, Channel::Stderr]
            .iter()
            .zip(&mut self.told)
        {
            if held.is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(held);
            let event = json!({"offset": *offset, "text": text});
            last.extend_from_slice(&frame(channel.name(), event));
            *offset = offset.saturating_add(u64::try_from(held.len()).unwrap_or(u64::MAX));
        }
        let [(out, _), (err, _)] = &self.told;
        let exit = wire::exit(end, (*out, *err), (false, false));
        let exit = serde_json::to_value(exit).unwrap_or_default();
        last.extend_from_slice(&frame("exit", exit));
        last.into()
    }
}

fn frame(event: &str, mut data: Value) -> Bytes {
    if let Some(fields) = data.as_object_mut() {
        fields.insert("type".into(), event.into());
    }
    format!("event: {event}\ndata: {data}\n\n").into()
}
