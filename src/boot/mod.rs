//! From settings to a serving process and back: wires every room, opens the listener after
//! recovery, drains on a signal.
//!
//! Never ends an agent unless it was told to.

mod accounts;
mod archive;
mod audit;
mod binding;
mod database;
mod disk;
mod error;
mod holding;
mod http;
mod keys;
mod lock;
mod logfile;
mod logging;
mod logqueue;
mod machine;
mod notify;
pub mod schema;
mod secrecy;
mod signals;
mod survey;
mod unlock;
mod watchdog;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Doorkeeper;
use crate::app::{App, Clock, DiskState, Foundation};
use crate::auth::{Passwords, Tokens};
use crate::config::Config;
use crate::crash;
use crate::domain::chain::SealKey;
use crate::keeper::{KeeperBinary, Spawner};
use crate::runtime::{Parts, Runtime, Tree};
use crate::secrets::Secret;
use crate::store::{Claim, Store, meta};
use crate::supervision::{replace_panic_hook, tireless};

pub use crate::api::document;
pub use archive::{backup, restore};
pub use audit::verify as verify_audit;
pub use error::BootError;
pub use keys::{KeyReport, KeyRow, KeyWork, work_on_keys};
pub use unlock::unlock;

/// How long requests in flight may take when the server stops (reliability.md 2: 30 s).
const DRAIN: Duration = Duration::from_secs(30);

/// How often agents are ended before the server gives up on the rest, and the pause between.
const ROUNDS: u32 = 50;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);

/// The longest pause after a go of tidying that failed or freed too little.
const TIDY_SOON: Duration = Duration::from_secs(120);

/// The shortest pause between two goes, unless the settings ask for a shorter one.
const TIDY_REST: Duration = Duration::from_secs(5);

/// What becomes of agents when the server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StopAgents {
    /// They live on below their keepers.
    #[default]
    No,
    /// They are ended.
    Yes,
}

/// How to serve.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// See [`StopAgents`].
    pub stop_agents: StopAgents,
}

/// Sets up logging and serves until a signal: for a process of its own.
///
/// # Errors
/// Why it could not start, or why it had to end.
pub fn serve(config: Config, options: Options) -> Result<ExitCode, BootError> {
    logging::start(&config.log)?;
    let _last_words = logqueue::Flush;
    for name in Config::unknown_variables() {
        tracing::warn!(
            name,
            "this variable is no setting; one in a table has two `_` between"
        );
    }
    replace_panic_hook();
    logfile::keep_file(&config.data_dir, config.log_bytes);
    #[cfg(feature = "failpoints")]
    let _points = crate::crash::from_environment();
    actix_web::rt::System::new().block_on(run(config, options))
}

/// Serves on the current actix system until a signal.
///
/// # Errors
/// Why it could not start, or why it had to end.
pub async fn run(config: Config, options: Options) -> Result<ExitCode, BootError> {
    machine::settle_heap();
    machine::raise_open_files();
    machine::leave_no_core();
    let mut data_dir = lock::DataDir::take(&config.data_dir)?;
    let config = Arc::new(config);
    #[cfg(feature = "failpoints")]
    actix_web::rt::spawn(crate::crash::follow(config.data_dir.clone()));
    // Bound before recovery, so that a taken address is told at once; answered after it.
    let listener = http::bind(config.bind)?;
    let bound = listener
        .local_addr()
        .map_err(|e| BootError::bind(config.bind, &e))?;
    let manager = notify::Manager::from_environment();
    let asking = actix_web::rt::spawn(manager.clone().ask_for_time());
    let house = House::build(&config).await;
    asking.abort();
    let mut house = house?;
    data_dir.note(bound)?;
    let ended = house.open(listener, bound, (options, manager)).await;
    house.close().await;
    drop(data_dir);
    ended
}

/// Everything that runs.
struct House {
    app: App,
    runtime: Runtime,
    tree: Tree,
    store: Store,
    /// The hold on the database, until it is closed.
    _claim: Claim,
}

