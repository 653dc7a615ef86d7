//! The brake on guessing passwords: failures are counted in the database, by name, account and
//! address (reliability.md 4.1, S5).
//!
//! Never lets two tries under one key run side by side, and never begins one that is not counted.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::app::{App, Caller};
use crate::domain::{Attempts, Curve, Error, Result, Timestamp, User, UserId};
use crate::store::{Connection, StoreError, attempts};

/// Longest wait for the tries before this one.
const WAIT: Duration = Duration::from_secs(10);
/// Keys in the book of turns before those that nobody holds are left out.
const MANY: usize = 1_024;

/// What failures are counted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    text: String,
    curve: Curve,
    /// A shut one is not told: it would tell that two names are one account.
    hidden: bool,
}

impl Key {
    /// A name as it was typed, known or not.
    pub fn name(login: &str) -> Self {
        let digest = Sha256::digest(login.trim().to_lowercase().as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::of(format!("name:{hex}"), Curve::Account)
    }

    /// The account behind a name.
    pub fn account(user: UserId) -> Self {
        Self::of(format!("account:{user}"), Curve::Account)
    }

    /// The same where only its own person can ask.
    pub fn hidden(self) -> Self {
        Self {
            hidden: true,
            ..self
        }
    }

    /// The address of whoever asks now, for tries of this kind.
    pub fn here(kind: &str) -> Option<Self> {
        let address = Caller::current()?.address?;
        let text = format!("{kind}:{}", canonical(address));
        Some(Self::of(text, Curve::Address))
    }

    fn of(text: String, curve: Curve) -> Self {
        Self {
            text,
            curve,
            hidden: false,
        }
    }
}

/// An IPv4 address in its one spelling; of IPv6 the network of one subscriber, /64.
fn canonical(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Whose turn it is, by key.
#[derive(Default)]
pub struct Tries(Mutex<HashMap<String, Weak<Turn<()>>>>);

impl Tries {
    async fn turn(&self, key: &str) -> Result<OwnedMutexGuard<()>> {
        let turn = self.line(key);
        let waited = tokio::time::timeout(WAIT, turn.lock_owned()).await;
        waited.map_err(|_late| Error::Busy {
            code: "sign_in_busy",
            message: "too many sign-ins at once".to_owned(),
            retry_after: 5,
        })
    }

    fn line(&self, key: &str) -> Arc<Turn<()>> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(key).and_then(Weak::upgrade) {
            return line;
        }
        if lines.len() >= MANY {
            lines.retain(|_, line| line.strong_count() > 0);
        }
        let line = Arc::new(Turn::new(()));
        lines.insert(key.to_owned(), Arc::downgrade(&line));
        line
    }
}

/// A try that was counted as a failure before anything was looked at.
pub struct Counted {
    /// Under which keys: a hidden one that is shut counts nothing.
    keys: Vec<Key>,
    /// Whether it may not succeed, and nobody is to be told.
    pub in_vain: bool,
    _turns: Vec<OwnedMutexGuard<()>>,
}

impl App {
    /// Counts a try under these keys, in their order, and lets it begin.
    ///
    /// # Errors
    /// `too_many_attempts` while one of them is shut, `sign_in_busy`.
    pub(in crate::app) async fn count_try(&self, keys: Vec<Key>) -> Result<Counted> {
        let mut turns = Vec::new();
        for key in &keys {
            turns.push(self.inner.tries.turn(&key.text).await?);
        }
        let now = self.now();
        let (keys, in_vain) = self
            .store()
            .write(move |conn| count(conn, keys, now))
            .await?;
        Ok(Counted {
            keys,
            in_vain,
            _turns: turns,
        })
    }

    /// A try that succeeded: failures of the name and the account are forgotten, the address has
    /// one less.
    pub(in crate::app) async fn forget_try(&self, counted: Counted) -> Result<()> {
        self.settle_try(counted, true).await
    }

    /// A try that came to nothing without being wrong.
    pub(in crate::app) async fn take_back(&self, counted: Counted) -> Result<()> {
        self.settle_try(counted, false).await
    }

