//! How many commands run at one time: of everybody, and of each person.
//!
//! Never a wait: who finds no seat is told so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::UserId;

/// See the module. Clones share the seats.
#[derive(Debug, Clone)]
pub struct Seats {
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
    all: usize,
    each: usize,
}

/// A seat; dropping it gives it back.
#[derive(Debug)]
pub struct Seat {
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
    user: UserId,
}

/// Whose seats are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The server's.
    Server(usize),
    /// The person's.
    Person(usize),
}

impl Seats {
    /// So many in all, and so many for each person.
    #[must_use]
    pub fn new(all: usize, each: usize) -> Self {
        Self {
            taken: Arc::default(),
            all,
            each,
        }
    }

    /// Takes one.
    ///
    /// # Errors
    /// Whose are taken.
    pub fn take(&self, user: UserId) -> Result<Seat, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(&user).is_some_and(|own| *own >= self.each) {
            return Err(Full::Person(self.each));
        }
        if taken.values().sum::<usize>() >= self.all {
            return Err(Full::Server(self.all));
        }
        let own = taken.entry(user).or_default();
        *own = own.saturating_add(1);
        Ok(Seat {
            taken: Arc::clone(&self.taken),
            user,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.user) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_it_is_left() {
        let seats = Seats::new(3, 2);
        let (ada, bob) = (UserId::generate(), UserId::generate());
        let one = seats.take(ada).unwrap();
        let _two = seats.take(ada).unwrap();
        assert_eq!(seats.take(ada).unwrap_err(), Full::Person(2));
        let _three = seats.take(bob).unwrap();
        assert_eq!(seats.take(bob).unwrap_err(), Full::Server(3));
        drop(one);
        assert!(seats.take(ada).is_ok());
    }
}