impl House {
    async fn build(config: &Arc<Config>) -> Result<Self, BootError> {
        let keeper = KeeperBinary::resolve(None).map_err(|e| BootError::Keeper(e.to_string()))?;
        let held = holding::ask(config, &keeper).await?;
        let keeper_name = keeper.path().file_name().and_then(|name| name.to_str());
        let keeper_name = keeper_name.map(str::to_owned);
        let (claim, store) = open_rows(config).await?;
        let secrets = Arc::new(keys::at_start(config, &store).await?);
        let passwords = Passwords::new();
        accounts::first(&store, &passwords, config).await?;
        secrecy::of_files(config, &secrets)?;
        let seal = SealKey::derive(secrets.audit_key().expose());
        audit::ready(&store, &config.data_dir, seal).await?;
        let epoch = store.write(meta::epoch).await.map_err(BootError::fault)?;
        let parts = Parts {
            store: store.clone(),
            config: Arc::clone(config),
            secrets: Arc::clone(&secrets),
            spawner: Spawner::start(keeper).map_err(BootError::fault)?,
            server_exe: machine::own_program()?,
            isolation: held.isolation,
            cgroup: held.cgroup,
            caps: held.caps,
            epoch: epoch.clone(),
        };
        let (runtime, tree, recovered) = Runtime::start(parts)
            .await
            .map_err(|error| BootError::Runtime(error::source_text(&error)))?;
        tracing::info!(
            sessions = recovered.sessions,
            failed = recovered.failed,
            "recovered"
        );
        let app = App::new(Foundation {
            store: store.clone(),
            tokens: Tokens::new(secrets.signing_key().expose())
                .also(secrets.previous_signing_key().map(Secret::expose)),
            secrets,
            passwords,
            config: Arc::clone(config),
            runtime: runtime.clone(),
            clock: Clock::system(),
            epoch,
            keeper: keeper_name,
            holding: held.told,
        });
        Ok(Self {
            app,
            runtime,
            tree,
            store,
            _claim: claim,
        })
    }

    /// Answers requests until a signal, then drains.
    async fn open(
        &mut self,
        listener: TcpListener,
        bound: SocketAddr,
        (options, manager): (Options, notify::Manager),
    ) -> Result<ExitCode, BootError> {
        let mut signals = signals::Signals::listen().map_err(BootError::fault)?;
        self.app.note_start(bound).await;
        watchdog::look_at_self(&self.app);
        watchdog::beat(&self.app, "actors");
        watchdog::watch(&self.app, manager.clone()).map_err(BootError::fault)?;
        let doorkeeper = Doorkeeper::new(&self.app, bound);
        let server = http::serve(self.app.clone(), doorkeeper, listener)?;
        let handle = server.handle();
        let mut serving = actix_web::rt::spawn(server);
        let app = self.app.clone();
        let tidying = actix_web::rt::spawn(tireless("tidy", move || tidy(app.clone())));
        let app = self.app.clone();
        let guard = actix_web::rt::spawn(tireless("disk", move || disk::guard(app.clone())));
        tracing::info!(address = %bound, "ready");
        manager.say(notify::READY);
        let why = tokio::select! {
            signal = signals.next() => Ended::Signal(signal),
            exit = self.tree.ended() => Ended::Tree(format!("{exit:?}")),
            _ = &mut serving => Ended::Server,
        };
        tracing::info!(reason = %why, "stopping");
        tidying.abort();
        guard.abort();
        self.app.drain();
        manager.say(notify::STOPPING);
        let drained = async {
            // Requests in flight see the drain, answer and end; then the listener closes.
            let stop = handle.stop(true);
            let _late = tokio::time::timeout(DRAIN, stop).await;
            if options.stop_agents == StopAgents::Yes || why.with_agents() {
                self.end_agents().await;
            }
        };
        tokio::select! {
            () = drained => {}
            signal = signals.next() => {
                tracing::warn!(signal, "a second signal: stopping now");
            }
        }
        match why {
            Ended::Signal(_) => Ok(ExitCode::SUCCESS),
            Ended::Tree(exit) => Err(BootError::Runtime(format!(
                "the supervisor tree ended: {exit}"
            ))),
            Ended::Server => Err(BootError::Runtime("the HTTP server ended".to_owned())),
        }
    }

