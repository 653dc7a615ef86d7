//! `GET /metrics`: the few figures that an operator alarms on, as Prometheus reads them
//! (docs/metrics.md).
//!
//! Never a label that grows with sessions, people or paths.

use actix_web::{HttpResponse, web};
use prometheus::TextEncoder;

use super::family::{Families, seconds};
use crate::api::live::outbox::slow_readers_cut;
use crate::api::shared::{Fault, Reply, Who};
use crate::app::{App, Measures};
use crate::domain::Error;

/// What Prometheus expects of its text form.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes of this file in the document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(metrics))]
pub struct Document;

/// The table of contents.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/metrics").get(metrics));
}

/// Tells the figures that an operator alarms on, as Prometheus reads them.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "figures",
    responses(
        (status = 200, description = "The figures", body = String, content_type = "text/plain"),
    ),
    extensions(("x-error-codes" = json!(["@stored", "forbidden"]))),
)]
async fn metrics(app: web::Data<App>, Who(who): Who) -> Reply {
    let measures = app.measures(&who).await?;
    let mut families = Families::default();
    agents(&mut families, &measures);
    supervisors(&mut families, &measures);
    work(&mut families, &measures);
    database(&mut families, &measures);
    losses(&mut families, &measures);
    readers(&mut families, &measures);
    process(&mut families, &measures);
    let text = TextEncoder::new().encode_to_string(&families.done());
    let text = text.map_err(|error| Fault(Error::internal(error)))?;
    Ok(HttpResponse::Ok().content_type(TEXT).body(text))
}

fn agents(out: &mut Families, now: &Measures) {
    if let Some(tally) = &now.tally {
        let sessions = tally.sessions.iter();
        out.gauges(
            "callboard_agents",
            "Sessions that are not archived, by the status that is stored.",
            "status",
            sessions.map(|(status, count)| (status.as_str(), *count)),
        );
    }
    out.gauge(
        "callboard_agents_live",
        "Places of max_live_agents that are taken by agent processes.",
        now.runtime.live_agents,
    );
    out.gauge(
        "callboard_agents_waiting",
        "Sessions that wait for a place for their process.",
        now.runtime.waiting,
    );
    out.gauge(
        "callboard_sessions_awake",
        "Sessions that have actors at the moment.",
        now.runtime.active_sessions,
    );
    out.gauge(
        "callboard_ring_bytes",
        "Bytes of the last events of these that are held for readers.",
        now.runtime.ring_bytes,
    );
    out.gauge(
        "callboard_keepers",
        "Keepers of this data directory that the machine runs.",
        now.own.keepers,
    );
    out.gauge(
        "callboard_zombies",
        "Ended processes below the server or its keepers that nobody waited for; 0 is expected.",
        now.own.zombies,
    );
}

fn supervisors(out: &mut Families, now: &Measures) {
    let decisions = &now.runtime.decisions;
    let by = |counts: &std::collections::BTreeMap<String, u64>| -> Vec<(String, u64)> {
        counts.iter().map(|(name, n)| (name.clone(), *n)).collect()
    };
    let (restarts, processes) = (by(&decisions.restarts), by(&decisions.processes));
    out.counters(
        "callboard_actor_restarts_total",
        "Actors that ended unexpectedly and were started again, by kind.",
        "kind",
        restarts.iter().map(|(kind, count)| (kind.as_str(), *count)),
    );
    out.counter(
        "callboard_supervisor_escalations_total",
        "Supervisors that gave up after too many restarts in a row.",
        decisions.escalations,
    );
    out.counters(
        "callboard_process_events_total",
        "Lines of the supervisor's log about agent processes, by event.",
        "event",
        processes
            .iter()
            .map(|(name, count)| (name.as_str(), *count)),
    );
    let lags: Vec<(&str, f64)> = now
        .lags
        .iter()
        .map(|lag| (lag.thread.as_str(), seconds(lag.late)))
        .collect();
    out.gauges(
        "callboard_thread_lag_seconds",
        "How late a thread of the server is at this moment.",
        "thread",
        lags,
    );
    let stalls = now.lags.iter();
    out.counters(
        "callboard_thread_stalls_total",
        "How often a thread of the server was late by a second or more.",
        "thread",
        stalls.map(|lag| (lag.thread.as_str(), lag.stalls)),
    );
}

