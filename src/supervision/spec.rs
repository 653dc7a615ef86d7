//! What a supervisor is told about its children and about itself.
//! Never holds the state of anything alive.

use std::{collections::HashSet, fmt, future::Future, sync::Arc, time::Duration};

use futures_util::future::LocalBoxFuture;
use serde::Serialize;

use super::{Backoff, Child, Intensity, Lifeline, LogObserver, Observer, StartError};

/// Grace of a worker between the polite stop and being given up (OTP's 5,000 ms).
pub const WORKER_GRACE: Duration = Duration::from_secs(5);

/// Longest start of a worker before it counts as a death (reliability.md 1.2, readiness).
pub const START_TIMEOUT: Duration = Duration::from_mins(1);

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Always.
    Permanent,
    /// After an abnormal end only.
    Transient,
    /// Never, also not when a sibling's death took it down; its spec goes with it.
    Temporary,
}

/// Who else is restarted when a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Nobody.
    OneForOne,
    /// Every sibling.
    OneForAll,
    /// The siblings that were started after it.
    RestForOne,
}

/// How long a child may take to end after it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// No time: it is given up at once and only told that it is alone.
    Brutal,
    /// So long, then it is given up. An actor stuck in blocking code cannot be killed from
    /// outside: its generation is dead, its thread may not be.
    Within(Duration),
    /// As long as it takes; for supervisors, which have limits of their own below them.
    Infinity,
}

/// What a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Does work.
    Worker,
    /// Has children of its own.
    Supervisor,
}

/// Whether the end of significant children ends their supervisor (with [`Exit::Shutdown`]).
///
/// Only an end of their own counts: not one that the supervisor or an order caused.
///
/// [`Exit::Shutdown`]: super::Exit::Shutdown
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoShutdown {
    /// It does not.
    Never,
    /// The first one does.
    AnySignificant,
    /// The last one does.
    AllSignificant,
}

/// Makes one generation of a child. Called with a fresh [`Lifeline`] each time; returns when the
/// child has started and loaded its state. An error, a panic and a start that hangs are deaths.
pub type StartFn =
    Arc<dyn Fn(Lifeline) -> LocalBoxFuture<'static, Result<Child, StartError>> + Send + Sync>;

/// Wraps an async closure into a [`StartFn`].
pub fn start_fn<F, Fut>(start: F) -> StartFn
where
    F: Fn(Lifeline) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Child, StartError>> + 'static,
{
    Arc::new(move |lifeline| Box::pin(start(lifeline)))
}

/// One child as its supervisor knows it.
#[derive(Clone)]
pub struct ChildSpec {
    /// Unique below its supervisor; not empty, no `/`.
    pub id: String,
    /// When it is restarted.
    pub restart: Restart,
    /// How long it may take to end.
    pub shutdown: Shutdown,
    /// Whether its end may end the supervisor. Invalid for a permanent child and below a
    /// supervisor with [`AutoShutdown::Never`].
    pub significant: bool,
    /// Worker or supervisor. The start of a supervisor has no time limit of its own, its
    /// children have theirs.
    pub kind: Kind,
    /// Makes a generation.
    pub start: StartFn,
}

impl ChildSpec {
    /// A permanent worker with a grace of 5 s; change the public fields for anything else.
    #[must_use]
    pub fn worker(id: impl Into<String>, start: StartFn) -> Self {
        Self {
            id: id.into(),
            restart: Restart::Permanent,
            shutdown: Shutdown::Within(WORKER_GRACE),
            significant: false,
            kind: Kind::Worker,
            start,
        }
    }

    pub(super) fn validate(&self, auto_shutdown: AutoShutdown) -> Result<(), StartError> {
        if self.id.is_empty() || self.id.contains('/') {
            return Err(StartError::Invalid(format!(
                "the id {:?} is empty or has a slash",
                self.id
            )));
        }
        if self.significant && self.restart == Restart::Permanent {
            return Err(StartError::Invalid(format!(
                "the child {} is significant but permanent: it never ends for good",
                self.id
            )));
        }
        if self.significant && auto_shutdown == AutoShutdown::Never {
            return Err(StartError::Invalid(format!(
                "the child {} is significant below a supervisor that never shuts itself down",
                self.id
            )));
        }
        Ok(())
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("significant", &self.significant)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A supervisor and the children it starts with.
#[derive(Clone)]
pub struct SupervisorSpec {
    /// Place in the tree, such as `root`. Below another supervisor the place there wins.
    pub path: String,
    /// Who else is restarted when a child is.
    pub strategy: Strategy,
    /// Restarts granted before it gives up and ends with `Failed`.
    pub intensity: Intensity,
    /// Wait before restarts.
    pub backoff: Backoff,
    /// Children in the order of their start.
    pub children: Vec<ChildSpec>,
    /// Most specs in the table at any time, those of `children` included; `None`: no limit.
    pub max_children: Option<usize>,
    /// Whether significant children end it.
    pub auto_shutdown: AutoShutdown,
    /// Longest start of a worker before it counts as a death.
    pub start_timeout: Duration,
    /// Told of every decision.
    pub observer: Arc<dyn Observer>,
}

impl SupervisorSpec {
    /// A supervisor without children: default intensity and back-off, no limits, [`LogObserver`].
    #[must_use]
    pub fn new(path: impl Into<String>, strategy: Strategy) -> Self {
        Self {
            path: path.into(),
            strategy,
            intensity: Intensity::default(),
            backoff: Backoff::default(),
            children: Vec::new(),
            max_children: None,
            auto_shutdown: AutoShutdown::Never,
            start_timeout: START_TIMEOUT,
            observer: Arc::new(LogObserver),
        }
    }

    pub(super) fn validate(&self) -> Result<(), StartError> {
        if self
            .max_children
            .is_some_and(|max| self.children.len() > max)
        {
            return Err(StartError::MaxChildren);
        }
        let mut ids = HashSet::new();
        for child in &self.children {
            child.validate(self.auto_shutdown)?;
            if !ids.insert(child.id.as_str()) {
                return Err(StartError::Invalid(format!(
                    "two children have the id {}",
                    child.id
                )));
            }
        }
        Ok(())
    }
}
