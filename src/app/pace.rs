//! How often is written down what somebody can cause again and again at no cost.
//!
//! Never remembers more than a bounded number of those who do.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::audit::{AuditNote, AuditResult};
use crate::domain::chain::Record;

/// Those who are remembered at one time; what further ones cause is not written.
const MANY: usize = 4_096;
const MINUTE: Duration = Duration::from_secs(60);
/// The longest wait of a sign-in (`domain::attempts`).
const SHUT: Duration = Duration::from_secs(15 * 60);

/// So many notes of one kind in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paced {
    most: u32,
    within: Duration,
}

/// What bounds notes like this one; `None`: all are written.
pub(super) fn of(note: &AuditNote) -> Option<Paced> {
    let (most, within) = match (note.action, note.result) {
        ("login.throttled", _) => (1, SHUT),
        ("key.refused", _) => (1, MINUTE),
        (_, AuditResult::Denied) => (30, MINUTE),
        (_, AuditResult::Done | AuditResult::Failed) => return None,
    };
    Some(Paced { most, within })
}

/// What was written of whom just now.
#[derive(Default)]
pub(super) struct Pace(Mutex<HashMap<String, Seen>>);

struct Seen {
    until: Instant,
    count: u32,
}

impl Pace {
    /// Whether this note is still one of those that are written.
    pub(super) fn allows(&self, paced: Paced, record: &Record) -> bool {
        let now = Instant::now();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let subject = subject(record);
        if seen.len() >= MANY && !seen.contains_key(&subject) {
            seen.retain(|_, seen| seen.until > now);
            if seen.len() >= MANY {
                return false;
            }
        }
        let fresh = || Seen {
            until: now + paced.within,
            count: 0,
        };
        let entry = seen.entry(subject).or_insert_with(fresh);
        if entry.until <= now {
            *entry = fresh();
        }
        entry.count = entry.count.saturating_add(1);
        entry.count <= paced.most
    }
}

/// Whose notes are counted together: those of a key, of a person, or of an address.
fn subject(record: &Record) -> String {
    let whose = match record.action.as_str() {
        "key.refused" => &record.object,
        "login.throttled" => &record.address,
        _ => "",
    };
    format!("{} {} {whose}", record.action, record.actor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(action: &'static str, result: AuditResult) -> AuditNote {
        AuditNote {
            actor: "ada".into(),
            action,
            object: "o".into(),
            result,
        }
    }

    fn record(action: &str, actor: &str) -> Record {
        Record {
            action: action.into(),
            actor: actor.into(),
            ..Record::default()
        }
    }

    #[test]
    fn what_was_done_is_always_written() {
        assert_eq!(of(&note("user.created", AuditResult::Done)), None);
        assert_eq!(of(&note("login.failed", AuditResult::Failed)), None);
        for bounded in [
            note("login.throttled", AuditResult::Denied),
            note("key.refused", AuditResult::Failed),
            note("access.denied", AuditResult::Denied),
        ] {
            assert!(of(&bounded).is_some(), "{}", bounded.action);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_written_so_often_in_its_time() {
        let pace = Pace::default();
        let paced = of(&note("access.denied", AuditResult::Denied)).unwrap();
        let written = |actor| {
            let tries = 0..100;
            tries
                .filter(|_| pace.allows(paced, &record("access.denied", actor)))
                .count()
        };
        assert_eq!(written("ada"), 30);
        assert_eq!(written("bob"), 30);
        tokio::time::advance(MINUTE).await;
        assert_eq!(written("ada"), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn the_crowd_is_bounded() {
        let pace = Pace::default();
        let paced = of(&note("login.throttled", AuditResult::Denied)).unwrap();
        let tries = 0..MANY + 9;
        let written =
            tries.filter(|n| pace.allows(paced, &record("login.throttled", &n.to_string())));
        assert_eq!(written.count(), MANY);
        tokio::time::advance(SHUT).await;
        assert!(pace.allows(paced, &record("login.throttled", "again")));
    }
}
