//! Which batch is at fault when a commit fails for ever: the batches are tried one by one then.
//!
//! Never takes a database that cannot be written for a batch that cannot be stored.

use std::sync::Arc;

use crate::domain::Batch;
use crate::store::{self, StoreError};

use super::context::Shared;

/// So many failures with the same words are no accident.
const ALIKE: u32 = 3;

/// What the journal knows of failures without an obvious cause.
#[derive(Debug, Default)]
pub(super) struct Culprit {
    last: Option<String>,
    alike: u32,
    /// Batches that are still to be tried one by one.
    suspects: usize,
}

impl Culprit {
    /// Takes note of a failure while so many batches wait.
    pub(super) fn failed(&mut self, error: &StoreError, waiting: usize) {
        let StoreError::Other(words) = error else {
            self.last = None;
            return;
        };
        if self.last.as_ref() == Some(words) {
            self.alike = self.alike.saturating_add(1);
        } else {
            self.last = Some(words.clone());
            self.alike = 1;
        }
        if self.alike >= ALIKE && self.suspects == 0 {
            self.suspects = waiting;
        }
    }

    /// Takes note of batches that were committed, or put aside.
    pub(super) fn settled(&mut self, batches: usize) {
        self.suspects = self.suspects.saturating_sub(batches);
        self.last = None;
    }

    /// Whether the batches go one by one.
    pub(super) fn alone(&self) -> bool {
        self.suspects > 0
    }
}

/// Commits these batches. When it is one alone that fails without an obvious cause while another
/// write works, the batch is named as unstorable.
pub(super) async fn commit(
    shared: &Arc<Shared>,
    first_pos: u64,
    (batches, alone): (Vec<Batch>, bool),
) -> Result<(), StoreError> {
    let session = batches.first().map(|batch| batch.session);
    let written = shared
        .store
        .write(move |conn| store::journal::commit(conn, first_pos, &batches))
        .await;
    let why = match written {
        Err(StoreError::Other(why)) if alone => why,
        known => return known.map(drop),
    };
    let now = super::clock::now();
    let other = shared
        .store
        .write(move |conn| store::meta::set(conn, "heartbeat", &now.0.to_string()));
    if other.await.is_err() {
        return Err(StoreError::Other(why));
    }
    let session = session.map(tracing::field::display);
    tracing::error!(
        session.id = session,
        why,
        "what an agent said cannot be stored: its session starts again from what is"
    );
    Err(StoreError::Unstorable { batch: 0, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_go_one_by_one_after_failures_alike_until_all_were_tried() {
        let mut culprit = Culprit::default();
        let other = |text: &str| StoreError::Other(text.to_owned());
        for error in [other("a"), other("a"), other("b"), StoreError::Busy] {
            culprit.failed(&error, 5);
        }
        culprit.failed(&other("b"), 5);
        culprit.failed(&other("b"), 5);
        assert!(!culprit.alone());
        culprit.failed(&other("b"), 5);
        assert!(culprit.alone());
        // The failure of one is no reason to begin anew.
        culprit.settled(2);
        culprit.failed(&other("b"), 9);
        culprit.settled(2);
        assert!(culprit.alone());
        culprit.settled(1);
        assert!(!culprit.alone());
    }
}
