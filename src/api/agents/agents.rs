//! `/api/agents` and `/api/agents/{id}*`: making, looking at and driving agents.
//!
//! Never a status that is not committed.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::wire;
use crate::api::shared::body::bad_field;
use crate::api::shared::work::{creation, has_more, on_uncertain, options};
use crate::api::shared::{Fault, Fields, Query, Reply, Who, idempotency, path_id};
use crate::app::{
    AgentFilter, AgentRequest, App, Fact, Force, Interrupt, Lazy, Overview, Paused, SupervisorRow,
};
use crate::domain::{PermissionMode, Principal, Tuning};

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (50, 200);
/// Bytes of a piece of a log: default and most.
const LOG: (usize, usize) = (64 * 1024, 1024 * 1024);

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    let one = |tail: &str| web::resource(format!("/api/agents/{{id}}{tail}"));
    config
        .service(web::resource("/api/agents").get(list).post(create))
        .service(one("/pause").post(pause))
        .service(one("/resume").post(resume))
        .service(one("/interrupt").post(interrupt))
        .service(one("/stop").post(stop))
        .service(one("/kill").post(kill))
        .service(one("/start").post(start))
        .service(one("/log").get(log))
        .service(one("/why").get(why))
        .service(one("").get(show).patch(tune).delete(remove));
}

async fn list(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let filter = AgentFilter {
        group: query.id("sessionId")?,
        status: query.text("status").map(str::to_owned),
        kind: query.text("agentType").map(str::to_owned),
        limit: query.limit(PAGE.0, PAGE.1)?,
        offset: query.offset()?,
    };
    let (limit, offset) = (filter.limit, filter.offset);
    let page = app.agents(&who, filter).await?;
    let now = app.now();
    let agents: Vec<_> = page.items.iter().map(|row| wire::agent(row, now)).collect();
    let body = ListWire {
        total: page.total,
        limit,
        offset,
        has_more: has_more(offset, agents.len(), page.total),
        agents,
    };
    Ok(HttpResponse::Ok().json(body))
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct ListWire<'a> {
    agents: Vec<wire::Agent<'a>>,
    total: u64,
    limit: usize,
    offset: usize,
    has_more: Value,
}

async fn create(app: web::Data<App>, Who(who): Who, request: HttpRequest, body: Fields) -> Reply {
    let asked = requested(&request, &body)?;
    creation::create(&app, &who, asked, |agent| {
        crate::domain::event::json(&wire::agent(agent, app.now()))
    })
    .await
}

fn requested(request: &HttpRequest, body: &Fields) -> Result<AgentRequest, Fault> {
    let start = body.flag("start")?.unwrap_or(true);
    Ok(AgentRequest {
        kind: body.text(&["agentType", "agent", "kind", "backend"])?,
        session: body.id(&["sessionId"])?,
        name: body.text(&["name"])?,
        topic: body.text(&["topic"])?,
        model: body.text(&["model"])?,
        message: body.text(&["message"])?,
        cwd: body.text(&["workingDirectory", "cwd"])?,
        permission_mode: body.text(&["permissionMode"])?,
        scenario: body.text(&["scenario"])?,
        options: options::requested(body)?,
        env: body.texts("env")?,
        metadata: body.object("metadata")?,
        on_uncertain: on_uncertain(body)?,
        lazy: if start { Lazy::No } else { Lazy::Yes },
        key: idempotency::key(request, body)?,
    })
}

async fn show(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let row = app.agent(&who, path_id("agent", &path)?).await?;
    Ok(one(&app, &row))
}

fn one(app: &App, row: &Overview) -> HttpResponse {
    HttpResponse::Ok().json(wire::agent(row, app.now()))
}

async fn pause(app: web::Data<App>, Who(who): Who, path: web::Path<String>, query: Query) -> Reply {
    let how = match query.text("mode") {
        None | Some("turn") => Interrupt::No,
        Some("now") => Interrupt::Now,
        Some(_) => return Err(bad_field("mode", "turn or now").into()),
    };
    let paused = app.pause(&who, path_id("agent", &path)?, how).await?;
    Ok(match paused {
        Paused::Now => HttpResponse::Ok().json(json!({"status": "paused"})),
        Paused::AfterTurn => HttpResponse::Accepted().json(json!({"status": "pausing"})),
    })
}

async fn resume(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let row = app.resume(&who, path_id("agent", &path)?).await?;
    let session = &row.session;
    let status = session.status.lifecycle(&session.facts).name();
    Ok(HttpResponse::Ok().json(json!({"status": status, "detail": session.status.name()})))
}

async fn interrupt(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let task = app.interrupt(&who, path_id("agent", &path)?).await?;
    Ok(HttpResponse::Accepted().json(json!({"status": "stopping", "taskId": task})))
}

async fn stop(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    end(&app, &who, &path, Force::Ladder).await
}

async fn kill(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    end(&app, &who, &path, Force::Kill).await
}