fn work(out: &mut Families, now: &Measures) {
    if let Some(tally) = &now.tally {
        out.gauge(
            "callboard_queue_tasks",
            "Tasks that wait in the queues of all sessions.",
            tally.waiting,
        );
        out.gauge(
            "callboard_queue_oldest_seconds",
            "How long the task that waits longest has waited.",
            seconds(std::time::Duration::from_millis(now.queue_age_ms)),
        );
    }
    out.gauge(
        "callboard_journal_pending_events",
        "Events that are not committed yet; readers do not see them.",
        now.runtime.journal_events,
    );
    out.gauge(
        "callboard_journal_lag_seconds",
        "How long the oldest batch has waited for its commit.",
        seconds(now.runtime.journal_age),
    );
    out.gauge(
        "callboard_journal_last_commit_seconds",
        "How long the last commit of events took.",
        seconds(now.runtime.last_commit),
    );
}

/// What there is no room or no time for.
fn losses(out: &mut Families, now: &Measures) {
    out.counter(
        "callboard_supervisor_log_lost_total",
        "Lines of the supervisor's log that were logged and got no row.",
        now.runtime.decisions.lost,
    );
    out.counter(
        "callboard_audit_written_total",
        "Notes of the audit table that were written.",
        now.audit.written,
    );
    out.counter(
        "callboard_audit_lost_total",
        "Notes for the audit table that stand in the log alone.",
        now.audit.lost,
    );
    out.gauge(
        "callboard_audit_waiting",
        "Notes for the audit table that wait to be written.",
        now.audit.waiting,
    );
    out.counter(
        "callboard_log_lines_lost_total",
        "Lines of the server's log that nobody took.",
        now.own.log_lost,
    );
    out.gauges(
        "callboard_disk_free_bytes",
        "Free bytes where the server writes: its data directory, its database elsewhere.",
        "place",
        now.disk_free.iter().copied(),
    );
}

fn database(out: &mut Families, now: &Measures) {
    out.gauge(
        "callboard_up",
        "1 when the server takes new work, 0 while it drains, cannot write or has no room.",
        u64::from(now.ready),
    );
    out.histograms(
        "callboard_database_wait_seconds",
        "How long a question waited for the database before it was looked at.",
        "for",
        [
            ("writer", &now.database.writer),
            ("reader", &now.database.readers),
        ],
    );
    let errors = now.database.errors.iter();
    out.counters(
        "callboard_database_errors_total",
        "Questions that the database failed, by the code of the failure.",
        "code",
        errors.map(|(code, count)| (*code, *count)),
    );
}

fn readers(out: &mut Families, now: &Measures) {
    out.gauge(
        "callboard_sockets",
        "WebSockets that are open.",
        now.sockets,
    );
    out.gauge(
        "callboard_polls_waiting",
        "Long polls that wait for an event.",
        now.polls,
    );
    out.counter(
        "callboard_slow_readers_cut_total",
        "WebSockets that were closed because their client did not read.",
        slow_readers_cut(),
    );
}

fn process(out: &mut Families, now: &Measures) {
    out.gauge(
        "process_resident_memory_bytes",
        "Memory of the server's process.",
        now.own.resident,
    );
    out.counter(
        "process_cpu_seconds_total",
        "Processor time of the server's process.",
        seconds(now.own.cpu),
    );
    if let Some(open) = now.own.open_files {
        out.gauge("process_open_fds", "Descriptors that are open.", open);
    }
    out.gauge(
        "process_max_fds",
        "Descriptors that may be open.",
        now.own.max_files,
    );
    out.gauge("process_threads", "Threads of the server.", now.own.threads);
    let started = u64::try_from(now.started_at_ms).unwrap_or_default();
    out.gauge(
        "process_start_time_seconds",
        "When the server was started, in seconds since 1970.",
        seconds(std::time::Duration::from_millis(started)),
    );
    out.gauges(
        "callboard_build_info",
        "Always 1; the label says which version runs.",
        "version",
        [(env!("CARGO_PKG_VERSION"), 1_u64)],
    );
}
