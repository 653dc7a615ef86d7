//! The task that carries a keeper's frames to the agent's actor, one at a time.
//!
//! Never reads on: the next frame is read when the last one is committed, so a slow database
//! ends as a keeper that waits with its log.

use std::panic::AssertUnwindSafe;

use actix::Addr;
use futures_util::FutureExt;
use tokio::task::JoinHandle;

use crate::crash;
use crate::domain::Incarnation;
use crate::keeper::Reader;

use super::{AgentActor, Heard};

/// The running task; dropping it ends it and closes the reading half.
#[derive(Debug)]
pub(super) struct Pump(JoinHandle<()>);

impl Pump {
    /// Starts to carry.
    pub(super) fn start(
        mut reader: Reader,
        incarnation: Incarnation,
        to: Addr<AgentActor>,
    ) -> Self {
        Self(actix::spawn(async move {
            loop {
                // A panic over a frame is a broken connection: the actor must not wait for ever.
                let next = async {
                    let frame = reader.next().await;
                    crash::point("pump.frame");
                    frame
                };
                let frame = match AssertUnwindSafe(next).catch_unwind().await {
                    Ok(Ok(frame)) => frame,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, %incarnation, "the keeper's connection broke");
                        None
                    }
                    Err(_panic) => {
                        tracing::warn!(%incarnation, "a frame of the keeper made a panic");
                        None
                    }
                };
                let over = frame.is_none();
                let answer = to.send(Heard { incarnation, frame }).await;
                if over || !matches!(answer, Ok(true)) {
                    return;
                }
            }
        }))
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}
