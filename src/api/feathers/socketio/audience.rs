//! Who hears of what happens: sockets by the person who is signed in on them.
//!
//! Never waits for a reader, and never leaves one with a gap: who has no room for an event is closed,
//! connects again and reads anew.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use serde_json::Value;

use super::packet::event_text;
use crate::api::live::close::Close;
use crate::api::live::outbox::{Offered, Outbox};
use crate::domain::{Principal, UserId};

/// The sockets on which somebody is signed in.
#[derive(Default)]
pub struct Audience(Mutex<Seats>);

#[derive(Default)]
struct Seats {
    seats: HashMap<String, Seat>,
    of: HashMap<UserId, HashSet<String>>,
    /// Those who see what is not theirs.
    overseers: HashSet<String>,
}

struct Seat {
    who: Principal,
    outbox: Arc<Outbox>,
}

impl Audience {
    /// Seats a socket; one that has a seat gets another.
    pub fn join(&self, socket: &str, who: &Principal, outbox: Arc<Outbox>) {
        let mut seats = self.lock();
        seats.part(socket);
        let mine = seats.of.entry(who.user).or_default();
        mine.insert(socket.to_owned());
        if who.is_admin() {
            seats.overseers.insert(socket.to_owned());
        }
        let who = who.clone();
        seats.seats.insert(socket.to_owned(), Seat { who, outbox });
    }

    /// Gives the seat up.
    pub fn part(&self, socket: &str) {
        self.lock().part(socket);
    }

    /// Tells all who may see an object of `owner`, for example `sessions patched`. How many were told.
    pub fn emit(&self, owner: UserId, name: &str, payload: &Value) -> usize {
        let hearers = self.hearers(owner);
        if hearers.is_empty() {
            return 0;
        }
        let text = event_text(name, payload);
        let mut told = 0_usize;
        for outbox in hearers {
            match outbox.offer(vec![text.clone()], || true) {
                Offered::Taken => told = told.saturating_add(1),
                Offered::Later => outbox.close(Close::TooSlow),
                Offered::Over => {}
            }
        }
        told
    }

    /// Tells all but one; who has no room goes without.
    pub fn tell_others(&self, but: &str, text: &ByteString) {
        let others: Vec<_> = {
            let seats = self.lock();
            let others = seats.seats.iter().filter(|(socket, _)| *socket != but);
            others.map(|(_, seat)| Arc::clone(&seat.outbox)).collect()
        };
        for outbox in others {
            let _without = outbox.offer(vec![text.clone()], || true);
        }
    }

    fn hearers(&self, owner: UserId) -> Vec<Arc<Outbox>> {
        let seats = self.lock();
        let own = seats.of.get(&owner).into_iter().flatten();
        let names: HashSet<&String> = own.chain(&seats.overseers).collect();
        let found = names.into_iter().filter_map(|name| seats.seats.get(name));
        found
            .filter(|seat| seat.who.may_read(owner))
            .map(|seat| Arc::clone(&seat.outbox))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    fn part(&mut self, socket: &str) {
        let Some(seat) = self.seats.remove(socket) else {
            return;
        };
        self.overseers.remove(socket);
        if let Some(mine) = self.of.get_mut(&seat.who.user) {
            mine.remove(socket);
            if mine.is_empty() {
                self.of.remove(&seat.who.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use serde_json::json;

    use super::*;
    use crate::api::live::frame::{Next, Standing};
    use crate::domain::testing::someone;
    use crate::domain::{Role, Scope, Scopes};

    fn joined(audience: &Audience, socket: &str, who: &Principal) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new());
        audience.join(socket, who, Arc::clone(&outbox));
        outbox
    }

    fn heard(outbox: &Outbox) -> Vec<String> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Next::Frame(crate::api::live::frame::Body::Text(text))) =
            outbox.poll(&mut cx)
        {
            all.push(text.to_string());
        }
        all
    }

    #[test]
    fn only_the_owner_and_admins_hear_of_an_object() {
        let audience = Audience::default();
        let (ada, bob) = (someone("a"), someone("b"));
        let admin = Principal {
            role: Role::Admin,
            scopes: Scopes::ALL,
            ..someone("c")
        };
        let keyed = Principal {
            scopes: Scopes::of(&[Scope::Metrics]),
            ..ada.clone()
        };
        let seats: Vec<_> = [
            ("1", &ada),
            ("2", &ada),
            ("3", &bob),
            ("4", &admin),
            ("5", &keyed),
        ]
        .map(|(socket, who)| joined(&audience, socket, who))
        .into();
        let told = audience.emit(ada.user, "sessions patched", &json!({"a": "\u{1e}"}));
        assert_eq!(told, 3);
        let text = "42[\"sessions patched\",{\"a\":\"\\u001e\"}]";
        let heard: Vec<_> = seats.iter().map(|outbox| heard(outbox)).collect();
        assert_eq!(heard, [vec![text], vec![text], vec![], vec![text], vec![]]);
        audience.part("1");
        assert_eq!(audience.emit(ada.user, "sessions patched", &json!({})), 2);
        // Another person on the same socket.
        audience.join("2", &bob, Arc::clone(&seats[1]));
        assert_eq!(audience.emit(ada.user, "sessions patched", &json!({})), 1);
        assert_eq!(audience.emit(bob.user, "sessions patched", &json!({})), 3);
    }

    #[test]
    fn who_does_not_read_is_closed_and_grows_no_memory() {
        let audience = Audience::default();
        let ada = someone("a");
        let (slow, quick) = (joined(&audience, "1", &ada), joined(&audience, "2", &ada));
        for at in 0..300 {
            audience.emit(ada.user, "tasks created", &json!({ "at": at }));
            assert_eq!(heard(&quick).len(), 1);
        }
        assert_eq!(slow.standing(), Standing::Closing(Close::TooSlow));
        assert_eq!(quick.standing(), Standing::Open(None));
        assert_eq!(audience.emit(ada.user, "tasks created", &json!({})), 1);
    }

    #[test]
    fn presence_is_left_out_where_there_is_no_room() {
        let audience = Audience::default();
        let (ada, bob) = (someone("a"), someone("b"));
        let (own, other) = (joined(&audience, "1", &ada), joined(&audience, "2", &bob));
        for _ in 0..300 {
            audience.tell_others("1", &"42[\"cursor-moved\",{}]".into());
        }
        assert!(heard(&own).is_empty());
        assert_eq!(heard(&other).len(), 256);
        assert!(matches!(other.standing(), Standing::Open(_)));
    }
}
