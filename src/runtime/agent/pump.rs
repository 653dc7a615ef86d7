//! The task that carries a keeper's frames to the agent's actor, one at a time.
//!
//! Never reads ahead: the next frame is read when the last one is committed, so a slow database
//! ends as a keeper that waits with its log.

use actix::Addr;
use tokio::task::JoinHandle;

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
                let frame = match reader.next().await {
                    Ok(frame) => frame,
                    Err(error) => {
                        tracing::warn!(%error, %incarnation, "the keeper's connection broke");
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
