//! Open connections and waiting polls: bounded for each person, and ended when their token ends.
//!
//! Never waits for a connection to be gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::App;
use crate::domain::{Error, Principal, Result, Timestamp, UserId};

/// A person on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Who.
    pub who: Principal,
    /// When the token ends by itself.
    pub expires_at: Timestamp,
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its token was revoked or its user shut out.
    AuthEnded,
    /// The server stops.
    Draining,
}

/// An open connection as the list of them sees it.
pub trait Connection: Send + Sync {
    /// Ends it, without waiting.
    fn end(&self, why: Ending);
}

#[derive(Clone)]
struct Entry {
    user: UserId,
    sid: String,
    connection: Arc<dyn Connection>,
}

type Entries = Arc<Mutex<HashMap<u64, Entry>>>;

/// Every open connection.
pub(super) struct Connections {
    entries: Entries,
    next: AtomicU64,
    per_user: usize,
}

/// A place in the list; dropping it leaves the list.
pub struct Registration {
    entries: Entries,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&self.entries).remove(&self.id);
    }
}

impl Connections {
    pub(super) fn new(per_user: usize) -> Self {
        Self {
            entries: Entries::default(),
            next: AtomicU64::new(1),
            per_user,
        }
    }

    fn register(&self, who: &Principal, connection: Arc<dyn Connection>) -> Result<Registration> {
        let mut entries = lock(&self.entries);
        let open = entries.values().filter(|e| e.user == who.user).count();
        if open >= self.per_user {
            return Err(Error::Busy {
                code: "too_many_connections",
                message: format!("a person has at most {} open sockets", self.per_user),
                retry_after: 5,
            });
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let entry = Entry {
            user: who.user,
            sid: who.sid.clone(),
            connection,
        };
        entries.insert(id, entry);
        Ok(Registration {
            entries: Arc::clone(&self.entries),
            id,
        })
    }

    fn matching(&self, matches: impl Fn(&Entry) -> bool) -> Vec<Arc<dyn Connection>> {
        lock(&self.entries)
            .values()
            .filter(|entry| matches(entry))
            .map(|entry| Arc::clone(&entry.connection))
            .collect()
    }

    pub(super) fn end_sid(&self, sid: &str) {
        for connection in self.matching(|entry| entry.sid == sid) {
            connection.end(Ending::AuthEnded);
        }
    }

    fn end_all(&self, why: Ending) {
        for connection in self.matching(|_| true) {
            connection.end(why);
        }
    }

    fn len(&self) -> usize {
        lock(&self.entries).len()
    }
}

fn lock(entries: &Entries) -> MutexGuard<'_, HashMap<u64, Entry>> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Polls that wait, by token.
pub(super) struct Polls {
    waiting: Arc<Mutex<HashMap<String, usize>>>,
    per_token: usize,
}

/// The right to wait; dropping it gives it back.
pub struct PollPermit {
    waiting: Arc<Mutex<HashMap<String, usize>>>,
    sid: String,
}

impl Polls {
    pub(super) fn new(per_token: usize) -> Self {
        Self {
            waiting: Arc::default(),
            per_token,
        }
    }

    fn enter(&self, sid: &str) -> Result<PollPermit> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(sid.to_owned()).or_default();
        if *count >= self.per_token {
            return Err(Error::Busy {
                code: "too_many_polls",
                message: format!("a token has at most {} waiting polls", self.per_token),
                retry_after: 1,
            });
        }
        *count = count.saturating_add(1);
        Ok(PollPermit {
            waiting: Arc::clone(&self.waiting),
            sid: sid.to_owned(),
        })
    }
}

impl Drop for PollPermit {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.sid) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                waiting.remove(&self.sid);
            }
        }
    }
}

impl App {
    /// Enters a connection into the list, so that it ends with its token and with the server.
    ///
    /// # Errors
    /// `too_many_connections`, `draining`.
    pub fn register(&self, visit: &Visit, connection: Arc<dyn Connection>) -> Result<Registration> {
        self.refuse_draining()?;
        self.inner.connections.register(&visit.who, connection)
    }

    /// How long a token has left; `None` when it has ended.
    #[must_use]
    pub fn remaining(&self, visit: &Visit) -> Option<Duration> {
        let ms = visit.expires_at.0.saturating_sub(self.now().0);
        u64::try_from(ms).ok().map(Duration::from_millis)
    }

    /// Takes the right to wait for something.
    ///
    /// # Errors
    /// `too_many_polls`.
    pub fn may_wait(&self, who: &Principal) -> Result<PollPermit> {
        self.inner.polls.enter(&who.sid)
    }

    /// Open connections.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.inner.connections.len()
    }

    /// Stops taking new work, ends waits and closes every socket.
    pub fn drain(&self) {
        self.runtime().drain();
        self.inner.draining.send_replace(true);
        self.inner.connections.end_all(Ending::Draining);
    }

    /// Whether the server is stopping.
    #[must_use]
    pub fn draining(&self) -> bool {
        *self.inner.draining.borrow() || self.runtime().draining()
    }

    pub(super) fn drain_signal(&self) -> watch::Receiver<bool> {
        self.inner.draining.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;

    #[derive(Default)]
    struct Ended(Mutex<Vec<Ending>>);

    impl Connection for Ended {
        fn end(&self, why: Ending) {
            self.0.lock().unwrap().push(why);
        }
    }

    fn shared(ended: &Arc<Ended>) -> Arc<dyn Connection> {
        let same: Arc<Ended> = Arc::clone(ended);
        same
    }

    fn someone(sid: &str) -> Principal {
        Principal {
            user: UserId::generate(),
            username: "a".into(),
            role: Role::Member,
            sid: sid.into(),
        }
    }

    #[test]
    fn only_the_sockets_of_the_ended_token_are_closed() {
        let connections = Connections::new(2);
        let (one, two) = (Arc::new(Ended::default()), Arc::new(Ended::default()));
        let _a = connections.register(&someone("a"), shared(&one));
        let _b = connections.register(&someone("b"), shared(&two));
        connections.end_sid("a");
        assert_eq!(*one.0.lock().unwrap(), [Ending::AuthEnded]);
        assert!(two.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_person_has_a_bounded_number_and_gets_places_back() {
        let connections = Connections::new(2);
        let who = someone("a");
        let connection = Arc::new(Ended::default());
        let first = connections.register(&who, shared(&connection)).unwrap();
        let _second = connections.register(&who, shared(&connection)).unwrap();
        let refused = connections.register(&who, shared(&connection));
        assert_eq!(refused.err().unwrap().code(), "too_many_connections");
        assert!(
            connections
                .register(&someone("a"), shared(&connection))
                .is_ok()
        );
        drop(first);
        assert!(connections.register(&who, connection).is_ok());
    }

    #[test]
    fn waiting_polls_are_bounded_by_token() {
        let polls = Polls::new(1);
        let held = polls.enter("a").unwrap();
        assert_eq!(polls.enter("a").err().unwrap().code(), "too_many_polls");
        assert!(polls.enter("b").is_ok());
        drop(held);
        assert!(polls.enter("a").is_ok());
    }
}
