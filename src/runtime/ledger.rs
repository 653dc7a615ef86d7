//! The supervisor's log: one row and one JSON line for every decision about an actor or a process.
//!
//! Never waits for the database: a line that finds the way to the rows full is still logged, and
//! the loss of its row is counted in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::crash;
use crate::domain::{Incarnation, SessionId, Timestamp};
use crate::store::{self, Store};
use crate::supervision::{Event, Observer, Record, tireless};

use super::clock::now;

/// Lines on their way to the rows.
const WAITING: usize = 4_096;
/// Most lines in one write.
const AT_ONCE: usize = 256;

/// One decision.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub path: String,
    pub generation: u64,
    pub incarnation: Option<Incarnation>,
    pub event: String,
    pub reason: Option<String>,
    pub decision: Option<String>,
    pub next_at: Option<Timestamp>,
    pub session: Option<SessionId>,
}

impl Line {
    /// A line about a session's process.
    pub(super) fn of_process(
        session: SessionId,
        incarnation: Incarnation,
        event: &str,
        reason: Option<String>,
    ) -> Self {
        Self {
            path: format!("root/sessions/{session}/agent"),
            generation: 0,
            incarnation: Some(incarnation),
            event: event.to_owned(),
            reason,
            decision: None,
            next_at: None,
            session: Some(session),
        }
    }

    fn of_actor(record: &Record) -> Self {
        let decision = record.delay.map(|delay| match record.count {
            Some((used, most)) => format!("in {} ms, {used} of {most}", delay.as_millis()),
            None => format!("in {} ms", delay.as_millis()),
        });
        let next_at = record
            .delay
            .filter(|_| record.event == Event::RestartIn)
            .map(|delay| now().plus_ms(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)));
        let reason = match (&record.exit, &record.reason) {
            (Some(exit), Some(reason)) => Some(format!("{exit}: {reason}")),
            (Some(exit), None) => Some(exit.to_string()),
            (None, reason) => reason.clone(),
        };
        Self {
            path: record.path.clone(),
            generation: record.generation,
            incarnation: None,
            event: record.event.name().to_owned(),
            reason,
            decision,
            next_at,
            session: session_of(&record.path),
        }
    }
}

/// The session that a path of the tree belongs to.
pub(super) fn session_of(path: &str) -> Option<SessionId> {
    path.strip_prefix("root/sessions/")?
        .split('/')
        .next()?
        .parse()
        .ok()
}

/// What waits to be written.
enum Entry {
    /// A line, and when it was.
    Line(Timestamp, Line),
    /// Tells when everything before it is written.
    Mark(oneshot::Sender<()>),
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ledger {
    entries: mpsc::Sender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Ledger {
    /// Starts the task that writes the rows.
    pub(super) fn start(store: Store) -> Self {
        let (entries, queue) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let queue = Arc::new(tokio::sync::Mutex::new(queue));
        actix::spawn(tireless("ledger", move || {
            write_rows(store.clone(), Arc::clone(&queue))
        }));
        Self { entries, lost }
    }

    /// Waits until the lines so far are rows, or could not be.
    pub(super) async fn flush(&self) {
        let (told, heard) = oneshot::channel();
        if self.entries.send(Entry::Mark(told)).await.is_ok() {
            let _written = heard.await;
        }
    }

    /// Takes a line.
    pub(super) fn write(&self, line: Line) {
        tracing::info!(
            target: "supervisor",
            path = %line.path,
            generation = line.generation,
            incarnation = line.incarnation.map(|n| n.0),
            event = %line.event,
            reason = line.reason.as_deref(),
            decision = line.decision.as_deref(),
            next_at = line.next_at.map(Timestamp::rfc3339),
            "supervisor"
        );
        if self.entries.try_send(Entry::Line(now(), line)).is_err() {
            let lost = self.lost.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            tracing::warn!(lost, "a line of the supervisor's log has no row");
        }
    }
}

impl Observer for Ledger {
    fn record(&self, record: &Record) {
        self.write(Line::of_actor(record));
    }
}

async fn write_rows(store: Store, queue: Arc<tokio::sync::Mutex<mpsc::Receiver<Entry>>>) {
    let mut queue = queue.lock().await;
    let mut entries = Vec::new();
    while queue.recv_many(&mut entries, AT_ONCE).await > 0 {
        crash::point("ledger.rows");
        let (mut rows, mut marks) = (Vec::new(), Vec::new());
        for entry in entries.drain(..) {
            match entry {
                Entry::Line(at, line) => rows.push(row(at, line)),
                Entry::Mark(told) => marks.push(told),
            }
        }
        let written = store
            .write(move |conn| store::supervisor_log::append(conn, &rows))
            .await;
        if let Err(error) = written {
            tracing::warn!(%error, "lines of the supervisor's log could not be stored");
        }
        for told in marks {
            // Who has gone away needs no answer.
            let _told = told.send(());
        }
    }
}

fn row(at: Timestamp, line: Line) -> store::supervisor_log::Row {
    store::supervisor_log::Row {
        id: 0,
        at,
        path: line.path,
        generation: line.generation,
        incarnation: line.incarnation.unwrap_or_default(),
        event: line.event,
        reason: line.reason.unwrap_or_default(),
        decision: line.decision.unwrap_or_default(),
        next_at: line.next_at,
        session: line.session,
        count: 1,
    }
}