    async fn settle_try(&self, counted: Counted, succeeded: bool) -> Result<()> {
        let keys = counted.keys.clone();
        self.store()
            .write(move |conn| {
                for key in &keys {
                    if succeeded && key.curve == Curve::Account {
                        attempts::forget(conn, &key.text)?;
                        continue;
                    }
                    let less = attempts::of(conn, &key.text)?.taken_back();
                    kept(conn, &less)?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }
}

/// Counts a try under those of these keys that are open, and says which they are, and whether a
/// hidden one is shut.
fn count(
    conn: &mut Connection,
    keys: Vec<Key>,
    now: Timestamp,
) -> Result<(Vec<Key>, bool), StoreError> {
    let (mut open, mut counted) = (Vec::new(), Vec::new());
    let (mut shut, mut in_vain) = (None::<i64>, false);
    for key in keys {
        let known = attempts::of(conn, &key.text)?;
        match known.shut_for(now) {
            None => {
                counted.push(known.counted(key.curve, now));
                open.push(key);
            }
            Some(_) if key.hidden => in_vain = true,
            Some(left) => shut = shut.max(Some(left)),
        }
    }
    if let Some(left) = shut {
        return Err(too_many(left).into());
    }
    for one in &counted {
        attempts::put(conn, one)?;
    }
    Ok((open, in_vain))
}

/// Forgets the failures of a person and of their names. Those of addresses stay.
///
/// # Errors
/// When the database fails.
pub fn forgive(conn: &mut Connection, user: &User) -> Result<(), StoreError> {
    let names = [&user.username, &user.email].map(|name| Key::name(name));
    for key in names.iter().chain([&Key::account(user.id)]) {
        attempts::forget(conn, &key.text)?;
    }
    Ok(())
}

fn kept(conn: &mut Connection, left: &Attempts) -> Result<(), StoreError> {
    if left.failures == 0 {
        return attempts::forget(conn, &left.key);
    }
    attempts::put(conn, left)
}

fn too_many(left_ms: i64) -> Error {
    let seconds = left_ms.saturating_add(999).div_euclid(1_000).max(1);
    Error::Busy {
        code: "too_many_attempts",
        message: "too many failed attempts; wait before the next one".to_owned(),
        retry_after: u32::try_from(seconds).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture;

    #[test]
    fn an_address_has_one_spelling() {
        let of = |text: &str| canonical(text.parse().unwrap());
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
    }

    #[test]
    fn a_name_has_one_key_however_it_is_typed_and_is_not_in_it() {
        assert_eq!(Key::name(" Ada "), Key::name("ada"));
        assert_ne!(Key::name("ada"), Key::name("bob"));
        assert!(!Key::name("ada").text.contains("ada"));
    }

    #[tokio::test(start_paused = true)]
    async fn tries_of_one_key_take_turns_and_are_refused_in_the_end() {
        let tries = Tries::default();
        let held = tries.turn("a").await.unwrap();
        let refused = tries.turn("a").await.err().unwrap();
        assert_eq!(refused.code(), "sign_in_busy");
        assert!(tries.turn("b").await.is_ok());
        drop(held);
        assert!(tries.turn("a").await.is_ok());
    }

    #[tokio::test]
    async fn what_is_shut_is_not_counted_and_is_open_when_it_is_forgiven() {
        let (_dir, store) = fixture::sqlite();
        let ann = fixture::user("ann");
        let (id, now) = (ann.id, Timestamp(1_000_000));
        let tries = |keys: Vec<Key>| store.write(move |conn| count(conn, keys, now));
        for _ in 0..5 {
            assert!(tries(vec![Key::account(id)]).await.is_ok());
        }
        let other = Key::name(&ann.email);
        let keys = vec![other.clone(), Key::account(id).hidden()];
        // The account's failures are none of this try's, so it cannot take one back.
        assert_eq!(tries(keys).await, Ok((vec![other], true)));
        assert!(tries(vec![Key::account(id)]).await.is_err());
        store.write(move |conn| forgive(conn, &ann)).await.unwrap();
        assert!(tries(vec![Key::account(id)]).await.is_ok());
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        for (ms, seconds) in [(1, 1), (1_000, 1), (1_001, 2), (900_000, 900)] {
            let Error::Busy { retry_after, .. } = too_many(ms) else {
                panic!("another kind");
            };
            assert_eq!(retry_after, seconds);
        }
    }
}
