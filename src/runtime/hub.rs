//! The hub: every committed event of the server in the order of its pos, for readers of many
//! agents.
//!
//! Never waits for a reader, and never shows an event before the journal committed it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::prelude::*;

use crate::crash;
use crate::domain::{Error, Result};
use crate::drivers::Delta;
use crate::supervision::{Exit, Lifeline, Stop};

use super::context::Shared;
use super::facade::Attach;
use super::published::{Published, Sink, catch_up, offer_all, speak};
use super::streams::{Piece, Speaker, Streams};

/// Events that a reader may be behind and still be replayed from memory.
const RECENT: usize = 1_024;
/// Bytes of them.
const RECENT_BYTES: usize = 4 * 1024 * 1024;
/// Most messages that are written at the same time and whose words a new reader gets.
const MAX_OPEN: usize = 64;

/// Newly committed events, in order of pos.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Announce(pub Vec<Arc<Published>>);

/// Follow every agent from after this pos.
#[derive(Message)]
#[rtype(result = "Result<Attach>")]
pub(super) struct Follow {
    /// The last pos that the reader has.
    pub after: u64,
    /// Where to push. It may be given numbers that its reader has, when its cursor was ahead of
    /// the hub by a commit that was on its way.
    pub sink: Arc<dyn Sink>,
}

/// See the module.
pub(super) struct Hub {
    shared: Arc<Shared>,
    lifeline: Lifeline,
    recent: VecDeque<Arc<Published>>,
    bytes: usize,
    /// Every committed pos up to here has been seen or was committed before this generation.
    latest: u64,
    /// The pos before the oldest of `recent`.
    floor: u64,
    sinks: Vec<Arc<dyn Sink>>,
    streams: Streams,
}

impl Hub {
    pub(super) fn new(shared: Arc<Shared>, lifeline: Lifeline) -> Self {
        let latest = shared.latest_pos.load(Ordering::Acquire);
        Self {
            shared,
            lifeline,
            recent: VecDeque::new(),
            bytes: 0,
            latest,
            floor: latest,
            sinks: Vec::new(),
            streams: Streams::new(MAX_OPEN),
        }
    }

    /// Goes on after `latest`; what came before must be read from the rows.
    fn go_on_after(&mut self, latest: u64) {
        self.recent.clear();
        self.bytes = 0;
        self.latest = latest;
        self.floor = latest;
        for sink in self.sinks.drain(..) {
            sink.detached();
        }
    }

    fn keep(&mut self, event: Arc<Published>) {
        self.latest = event.event.pos;
        self.bytes = self.bytes.saturating_add(event.weight());
        self.recent.push_back(event);
        while self.recent.len() > RECENT || self.bytes > RECENT_BYTES {
            let Some(gone) = self.recent.pop_front() else {
                break;
            };
            self.floor = gone.event.pos;
            self.bytes = self.bytes.saturating_sub(gone.weight());
        }
    }
}

impl Actor for Hub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crash::point("hub.started");
        self.lifeline.tether().hold(ctx, |_, ctx| ctx.stop());
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        for sink in &self.sinks {
            sink.detached();
        }
    }
}

impl Handler<Announce> for Hub {
    type Result = ();

    fn handle(&mut self, message: Announce, _ctx: &mut Self::Context) {
        crash::point("hub.Announce");
        let first = message.0.first().map(|event| event.event.pos);
        if let Some(before) = first.map(|pos| pos.saturating_sub(1))
            && before > self.latest
        {
            self.go_on_after(before);
        }
        for event in &message.0 {
            self.streams.end(event);
        }
        self.sinks.retain(|sink| offer_all(sink, &message.0));
        for event in message.0 {
            self.keep(event);
        }
    }
}

impl Handler<Follow> for Hub {
    type Result = Result<Attach>;

    fn handle(&mut self, follow: Follow, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("hub.Follow");
        if follow.after
            > self
                .shared
                .writing_pos
                .load(Ordering::Acquire)
                .max(self.latest)
        {
            return Err(Error::EpochChanged {
                epoch: String::new(),
                latest_seq: self.latest,
            });
        }
        if follow.after < self.floor {
            return Ok(Attach::Behind);
        }
        let recent = self.recent.iter();
        let missed = recent.filter(|event| event.event.pos > follow.after);
        let missed: Vec<_> = missed.cloned().collect();
        if !catch_up(&follow.sink, &missed) {
            return Ok(Attach::Live {
                latest: self.latest,
            });
        }
        if self
            .streams
            .so_far()
            .all(|piece| speak(&follow.sink, &piece))
        {
            // Of closed sockets nobody says so while nothing happens.
            self.sinks.retain(|sink| sink.open());
            self.sinks.push(follow.sink);
        }
        Ok(Attach::Live {
            latest: self.latest,
        })
    }
}

/// Pieces of messages that an agent is writing.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Spoken(pub Vec<Arc<Piece>>);

impl Handler<Spoken> for Hub {
    type Result = ();

    fn handle(&mut self, message: Spoken, _ctx: &mut Self::Context) {
        crash::point("hub.Spoken");
        for piece in message.0 {
            let by = Speaker {
                agent: piece.agent,
                group: piece.group,
                owner: piece.owner,
            };
            let delta = Delta {
                kind: piece.kind,
                message: piece.message.clone(),
                offset: piece.offset,
                text: piece.text.clone(),
            };
            // A feed that was made anew tells again what its readers do not have yet.
            if let Some(new) = self.streams.take(by, delta, false) {
                let piece = if *new == *piece { piece } else { new };
                self.sinks.retain(|sink| speak(sink, &piece));
            }
        }
    }
}

/// Everything up to this pos was announced before this generation was known to the journal.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Passed(pub u64);

impl Handler<Passed> for Hub {
    type Result = ();

    fn handle(&mut self, message: Passed, _ctx: &mut Self::Context) {
        crash::point("hub.Passed");
        if message.0 > self.latest {
            self.go_on_after(message.0);
        }
    }
}

impl Handler<Stop> for Hub {
    type Result = ();

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        crash::point("hub.Stop");
        self.lifeline.record(Exit::Shutdown);
        ctx.stop();
    }
}
