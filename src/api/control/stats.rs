//! `GET /api/stats`: what is kept, and the room that there is for it.
//!
//! Never a figure of somebody else's for who is no admin.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::doc;
use crate::api::shared::{Reply, Who, machine};
use crate::app::{App, House, Retention, Room, Stats, StatsOf, Swept};
use crate::domain::limit::usd;
use crate::domain::machine::{Machine, percent};
use crate::domain::{Mission, Timestamp};

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
/// Admins see the figures of the server, everybody else their own; what the machine does is told to
/// everybody. They are some seconds old. A figure that the machine does not give is null.
#[utoipa::path(
    get,
    path = "/api/stats",
    tag = "figures",
    responses((status = 200, description = "The figures", body = doc::Stats)),
    extensions(("x-error-codes" = json!(["@stored"]))),
)]
async fn stats(app: web::Data<App>, Who(who): Who) -> Reply {
    let stats = app.stats(&who).await?;
    let machine = app.machine().await;
    Ok(HttpResponse::Ok().json(body(&stats, machine.as_deref())))
}

/// Each part is an object of its own, so that figures can be added to it.
fn body(stats: &Stats, machine: Option<&Machine>) -> Value {
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
    if let Some(parts) = body.as_object_mut() {
        parts.extend(machine::figures(machine));
        add_work(parts, stats);
        add_machine(parts, machine);
        parts.insert("disk".into(), disk(stats));
        if let Some(house) = &stats.house {
            add_house(parts, house);
        }
    }
    body
}

/// Missions and what they cost, also under the flat names that clients of such servers read.
fn add_work(parts: &mut Map<String, Value>, stats: &Stats) {
    let count = |word: Mission| {
        let found = stats.missions.iter().find(|(other, _)| *other == word);
        found.map_or(0, |(_, count)| *count)
    };
    let total = sum(&stats.missions);
    let (completed, failed) = (count(Mission::Completed), count(Mission::Failed));
    let words = Mission::ALL.map(|word| (word.name().to_owned(), Value::from(count(word))));
    let mut missions: Map<String, Value> = words.into_iter().collect();
    missions.insert("total".into(), total.into());
    parts.insert("missions".into(), Value::Object(missions));
    let cost = json!({"usd": usd(stats.spent_micro_usd), "tokens": stats.tokens});
    parts.insert("cost".into(), cost);
    // Good ends among the ends, in thousandths; none without an end.
    let rate = completed
        .saturating_mul(1_000)
        .checked_div(completed.saturating_add(failed))
        .and_then(|thousandths| u32::try_from(thousandths).ok());
    let flat = [
        ("total_tasks", total.into()),
        ("active_tasks", count(Mission::Active).into()),
        ("completed_tasks", completed.into()),
        ("failed_tasks", failed.into()),
        // A cent that was begun counts.
        (
            "total_cost_cents",
            stats.spent_micro_usd.div_ceil(10_000).into(),
        ),
        (
            "success_rate",
            rate.map(|thousandths| f64::from(thousandths) / 1_000.0)
                .into(),
        ),
    ];
    parts.extend(flat.map(|(name, figure): (_, Value)| (name.to_owned(), figure)));
}

/// The machine under the flat names.
fn add_machine(parts: &mut Map<String, Value>, machine: Option<&Machine>) {
    let memory = machine.and_then(|machine| machine.now.memory);
    let work = machine.and_then(|machine| machine.work.as_ref());
    let share = memory.and_then(|memory| percent(memory.used, memory.total));
    let flat = [
        ("cpu_percent", work.map(|work| work.percent).into()),
        ("memory_used", memory.map(|memory| memory.used).into()),
        ("memory_total", memory.map(|memory| memory.total).into()),
        ("memory_percent", share.into()),
    ];
    parts.extend(flat.map(|(name, figure): (_, Value)| (name.to_owned(), figure)));
}

/// The disk of the data directory and of what else the server writes: the one that stands worst.
fn disk(stats: &Stats) -> Value {
    let (state, space) = stats.disk;
    let mut disk = json!({
        "state": state.name(),
        "freeBytes": space.map(|space| space.free),
        "totalBytes": space.map(|space| space.total),
    });
    if let (Some(house), Some(parts)) = (&stats.house, disk.as_object_mut()) {
        parts.insert("warnFree".into(), room(house.settings.warn_free).into());
        parts.insert("refuseFree".into(), room(house.settings.refuse_free).into());
    }
    disk
}

fn add_house(parts: &mut Map<String, Value>, house: &House) {
    let logs = house
        .logs
        .map(|logs| json!({"total": logs.kept, "bytes": logs.bytes}));
    parts.insert("database".into(), json!({"bytes": house.database_bytes}));
    parts.insert("audit".into(), json!({"total": house.audit_rows}));
    let lines = json!({"total": house.supervisor_lines});
    parts.insert("supervisorLog".into(), lines);
    parts.insert("logs".into(), logs.unwrap_or(Value::Null));
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
