//! Notes for the audit table that wait for the database.
//!
//! Never more of them than a bound: one that finds no room stands in the log, with its words, and is
//! counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::audit::AuditFigures;
use crate::domain::chain::{Record, SealKey};

/// Notes that may wait to be written; one more is lost.
const MAX_WAITING: usize = 1_024;
/// Most notes of one transaction.
const BATCH: usize = 256;
/// Room that is kept for changes of people and keys.
const RESERVED: usize = 256;

/// Notes that wait to be written.
pub(super) struct Ledger {
    queue: Mutex<Queue>,
    key: SealKey,
    written: AtomicU64,
    lost: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether somebody writes them.
    written: bool,
}

/// A note in line.
pub(super) struct Waiting {
    /// What was done.
    pub(super) record: Record,
    /// Who waits for it.
    pub(super) told: oneshot::Sender<()>,
}

impl Ledger {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self {
            queue: Mutex::default(),
            key: SealKey::derive(secret),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a note in line. Whether the caller has to have it written; `None`: there is no room.
    /// A part of the room is for durable notes alone.
    pub(super) fn put(
        &self,
        record: Record,
        durable: bool,
    ) -> Option<(oneshot::Receiver<()>, bool)> {
        let (told, done) = oneshot::channel();
        let mut queue = self.queue();
        let reserved = if durable { 0 } else { RESERVED };
        if queue.waiting.len().saturating_add(reserved) >= MAX_WAITING {
            return None;
        }
        queue.waiting.push_back(Waiting { record, told });
        let begin = !std::mem::replace(&mut queue.written, true);
        Some((done, begin))
    }

    /// The next notes; without any the writing is over.
    pub(super) fn take(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        let count = queue.waiting.len().min(BATCH);
        if count == 0 {
            queue.written = false;
        }
        queue.waiting.drain(..count).collect()
    }

    /// Puts notes in front again that were taken and could not be written now.
    pub(super) fn put_back(&self, notes: Vec<Waiting>, why: &str) {
        tracing::warn!(target: "audit", why, count = notes.len(), "notes for the audit table wait");
        let mut queue = self.queue();
        for note in notes.into_iter().rev() {
            queue.waiting.push_front(note);
        }
    }

    /// The key of the seals.
    pub(super) fn key(&self) -> SealKey {
        self.key.clone()
    }

    pub(super) fn note_written(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.written.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn figures(&self) -> AuditFigures {
        AuditFigures {
            written: self.written.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            waiting: self.queue().waiting.len(),
        }
    }

    pub(super) fn lose(&self, records: &[Record], why: &str) {
        for record in records {
            self.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                target: "audit",
                why,
                actor = record.actor,
                credential = record.credential,
                address = record.address,
                request.id = record.request,
                action = record.action,
                object = record.object,
                result = record.result,
                "a note for the audit table could not be written"
            );
        }
    }
}

/// Ends the writing also where it panics or is dropped amid it, so that the next note begins it again.
pub(super) struct Writing<'a> {
    ledger: &'a Ledger,
    /// Whether all is written.
    pub(super) over: bool,
}

impl<'a> Writing<'a> {
    pub(super) fn of(ledger: &'a Ledger) -> Self {
        Self {
            ledger,
            over: false,
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.ledger.queue().written = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writes_for_all_and_the_queue_is_bounded() {
        let ledger = Ledger::new(&[1; 32]);
        let (_first, begin) = ledger.put(Record::default(), true).unwrap();
        assert!(begin);
        for _ in 1..MAX_WAITING {
            assert!(!ledger.put(Record::default(), true).unwrap().1);
        }
        assert!(ledger.put(Record::default(), true).is_none());
        let mut taken = 0;
        loop {
            let notes = ledger.take().len();
            assert!(notes <= BATCH);
            if notes == 0 {
                break;
            }
            taken += notes;
        }
        assert_eq!(taken, MAX_WAITING);
        assert!(ledger.put(Record::default(), true).unwrap().1);
    }

    #[test]
    fn a_panic_of_the_writing_lets_the_next_note_begin_it_again() {
        let ledger = Ledger::new(&[1; 32]);
        let _first = ledger.put(Record::default(), true).unwrap();
        drop(Writing::of(&ledger));
        assert!(ledger.put(Record::default(), true).unwrap().1);
    }

    #[test]
    fn room_is_left_for_what_may_not_be_lost() {
        let ledger = Ledger::new(&[1; 32]);
        let mut taken = 0;
        while ledger.put(Record::default(), false).is_some() {
            taken += 1;
        }
        assert_eq!(taken, MAX_WAITING - RESERVED);
        assert!(ledger.put(Record::default(), true).is_some());
    }

    #[test]
    fn notes_that_were_put_back_are_the_first_again() {
        let ledger = Ledger::new(&[1; 32]);
        let named = |action: &str| Record {
            action: action.into(),
            ..Record::default()
        };
        for action in ["a", "b"] {
            let _nobody = ledger.put(named(action), false).unwrap();
        }
        let taken = ledger.take();
        let _nobody = ledger.put(named("c"), false).unwrap();
        ledger.put_back(taken, "away");
        let order: Vec<String> = ledger
            .take()
            .into_iter()
            .map(|one| one.record.action)
            .collect();
        assert_eq!(order, ["a", "b", "c"]);
        assert_eq!(ledger.figures().lost, 0);
    }
}
