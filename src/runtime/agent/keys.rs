//! What people do at an agent's terminal.
//!
//! Never a task: what is typed here is on no queue and in no row.

use actix::prelude::*;

use crate::crash;
use crate::domain::Result;

use super::life::{Life, no_process};
use super::{Acting, AgentActor};

/// Type these bytes.
#[derive(Message)]
#[rtype(result = "Result<()>")]
pub(in crate::runtime) struct Keys(pub Vec<u8>);

/// The terminal has a new size.
#[derive(Message)]
#[rtype(result = "Result<()>")]
pub(in crate::runtime) struct Resize {
    pub rows: u16,
    pub cols: u16,
}

impl Handler<Keys> for AgentActor {
    type Result = Acting<Result<()>>;

    fn handle(&mut self, keys: Keys, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("agent.Keys");
        AtomicResponse::new(self.with_life(move |life, _| async move {
            match life {
                Some(life) => done(life, async |life| life.type_in(keys.0).await).await,
                None => (None, Err(no_process())),
            }
        }))
    }
}

impl Handler<Resize> for AgentActor {
    type Result = Acting<Result<()>>;

    fn handle(&mut self, size: Resize, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("agent.Resize");
        AtomicResponse::new(self.with_life(move |life, _| async move {
            match life {
                Some(life) => {
                    done(life, async |life| life.resize(size.rows, size.cols).await).await
                }
                None => (None, Err(no_process())),
            }
        }))
    }
}

async fn done(
    life: Life,
    act: impl AsyncFnOnce(&Life) -> Result<()>,
) -> (Option<Life>, Result<()>) {
    let outcome = act(&life).await;
    (Some(life), outcome)
}
