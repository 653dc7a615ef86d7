//! How a process is ended for sure: through its session, and past it when that does not answer.
//!
//! Never depends on what it stops: after two seconds it goes by the keeper's files alone, without
//! a database, an actor or free space.

use std::time::Duration;

use crate::domain::{Error, Result, SessionId};
use crate::keeper::{self, Dir};

use super::context::Shared;
use super::facade::Force;
use super::session::Halt;

/// How long the session's actor has to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a keeper needs beyond the grace, to drain, kill and write.
const MARGIN: Duration = Duration::from_secs(3);
/// How long a session has to commit an exit that has happened.
const COMMIT: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Ends the latest process of a session. Whether there was one.
///
/// # Errors
/// `still_running` when something of its tree is left.
pub(super) async fn halt(shared: &Shared, id: SessionId, force: Force, by: &str) -> Result<bool> {
    let Some(dir) = latest(shared, id) else {
        return ask(shared, id, force, by)
            .await
            .map(|asked| asked.unwrap_or(false));
    };
    let was_alive = dir.alive();
    let asked = ask(shared, id, force, by).await?;
    let grace = match force {
        Force::Kill => Duration::ZERO,
        Force::Ladder => shared.config.agents.stop_grace,
    };
    if asked.is_some() && gone_within(&dir, grace.saturating_add(MARGIN)).await {
        let known = committed_within(shared, id, COMMIT).await;
        tracing::debug!(session.id = %id, known, "the process is ended");
        return Ok(was_alive || asked == Some(true));
    }
    if !dir.alive() {
        return Ok(was_alive);
    }
    tracing::warn!(session.id = %id, by, "the session does not answer: its process is ended past it");
    let outcome = keeper::stop_past(&dir, by, grace).await;
    if outcome.left.is_empty() {
        Ok(true)
    } else {
        Err(Error::conflict(
            "still_running",
            format!("{} processes are still there", outcome.left.len()),
        ))
    }
}

/// Asks the session's actor, if it is awake. `None` when it does not answer in time.
async fn ask(shared: &Shared, id: SessionId, force: Force, by: &str) -> Result<Option<bool>> {
    let (handles, _) = shared.directory.look(id);
    let Some(handles) = handles else {
        return Ok(None);
    };
    let halt = Halt {
        force,
        by: by.to_owned(),
    };
    match tokio::time::timeout(PATIENCE, handles.session.send(halt)).await {
        Ok(Ok(answer)) => Ok(answer.ok()),
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

async fn gone_within(dir: &Dir, within: Duration) -> bool {
    let end = tokio::time::Instant::now() + within;
    while tokio::time::Instant::now() < end {
        if !dir.alive() || dir.exit().is_some_and(|exit| exit.drained) {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

/// Waits until the session has committed that nothing runs.
async fn committed_within(shared: &Shared, id: SessionId, within: Duration) -> bool {
    let end = tokio::time::Instant::now() + within;
    while tokio::time::Instant::now() < end {
        let row = shared
            .store
            .read(move |conn| crate::store::sessions::by_id(conn, id))
            .await;
        if let Ok(Some(session)) = row
            && !session.facts.process.held()
        {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

/// The directory of the session's newest incarnation, from the disk alone.
pub(super) fn latest(shared: &Shared, id: SessionId) -> Option<Dir> {
    let newest = std::fs::read_dir(shared.keepers.join(id.to_string()))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok())
        .max()?;
    Some(Dir::new(&shared.keepers, id.0, newest))
}
