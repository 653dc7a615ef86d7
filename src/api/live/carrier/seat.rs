//! A subscription at its publisher, from an attach to the moment when either leaves the other.
//!
//! Never pushes once it is left: a publisher that answers late, or never, carries nobody twice.

use std::sync::Arc;

use crate::app::{Piece, Published, Sink};

use super::super::close::Close;
use super::super::dialect::Dialect;
use super::super::source::Source;
use super::{Carrier, Place};

/// See the module.
pub(super) struct Seat<D: Dialect, S: Source> {
    carrier: Arc<Carrier<D, S>>,
    number: u64,
}

impl Place {
    fn holds(&self, seat: u64) -> bool {
        self.seated && self.seat == seat
    }
}

impl<D: Dialect, S: Source> Carrier<D, S> {
    /// Takes a seat for the next attach; those before are left. Everything up to `number` is known.
    pub(super) fn sit(self: &Arc<Self>, number: u64) -> Arc<Seat<D, S>> {
        let mut place = self.place();
        place.cursor = place.cursor.max(number);
        place.seat = place.seat.saturating_add(1);
        place.seated = true;
        Arc::new(Seat {
            carrier: Arc::clone(self),
            number: place.seat,
        })
    }

    /// Leaves the seat. Returns the last number that came by.
    pub(super) fn stand(&self) -> u64 {
        let mut place = self.place();
        place.seated = false;
        place.cursor
    }
}

impl<D: Dialect, S: Source> Sink for Seat<D, S> {
    fn push_all(&self, events: &[Arc<Published>]) -> bool {
        let mut place = self.carrier.place();
        place.holds(self.number) && self.carrier.push_all(&mut place, events)
    }

    fn speak(&self, piece: &Arc<Piece>) {
        if self.carrier.place().holds(self.number) {
            self.carrier.speak(piece);
        }
    }

    fn detached(&self) {
        let mut place = self.carrier.place();
        if place.holds(self.number) {
            place.seated = false;
            drop(place);
            self.carrier.life.news.notify_one();
        }
    }

    fn open(&self) -> bool {
        let carrier = &self.carrier;
        carrier.place().holds(self.number)
            && carrier.alive()
            && !carrier.follows.outbox.standing_over()
    }

    fn broken(&self) {
        self.carrier.life.end();
        self.carrier.follows.outbox.close(Close::Internal);
    }
}
