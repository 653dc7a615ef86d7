//! Whether the server works, for load balancers, dashboards and strangers.
//!
//! Never tells a stranger names, paths or texts of errors.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{App, DiskState, LogFile, Look};
use crate::domain::Timestamp;
use crate::domain::survival::Survival;
use crate::store::meta;

/// Longest wait for the database before it counts as down.
const DATABASE_WAIT: Duration = Duration::from_secs(2);
/// Longest wait for the root of the tree.
const TREE_WAIT: Duration = Duration::from_secs(2);

/// So long is told what is over, but changes how one reads what was written.
const RECENT: Duration = Duration::from_secs(600);

/// How one part does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Whether it answers.
    pub healthy: bool,
    /// How long its answer took.
    pub latency: Option<Duration>,
    /// What is wrong, in words fit for anyone.
    pub message: Option<&'static str>,
}

/// How everything does.
#[derive(Debug, Clone)]
pub struct Health {
    /// Since when the server runs.
    pub started_at: Timestamp,
    /// How long.
    pub uptime: Duration,
    /// Processes that keepers hold.
    pub live_agents: usize,
    /// Sessions that wait for a place.
    pub waiting: usize,
    /// Sessions with actors.
    pub active: usize,
    /// Rows that wait for their commit.
    pub journal_pending: usize,
    /// The database.
    pub database: Service,
    /// Whether rows can be written.
    pub writes: Service,
    /// The writer of events.
    pub journal: Service,
    /// The server's own threads.
    pub threads: Service,
    /// Descriptors for connections and agents.
    pub files: Service,
    /// The wall clock.
    pub clock: Service,
    /// The file of the log.
    pub log: Service,
    /// The tree.
    pub supervisor: Service,
    /// The room on the disk.
    pub disk: Service,
    /// The keeper's program, by file name, when it was found.
    pub keeper: Option<String>,
    /// What holds agents here.
    pub holding: Holding,
}

/// What holds agents here: their trees, their limits, their lives past the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The means that hold trees together: `namespaces`, `user_namespaces`, `group`.
    pub means: &'static str,
    /// What this machine lacks for better ones.
    pub means_missing: Option<String>,
    /// Whether each tree has a cgroup of its own.
    pub cgroup: bool,
    /// What this machine lacks for one.
    pub cgroup_missing: Option<String>,
    /// By what limits are held: `cgroup`, `rlimit`, or `none` where none are set.
    pub limits: &'static str,
    /// What of the limits is not held as it is set.
    pub limits_missing: Option<&'static str>,
    /// Whether agents outlive the server.
    pub survival: Survival,
}

/// Whether new work is welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// No, the server stops.
    Draining,
    /// No, the database does not answer.
    Database,
    /// No, the disk has no room.
    Disk,
    /// No, the database takes no rows at the moment.
    Writes,
}

impl Service {
    /// A part with the words for what hinders it.
    fn of(message: Option<&'static str>) -> Self {
        Self {
            healthy: message.is_none(),
            latency: None,
            message,
        }
    }

    /// A part that works, with words on what was lately.
    fn noting(message: Option<&'static str>) -> Self {
        Self {
            healthy: true,
            ..Self::of(message)
        }
    }
}

impl Health {
    /// The parts that work with less than they need.
    fn hindered(&self) -> Vec<&Service> {
        let parts = [
            &self.writes,
            &self.journal,
            &self.threads,
            &self.files,
            &self.log,
        ];
        let hindered = parts.into_iter().filter(|service| !service.healthy);
        hindered.collect()
    }

    /// `ok`, `degraded` or `error`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if !self.database.healthy || !self.supervisor.healthy {
            "error"
        } else if !self.hindered().is_empty() || !self.disk.healthy || self.keeper.is_none() {
            "degraded"
        } else {
            "ok"
        }
    }
}

/// The clock is never sick: the time that passes is another one.
fn clock(since_jump: Option<Duration>) -> Service {
    let lately = since_jump.is_some_and(|since| since < RECENT);
    Service::noting(lately.then_some(
        "the wall clock jumped within the last ten minutes: times before and after do not compare",
    ))
}

fn log(file: LogFile) -> Service {
    match file {
        LogFile::Remade(at) if at.elapsed() < RECENT => Service::noting(Some(
            "the file of the log was removed or renamed within the last ten minutes; it was made again",
        )),
        LogFile::Kept | LogFile::Remade(_) => Service::of(None),
        LogFile::Missing => Service::of(Some(
            "the file of the log was removed or renamed and cannot be made again",
        )),
        LogFile::Large => Service::of(Some(
            "the file of the log is over log_bytes and cannot be put aside as server.log.1",
        )),
    }
}

impl App {
    /// Looks at every part. Never fails and never takes longer than a few seconds.
    pub async fn health(&self) -> Health {
        let figures = self.runtime().figures();
        let (database, supervisor, own) =
            tokio::join!(self.database(), self.supervisor(), self.own(Look::Process));
        let trouble = figures.journal_trouble.is_some();
        Health {
            started_at: self.inner.started_at,
            uptime: self.inner.started.elapsed(),
            live_agents: figures.live_agents,
            waiting: figures.waiting,
            active: figures.active_sessions,
            journal_pending: figures.journal_pending,
            database,
            writes: Service::of(self.writes_fail()),
            journal: Service::of(trouble.then_some("the last commit failed and is being repeated")),
            threads: Service::of(
                self.pulse()
                    .stalled()
                    .then_some("a thread of the server is late by more than a second"),
            ),
            files: Service::of(own.short_of_files().then_some(
                "nearly all file descriptors are in use: new connections and agents may be refused",
            )),
            clock: clock(figures.since_jump),
            log: log(own.log_file),
            supervisor,
            disk: self.disk_service(),
            keeper: self.inner.base.keeper.clone(),
            holding: self.inner.base.holding.clone(),
        }
    }

    /// Whether new work is welcome.
    pub async fn readiness(&self) -> Readiness {
        if self.draining() {
            Readiness::Draining
        } else if !self.database().await.healthy {
            Readiness::Database
        } else if self.disk().0 == DiskState::Full {
            Readiness::Disk
        } else if self.writes_fail().is_some() {
            Readiness::Writes
        } else {
            Readiness::Ready
        }
    }

    /// Why rows cannot be written at the moment.
    fn writes_fail(&self) -> Option<&'static str> {
        Some(match self.store().figures().writes_fail? {
            "database_busy" => "another process holds the database; reads go on",
            "database_unreachable" => "the database cannot be reached: nothing is read or written",
            "disk_full" => "the disk of the database is full; reads go on",
            "database_gone" => "the file of the database was removed or replaced",
            "write_hangs" => "a write of the database does not end; reads go on",
            _ => "the last write failed; reads go on",
        })
    }

    async fn database(&self) -> Service {
        let asked = Instant::now();
        let question = self.store().read(|conn| meta::get(conn, "epoch"));
        let healthy = match self.store().is_away() {
            // It may be there again by now, but then somebody knows it.
            true => false,
            false => matches!(timeout(DATABASE_WAIT, question).await, Ok(Ok(_))),
        };
        Service {
            healthy,
            latency: Some(asked.elapsed()),
            message: (!healthy).then_some("the database does not answer"),
        }
    }

    async fn supervisor(&self) -> Service {
        let asked = Instant::now();
        let healthy = matches!(timeout(TREE_WAIT, self.runtime().tree()).await, Ok(Ok(_)));
        Service {
            healthy,
            latency: Some(asked.elapsed()),
            message: (!healthy).then_some("the supervisor tree does not answer"),
        }
    }
}
