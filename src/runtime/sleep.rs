//! How a session that has nothing to do gives its actors back.
//!
//! Never takes a session down that accepted something meanwhile.

use std::sync::Arc;

use actix::prelude::*;

use crate::crash;
use crate::domain::SessionId;
use crate::supervision::tireless;

use super::context::Shared;
use super::queue::{Queue, Quiesce};
use super::session::SessionActor;
use super::tree;

/// Asks the queue, and takes the subtree down if it agrees. From the moment of the asking, whoever
/// comes wakes a new subtree and waits until this one is gone.
pub(super) fn put_to_sleep(
    shared: Arc<Shared>,
    id: SessionId,
    queue: Addr<Queue>,
    ctx: &mut Context<SessionActor>,
) {
    let agrees = async move { matches!(queue.send(Quiesce).await, Ok(true)) };
    let asking = actix::fut::wrap_future::<_, SessionActor>(agrees).map(
        move |agrees, session: &mut SessionActor, _| {
            if agrees {
                session.fall_asleep();
                shared.directory.leave(id);
                let Some(trunk) = shared.trunk() else {
                    return;
                };
                // In a task of its own: the subtree that ends is the one of this actor.
                actix::spawn(tireless("sleep", move || {
                    let (shared, trunk) = (Arc::clone(&shared), Arc::clone(&trunk));
                    async move {
                        crash::point("sleep.take_down");
                        tree::sleep(&trunk, id).await;
                        shared.directory.sweep();
                    }
                }));
            }
        },
    );
    ctx.wait(asking);
}
