//! `GET /api/audit`: who did what (reliability.md 4.1).
//!
//! Never changes anything.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::doc;
use crate::api::shared::{Query, Reply, Who};
use crate::app::{App, AuditFilter};
use crate::domain::chain::Link;

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (100, 1_000);

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(list))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/api/audit").get(list));
}

/// Lists who did what, the oldest first.
///
/// The rows are a chain of hashes; `callboard audit verify` checks it.
#[utoipa::path(
    get,
    path = "/api/audit",
    tag = "operator",
    params(doc::AuditQuery),
    responses((status = 200, description = "A page of the record", body = doc::AuditPage)),
    extensions(("x-error-codes" = json!(["@stored", "forbidden", "bad_field"]))),
)]
async fn list(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let most = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let after = query.number("after", 0, most)?.unwrap_or_default();
    let limit = query.limit(PAGE.0, PAGE.1)?;
    let filter = AuditFilter {
        actor: query.text("actor").map(str::to_owned),
        action: query.text("action").map(str::to_owned),
    };
    let (rows, more) = app.audited(&who, after, filter, limit).await?;
    Ok(HttpResponse::Ok().json(json!({
        "entries": rows.iter().map(entry).collect::<Vec<_>>(),
        "nextCursor": rows.last().map_or(after, |row| row.n),
        "hasMore": more,
    })))
}

fn entry(link: &Link) -> Value {
    let record = &link.record;
    json!({
        "n": link.n,
        "at": record.at.rfc3339(),
        "actor": record.actor,
        "credential": record.credential,
        "address": record.address,
        "requestId": record.request,
        "action": record.action,
        "object": record.object,
        "result": record.result,
        "prevHash": link.prev,
        "hash": link.hash,
    })
}
