//! `GET /api/agents/{id}/why`: the facts behind a status, and the last decisions about it.
//!
//! Never changes anything.

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::doc;
use crate::api::shared::{Reply, Who, path_id};
use crate::app::{App, Fact, SupervisorRow};

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(why))]
pub struct Document;

/// The table of contents below an agent.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/why").get(why));
}

/// Tells the facts behind an agent's status.
#[utoipa::path(
    get,
    path = "/api/agents/{id}/why",
    tag = "agents",
    responses(
        (
            status = 200,
            description = "The facts, in the order in which they decide",
            body = doc::Why,
        ),
    ),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
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
