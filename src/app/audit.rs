//! The record of who did what: notes become rows of the audit table, in the order of their commits.
//!
//! Never stops an action that is done already: a note that cannot be written stands in the log, with
//! its words, and is counted.

use std::net::SocketAddr;
use std::time::Duration;

use super::ledger::Writing;
use super::pace;
use super::{App, Caller};
use crate::domain::api_key;
use crate::domain::audit::{AuditNote, AuditResult};
use crate::domain::chain::{Link, Record};
use crate::domain::{Principal, Result};
use crate::store::{StoreError, audit};

pub use crate::store::audit::Filter as AuditFilter;

/// Longest wait of a request for its note.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before notes are tried again that the database did not take.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest text of a column, in characters.
const MAX_TEXT: usize = 256;
/// How actions begin whose note is on disk before the reply.
const DURABLE: [&str; 5] = [
    "user.",
    "key.created",
    "key.revoked",
    "password.",
    "server.",
];

/// How the audit table does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditFigures {
    /// Notes that were written since the start.
    pub written: u64,
    /// Notes that could not be written.
    pub lost: u64,
    /// Notes that wait.
    pub waiting: usize,
}

impl App {
    /// Writes down what somebody did. For changes of people and keys it waits until that is on disk,
    /// for everything else it does not.
    pub(super) async fn audit(&self, note: AuditNote) {
        let durable = note.result != AuditResult::Denied
            && DURABLE.iter().any(|start| note.action.starts_with(start));
        let paced = pace::of(&note);
        let record = self.record(note);
        if let Some(paced) = paced
            && !self.inner.pace.allows(paced, &record)
        {
            return;
        }
        tracing::info!(
            target: "audit",
            actor = record.actor,
            action = record.action,
            object = record.object,
            result = record.result,
            address = record.address,
            "audit"
        );
        let ledger = &self.inner.ledger;
        let Some((done, begin)) = ledger.put(record.clone(), durable) else {
            return ledger.lose(&[record], "too many notes wait");
        };
        if begin {
            let app = self.clone();
            tokio::spawn(async move { app.write_notes().await });
        }
        if durable && tokio::time::timeout(PATIENCE, done).await.is_err() {
            tracing::warn!(
                action = record.action,
                "a note for the audit table takes long to be written"
            );
        }
    }

    fn record(&self, note: AuditNote) -> Record {
        let caller = Caller::current();
        let address = caller.and_then(|caller| caller.address);
        let credential = Caller::credential().map(|sid| match api_key::of_sid(&sid) {
            Some(_) => sid,
            None => format!("token:{sid}"),
        });
        Record {
            at: self.now(),
            actor: plain(&note.actor),
            credential: plain(&credential.unwrap_or_default()),
            address: address.map(|ip| ip.to_string()).unwrap_or_default(),
            request: caller.map_or_else(String::new, |caller| caller.request.simple().to_string()),
            action: note.action.to_owned(),
            object: plain(&note.object),
            result: note.result.name().to_owned(),
        }
    }

    async fn write_notes(&self) {
        let ledger = &self.inner.ledger;
        let mut writing = Writing::of(ledger);
        loop {
            let notes = ledger.take();
            if notes.is_empty() {
                writing.over = true;
                return;
            }
            let records: Vec<Record> = notes.iter().map(|note| note.record.clone()).collect();
            let (rows, key) = (records.clone(), ledger.key());
            let written = self
                .store()
                .write(move |conn| audit::append(conn, &rows, &key));
            match written.await {
                Ok(()) => ledger.note_written(records.len()),
                // The database is away for a while: the notes wait, as far as there is room.
                Err(error @ (StoreError::Busy | StoreError::Unreachable | StoreError::Full)) => {
                    ledger.put_back(notes, &error.to_string());
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(error) => ledger.lose(&records, &error.to_string()),
            }
            for note in notes {
                // Nobody may be waiting.
                let _unheard = note.told.send(());
            }
        }
    }

    /// Writes down that the server serves, and as what.
    pub async fn note_start(&self, bound: SocketAddr) {
        let config = self.config();
        let object = format!(
            "version={} address={bound} behind_proxy={} single_user={}",
            env!("CARGO_PKG_VERSION"),
            config.behind_proxy,
            config.auth.single_user,
        );
        self.note_server("server.started", object).await;
    }

    /// Writes down that the server stops; what was noted before is on disk then.
    pub async fn note_stop(&self) {
        let object = format!("version={}", env!("CARGO_PKG_VERSION"));
        self.note_server("server.stopped", object).await;
    }

    async fn note_server(&self, action: &'static str, object: String) {
        self.audit(AuditNote {
            actor: "server".to_owned(),
            action,
            object,
            result: AuditResult::Done,
        })
        .await;
    }

    /// Writes down that `who` did something.
    pub(super) async fn done(&self, who: &Principal, action: &'static str, object: impl ToString) {
        self.audit(AuditNote {
            actor: who.user.to_string(),
            action,
            object: object.to_string(),
            result: AuditResult::Done,
        })
        .await;
    }

    /// What was noted after a number, oldest first, and whether more follows.
    ///
    /// # Errors
    /// `forbidden`, `missing_scope`.
    pub async fn audited(
        &self,
        who: &Principal,
        after: u64,
        filter: AuditFilter,
        limit: usize,
    ) -> Result<(Vec<Link>, bool)> {
        self.admins_only(who, "audit").await?;
        let most = limit.saturating_add(1);
        let mut rows = self
            .store()
            .read(move |conn| audit::page(conn, after, &filter, most))
            .await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        Ok((rows, more))
    }

    /// How the audit table does.
    #[must_use]
    pub fn audit_figures(&self) -> AuditFigures {
        self.inner.ledger.figures()
    }
}

/// A text of somebody else's for the record: short, and without anything that would begin a line
/// or drive a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (place, character) in text.chars().enumerate() {
        if place >= MAX_TEXT {
            plain.push('\u{2026}');
            break;
        }
        if harmless(character) {
            plain.push(character);
        } else {
            plain.extend(character.escape_unicode());
        }
    }
    plain
}

/// Control characters, line separators, and marks that change the direction of a line are not.
fn harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_cannot_begin_a_line() {
        assert_eq!(plain("ann@example.org"), "ann@example.org");
        assert_eq!(plain("a\nb\u{1b}[31m"), "a\\u{a}b\\u{1b}[31m");
        assert_eq!(plain("x\u{202e}y\u{2028}"), "x\\u{202e}y\\u{2028}");
        assert_eq!(plain(&"x".repeat(1_000)).chars().count(), MAX_TEXT + 1);
    }
}
