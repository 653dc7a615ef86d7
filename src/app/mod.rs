//! What a person can do, by noun: permission, validation, and the order of store and runtime.
//!
//! Never names HTTP, and lets nothing but [`crate::domain::Error`] out.

mod access;
mod agents;
mod approvals;
mod auth;
mod clock;
mod connections;
mod creation;
mod events;
mod health;
mod housekeeping;
mod options;
mod place;
mod programs;
mod supervisor;
mod tasks;
mod terminals;
mod tuning;
mod why;

use std::sync::Arc;

use tokio::sync::watch;

use crate::auth::{Passwords, Tokens};
use crate::config::Config;
use crate::runtime::Runtime;
use crate::secrets::Secrets;
use crate::store::Store;

pub use agents::{AgentFilter, Overview, Page};
pub use approvals::{AnswerRequest, Answered};
pub use auth::{Credentials, SignIn, Ticket};
pub use clock::Clock;
pub use connections::{Connection, Ending, PollPermit, Registration, Visit};
pub use creation::{AgentRequest, Created, Lazy};
pub use events::Bounds;
pub use health::{Health, Holding, Readiness, Service};
pub use options::{LimitsRequest, OptionsRequest};
pub use tasks::{MessageRequest, Queue, TaskFilter, TaskView};
pub use terminals::{CompletionRequest, ScreenStart, TtyPlace};
pub use why::{Fact, Why};

pub use crate::runtime::{
    Attach, Figures, Force, Gap, Interrupt, LogSlice, Page as EventPage, Paused, Piece, Poll,
    Published, Rendered, STREAM_BYTES, Sink, TtyMark, WhenBusy,
};
pub use crate::store::sessions::SessionOverview;
pub use crate::store::supervisor_log::Row as SupervisorRow;

/// The operations of the server. Clones share everything.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

/// What the operations stand on.
pub struct Foundation {
    /// Rows.
    pub store: Store,
    /// Keys.
    pub secrets: Arc<Secrets>,
    /// Password hashing.
    pub passwords: Passwords,
    /// Tokens.
    pub tokens: Tokens,
    /// Settings.
    pub config: Arc<Config>,
    /// The living side.
    pub runtime: Runtime,
    /// Wall clock.
    pub clock: Clock,
    /// Epoch of every number (store::meta).
    pub epoch: String,
    /// File name of the keeper's program, for health.
    pub keeper: Option<String>,
    /// What holds agents here.
    pub holding: Holding,
}

struct Inner {
    base: Foundation,
    connections: connections::Connections,
    known: access::Known,
    polls: connections::Polls,
    draining: watch::Sender<bool>,
    started: tokio::time::Instant,
    started_at: crate::domain::Timestamp,
}

impl App {
    /// Puts the operations onto their foundation.
    #[must_use]
    pub fn new(base: Foundation) -> Self {
        let limits = &base.config.limits;
        let inner = Inner {
            connections: connections::Connections::new(limits.sockets_per_user),
            known: access::Known::default(),
            polls: connections::Polls::new(limits.polls_per_token),
            draining: watch::Sender::new(false),
            started: tokio::time::Instant::now(),
            started_at: base.clock.now(),
            base,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.base.config
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> crate::domain::Timestamp {
        self.inner.base.clock.now()
    }

    /// The epoch of every number.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.inner.base.epoch
    }

    fn store(&self) -> &Store {
        &self.inner.base.store
    }

    fn runtime(&self) -> &Runtime {
        &self.inner.base.runtime
    }
}
