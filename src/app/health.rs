//! Whether the server works, for load balancers, dashboards and strangers.
//!
//! Never tells a stranger names, paths or texts of errors.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::App;
use crate::domain::Timestamp;
use crate::domain::survival::Survival;
use crate::store::meta;

/// Longest wait for the database before it counts as down.
const DATABASE_WAIT: Duration = Duration::from_secs(2);
/// Longest wait for the root of the tree.
const TREE_WAIT: Duration = Duration::from_secs(2);

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
    /// The writer of events.
    pub journal: Service,
    /// The tree.
    pub supervisor: Service,
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
}

impl Health {
    /// `ok`, `degraded` or `error`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if !self.database.healthy || !self.supervisor.healthy {
            "error"
        } else if !self.journal.healthy || self.keeper.is_none() {
            "degraded"
        } else {
            "ok"
        }
    }
}

impl App {
    /// Looks at every part. Never fails and never takes longer than a few seconds.
    pub async fn health(&self) -> Health {
        let figures = self.runtime().figures();
        let (database, supervisor) = tokio::join!(self.database(), self.supervisor());
        let trouble = figures.journal_trouble.is_some();
        Health {
            started_at: self.inner.started_at,
            uptime: self.inner.started.elapsed(),
            live_agents: figures.live_agents,
            waiting: figures.waiting,
            active: figures.active_sessions,
            journal_pending: figures.journal_pending,
            database,
            journal: Service {
                healthy: !trouble,
                latency: None,
                message: trouble.then_some("the last commit failed and is being repeated"),
            },
            supervisor,
            keeper: self.inner.base.keeper.clone(),
            holding: self.inner.base.holding.clone(),
        }
    }

    /// Whether new work is welcome.
    pub async fn readiness(&self) -> Readiness {
        if self.draining() {
            Readiness::Draining
        } else if self.database().await.healthy {
            Readiness::Ready
        } else {
            Readiness::Database
        }
    }

    async fn database(&self) -> Service {
        let asked = Instant::now();
        let question = self.store().read(|conn| meta::get(conn, "epoch"));
        let healthy = matches!(timeout(DATABASE_WAIT, question).await, Ok(Ok(_)));
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
