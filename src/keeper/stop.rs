//! A stop that depends on nothing it stops: past the actors, past the database, past the keeper.
//! Never returns before the tree is gone, unless it says what is left.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::connection::connect;
use super::dir::Dir;
use super::pidfd::Pidfd;
use super::sweep::sweep;
use super::tree;
use super::wire::frame::KeeperFrame;
use super::wire::identity;
use super::wire::record::ExitRecord;

/// Beyond the grace, for draining, killing and writing the record.
const MARGIN: Duration = Duration::from_secs(5);
/// For the tree and then the keeper to be gone after SIGKILL.
const KILL: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// Which way the stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// No keeper lived; what it had left was swept.
    AlreadyGone,
    /// The keeper did it.
    Keeper,
    /// The keeper did not answer and was killed with its tree.
    Forced,
}

/// What a stop came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which way it went.
    pub path: Path,
    /// How the program ended; `None` when it never began.
    pub exit: Option<ExitRecord>,
    /// The exit record is on disk (a full disk may refuse one of a keeper that had no space set aside).
    pub recorded: bool,
    /// Processes of the tree that even SIGKILL has not ended yet.
    pub left: Vec<u32>,
}

/// Stops an incarnation for good. Two seconds without an answer and the keeper is passed over.
/// `by` stands in the exit record: who asked.
pub async fn stop_past(dir: &Dir, by: &str, grace: Duration) -> Outcome {
    let asked = if dir.alive() {
        tokio::time::timeout(grace + MARGIN, ask(dir, by, grace))
            .await
            .ok()
            .flatten()
    } else {
        None
    };
    let (place, by) = (dir.clone(), by.to_owned());
    let forced = tokio::task::spawn_blocking(move || finish(&place, asked, &by)).await;
    forced.unwrap_or_else(|_| Outcome {
        path: Path::Forced,
        exit: dir.exit(),
        recorded: dir.exit().is_some(),
        left: Vec::new(),
    })
}

/// The keeper's own way; its exit frame comes when its tree is gone.
async fn ask(dir: &Dir, by: &str, grace: Duration) -> Option<ExitRecord> {
    let (_, mut reader, writer) = connect(dir.path()).await.ok()?;
    writer.stop(by, grace).await.ok()?;
    while let Ok(Some(frame)) = reader.next().await {
        if let KeeperFrame::Exit(record) = frame {
            return Some(record);
        }
    }
    None
}

fn finish(dir: &Dir, asked: Option<ExitRecord>, by: &str) -> Outcome {
    let lived = dir.alive();
    let path = match (&asked, lived) {
        (Some(_), _) => Path::Keeper,
        (None, true) => Path::Forced,
        (None, false) => Path::AlreadyGone,
    };
    let mut left = Vec::new();
    if path == Path::Forced {
        left = kill_keeper(dir);
    }
    // By the cgroup, too: what the walk below the keeper has missed is in it.
    if let Some(record) = dir.record() {
        left.extend(sweep(dir, &record).left);
    }
    left.retain(|pid| identity::stat(*pid).is_some_and(|stat| !stat.zombie));
    let exit = asked
        .or_else(|| dir.exit())
        .or_else(|| lost(dir, by, left.is_empty()));
    Outcome {
        path,
        recorded: dir.exit().is_some(),
        exit,
        left,
    }
}

/// The tree first, while it still hangs below the keeper; then the keeper. What could not be ended.
fn kill_keeper(dir: &Dir) -> Vec<u32> {
    let Some((pid, start_ticks)) = dir.keeper() else {
        return Vec::new();
    };
    let Ok(keeper) = Pidfd::open(pid) else {
        return Vec::new();
    };
    if !identity::lives(pid, start_ticks) {
        return Vec::new();
    }
    let start = Instant::now();
    while tree::signal(pid, libc::SIGKILL) > 0 && start.elapsed() < KILL {
        std::thread::sleep(PAUSE);
    }
    let left = tree::descendants(pid)
        .iter()
        .map(|member| member.pid)
        .collect();
    let _gone = keeper.signal(libc::SIGKILL);
    let start = Instant::now();
    while dir.alive() && start.elapsed() < KILL {
        std::thread::sleep(PAUSE);
    }
    left
}

/// A record of an end that nobody has seen: no code, no signal, but who asked.
fn lost(dir: &Dir, by: &str, gone: bool) -> Option<ExitRecord> {
    dir.record()?;
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let record = ExitRecord {
        at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        by: Some(by.to_owned()),
        log_len: dir.log().length().unwrap_or(0),
        drained: gone,
        ..ExitRecord::default()
    };
    if let Err(error) = dir.write_exit(&record) {
        tracing::warn!(%error, "exit record not written");
    }
    Some(record)
}
