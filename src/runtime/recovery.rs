//! The recovery sweep: before the listener opens, every session that claims to have something
//! running, waiting or asked is woken, and says what is true of it now.
//!
//! Never sends a task again by itself; each session decides as after any other crash.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::StreamExt;
use futures_util::stream;

use crate::crash;
use crate::domain::{Result, SessionId};
use crate::keeper::{self, Dir};
use crate::store;
use crate::supervision::Supervisor;

use super::clock::now;
use super::context::Shared;
use super::tree::{self, Trunk};

/// Sessions that are woken at the same time.
const AT_ONCE: usize = 32;

/// Until sessions that lost their actors are looked for: the first time, and from then on.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_secs(10);
/// How many of these looks also go through the keepers' directories: a keeper that was starting when
/// the last server died answers within seconds or never. Later looks would only grow with the past.
const STRAY_LOOKS: u64 = 3;

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
    end_strays(shared).await;
    clear_leaves(shared).await;
    clear_places(shared).await;
    let unsettled = shared.store.read(store::sessions::unsettled).await?;
    let ids: Vec<SessionId> = unsettled.iter().map(|session| session.id).collect();
    let sessions = ids.len();
    let failed = wake_all(shared, trunk, ids).await;
    tracing::info!(sessions, failed, "recovery is done");
    Ok(Recovered { sessions, failed })
}

/// Wakes them, and counts those that could not be woken.
async fn wake_all(shared: &Arc<Shared>, trunk: &Arc<Trunk>, ids: Vec<SessionId>) -> usize {
    let woken = stream::iter(ids).map(|id| async move {
        let woken = tree::wake(shared, trunk, id).await;
        if let Err(error) = &woken {
            tracing::error!(session.id = %id, %error, "a session could not be recovered");
        }
        woken.is_ok()
    });
    let failed = woken
        .buffer_unordered(AT_ONCE)
        .filter(|woken| std::future::ready(!woken));
    failed.count().await
}

/// Wakes the sessions that lost their actors while they have something running, waiting or asked:
/// after a restart of everything below the root, or of one that gave up. Goes on for as long as
/// this generation of the sessions' supervisor.
pub(super) async fn keep_awake(shared: Arc<Shared>, trunk: Arc<Trunk>, sessions: Addr<Supervisor>) {
    // The first look is soon: before it, nobody reads what the agents of lost actors say.
    let mut wait = FIRST_LOOK;
    for look in 1_u64.. {
        tokio::time::sleep(wait).await;
        wait = LOOK;
        if !sessions.connected() {
            return;
        }
        crash::point("recovery.look");
        let unsettled = match shared.store.read(store::sessions::unsettled).await {
            Ok(unsettled) => unsettled,
            Err(error) => {
                tracing::warn!(%error, "nobody can be woken: the rows cannot be read");
                continue;
            }
        };
        let ids = unsettled.iter().map(|session| session.id);
        let lost: Vec<SessionId> = ids
            .filter(|id| shared.directory.look(*id).0.is_none())
            .collect();
        if !lost.is_empty() {
            tracing::warn!(sessions = lost.len(), "sessions without actors are woken");
            wake_all(&shared, &trunk, lost).await;
        }
        if look <= STRAY_LOOKS {
            end_strays(&shared).await;
        }
        shared.directory.sweep();
    }
}

/// Ends processes that are no session's latest: a start that this server, or the one before it,
/// never heard the outcome of.
async fn end_strays(shared: &Shared) {
    let root = shared.keepers.clone();
    let alive = tokio::task::spawn_blocking(move || -> std::io::Result<Vec<_>> {
        let mut all = Dir::all(&root)?;
        all.retain(|(_, _, dir)| dir.alive());
        Ok(all)
    });
    let alive = match alive.await {
        Ok(Ok(alive)) => alive,
        Ok(Err(_)) | Err(_) => return,
    };
    for (name, incarnation, dir) in alive {
        let Ok(id) = name.parse::<SessionId>() else {
            continue;
        };
        let row = shared
            .store
            .read(move |conn| store::sessions::by_id(conn, id))
            .await;
        // A start that is under way is one above what the rows say for no longer than its commit.
        let stray = match row {
            Ok(Some(session)) => {
                session.archived_at.is_some() || incarnation < session.facts.incarnation.0
            }
            Ok(None) => true,
            Err(_) => false,
        };
        if stray {
            tracing::warn!(session.id = %id, incarnation, "a process that belongs to nothing is ended");
            let _outcome = keeper::stop_past(&dir, "stray", Duration::ZERO).await;
        }
    }
}

/// Removes the cgroups that dead keepers have left, with whatever still lives in them.
async fn clear_leaves(shared: &Shared) {
    let Some(base) = shared.cgroup.clone() else {
        return;
    };
    let root = shared.keepers.clone();
    let clearing = tokio::task::spawn_blocking(move || keeper::clear_leaves(&base, &root));
    match clearing.await {
        Ok(0) => {}
        Ok(leaves) => tracing::warn!(leaves, "cgroups of dead keepers are removed"),
        Err(error) => tracing::warn!(%error, "cgroups of dead keepers may be left"),
    }
}

/// Removes the files of agents whose keeper is gone: a crash came between their end and the removal.
async fn clear_places(shared: &Shared) {
    let agents = shared.config.data_dir.join("agents");
    let keepers = shared.keepers.clone();
    let clearing = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        for entry in entries(&agents)? {
            let lives = entry.rsplit_once('-').is_none_or(|(id, number)| {
                match (id.parse::<SessionId>(), number.parse()) {
                    (Ok(id), Ok(number)) => Dir::new(&keepers, id.0, number).alive(),
                    _ => true,
                }
            });
            if !lives {
                std::fs::remove_dir_all(agents.join(entry))?;
            }
        }
        Ok(())
    });
    match clearing.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "files of agents that are gone are left"),
        Err(error) => tracing::warn!(%error, "files of agents that are gone may be left"),
    }
}

/// Removes what a deleted session has on the disk: its logs, its records, its agents' files.
pub(super) async fn clear(shared: &Shared, id: SessionId) {
    let keepers = shared.keepers.clone();
    let agents = shared.config.data_dir.join("agents");
    let clearing = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let name = id.to_string();
        for incarnation in entries(&keepers.join(&name))? {
            if let Ok(number) = incarnation.parse() {
                Dir::new(&keepers, id.0, number).remove()?;
            }
        }
        for entry in entries(&agents)? {
            if entry.starts_with(&name) {
                std::fs::remove_dir_all(agents.join(entry))?;
            }
        }
        Ok(())
    });
    if let Ok(Err(error)) = clearing.await {
        tracing::warn!(session.id = %id, %error, "files of a deleted session are left");
    }
}

/// The names in a directory; none where it is not there.
pub(super) fn entries(dir: &Path) -> std::io::Result<Vec<String>> {
    let found = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    found
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
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
                store::meta::set(conn, store::meta::LAST_LIFE, &beat.to_string())?;
            }
            store::meta::set(conn, "heartbeat", &at.0.to_string())
        })
        .await?;
    Ok(())
}
