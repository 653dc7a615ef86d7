//! What every actor of the runtime may reach: the store, the settings, the spawner and the shared
//! counters.
//!
//! Never an owner of live state: each counter names the actor that writes it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::config::Config;
use crate::keeper::{Caps, Isolation, Spawner};
use crate::providers::Providers;
use crate::secrets::Secrets;
use crate::store::Store;

use super::backlog::Backlog;
use super::directory::Directory;
use super::ledger::Ledger;
use super::programs::Programs;
use super::redaction::Redactors;
use super::rings::Rings;
use super::tree::Trunk;

/// Shared by all actors of one server.
pub struct Shared {
    /// Rows.
    pub(super) store: Store,
    /// Settings.
    pub(super) config: Arc<Config>,
    /// Opens the sealed environments of sessions.
    pub(super) secrets: Arc<Secrets>,
    /// What people are signed in with.
    pub(super) providers: Arc<Providers>,
    /// What covers the secrets of sessions that are awake.
    pub(super) redactors: Redactors,
    /// The one thread that starts keepers.
    pub(super) spawner: Spawner,
    /// Where the directories of incarnations are: `<root>/<session>/<incarnation>/`.
    pub(super) keepers: PathBuf,
    /// The server's own executable, for the built-in agent programs.
    pub(super) server_exe: String,
    /// Names this history; see decisions.md 5.
    pub(super) epoch: String,
    /// Who is awake, and where.
    pub(super) directory: Directory,
    /// What the events that are held for readers take.
    pub(super) rings: Arc<Rings>,
    /// The supervisor's log.
    pub(super) ledger: Ledger,
    /// The versions of agent programs.
    pub(super) programs: Programs,
    /// What holds an agent's tree together here.
    pub(super) isolation: Isolation,
    /// Where the cgroups of trees are made; `None`: nowhere.
    pub(super) cgroup: Option<PathBuf>,
    /// What each tree may use.
    pub(super) caps: Caps,
    /// Places for live agents, first come first served.
    pub(super) places: Arc<Semaphore>,
    /// Places in the start gate.
    pub(super) gate: Arc<Semaphore>,
    /// Last committed pos. Written by the journal.
    pub(super) latest_pos: AtomicU64,
    /// Last pos of the commit under way: rows may show it before anybody is told. Written by the
    /// journal.
    pub(super) writing_pos: AtomicU64,
    /// How often retention has taken events away. Written by who carries it out.
    pub(super) retained: AtomicU64,
    /// Batches that wait for a commit. Written by the journal.
    pub(super) journal_pending: AtomicUsize,
    /// How far behind the journal is. Written by the journal.
    pub(super) backlog: Backlog,
    /// Sessions that wait for a place. Written by the sessions.
    pub(super) waiting: AtomicUsize,
    /// Whether new work is refused. Written by the drain.
    pub(super) draining: AtomicBool,
    trouble: Mutex<Option<String>>,
    trunk: OnceLock<Weak<Trunk>>,
}

/// Parts that boot hands over.
pub struct Parts {
    /// Rows.
    pub store: Store,
    /// Settings.
    pub config: Arc<Config>,
    /// Opens the sealed environments of sessions.
    pub secrets: Arc<Secrets>,
    /// What people are signed in with.
    pub providers: Arc<Providers>,
    /// The one thread that starts keepers.
    pub spawner: Spawner,
    /// The server's own executable.
    pub server_exe: String,
    /// What holds an agent's tree together here.
    pub isolation: Isolation,
    /// Where the cgroups of trees are made; `None`: nowhere.
    pub cgroup: Option<PathBuf>,
    /// What each tree may use.
    pub caps: Caps,
    /// Names this history.
    pub epoch: String,
}

impl Shared {
    pub(super) fn new(parts: Parts, ledger: Ledger) -> Arc<Self> {
        let limits = &parts.config.limits;
        let places = Arc::new(Semaphore::new(limits.max_live_agents));
        let gate = Arc::new(Semaphore::new(limits.starts_at_once.max(1)));
        Arc::new(Self {
            keepers: parts.config.data_dir.join("keepers"),
            store: parts.store,
            config: parts.config,
            secrets: parts.secrets,
            providers: parts.providers,
            redactors: Redactors::default(),
            spawner: parts.spawner,
            server_exe: parts.server_exe,
            isolation: parts.isolation,
            cgroup: parts.cgroup,
            caps: parts.caps,
            epoch: parts.epoch,
            directory: Directory::default(),
            rings: Arc::default(),
            ledger,
            programs: Programs::default(),
            places,
            gate,
            latest_pos: AtomicU64::new(0),
            writing_pos: AtomicU64::new(0),
            retained: AtomicU64::new(0),
            journal_pending: AtomicUsize::new(0),
            backlog: Backlog::default(),
            waiting: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            trouble: Mutex::new(None),
            trunk: OnceLock::new(),
        })
    }

    /// The tree that these parts serve.
    pub(super) fn trunk(&self) -> Option<Arc<Trunk>> {
        self.trunk.get()?.upgrade()
    }

    pub(super) fn set_trunk(&self, trunk: &Arc<Trunk>) {
        let _set_once = self.trunk.set(Arc::downgrade(trunk));
    }

    /// Why the journal cannot commit at the moment.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_trouble(&self, text: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// Who reads a feed. Written by the feed, read by the session that wants to sleep.
#[derive(Debug)]
pub(super) struct Readers {
    /// Followers and waiting pollers.
    pub live: AtomicUsize,
    touched: Mutex<Instant>,
    closed: AtomicBool,
}

impl Readers {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            live: AtomicUsize::new(0),
            touched: Mutex::new(Instant::now()),
            closed: AtomicBool::new(false),
        })
    }

    /// The session is being deleted: nobody reads its ring in place any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A poller was here.
    pub(super) fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// When the last poller was here.
    pub(super) fn touched(&self) -> Instant {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
