//! The hub: every committed event of the server in the order of its pos, for readers of many
//! agents.
//!
//! Never waits for a reader, and never shows an event before the journal committed it.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::*;

use crate::domain::{Error, Result};
use crate::supervision::{Exit, Lifeline, Stop};

use super::facade::Attach;
use super::published::{Published, Sink};

/// Events that a reader may be behind and still be replayed from memory.
const RECENT: usize = 1_024;
/// Bytes of them.
const RECENT_BYTES: usize = 4 * 1024 * 1024;

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
    /// Where to push.
    pub sink: Arc<dyn Sink>,
}

/// See the module.
pub(super) struct Hub {
    lifeline: Lifeline,
    recent: VecDeque<Arc<Published>>,
    bytes: usize,
    /// Every committed pos up to here has been seen or was committed before this generation.
    latest: u64,
    /// The pos before the oldest of `recent`.
    floor: u64,
    sinks: Vec<Arc<dyn Sink>>,
}

impl Hub {
    pub(super) fn new(lifeline: Lifeline, latest: u64) -> Self {
        Self {
            lifeline,
            recent: VecDeque::new(),
            bytes: 0,
            latest,
            floor: latest,
            sinks: Vec::new(),
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
        for event in message.0 {
            self.sinks.retain(|sink| sink.push(&event));
            self.keep(event);
        }
    }
}

impl Handler<Follow> for Hub {
    type Result = Result<Attach>;

    fn handle(&mut self, follow: Follow, _ctx: &mut Self::Context) -> Self::Result {
        if follow.after > self.latest {
            return Err(Error::EpochChanged {
                epoch: String::new(),
                latest_seq: self.latest,
            });
        }
        if follow.after < self.floor {
            return Ok(Attach::Behind);
        }
        let missed = self
            .recent
            .iter()
            .filter(|event| event.event.pos > follow.after);
        for event in missed {
            if !follow.sink.push(event) {
                return Ok(Attach::Live {
                    latest: self.latest,
                });
            }
        }
        self.sinks.push(follow.sink);
        Ok(Attach::Live {
            latest: self.latest,
        })
    }
}

impl Handler<Stop> for Hub {
    type Result = ();

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        self.lifeline.record(Exit::Shutdown);
        ctx.stop();
    }
}
