//! Files of the past: output logs of earlier processes, and what deleted sessions have left.
//!
//! Never the files of a process that lives, of the latest one, or of one whose end is not read.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::domain::{Incarnation, Result, SessionId};
use crate::keeper::Dir;
use crate::store::retention::{self, Keep};

use super::clock::now;
use super::context::Shared;
use super::facade::Force;
use super::handle::Runtime;
use super::{halt, recovery, tree};

/// Directories of sessions that are looked at in one go.
const AT_ONCE: usize = 64;
/// Pause between two goes, so that the disk is there for others.
const PAUSE: Duration = Duration::from_millis(10);
/// Age of files that no session owns before they go: a start may be ahead of its rows.
const STRAY_AGE: Duration = Duration::from_secs(600);

/// The output logs on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Logs that are kept.
    pub kept: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Logs that were removed.
    pub removed: u64,
    /// Their bytes.
    pub freed: u64,
}

/// The files of one process.
struct Place {
    number: u64,
    dir: Dir,
    bytes: u64,
    alive: bool,
    /// When something was made or removed in it last.
    changed: SystemTime,
}

impl Runtime {
    /// Removes the output logs of earlier processes that are not kept, and counts the others.
    ///
    /// # Errors
    /// When the database or the directory cannot be read.
    pub async fn sweep_logs(&self, keep: Keep) -> Result<LogFigures> {
        let shared = self.shared();
        let mut figures = LogFigures::default();
        let root = shared.keepers.clone();
        let names = blocking(move || recovery::entries(&root)).await?;
        let ids = names.iter().filter_map(|name| name.parse().ok());
        let ids: Vec<SessionId> = ids.collect();
        for some in ids.chunks(AT_ONCE) {
            let (root, ids) = (shared.keepers.clone(), some.to_vec());
            let found = blocking(move || {
                let of = |id: SessionId| Ok((id, places(&root, id)?));
                ids.into_iter().map(of).collect::<std::io::Result<Vec<_>>>()
            });
            for (id, places) in found.await? {
                sweep_session(shared, (id, places), keep, &mut figures).await?;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(figures)
    }

    /// Takes down what is left of a session whose row says that it is deleted: actors, readers, a
    /// process that came in between, files.
    ///
    /// # Errors
    /// `still_running`.
    pub async fn bury(&self, id: SessionId) -> Result<()> {
        self.shared().directory.leave(id);
        tree::sleep(self.trunk(), id).await;
        let _halted = halt::halt(self.shared(), id, Force::Ladder, "retention").await?;
        recovery::clear(self.shared(), id).await;
        Ok(())
    }
}

async fn sweep_session(
    shared: &Shared,
    (id, mut places): (SessionId, Vec<Place>),
    keep: Keep,
    figures: &mut LogFigures,
) -> Result<()> {
    let lives = shared
        .store
        .read(move |conn| retention::lives(conn, id))
        .await?;
    places.sort_by_key(|place| std::cmp::Reverse(place.number));
    let latest = places.first().map_or(0, |place| place.number);
    let mut earlier = 0;
    for place in places {
        let goes = match &lives {
            // No session owns them any more.
            None => older(&place, STRAY_AGE),
            Some(lives) if place.number >= latest.min(lives.latest.0) => false,
            Some(lives) => {
                earlier += 1;
                let needed = lives.needed.contains(&Incarnation(place.number));
                let many = keep.newest.is_some_and(|newest| earlier > newest);
                !needed && (many || past(&place, keep))
            }
        };
        count(figures, place, goes).await?;
    }
    Ok(())
}

async fn count(figures: &mut LogFigures, place: Place, goes: bool) -> Result<()> {
    let bytes = place.bytes;
    if goes && !place.alive {
        blocking(move || place.dir.remove()).await?;
        figures.removed = figures.removed.saturating_add(1);
        figures.freed = figures.freed.saturating_add(bytes);
    } else {
        figures.kept = figures.kept.saturating_add(1);
        figures.bytes = figures.bytes.saturating_add(bytes);
    }
    Ok(())
}

fn past(place: &Place, keep: Keep) -> bool {
    let Some(since) = keep.since else {
        return false;
    };
    let ms = now().0.saturating_sub(since.0);
    older(place, Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

fn older(place: &Place, age: Duration) -> bool {
    place.changed.elapsed().is_ok_and(|since| since > age)
}

fn places(root: &Path, id: SessionId) -> std::io::Result<Vec<Place>> {
    let mut found = Vec::new();
    for name in recovery::entries(&root.join(id.to_string()))? {
        let Ok(number) = name.parse() else { continue };
        let dir = Dir::new(root, id.0, number);
        let (Ok(bytes), Ok(about)) = (size(dir.path()), std::fs::metadata(dir.path())) else {
            // It went meanwhile.
            continue;
        };
        found.push(Place {
            number,
            bytes,
            alive: dir.alive(),
            changed: about.modified()?,
            dir,
        });
    }
    Ok(found)
}

fn size(dir: &Path) -> std::io::Result<u64> {
    let mut bytes: u64 = 0;
    for entry in std::fs::read_dir(dir)? {
        // A segment that goes meanwhile counts as gone.
        bytes = bytes.saturating_add(entry?.metadata().map_or(0, |about| about.len()));
    }
    Ok(bytes)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(crate::domain::Error::internal)?
        .map_err(crate::domain::Error::internal)
}
