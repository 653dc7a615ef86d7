//! How a process is ended for sure: through its session, and past it when that does not answer.
//!
//! Never depends on what it stops: after two seconds it goes by the keeper's files alone, without
//! a database, an actor or free space.

use std::time::Duration;

use crate::domain::{Error, Incarnation, Result, SessionId};
use crate::keeper::{self, Dir};

use super::context::Shared;
use super::facade::Force;
use super::session::{Halt, Halting};

/// How long the session's actor has to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a keeper needs beyond the grace, to drain, kill and write.
const MARGIN: Duration = Duration::from_secs(3);
/// How long a session has to commit an exit that has happened.
const COMMIT: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What an end came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Halted {
    /// Whether there was something to end.
    pub ended: bool,
    /// The session did not do it itself: its rows are still to follow.
    pub past: bool,
}

/// Ends the latest process of a session.
///
/// # Errors
/// `still_running` when something of its tree is left, or a start could not be called off.
pub(super) async fn halt(shared: &Shared, id: SessionId, force: Force, by: &str) -> Result<Halted> {
    let was_alive = latest(shared, id).is_some_and(|dir| dir.alive());
    let grace = match force {
        Force::Kill => Duration::ZERO,
        Force::Ladder => shared.config.agents.stop_grace,
    };
    let Some(halting) = ask(shared, id, force, by).await else {
        return past(shared, id, (was_alive, grace), by).await;
    };
    // Only this one: a prompt may have started the next already.
    let dir = Dir::new(&shared.keepers, id.0, halting.incarnation.0);
    let within = grace.saturating_add(MARGIN);
    let gone = !halting.ends || ended_within(shared, (id, halting), within).await;
    if gone && !dir.alive() {
        let ended = was_alive || halting.ends;
        return Ok(Halted { ended, past: false });
    }
    if !dir.path().exists() {
        let words = "the start of its process is not over yet";
        return Err(Error::conflict("still_running", words));
    }
    end(&dir, (id, was_alive, grace), by).await
}

/// Without the session: by the keeper, and past that by its record and marks.
async fn past(
    shared: &Shared,
    id: SessionId,
    (was_alive, grace): (bool, Duration),
    by: &str,
) -> Result<Halted> {
    let Some(dir) = latest(shared, id) else {
        return Ok(Halted {
            ended: false,
            past: false,
        });
    };
    end(&dir, (id, was_alive, grace), by).await
}

async fn end(
    dir: &Dir,
    (id, was_alive, grace): (SessionId, bool, Duration),
    by: &str,
) -> Result<Halted> {
    if was_alive {
        tracing::warn!(session.id = %id, by, "the session does not answer: its process is ended past it");
    }
    let outcome = keeper::stop_past(dir, by, grace).await;
    if !outcome.left.is_empty() {
        let count = outcome.left.len();
        let words = format!("{count} processes are still there");
        return Err(Error::conflict("still_running", words));
    }
    Ok(Halted {
        ended: was_alive,
        past: true,
    })
}

/// Asks the session's actor, if it is awake. `None` when it does not answer in time.
async fn ask(shared: &Shared, id: SessionId, force: Force, by: &str) -> Option<Halting> {
    let (handles, _) = shared.directory.look(id);
    let halt = Halt {
        force,
        by: by.to_owned(),
    };
    let answer = tokio::time::timeout(PATIENCE, handles?.session.send(halt)).await;
    answer.ok()?.ok()?.ok()
}

/// Waits until the rows say that nothing runs. A session that has been told of the end has a
/// little longer; one that is not told at all is passed over.
async fn ended_within(
    shared: &Shared,
    (id, halting): (SessionId, Halting),
    within: Duration,
) -> bool {
    let dir = Dir::new(&shared.keepers, id.0, halting.incarnation.0);
    let mut end = tokio::time::Instant::now() + within;
    let mut told = false;
    loop {
        if committed(shared, id, halting.incarnation).await {
            return true;
        }
        let over = dir.exit().is_some_and(|exit| exit.drained);
        if over && !told {
            told = true;
            end = tokio::time::Instant::now() + COMMIT;
        }
        if tokio::time::Instant::now() >= end {
            return over;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether the rows say that this process is gone.
async fn committed(shared: &Shared, id: SessionId, incarnation: Incarnation) -> bool {
    let look = shared
        .store
        .read(move |conn| crate::store::sessions::by_id(conn, id));
    match tokio::time::timeout(COMMIT, look).await {
        Ok(Ok(Some(session))) => {
            session.facts.incarnation > incarnation || !session.facts.process.held()
        }
        Ok(Ok(None) | Err(_)) | Err(_) => false,
    }
}

/// The directory of the session's newest incarnation, from the disk alone.
pub(super) fn latest(shared: &Shared, id: SessionId) -> Option<Dir> {
    let newest = std::fs::read_dir(shared.keepers.join(id.to_string()))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok())
        .max()?;
    Some(Dir::new(&shared.keepers, id.0, newest))
}