async fn end(app: &App, who: &Principal, path: &str, force: Force) -> Reply {
    let (stopped, row) = app.stop(who, path_id("agent", path)?, force).await?;
    let agent = wire::agent(&row, app.now());
    Ok(HttpResponse::Ok().json(json!({"stopped": stopped, "agent": agent})))
}

async fn start(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let row = app.start(&who, path_id("agent", &path)?).await?;
    Ok(one(&app, &row))
}

async fn tune(app: web::Data<App>, Who(who): Who, path: web::Path<String>, body: Fields) -> Reply {
    let tuning = tuning(&body)?;
    let row = app.tune(&who, path_id("agent", &path)?, tuning).await?;
    Ok(one(&app, &row))
}

fn tuning(body: &Fields) -> Result<Tuning, Fault> {
    let fixed = [
        "name",
        "topic",
        "cwd",
        "agentType",
        "effort",
        "mcpServers",
        "limits",
        "forkOf",
        "env",
        "scenario",
        "metadata",
    ];
    for fixed in fixed {
        if body.value(fixed).is_some() {
            return Err(bad_field(fixed, "only permissionMode and model can be changed").into());
        }
    }
    let mode = body.text(&["permissionMode"])?;
    let mode = mode.as_deref().map(PermissionMode::parse).transpose()?;
    let model = match body.value("model") {
        None => None,
        // Back to the program's own choice.
        Some(Value::Null) => Some(None),
        Some(Value::String(own)) if own.is_empty() || own == "default" => Some(None),
        Some(Value::String(model)) => Some(Some(model.clone())),
        Some(_) => return Err(bad_field("model", "a string or null").into()),
    };
    if mode.is_none() && model.is_none() {
        return Err(bad_field("permissionMode", "permissionMode, model or both").into());
    }
    Ok(Tuning {
        permission_mode: mode,
        model,
    })
}

async fn remove(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    app.remove(&who, path_id("agent", &path)?).await?;
    Ok(HttpResponse::Ok().json(json!({"removed": true})))
}

async fn log(app: web::Data<App>, Who(who): Who, path: web::Path<String>, query: Query) -> Reply {
    let id = path_id("agent", &path)?;
    let incarnation = query.number("incarnation", 1, u64::MAX)?;
    let offset = query.number("offset", 0, u64::MAX)?.unwrap_or_default();
    let limit = query.limit(LOG.0, LOG.1)?;
    let slice = app.log(&who, id, incarnation, (offset, limit)).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header(("X-Log-Incarnation", slice.incarnation.to_string()))
        .insert_header(("X-Log-Base", slice.base.to_string()))
        .insert_header(("X-Log-Offset", slice.offset.to_string()))
        .insert_header(("X-Log-Length", slice.len.to_string()))
        .body(slice.bytes))
}

async fn why(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    let why = app.why(&who, path_id("agent", &path)?).await?;
    let session = &why.agent.session;
    let lines: Vec<String> = why.decisions.iter().map(line).collect();
    Ok(HttpResponse::Ok().json(json!({
        "id": session.id,
        "status": session.status.lifecycle(&session.facts).name(),
        "detail": session.status.name(),
        "because": why.because.iter().map(fact).collect::<Vec<_>>(),
        "supervisor": lines,
    })))
}

fn fact(fact: &Fact) -> Value {
    let mut worded = Map::new();
    worded.insert("fact".into(), fact.fact.into());
    worded.insert("value".into(), fact.value.clone());
    if let Some(at) = fact.at {
        worded.insert("at".into(), at.rfc3339().into());
    }
    Value::Object(worded)
}

/// One decision as a line for people.
fn line(row: &SupervisorRow) -> String {
    let mut text = format!("{} {} {}", row.at.rfc3339(), row.path, row.event);
    for part in [&row.reason, &row.decision] {
        if !part.is_empty() {
            text.push_str(": ");
            text.push_str(part);
        }
    }
    if let Some(next) = row.next_at {
        text.push_str(&format!(" at {}", next.rfc3339()));
    }
    if row.count > 1 {
        text.push_str(&format!(" ({} times)", row.count));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Error;

    #[test]
    fn what_a_client_asks_for_is_read_under_every_spelling() {
        let request = actix_web::test::TestRequest::post().to_http_request();
        let body = |text: &str| Fields::parse(bytes::Bytes::copy_from_slice(text.as_bytes()));
        for name in ["agentType", "agent", "kind", "backend"] {
            let asked = requested(
                &request,
                &body(&format!("{{\"{name}\":\"script\"}}")).unwrap(),
            );
            assert_eq!(asked.unwrap().kind.as_deref(), Some("script"));
        }
        let asked = requested(&request, &body(r#"{"cwd":"/x","start":false}"#).unwrap()).unwrap();
        assert_eq!(asked.cwd.as_deref(), Some("/x"));
        assert_eq!(asked.lazy, Lazy::Yes);
        let bad = requested(&request, &body(r#"{"onUncertain":"maybe"}"#).unwrap());
        let Error::Invalid { code, .. } = bad.unwrap_err().0 else {
            panic!("accepted");
        };
        assert_eq!(code, "bad_on_uncertain");
    }
}
