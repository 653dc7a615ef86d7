//! The supervisor's log: one row and one JSON line for every decision about an actor or a process.
//!
//! Never waits for the database: a line that finds the way to the rows full is still logged, and
//! the loss of its row is counted. Rows that a busy or full database refused are written again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::crash;
use crate::domain::{Incarnation, SessionId, Timestamp};
use crate::secrets::house;
use crate::store::{self, Store, StoreError};
use crate::supervision::{Event, Observer, Record, tireless};

use super::clock::now;
use super::facade::Decisions;

/// Lines on their way to the rows.
const WAITING: usize = 4_096;
/// Most lines in one write.
const AT_ONCE: usize = 256;
/// Pause before lines are written again that could not be, and how often.
const AGAIN: Duration = Duration::from_secs(1);
const TIMES: u32 = 120;

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
    decisions: Arc<Mutex<Decisions>>,
}

impl Ledger {
    /// Starts the task that writes the rows.
    pub(super) fn start(store: Store) -> Self {
        let (entries, queue) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let queue = Arc::new(tokio::sync::Mutex::new(queue));
        let loss = Arc::clone(&lost);
        actix::spawn(tireless("ledger", move || {
            write_rows(store.clone(), Arc::clone(&queue), Arc::clone(&loss))
        }));
        Self {
            entries,
            lost,
            decisions: Arc::default(),
        }
    }

    /// Waits until the lines so far are rows, or could not be.
    pub(super) async fn flush(&self) {
        let (told, heard) = oneshot::channel();
        if self.entries.send(Entry::Mark(told)).await.is_ok() {
            let _written = heard.await;
        }
    }

    /// What was decided so far.
    pub(super) fn decisions(&self) -> Decisions {
        let counted = self.decisions.lock();
        let counted = counted.unwrap_or_else(PoisonError::into_inner).clone();
        Decisions {
            lost: self.lost.load(Ordering::Relaxed),
            ..counted
        }
    }

    fn count(&self, path: &str, event: Event) {
        let mut counted = self
            .decisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RestartIn => one_more(&mut counted.restarts, kind_of(path)),
            Event::IntensityReached => {
                counted.escalations = counted.escalations.saturating_add(1);
            }
            Event::ChildStarted
            | Event::ChildDown
            | Event::StartFailed
            | Event::Shutdown
            | Event::Killed
            | Event::Abandoned
            | Event::Ended
            | Event::GaveUp
            | Event::Detached => {}
        }
    }

    /// Takes a line.
    pub(super) fn write(&self, mut line: Line) {
        if line.incarnation.is_some() {
            let mut counted = self
                .decisions
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            one_more(&mut counted.processes, &line.event);
        }
        let house = house();
        for text in [&mut line.reason, &mut line.decision].into_iter().flatten() {
            house.cover(text);
        }
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
        self.count(&record.path, record.event);
        self.write(Line::of_actor(record));
    }
}

fn one_more(counts: &mut BTreeMap<String, u64>, name: &str) {
    let count = counts.entry(name.to_owned()).or_default();
    *count = count.saturating_add(1);
}

/// The kind of an actor by its path in the tree: `feed` for `root/sessions/ID/feed`.
fn kind_of(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path);
    if last.parse::<SessionId>().is_ok() {
        return "session_tree";
    }
    last
}

async fn write_rows(
    store: Store,
    queue: Arc<tokio::sync::Mutex<mpsc::Receiver<Entry>>>,
    lost: Arc<AtomicU64>,
) {
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
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        // Who waits for a mark has a bound of its own.
        if let Err(error) = write_patiently(&store, rows).await {
            let lost = lost
                .fetch_add(count, Ordering::Relaxed)
                .saturating_add(count);
            tracing::warn!(%error, lost, "lines of the supervisor's log could not be stored");
        }
        for told in marks {
            // Who has gone away needs no answer.
            let _told = told.send(());
        }
    }
}

/// Writes rows, again and again while the database is busy or full. A transaction whose outcome is not
/// known is not repeated: its lines may be there.
async fn write_patiently(
    store: &Store,
    rows: Vec<store::supervisor_log::Row>,
) -> Result<(), StoreError> {
    let rows = Arc::new(rows);
    let mut left = TIMES;
    loop {
        let these = Arc::clone(&rows);
        let written = store
            .write(move |conn| store::supervisor_log::append(conn, &these))
            .await;
        match written {
            Err(StoreError::Busy | StoreError::Unreachable | StoreError::Full) if left > 0 => {
                left = left.saturating_sub(1);
                tokio::time::sleep(AGAIN).await;
            }
            other => return other,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[actix::test]
    async fn a_line_that_a_busy_database_refused_is_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("rows")).unwrap();
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let (begun, holds) = oneshot::channel();
        let (holder, hold) = (store.clone(), move |_: &mut store::Connection| {
            begun.send(()).unwrap();
            Ok::<_, StoreError>(gate.recv().is_ok())
        });
        let held = tokio::spawn(async move { holder.write(hold).await });
        holds.await.unwrap();
        let ledger = Ledger::start(store.clone());
        let session = SessionId::generate();
        ledger.write(Line::of_process(session, Incarnation(1), "started", None));
        let bound = tokio::time::Instant::now() + Duration::from_secs(30);
        while !store.figures().errors.contains_key("database_busy") {
            assert!(tokio::time::Instant::now() < bound, "it is never refused");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        go.send(()).unwrap();
        assert_eq!(held.await.unwrap(), Ok(true));
        ledger.flush().await;
        assert_eq!(ledger.decisions().lost, 0);
        let found = store.read(|conn| store::supervisor_log::page(conn, 0, 10));
        assert_eq!(found.await.unwrap().len(), 1);
    }
}
