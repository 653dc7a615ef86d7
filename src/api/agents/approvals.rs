//! `/api/chat/approve`, `/api/chat/approvals/pending` (contract/octipus.md 5) and the answers that
//! are remembered, `/api/chat/approvals/overrides`.
//!
//! Never a question or an override of a stranger.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{doc, wire};
use crate::api::shared::answer::{add_remembered, rule};
use crate::api::shared::body::bad_field;
use crate::api::shared::work::has_more;
use crate::api::shared::{Fields, Query, Reply, Who, path_id};
use crate::app::{AnswerRequest, App};
use crate::domain::{ApprovalId, Error, Remember};

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (50, 200);

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(pending, approve, overrides, forget))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/api/chat")
            .service(web::resource("/approvals/pending").get(pending))
            .service(web::resource("/approvals/overrides").get(overrides))
            .service(web::resource("/approvals/overrides/{id}").delete(forget))
            .service(web::resource("/approve").post(approve)),
    );
}

/// Lists the questions of agents that wait for an answer.
#[utoipa::path(
    get,
    path = "/api/chat/approvals/pending",
    tag = "approvals",
    responses((status = 200, description = "The questions", body = doc::Pending)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn pending(app: web::Data<App>, Who(who): Who) -> Reply {
    let found = app.pending(&who).await?;
    let worded: Vec<Value> = found
        .iter()
        .map(|(approval, session)| wire::approval(approval, session.as_ref()))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "approvals": worded })))
}

/// Answers a question of an agent.
///
/// The first answer stands. What is remembered answers later questions of the same kind.
#[utoipa::path(
    post,
    path = "/api/chat/approve",
    tag = "approvals",
    request_body = doc::ApproveBody,
    responses((status = 200, description = "It is answered", body = doc::Resolved)),
    extensions(("x-error-codes" = json!([
        "@drives",
        "not_found",
        "already_resolved",
        "bad_remember",
        "remember_unsupported",
        "too_many_overrides",
    ]))),
)]
async fn approve(app: web::Data<App>, Who(who): Who, body: Fields) -> Reply {
    let text = body.required_text(&["requestId"])?;
    let approved = body.flag("approved")?;
    let approved = approved.ok_or_else(|| bad_field("approved", "true or false"))?;
    let response = body.text(&["response"])?;
    let remember = Remember::read(body.value("remember"))?;
    let id: ApprovalId = text.parse().map_err(|_not_an_id| {
        let shown: String = text.chars().take(64).collect();
        Error::not_found("approval", shown)
    })?;
    let request = AnswerRequest {
        id,
        approved,
        response,
        remember,
    };
    let answered = app.approve(&who, request).await?;
    let status = answered.state.name();
    let mut reply = json!({"resolved": true, "requestId": id, "status": status});
    add_remembered(&mut reply, &answered);
    Ok(HttpResponse::Ok().json(reply))
}

/// Lists the answers that are remembered.
#[utoipa::path(
    get,
    path = "/api/chat/approvals/overrides",
    tag = "approvals",
    params(doc::OverridesQuery),
    responses((status = 200, description = "A page of them", body = doc::Overrides)),
    extensions(("x-error-codes" = json!(["@stored", "bad_field", "not_found"]))),
)]
async fn overrides(app: web::Data<App>, Who(who): Who, query: Query) -> Reply {
    let (limit, offset) = (query.limit(PAGE.0, PAGE.1)?, query.offset()?);
    let agent = query.id("agentId")?;
    let page = app.overrides(&who, agent, (offset, limit)).await?;
    Ok(HttpResponse::Ok().json(json!({
        "overrides": page.items.iter().map(rule).collect::<Vec<_>>(),
        "total": page.total,
        "limit": limit,
        "offset": offset,
        "hasMore": has_more(offset, page.items.len(), page.total),
    })))
}

/// Forgets an answer.
#[utoipa::path(
    delete,
    path = "/api/chat/approvals/overrides/{id}",
    tag = "approvals",
    responses((status = 200, description = "It is forgotten", body = doc::Deleted)),
    extensions(("x-error-codes" = json!(["@stored", "forbidden"]))),
)]
async fn forget(app: web::Data<App>, Who(who): Who, path: web::Path<String>) -> Reply {
    app.forget(&who, path_id("override", &path)?).await?;
    Ok(HttpResponse::Ok().json(json!({"deleted": true})))
}
