//! `GET /api/stats`: what is kept, and the room that there is for it.
//!
//! Never a figure of somebody else's for who is no admin.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::doc;
use crate::api::shared::{Reply, Who};
use crate::app::{App, House, Retention, Room, Stats, StatsOf, Swept};
use crate::domain::Timestamp;

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(stats))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/api/stats").get(stats));
}

/// Tells what is kept, and the room that there is for it.
///
/// Admins see the figures of the server, everybody else their own. They are some seconds old.
#[utoipa::path(
    get,
    path = "/api/stats",
    tag = "figures",
    responses((status = 200, description = "The figures", body = doc::Stats)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn stats(app: web::Data<App>, Who(who): Who) -> Reply {
    let stats = app.stats(&who).await?;
    Ok(HttpResponse::Ok().json(body(&stats)))
}

/// Each part is an object of its own, so that figures can be added to it.
fn body(stats: &Stats) -> Value {
    let mut body = json!({
        "scope": match stats.of {
            StatsOf::Everyone => "server",
            StatsOf::Own(_) => "own",
        },
        "at": stats.at.rfc3339(),
        "sessions": {
            "total": sum(&stats.sessions),
            "byStatus": by_word(stats.sessions.iter().map(|(word, count)| (word.name(), *count))),
            "deleted": stats.deleted,
        },
        "tasks": {
            "total": sum(&stats.tasks),
            "byState": by_word(stats.tasks.iter().map(|(word, count)| (word.name(), *count))),
        },
        "events": {
            "total": stats.events,
            "oldest": stats.oldest_event.map(Timestamp::rfc3339),
        },
        "approvals": {
            "total": sum(&stats.approvals),
            "byState": by_word(
                stats.approvals.iter().map(|(word, count)| (word.name(), *count)),
            ),
        },
        "incarnations": {"total": stats.incarnations},
        "retention": {"settings": settings(&stats.retention)},
    });
    if let (Some(house), Some(parts)) = (&stats.house, body.as_object_mut()) {
        add_house(parts, house);
    }
    body
}

fn add_house(parts: &mut Map<String, Value>, house: &House) {
    let (state, space) = house.disk;
    let logs = house
        .logs
        .map(|logs| json!({"total": logs.kept, "bytes": logs.bytes}));
    let disk = json!({
        "state": state.name(),
        "freeBytes": space.map(|space| space.free),
        "totalBytes": space.map(|space| space.total),
        "warnFree": room(house.settings.warn_free),
        "refuseFree": room(house.settings.refuse_free),
    });
    parts.insert("database".into(), json!({"bytes": house.database_bytes}));
    parts.insert("audit".into(), json!({"total": house.audit_rows}));
    let lines = json!({"total": house.supervisor_lines});
    parts.insert("supervisorLog".into(), lines);
    parts.insert("logs".into(), logs.unwrap_or(Value::Null));
    parts.insert("disk".into(), disk);
    if let Some(Value::Object(retention)) = parts.get_mut("retention") {
        let last = house.last_sweep.as_ref().map(swept);
        retention.insert("lastSweep".into(), last.unwrap_or(Value::Null));
    }
}

fn swept(swept: &Swept) -> Value {
    json!({
        "at": swept.at.rfc3339(),
        "durationMs": ms(swept.took),
        "removed": {
            "events": swept.events,
            "tasks": swept.tasks,
            "approvals": swept.approvals,
            "incarnations": swept.incarnations,
            "restingSessions": swept.rested,
            "sessions": swept.sessions,
            "logs": swept.logs,
            "logBytes": swept.log_bytes,
            "supervisorLines": swept.decisions,
            "auditRows": swept.audit,
        },
        "clockDoubted": swept.clock_doubted,
        "failed": swept.failed,
    })
}

/// Ages in seconds; 0 is for ever.
fn settings(keep: &Retention) -> Value {
    json!({
        "everySeconds": keep.every.as_secs(),
        "eventsAgeSeconds": keep.events_age.as_secs(),
        "eventsPerAgent": keep.events_per_agent,
        "tasksAgeSeconds": keep.tasks_age.as_secs(),
        "tasksPerAgent": keep.tasks_per_agent,
        "logsAgeSeconds": keep.logs_age.as_secs(),
        "logsPerAgent": keep.logs_per_agent,
        "restAgeSeconds": keep.rest_age.as_secs(),
        "deletedAgeSeconds": keep.deleted_age.as_secs(),
        "supervisorAgeSeconds": keep.supervisor_age.as_secs(),
        "supervisorLines": keep.supervisor_lines,
        "auditAgeSeconds": keep.audit_age.as_secs(),
    })
}

fn room(room: Room) -> String {
    match room {
        Room::Bytes(bytes) => bytes.to_string(),
        Room::Percent(percent) => format!("{percent}%"),
    }
}

fn sum<T>(counts: &[(T, u64)]) -> u64 {
    counts.iter().map(|(_, count)| count).sum()
}

fn by_word(counts: impl Iterator<Item = (&'static str, u64)>) -> Value {
    Value::Object(
        counts
            .map(|(word, count)| (word.into(), count.into()))
            .collect(),
    )
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
