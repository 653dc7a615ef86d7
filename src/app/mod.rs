//! What a person can do, by noun: permission, validation, and the order of store and runtime.
//!
//! Never names HTTP, and lets nothing but [`crate::domain::Error`] out.

mod access;
mod agents;
mod approvals;
mod audit;
mod auth;
mod caller;
mod clock;
mod connections;
mod creation;
mod disk;
mod ended;
mod events;
mod exec;
mod finds;
mod health;
mod housekeeping;
mod invites;
mod keys;
mod ledger;
mod machine;
mod measures;
mod missions;
mod options;
mod pace;
mod people;
mod place;
mod programs;
mod providers;
mod pulse;
mod reckoning;
mod redaction;
mod stats;
mod supervisor;
mod tasks;
mod terminals;
mod tuning;
mod why;
mod workspaces;

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::auth::{Passwords, Tokens};
use crate::config::Config;
use crate::providers::Providers;
use crate::runtime::Runtime;
use crate::secrets::Secrets;
use crate::store::Store;
use crate::workspace::{Seats, Yard};

pub use access::Needs;
pub use agents::{AgentFilter, Overview, Page};
pub use approvals::{AnswerRequest, Answered};
pub use audit::{AuditFigures, AuditFilter};
pub use auth::forgive;
pub use auth::{Credentials, RegisterRequest, Renewed, SignIn, Ticket};
pub use caller::Caller;
pub use clock::Clock;
pub use connections::{Connection, Ending, PollPermit, Registration, Visit};
pub use creation::{AgentRequest, Created, Lazy};
pub use disk::DiskState;
pub use events::{Bounds, Places};
pub use exec::ExecRequest;
pub use finds::Family;
pub use health::{Health, Holding, Readiness, Service};
pub use housekeeping::Swept;
pub use invites::NewInvite;
pub use keys::{KeyRequest, MadeKey};
pub use machine::{MachineLooker, MachineWatch};
pub use measures::Measures;
pub use missions::{
    Branch, Cancelled, Excerpt, MissionFilter, MissionOrder, Quiet, ResumeRequest, Resumed, Tree,
    Waiting,
};
pub use options::{LimitsRequest, OptionsRequest};
pub use people::{NewPassword, NewUser, UserPatch};
pub use providers::{Begun, ProviderView, SignedOut};
pub use pulse::{Beat, Lag, LogFile, Look, Looker, Own, Pulse};
pub use redaction::cover;
pub use stats::{House, Stats, StatsOf};
pub use tasks::{MessageRequest, Queue, TaskFilter, TaskView};
pub use terminals::{CompletionRequest, ScreenStart, TtyPlace};
pub use why::{Fact, Why};
pub use workspaces::WorkspacePatch;

pub use crate::config::{Network, Retention, Room};
pub use crate::runtime::{
    Attach, Decisions, Figures, Force, Form, Gap, Interrupt, LogSlice, Page as EventPage, Paused,
    Piece, Poll, Published, Rendered, STREAM_BYTES, Sink, TtyMark, Verdicts, WhenBusy, parts,
};
pub use crate::store::sessions::SessionOverview;
pub use crate::store::supervisor_log::Row as SupervisorRow;
pub use crate::store::tally::Tally;
pub use crate::store::{Figures as DatabaseFigures, Spread};
pub use crate::workspace::{Captured, Channel, Finish, Outcome, Over, Run, Seat, Step, unfinished};

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
    /// Where commands in workspaces are started.
    pub yard: Yard,
    /// What people are signed in with.
    pub providers: Arc<Providers>,
}

struct Inner {
    base: Foundation,
    connections: connections::Connections,
    known: access::Known,
    keys: auth::Keys,
    ledger: ledger::Ledger,
    machine: machine::Sampler,
    pace: pace::Pace,
    polls: connections::Polls,
    disk: disk::Guard,
    tally: housekeeping::Tally,
    stats: stats::Cache,
    draining: watch::Sender<bool>,
    /// How often somebody's tokens or rights have changed.
    turns: watch::Sender<u64>,
    /// Who tries to sign in at this moment.
    tries: auth::Tries,
    started: tokio::time::Instant,
    started_at: crate::domain::Timestamp,
    pulse: Arc<Pulse>,
    looker: OnceLock<Looker>,
    /// Places for commands in workspaces.
    seats: Seats,
    /// Changes of workspaces go one after the other: each touches a row and a directory.
    building: tokio::sync::Mutex<()>,
    /// Creations below a parent hold it together; the last look of a cancel holds it alone.
    trees: tokio::sync::RwLock<()>,
    /// Resumes of one mission go one after the other; missions share them by their ids.
    resuming: [tokio::sync::Mutex<()>; 32],
    /// What was taken up last.
    resumed: missions::TakenUp,
}

impl App {
    /// Puts the operations onto their foundation.
    #[must_use]
    pub fn new(base: Foundation) -> Self {
        let limits = &base.config.limits;
        let inner = Inner {
            connections: connections::Connections::new(limits.sockets_per_user),
            known: access::Known::default(),
            keys: auth::Keys::default(),
            ledger: ledger::Ledger::new(base.secrets.audit_key().expose()),
            machine: machine::Sampler::default(),
            pace: pace::Pace::default(),
            polls: connections::Polls::new(limits.polls_per_token),
            disk: disk::Guard::default(),
            tally: housekeeping::Tally::default(),
            stats: stats::Cache::default(),
            draining: watch::Sender::new(false),
            turns: watch::Sender::new(0),
            tries: auth::Tries::default(),
            started: tokio::time::Instant::now(),
            started_at: base.clock.now(),
            pulse: Arc::default(),
            looker: OnceLock::new(),
            seats: Seats::new(base.config.exec.at_once, base.config.exec.per_user),
            building: tokio::sync::Mutex::default(),
            trees: tokio::sync::RwLock::default(),
            resuming: Default::default(),
            resumed: missions::TakenUp::default(),
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

    /// Says how to look at the server's own process. Once; a later one is ignored.
    pub fn look_with(&self, looker: Looker) {
        let _kept_the_first = self.inner.looker.set(looker);
    }

    /// Looks at the server's own process; all zeros when nobody said how.
    async fn own(&self, at: Look) -> Own {
        let Some(looker) = self.inner.looker.get().cloned() else {
            return Own::default();
        };
        let looked = tokio::task::spawn_blocking(move || looker(at)).await;
        looked.unwrap_or_default()
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> crate::domain::Timestamp {
        self.inner.base.clock.now()
    }

    /// A number that stands still while no row changes. What is asked after it was taken may be
    /// answered again in the same way as long as it is the same.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.store().version()
    }

    /// The epoch of every number.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.inner.base.epoch
    }

    /// How the server's threads do.
    #[must_use]
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.inner.pulse
    }

    fn store(&self) -> &Store {
        &self.inner.base.store
    }

    fn runtime(&self) -> &Runtime {
        &self.inner.base.runtime
    }
}
