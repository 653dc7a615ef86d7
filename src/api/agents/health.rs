//! `/health*`: open to anyone, without internals (contract/octipus.md 1).
//!
//! Never an error page: a sick part is a word in the answer.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::doc;
use crate::app::{App, Holding, Readiness, Service};

/// How a machine is made to give namespaces.
const NAMESPACES: &str = "run the server as root, or let its user make user namespaces: sysctl \
    user.max_user_namespaces=15000, and where they exist kernel.unprivileged_userns_clone=1 and \
    kernel.apparmor_restrict_unprivileged_userns=0; the server's log says what was refused";

/// How a machine is made to give cgroups.
const CGROUP: &str = "mount cgroups of version 2 and run the server where it may write its own: as \
    root, or in a systemd unit with Delegate=yes (Linux 5.14 or newer)";

/// How a machine is made to give cgroups that hold limits.
const LIMITS: &str = "in the server's systemd unit: Delegate=yes and DelegateSubgroup=server (systemd \
    254 or newer), on a machine with cgroups of version 2 alone";

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(health, detailed, ready, live))]
pub struct Document;

/// `GET /health`, `/health/detailed`, `/health/ready`, `/health/live`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/health").get(health).head(health))
        .service(
            web::resource("/health/detailed")
                .get(detailed)
                .head(detailed),
        )
        .service(web::resource("/health/ready").get(ready).head(ready))
        .service(web::resource("/health/live").get(live).head(live));
}

/// Says that the server is there.
#[utoipa::path(
    method(get, head),
    path = "/health",
    tag = "health",
    security(()),
    responses((status = 200, description = "It is there", body = doc::Health)),
    extensions(("x-error-codes" = json!([]))),
)]
async fn health(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok", "timestamp": app.now().rfc3339()}))
}

/// Tells how the parts of the server are.
///
/// A sick part is a word in the answer, never a failure.
#[utoipa::path(
    method(get, head),
    path = "/health/detailed",
    tag = "health",
    security(()),
    responses((status = 200, description = "How the parts are", body = doc::Detailed)),
    extensions(("x-error-codes" = json!([]))),
)]
async fn detailed(app: web::Data<App>) -> HttpResponse {
    let health = app.health().await;
    let mut journal = service(&health.journal);
    member(&mut journal, "pending", health.journal_pending.into());
    HttpResponse::Ok().json(json!({
        "status": health.word(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": health.uptime.as_secs(),
        "startedAt": health.started_at.rfc3339(),
        "agents": {
            "total": health.active,
            "running": health.live_agents,
            "waiting": health.waiting,
        },
        "services": {
            "database": service(&health.database),
            "writes": service(&health.writes),
            "journal": journal,
            "threads": service(&health.threads),
            "files": service(&health.files),
            "clock": service(&health.clock),
            "log": service(&health.log),
            "supervisor": service(&health.supervisor),
            "disk": service(&health.disk),
            "keeper": {
                "status": if health.keeper.is_some() { "healthy" } else { "unhealthy" },
                "binary": health.keeper,
            },
        },
        "isolation": isolation(&health.holding),
        "restart": {
            "agentsSurvive": health.holding.survival.known(),
            "mend": health.holding.survival.mend(),
        },
    }))
}

fn isolation(holding: &Holding) -> Value {
    json!({
        "means": holding.means,
        "mend": holding.means_missing.is_some().then_some(NAMESPACES),
        "cgroup": holding.cgroup,
        "cgroupMend": holding.cgroup_missing.is_some().then_some(CGROUP),
        "limits": holding.limits,
        "limitsMissing": holding.limits_missing,
        "limitsMend": holding.limits_missing.is_some().then_some(LIMITS),
    })
}

/// Says whether the server takes work.
#[utoipa::path(
    method(get, head),
    path = "/health/ready",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "It does", body = doc::Ready),
        (status = 503, description = "It does not, and why", body = doc::Unready),
    ),
    extensions(("x-error-codes" = json!([]))),
)]
async fn ready(app: web::Data<App>) -> HttpResponse {
    let reason = match app.readiness().await {
        Readiness::Ready => return HttpResponse::Ok().json(json!({"ready": true})),
        Readiness::Draining => "draining",
        Readiness::Database => "database",
        Readiness::Disk => "disk_full",
        Readiness::Writes => "database_writes",
    };
    HttpResponse::ServiceUnavailable()
        .insert_header(("Retry-After", "1"))
        .json(json!({"ready": false, "reason": reason}))
}

/// Says that the process lives.
#[utoipa::path(
    method(get, head),
    path = "/health/live",
    tag = "health",
    security(()),
    responses((status = 200, description = "It lives", body = doc::Live)),
    extensions(("x-error-codes" = json!([]))),
)]
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"live": true}))
}

fn service(service: &Service) -> Value {
    let word = if service.healthy {
        "healthy"
    } else {
        "unhealthy"
    };
    let mut value = json!({ "status": word });
    if let Some(latency) = service.latency {
        let ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        member(&mut value, "latencyMs", ms.into());
    }
    if let Some(message) = service.message {
        member(&mut value, "message", message.into());
    }
    value
}

fn member(value: &mut Value, name: &str, what: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), what);
    }
}
