//! `/api/control/tree`, `/api/control/running`: what runs, as trees and as a list.
//!
//! Never `running` for what only waits.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::doc;
use super::target::MissionInPath;
use crate::api::shared::{Reply, Who};
use crate::app::{App, Branch, Overview};
use crate::domain::limit::usd;
use crate::domain::{Mission as Word, StallKind, Status, Timestamp};

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(tree, tree_of_one, running))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/tree").get(tree))
        .service(web::resource("/running").get(running));
}

/// The table of contents below a mission.
pub fn below(config: &mut web::ServiceConfig) {
    config.service(web::resource("/tree").get(tree_of_one));
}

/// Shows the missions that are under way, each with the sessions that come from it.
#[utoipa::path(
    get,
    path = "/api/control/tree",
    tag = "missions",
    responses((status = 200, description = "A root over all of them", body = doc::TreeNode)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn tree(app: web::Data<App>, Who(who): Who) -> Reply {
    let tree = app.live_tree(&who).await?;
    let children: Vec<Value> = tree.roots.iter().map(node).collect();
    let status = if children.is_empty() {
        "idle"
    } else {
        "active"
    };
    Ok(HttpResponse::Ok().json(json!({
        "id": "root",
        "type": "root",
        "name": who.username,
        "status": status,
        "truncated": tree.cut,
        "children": children,
    })))
}

/// Shows a mission with the sessions that come from it.
#[utoipa::path(
    get,
    path = "/api/control/missions/{id}/tree",
    tag = "missions",
    responses((status = 200, description = "The mission as the root", body = doc::TreeNode)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn tree_of_one(app: web::Data<App>, Who(who): Who, of: MissionInPath) -> Reply {
    let tree = app.mission_tree(&who, of.0).await?;
    let mut root = tree.roots.first().map_or(Value::Null, node);
    if let Some(root) = root.as_object_mut() {
        root.insert("truncated".into(), tree.cut.into());
    }
    Ok(HttpResponse::Ok().json(root))
}

fn node(branch: &Branch) -> Value {
    let session = &branch.row.session;
    let facts = &session.facts;
    let kind = session.parent.map_or("mission", |up| up.reason.name());
    json!({
        "id": session.id,
        "type": kind,
        "name": session.topic.as_deref().or(session.name.as_deref()),
        "agent": session.options.agent,
        "backend": session.kind.name(),
        "status": Word::of(facts).name(),
        "phase": session.status.name(),
        "activeAt": branch.active_at.map(Timestamp::rfc3339),
        "queue_len": branch.row.queue_depth,
        "usage": {
            "tokens": facts.tokens,
            "costUsd": usd(facts.spent_micro_usd),
            "turns": facts.turns,
            "busyMs": facts.busy_ms,
        },
        "children": branch.children.iter().map(node).collect::<Vec<_>>(),
    })
}

/// Lists the missions that are under way or wait for a place.
#[utoipa::path(
    get,
    path = "/api/control/running",
    tag = "missions",
    responses((status = 200, description = "The missions", body = Vec<doc::Running>)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn running(app: web::Data<App>, Who(who): Who) -> Reply {
    let now = app.now();
    let found = app.running_missions(&who).await?;
    let shown: Vec<Value> = found.iter().map(|one| run(one, now)).collect();
    Ok(HttpResponse::Ok().json(shown))
}

fn run(branch: &Branch, now: Timestamp) -> Value {
    let row = &branch.row;
    let session = &row.session;
    let quiet = branch.active_at.unwrap_or(session.updated_at);
    let seconds = now.0.saturating_sub(quiet.0).max(0).div_euclid(1_000);
    json!({
        "mission_id": session.id,
        "title": session.topic,
        "state": state(row),
        "detail": session.status.name(),
        "queue_len": row.queue_depth,
        "current_task_id": row.turn_task,
        "pending_approvals": row.pending_approvals,
        "seconds_since_activity": seconds,
        "health": health(row, seconds),
        "retry_at": session.facts.retry_at().map(Timestamp::rfc3339),
    })
}

fn state(row: &Overview) -> &'static str {
    match row.session.status {
        Status::Waiting | Status::Starting | Status::Backoff | Status::RateLimited => "queued",
        Status::Paused => "paused",
        Status::AwaitingApproval => "waiting_for_tool",
        Status::Busy | Status::Quiet | Status::Stalled | Status::Stopping | Status::Unattached => {
            "running"
        }
        Status::Created
        | Status::Idle
        | Status::Interrupted
        | Status::CrashLoop
        | Status::Uncertain
        | Status::Failed
        | Status::Stopped
        | Status::Completed => "finished",
    }
}

/// What the watch over a turn has seen.
fn health(row: &Overview, seconds: i64) -> Value {
    match row.session.facts.stall.map(|stall| stall.kind) {
        None => json!({"status": "healthy"}),
        Some(kind) => json!({
            "status": "stalled",
            "seconds_since_activity": seconds,
            "last_state": row.session.status.name(),
            "severity": match kind {
                StallKind::Quiet => "warning",
                StallKind::Stalled => "severe",
            },
        }),
    }
}
