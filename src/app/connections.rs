//! Open connections and waiting polls: bounded for each person, and ended when their token ends.
//!
//! Never waits for a connection to be gone.

mod polls;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::{App, Caller};
use crate::domain::{Error, Principal, Result, SessionId, Timestamp, UserId, WorkspaceId, api_key};

pub use polls::PollPermit;
pub(super) use polls::Polls;

/// Longer than anybody waits.
const LONG: Duration = Duration::from_secs(3_600);
/// Most connections on which nobody has signed in.
const MAX_GUESTS: usize = 256;
/// Most of them from one address.
const MAX_GUESTS_OF_ONE: usize = 64;

/// A person on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Who.
    pub who: Principal,
    /// When the token ends by itself.
    pub expires_at: Timestamp,
}

/// What somebody holds open, and needs a right for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// They read this session.
    Session(SessionId),
    /// They run a command in this workspace.
    Workspace(WorkspaceId),
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its token was revoked or its user shut out.
    AuthEnded,
    /// What its user may do has changed; the token stands.
    RightsChanged,
    /// The server stops.
    Draining,
}

/// An open connection as the list of them sees it.
pub trait Connection: Send + Sync {
    /// Ends it, without waiting.
    fn end(&self, why: Ending);
}

/// Whose a connection is.
#[derive(Clone, PartialEq, Eq)]
enum Whose {
    /// Of a person on a token.
    Person(UserId, String),
    /// Nobody has signed in on it yet; from this address.
    Guest(Option<IpAddr>),
}

#[derive(Clone)]
struct Entry {
    whose: Whose,
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

impl Entry {
    fn is_of(&self, user: UserId) -> bool {
        self.sid_of(user).is_some()
    }

    /// The token that it came with, if it is this person's.
    fn sid_of(&self, user: UserId) -> Option<&str> {
        match &self.whose {
            Whose::Person(of, sid) if *of == user => Some(sid),
            Whose::Person(..) | Whose::Guest(_) => None,
        }
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
        let open = entries.values().filter(|e| e.is_of(who.user)).count();
        if open >= self.per_user {
            return Err(Error::Busy {
                code: "too_many_connections",
                message: format!("a person has at most {} open sockets", self.per_user),
                retry_after: 5,
            });
        }
        let whose = Whose::Person(who.user, who.sid.clone());
        Ok(self.enter(&mut entries, whose, connection))
    }

    /// Enters one on which nobody has signed in.
    fn receive(
        &self,
        address: Option<IpAddr>,
        connection: Arc<dyn Connection>,
    ) -> Result<Registration> {
        let mut entries = lock(&self.entries);
        let guests = entries.values().filter_map(|entry| match &entry.whose {
            Whose::Guest(from) => Some(*from),
            Whose::Person(..) => None,
        });
        let (all, same) = guests.fold((0_usize, 0_usize), |(all, same), from| {
            let same = same.saturating_add(usize::from(from == address));
            (all.saturating_add(1), same)
        });
        if all >= MAX_GUESTS || same >= MAX_GUESTS_OF_ONE {
            return Err(Error::Busy {
                code: "too_many_connections",
                message: "too many sockets are open on which nobody has signed in".into(),
                retry_after: 5,
            });
        }
        Ok(self.enter(&mut entries, Whose::Guest(address), connection))
    }

    fn enter(
        &self,
        entries: &mut HashMap<u64, Entry>,
        whose: Whose,
        connection: Arc<dyn Connection>,
    ) -> Registration {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        entries.insert(id, Entry { whose, connection });
        Registration {
            entries: Arc::clone(&self.entries),
            id,
        }
    }

    fn matching(&self, matches: impl Fn(&Entry) -> bool) -> Vec<Arc<dyn Connection>> {
        lock(&self.entries)
            .values()
            .filter(|entry| matches(entry))
            .map(|entry| Arc::clone(&entry.connection))
            .collect()
    }

    pub(super) fn end_sid(&self, sid: &str) {
        for connection in
            self.matching(|entry| matches!(&entry.whose, Whose::Person(_, of) if of == sid))
        {
            connection.end(Ending::AuthEnded);
        }
    }

    /// Ends what a person has open, but not what came with the token that is `kept`.
    pub(super) fn end_user(&self, user: UserId, kept: Option<&str>, why: Ending) {
        let theirs = |entry: &Entry| entry.sid_of(user).is_some_and(|sid| Some(sid) != kept);
        for connection in self.matching(theirs) {
            connection.end(why);
        }
    }

