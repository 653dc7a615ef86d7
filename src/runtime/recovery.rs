//! The recovery sweep: before the listener opens, every session that claims to have something
//! running, waiting or asked is woken, and says what is true of it now.
//!
//! Never sends a task again by itself; each session decides as after any other crash.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use crate::domain::{Result, SessionId};
use crate::store;

use super::clock::now;
use super::context::Shared;
use super::tree::{self, Trunk};

/// Sessions that are woken at the same time.
const AT_ONCE: usize = 32;

/// What the sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Sessions that were looked at.
    pub sessions: usize,
    /// Those that could not be woken; they are tried again when somebody asks for them.
    pub failed: usize,
}

/// See the module.
pub(super) async fn sweep(shared: &Arc<Shared>, trunk: &Arc<Trunk>) -> Result<Recovered> {
    make_up_for_downtime(shared).await?;
    let unsettled = shared.store.read(store::sessions::unsettled).await?;
    let ids: Vec<SessionId> = unsettled.iter().map(|session| session.id).collect();
    let woken = stream::iter(ids)
        .map(|id| async move {
            let woken = tree::wake(shared, trunk, id).await;
            if let Err(error) = &woken {
                tracing::error!(session.id = %id, %error, "a session could not be recovered");
            }
            woken.is_ok()
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<bool>>()
        .await;
    let failed = woken.iter().filter(|woken| !**woken).count();
    let found = Recovered {
        sessions: woken.len(),
        failed,
    };
    tracing::info!(sessions = found.sessions, failed, "recovery is done");
    Ok(found)
}

/// Open questions do not grow older while the server is down.
async fn make_up_for_downtime(shared: &Shared) -> Result<()> {
    let at = now();
    shared
        .store
        .write(move |conn| {
            let beat =
                store::meta::get(conn, "heartbeat")?.and_then(|text| text.parse::<i64>().ok());
            if let Some(beat) = beat {
                store::approvals::shift_expiry(conn, at.0.saturating_sub(beat).max(0))?;
            }
            store::meta::set(conn, "heartbeat", &at.0.to_string())
        })
        .await?;
    Ok(())
}