    /// Ends agents until none holds a place: one that was being started when the first round read
    /// the rows is found by the next.
    async fn end_agents(&self) {
        for _round in 0..ROUNDS {
            self.runtime.stop_all().await;
            if self.runtime.figures().live_agents == 0 {
                return;
            }
            tokio::time::sleep(BETWEEN_ROUNDS).await;
        }
        let live = self.runtime.figures().live_agents;
        tracing::error!(live, "agents are left that could not be ended");
    }

    /// Detaches from every agent and closes the rows.
    async fn close(mut self) {
        let detached = tokio::time::timeout(Duration::from_secs(10), self.tree.shut_down());
        if detached.await.is_err() {
            tracing::error!("the supervisor tree did not end in time");
        }
        self.app.note_stop().await;
        let flushed = tokio::time::timeout(Duration::from_secs(5), self.runtime.flush_log());
        if flushed.await.is_err() {
            tracing::error!("the supervisor's log was not written in time");
        }
        let store = self.store;
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        if let Err(error) = closed {
            tracing::error!(%error, "the store did not close");
        }
        tracing::info!("stopped; agents live on below their keepers unless they were ended");
    }
}

/// The database, which no other server has, and which belongs to the data directory.
async fn open_rows(config: &Config) -> Result<(Claim, Store), BootError> {
    let database = config.database_url();
    tracing::info!(%database, "opening");
    secrecy::of_settings(config)?;
    let address = database.clone();
    let claim = tokio::task::spawn_blocking(move || Claim::take(address.expose()))
        .await
        .map_err(BootError::fault)?
        .map_err(|error| secrecy::unopened(&error))?;
    let store = database::open(database).await?;
    binding::bind(&store, &config.data_dir, &config.database_url()).await?;
    Ok((claim, store))
}

/// Forgets what is over: at the start and then as often as the settings say, when the disk gets full,
/// and sooner where something failed or the disk is still full.
async fn tidy(app: App) {
    let every = app.config().retention.every;
    if let Err(error) = app.learn_costs().await {
        tracing::warn!(%error, "the costs of earlier sessions are not counted yet");
    }
    loop {
        crash::point("boot.tidy");
        let swept = app.forget_what_is_over().await;
        tracing::info!(
            events = swept.events,
            sessions = swept.sessions,
            rested = swept.rested,
            logs = swept.logs,
            log_bytes = swept.log_bytes,
            decisions = swept.decisions,
            audit = swept.audit,
            clock_doubted = swept.clock_doubted,
            failed = swept.failed,
            duration_ms = u64::try_from(swept.took.as_millis()).unwrap_or(u64::MAX),
            "what is over is forgotten"
        );
        let soon = swept.failed > 0 || app.disk().0 == DiskState::Full;
        let wait = if soon { TIDY_SOON.min(every) } else { every };
        // A go amid a full database finds it full again, and asks for the next.
        let rest = TIDY_REST.min(every);
        tokio::time::sleep(rest).await;
        // Which of the two it was is the same.
        let _woken = tokio::time::timeout(wait.saturating_sub(rest), app.tidying_wanted()).await;
    }
}

/// Why serving ended.
enum Ended {
    Signal(&'static str),
    Tree(String),
    Server,
}

impl Ended {
    fn with_agents(&self) -> bool {
        match self {
            Self::Signal(name) => *name == signals::WITH_AGENTS,
            Self::Tree(_) | Self::Server => false,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signal(name) => f.write_str(name),
            Self::Tree(_) => f.write_str("the supervisor tree ended"),
            Self::Server => f.write_str("the HTTP server ended"),
        }
    }
}
