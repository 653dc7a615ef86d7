//! `GET /api/supervisor/tree` and `GET /api/supervisor/events` (decisions.md 9).
//!
//! Never changes anything.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::doc;
use crate::api::shared::{Query, Reply, Who};
use crate::app::{App, SupervisorRow};
use crate::domain::Timestamp;

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (100, 1_000);

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(tree, events))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/api/supervisor/tree").get(tree))
        .service(web::resource("/api/supervisor/events").get(events));
}

/// Draws the supervisor tree.
#[utoipa::path(
    get,
    path = "/api/supervisor/tree",
    tag = "operator",
    responses((status = 200, description = "The root, with all below it", body = doc::Node)),
    extensions(("x-error-codes" = json!(["@lives", "forbidden"]))),
)]
async fn tree(app: web::Data<App>, Who(who): Who) -> Reply {
    Ok(HttpResponse::Ok().json(app.tree(&who).await?))
}

/// Lists the decisions of the supervisors.
#[utoipa::path(
    get,
    path = "/api/supervisor/events",
    tag = "operator",
    params(doc::DecisionsQuery),
    responses(
        (status = 200, description = "A page of them, the oldest first", body = doc::Decisions),
    ),
    extensions(("x-error-codes" = json!(["@stored", "forbidden", "bad_field"]))),
)]
async fn events(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let most = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let after = query.number("after", 0, most)?.unwrap_or_default();
    let limit = query.limit(PAGE.0, PAGE.1)?;
    let agent = query.id("agentId")?;
    let (rows, next, more) = app.decisions(&who, after, limit, agent).await?;
    let events: Vec<Value> = rows.iter().map(decision).collect();
    Ok(HttpResponse::Ok().json(json!({
        "events": events,
        "nextCursor": next,
        "hasMore": more,
    })))
}

fn decision(row: &SupervisorRow) -> Value {
    json!({
        "id": row.id,
        "at": row.at.rfc3339(),
        "path": row.path,
        "generation": row.generation,
        "incarnation": row.incarnation,
        "event": row.event,
        "reason": row.reason,
        "decision": row.decision,
        "nextAt": row.next_at.map(Timestamp::rfc3339),
        "agentId": row.session,
        "count": row.count,
    })
}
