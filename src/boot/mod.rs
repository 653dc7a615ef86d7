//! From settings to a serving process and back: wires every room, opens the listener after
//! recovery, drains on a signal.
//!
//! Never ends an agent unless it was told to.

mod accounts;
mod error;
mod holding;
mod http;
mod lock;
mod logging;
mod machine;
mod signals;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Doorkeeper;
use crate::app::{App, Clock, Foundation};
use crate::auth::{Passwords, Tokens};
use crate::config::Config;
use crate::crash;
use crate::keeper::{KeeperBinary, Spawner};
use crate::runtime::{Parts, Runtime, Tree};
use crate::secrets::Secrets;
use crate::store::{Store, meta};
use crate::supervision::{install_panic_hook, tireless};

pub use error::BootError;

/// How long requests in flight may take when the server stops (reliability.md 2: 30 s).
const DRAIN: Duration = Duration::from_secs(30);

/// How often agents are ended before the server gives up on the rest, and the pause between.
const ROUNDS: u32 = 50;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);

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
    install_panic_hook();
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
    let mut data_dir = lock::DataDir::take(&config.data_dir)?;
    let config = Arc::new(config);
    #[cfg(feature = "failpoints")]
    actix_web::rt::spawn(crate::crash::follow(config.data_dir.clone()));
    // Bound before recovery, so that a taken address is told at once; answered after it.
    let listener = http::bind(config.bind)?;
    let bound = listener
        .local_addr()
        .map_err(|e| BootError::bind(config.bind, &e))?;
    let mut house = House::build(&config).await?;
    data_dir.note(bound)?;
    let ended = house.open(listener, bound, options).await;
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
}

impl House {
    async fn build(config: &Arc<Config>) -> Result<Self, BootError> {
        let keeper = KeeperBinary::resolve(None).map_err(|e| BootError::Keeper(e.to_string()))?;
        let held = holding::ask(config, &keeper).await?;
        let keeper_name = keeper.path().file_name().and_then(|name| name.to_str());
        let keeper_name = keeper_name.map(str::to_owned);
        let database = config.database_path();
        let store = tokio::task::spawn_blocking(move || Store::open(database))
            .await
            .map_err(BootError::fault)?
            .map_err(|error| BootError::Database(error.to_string()))?;
        let secrets =
            Secrets::open(&config.data_dir).map_err(|e| BootError::Keys(e.to_string()))?;
        let secrets = Arc::new(secrets);
        let passwords = Passwords::new();
        accounts::first(&store, &passwords, config).await?;
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
            tokens: Tokens::new(secrets.signing_key().expose()),
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
        })
    }

    /// Answers requests until a signal, then drains.
    async fn open(
        &mut self,
        listener: TcpListener,
        bound: SocketAddr,
        options: Options,
    ) -> Result<ExitCode, BootError> {
        let mut signals = signals::Signals::listen().map_err(BootError::fault)?;
        let doorkeeper = Doorkeeper::new(&self.app, bound);
        let server = http::serve(self.app.clone(), doorkeeper, listener)?;
        let handle = server.handle();
        let mut serving = actix_web::rt::spawn(server);
        let app = self.app.clone();
        let tidying = actix_web::rt::spawn(tireless("tidy", move || tidy(app.clone())));
        tracing::info!(address = %bound, "ready");
        let why = tokio::select! {
            signal = signals.next() => Ended::Signal(signal),
            exit = self.tree.ended() => Ended::Tree(format!("{exit:?}")),
            _ = &mut serving => Ended::Server,
        };
        tracing::info!(reason = %why, "stopping");
        tidying.abort();
        self.app.drain();
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

/// Forgets what is over, at the start and then every hour.
async fn tidy(app: App) {
    let mut hours = tokio::time::interval(Duration::from_secs(3600));
    loop {
        hours.tick().await;
        crash::point("boot.tidy");
        match app.forget_what_is_over().await {
            Ok(rows) => tracing::debug!(rows, "what is over is forgotten"),
            Err(error) => tracing::warn!(%error, "what is over could not be forgotten"),
        }
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
