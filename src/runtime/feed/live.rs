//! The feed of words: pieces of messages that are still being written, as they come.
//!
//! Never a numbered event, and never a piece twice: where it stands in its message says whether it
//! is new.

use actix::prelude::*;

use crate::crash;
use crate::domain::Draft;
use crate::drivers::Delta;

use super::super::hub::Spoken;
use super::super::published::speak;
use super::super::streams::Speaker;
use super::Feed;

/// Most messages of one agent that are written at the same time.
pub(super) const MAX_OPEN: usize = 8;

/// Pieces of messages, in order.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::runtime) struct Said {
    /// The pieces.
    pub deltas: Vec<Delta>,
    /// They are of a log that is read again: nobody is told before the next new ones.
    pub quietly: bool,
}

impl Feed {
    /// Tells what was kept back of messages that are whole now, before their events.
    pub(super) fn say_rest(&mut self, events: &[Draft]) {
        let rest = events
            .iter()
            .filter_map(|event| self.streams.complete(event.kind, &event.data));
        let pieces: Vec<_> = rest.collect();
        for piece in &pieces {
            self.sinks.retain(|sink| speak(sink, piece));
        }
        if !pieces.is_empty() {
            let _spoken = self.hub.try_send(Spoken(pieces));
        }
    }
}

impl Handler<Said> for Feed {
    type Result = ();

    fn handle(&mut self, said: Said, _ctx: &mut Self::Context) {
        crash::point("feed.Said");
        let by = Speaker {
            agent: self.id,
            group: self.group,
            owner: self.owner,
        };
        let mut pieces = Vec::new();
        for delta in said.deltas {
            let Some(piece) = self.streams.take(by, delta, said.quietly) else {
                continue;
            };
            self.sinks.retain(|sink| speak(sink, &piece));
            pieces.push(piece);
        }
        if !pieces.is_empty() {
            // A hub that has no room goes without: its readers see where the next piece begins.
            let _spoken = self.hub.try_send(Spoken(pieces));
        }
    }
}
