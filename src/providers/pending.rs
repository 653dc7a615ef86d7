//! Sign-ins that somebody began: what has to come back, for ten minutes, once.
//!
//! Never a state that two could use, and never more of them than a bound.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::domain::{Error, Result, UserId};

/// How long one can be finished.
pub(super) const LIFE: Duration = Duration::from_secs(600);
/// Most of one person; another one takes the place of their oldest.
const EACH: usize = 8;
/// Most of all.
const ALL: usize = 4_096;

/// Who began what.
pub(super) struct Began {
    pub owner: UserId,
    pub provider: String,
    /// Of the exchange; the page has seen its hash alone.
    pub verifier: String,
    /// What the browser holds in which it was begun.
    pub browser: String,
}

/// Who brings back what a page gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bringer {
    /// A person who is signed in here.
    Person(UserId),
    /// A browser that was sent back, with what it holds. Another one than that in which the sign-in was
    /// begun was led here by somebody: its visitor would be signed in for them.
    Browser(Option<String>),
}

/// By the hash of their state.
#[derive(Default)]
pub(super) struct Pending(Mutex<HashMap<[u8; 32], (Began, Instant)>>);

/// A word that nobody guesses: 256 bits in 43 characters.
pub(super) fn word() -> Result<String> {
    let mut bytes = [0u8; 32];
    SysRng.try_fill_bytes(&mut bytes).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl Pending {
    /// Notes one.
    ///
    /// # Errors
    /// `too_many_sign_ins`.
    pub(super) fn begin(&self, state: &str, began: Began) -> Result<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, at)| at.elapsed() < LIFE);
        let own = |(other, _): &&(Began, Instant)| other.owner == began.owner;
        if all.values().filter(own).count() >= EACH {
            let theirs = all.iter().filter(|(_, one)| one.0.owner == began.owner);
            let oldest = theirs.min_by_key(|(_, one)| one.1).map(|(key, _)| *key);
            oldest.map(|key| all.remove(&key));
        }
        if all.len() >= ALL {
            return Err(Error::Busy {
                code: "too_many_sign_ins",
                message: "too many sign-ins are under way".into(),
                retry_after: 60,
            });
        }
        all.insert(hash(state), (began, Instant::now()));
        Ok(())
    }

    /// Takes one out, for its owner, or the browser in which it was begun, and its provider alone.
    ///
    /// # Errors
    /// `bad_state`; it stays for who began it.
    pub(super) fn take(&self, state: &str, by: &Bringer, provider: &str) -> Result<Began> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = hash(state);
        let fits = all.get(&key).is_some_and(|(began, at)| {
            let theirs = match by {
                Bringer::Person(owner) => *owner == began.owner,
                Bringer::Browser(held) => held.as_deref().is_some_and(|held| {
                    // By their hashes, so that no time tells how much of it fits.
                    hash(held) == hash(&began.browser)
                }),
            };
            theirs && began.provider == provider && at.elapsed() < LIFE
        });
        let found = if fits { all.remove(&key) } else { None };
        found.map(|(began, _)| began).ok_or_else(bad_state)
    }
}

/// There is no such state for whoever brings it.
pub(super) fn bad_state() -> Error {
    Error::invalid(
        "bad_state",
        "state",
        "no sign-in of yours with this state is under way",
        "the state that came back, once, within 10 minutes, in the browser in which it was begun; or \
         bring the whole address to whatever began it",
    )
}

fn hash(state: &str) -> [u8; 32] {
    Sha256::digest(state.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(owner: UserId) -> Began {
        Began {
            owner,
            provider: "one".into(),
            verifier: "v".into(),
            browser: "b".into(),
        }
    }

    fn person(owner: UserId) -> Bringer {
        Bringer::Person(owner)
    }

    fn browser(held: &str) -> Bringer {
        Bringer::Browser(Some(held.to_owned()))
    }

    fn code(outcome: Result<Began>) -> &'static str {
        outcome.map(|_| "ok").unwrap_or_else(|error| error.code())
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_is_good_once_in_time_and_for_its_owner() {
        let pending = Pending::default();
        let (ann, bob) = (UserId::generate(), UserId::generate());
        pending.begin("s", began(ann)).unwrap();
        assert_eq!(code(pending.take("t", &person(ann), "one")), "bad_state");
        assert_eq!(code(pending.take("s", &person(bob), "one")), "bad_state");
        assert_eq!(code(pending.take("s", &person(ann), "two")), "bad_state");
        assert_eq!(code(pending.take("s", &person(ann), "one")), "ok");
        assert_eq!(code(pending.take("s", &person(ann), "one")), "bad_state");
        pending.begin("w", began(ann)).unwrap();
        for other in [browser("c"), browser(""), Bringer::Browser(None)] {
            assert_eq!(code(pending.take("w", &other, "one")), "bad_state");
        }
        assert_eq!(code(pending.take("w", &browser("b"), "one")), "ok");
        pending.begin("u", began(ann)).unwrap();
        tokio::time::advance(LIFE).await;
        assert_eq!(code(pending.take("u", &browser("b"), "one")), "bad_state");
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_bound_for_each_and_for_all() {
        let pending = Pending::default();
        let ann = UserId::generate();
        for n in 0..=EACH {
            tokio::time::advance(Duration::from_secs(1)).await;
            pending.begin(&format!("s{n}"), began(ann)).unwrap();
        }
        assert_eq!(code(pending.take("s0", &browser("b"), "one")), "bad_state");
        assert_eq!(code(pending.take("s1", &browser("b"), "one")), "ok");
        while pending
            .begin(&word().unwrap(), began(UserId::generate()))
            .is_ok()
        {}
        assert_eq!(pending.0.lock().unwrap().len(), ALL);
        tokio::time::advance(LIFE).await;
        pending.begin("late", began(ann)).unwrap();
        assert_eq!(pending.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn words_are_long_and_never_the_same() {
        let (one, other) = (word().unwrap(), word().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.len(), other.len()), (43, 43));
    }
}