    /// Ends what a person has open with other tokens than this one.
    fn end_sign_ins(&self, user: UserId, kept: &str) {
        let theirs = |entry: &Entry| {
            let sid = entry.sid_of(user);
            sid.is_some_and(|sid| sid != kept && api_key::of_sid(sid).is_none())
        };
        for connection in self.matching(theirs) {
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

impl App {
    /// Enters a connection into the list, so that it ends with its token and with the server, and
    /// returns its person as they are then. The token is looked up behind the entry: whoever ends
    /// it meanwhile finds the connection, or is seen here.
    ///
    /// # Errors
    /// `too_many_connections`, `draining`, `token_revoked`.
    pub async fn register(
        &self,
        visit: &Visit,
        connection: Arc<dyn Connection>,
    ) -> Result<(Registration, Visit)> {
        self.refuse_draining()?;
        let connections = &self.inner.connections;
        let registration = connections.register(&visit.who, connection)?;
        // Whoever stops meanwhile finds the entry, or is seen here.
        self.refuse_draining()?;
        let now = self.visit_now(&visit.who.sid).await?;
        Ok((registration, now))
    }

    /// Enters a connection on which nobody has signed in, so that it ends with the server. There are
    /// few of them, and fewer from one address.
    ///
    /// # Errors
    /// `too_many_connections`, `draining`.
    pub fn receive(&self, connection: Arc<dyn Connection>) -> Result<Registration> {
        self.refuse_draining()?;
        let address = Caller::current().and_then(|caller| caller.address);
        let registration = self.inner.connections.receive(address, connection)?;
        // Whoever stops meanwhile finds the entry, or is seen here.
        self.refuse_draining()?;
        Ok(registration)
    }

    /// Whether a person may do now what they might do when they came.
    pub async fn still_may(&self, visit: &Visit) -> bool {
        let now = self.visit_now(&visit.who.sid).await;
        now.is_ok_and(|now| now.who.role == visit.who.role)
    }

    /// Waits until a person may no longer read a session, and says why: their token was ended, or
    /// their rights are other ones.
    pub(super) async fn shut_out(&self, who: &Principal, id: SessionId) -> Error {
        self.shut_out_of(who, Of::Session(id)).await
    }

    /// The same for what else is held open.
    pub(super) async fn shut_out_of(&self, who: &Principal, of: Of) -> Error {
        let mut turns = self.inner.turns.subscribe();
        // What happened before this moment is seen by the first look, the rest by the turns.
        let mut now = self.visit(&who.sid, self.now()).await;
        loop {
            let seen = match &now {
                Ok(visit) if visit.who.role == who.role => Ok(()),
                Ok(visit) => match of {
                    Of::Session(id) => self.readable(&visit.who, id).await.map(drop),
                    Of::Workspace(id) => self.drivable_workspace(&visit.who, id).await.map(drop),
                },
                Err(error) => Err(error.clone()),
            };
            // Where the database is away, what is not known ends nothing.
            if let Err(
                error @ (Error::Unauthenticated { .. }
                | Error::NotFound { .. }
                | Error::Forbidden { .. }
                | Error::MissingScope { .. }),
            ) = seen
            {
                return error;
            }
            let left = now.as_ref().ok().and_then(|visit| self.remaining(visit));
            tokio::select! {
                turned = turns.changed() => if turned.is_err() {
                    return Error::draining();
                },
                // The token ends by itself; where nobody knows when, a turn tells.
                () = tokio::time::sleep(left.unwrap_or(LONG)) => {}
            }
            now = self.visit_now(&who.sid).await;
        }
    }

    /// Makes the server believe nothing old about a person, and ends what they have open, but not
    /// what came with the token that is `kept`.
    pub(super) fn turn(&self, user: UserId, kept: Option<&str>, why: Ending) {
        self.inner.known.forget_user(user);
        self.inner.connections.end_user(user, kept, why);
        self.tell_turn();
    }

    /// The same of the other tokens alone: what came with an API key stays.
    pub(super) fn turn_sign_ins(&self, user: UserId, kept: &str) {
        self.inner.known.forget_user(user);
        self.inner.connections.end_sign_ins(user, kept);
        self.tell_turn();
    }

    /// Ends what a token or an API key opened, at once: its sockets, its waits, and what is
    /// believed of it.
    pub(super) fn end_credential(&self, sid: &str) {
        self.inner.known.forget(sid);
        self.inner.connections.end_sid(sid);
        self.tell_turn();
    }

    fn tell_turn(&self) {
        self.inner
            .turns
            .send_modify(|turns| *turns = turns.wrapping_add(1));
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

    /// Polls that wait.
    pub(super) fn waiting_polls(&self) -> usize {
        self.inner.polls.len()
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

    /// Turns true when the server begins to stop.
    #[must_use]
    pub fn drain_signal(&self) -> watch::Receiver<bool> {
        self.inner.draining.subscribe()
    }
}

#[cfg(test)]
mod tests;
