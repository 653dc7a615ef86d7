//! How a program is started: its environment from nothing, its files, its keeper.
//!
//! Never passes on a variable of the server that nobody named.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::Addr;

use crate::domain::program::not_installed;
use crate::domain::{Confidential, Incarnation, Kind, Progress, Session, WorkspaceId};
use crate::drivers::{Launch, LaunchContext, Stdio, driver};
use crate::keeper::{self, Dir, Limits, Mode, OnServerLoss, SpawnError, Spec};

use super::super::clock::now;
use super::super::context::Shared;
use super::super::environment;
use super::super::feed::Feed;
use super::super::redaction;
use super::super::session::{
    OWNER_DELETED, START_CANCELLED, START_TIMEOUT, SessionActor, WORKSPACE_GONE,
};
use super::AgentActor;
use super::life::Life;
use super::outbox::Outbox;
use super::snapshot;
use crate::crash;
use crate::store::{users, workspaces};

/// Why there are no variables to start with.
const UNREADABLE: &str = "env_unreadable";

/// What a start needs.
pub(super) struct Launching {
    pub session: Box<Session>,
    pub incarnation: Incarnation,
    pub nonce: String,
    pub resume: Option<String>,
    pub cancelled: Arc<AtomicBool>,
}

/// A program that runs, before the server is connected to its keeper.
pub(super) struct Begun {
    /// The program's own pid.
    pub pid: u32,
    life: Life,
}

impl Begun {
    /// Connects and listens.
    pub(super) async fn connect(
        self,
        session: &Addr<SessionActor>,
        me: Addr<AgentActor>,
    ) -> Option<Life> {
        self.life.attach(session, me).await
    }
}

/// The directory of an incarnation's files: what the driver puts there, and handed-over messages.
pub(super) fn place(shared: &Shared, session: &Session, incarnation: Incarnation) -> PathBuf {
    let name = format!("{}-{}", session.id, incarnation);
    shared.config.data_dir.join("agents").join(name)
}

/// What the driver is told of an incarnation; its tool servers only when it is started.
pub(super) fn context(
    shared: &Shared,
    session: &Session,
    (incarnation, nonce): (Incarnation, String),
) -> LaunchContext {
    LaunchContext {
        session: session.id,
        dir: place(shared, session, incarnation)
            .to_string_lossy()
            .into_owned(),
        cwd: session.cwd.clone(),
        server_exe: shared.server_exe.clone(),
        nonce,
        permission_mode: session.permission_mode,
        scenario: session.scenario.clone(),
        model: session.model.clone(),
        effort: session.options.effort.clone(),
        mcp_servers: None,
        conversation: session.facts.conversation.clone(),
        fork_of: session.options.fork_of.clone(),
        root: crate::process::is_root(),
        resume: None,
    }
}

/// Starts the keeper and the program, or says why not: a stable code and words.
pub(super) async fn start(
    shared: &Arc<Shared>,
    feed: Addr<Feed>,
    launching: Launching,
) -> Result<Begun, (String, String)> {
    let Launching {
        session,
        incarnation,
        nonce,
        resume,
        cancelled,
    } = launching;
    // Before the gate: a provider may take its time.
    let renewing = shared.providers.renew(session.owner, session.kind, now());
    let failed = |error: crate::domain::Error| (UNREADABLE.to_owned(), error.to_string());
    renewing.await.map_err(failed)?;
    let _gate = Arc::clone(&shared.gate).acquire_owned().await;
    owned(shared, &session).await?;
    placed(shared, &session).await?;
    confined(shared, &session).await?;
    let mut context = context(shared, &session, (incarnation, nonce.clone()));
    context.resume = resume
        .and_then(|stored| snapshot::open(&shared.secrets, session.id, &stored))
        .and_then(|plain| Outbox::unwrap(&plain))
        .map(|(codec, _)| codec);
    let (own, instead_of) = own(shared, &session).await?;
    context.mcp_servers = Some(own.mcp_servers).filter(|servers| !servers.is_empty());
    let driver = driver(session.kind);
    let launch = driver.launch(&context);
    put_files(PathBuf::from(&context.dir), launch.files.clone()).await?;
    let env = environment(shared, &session, &launch, (own.env, &instead_of));
    let spec = spec(shared, &session, incarnation, (launch, env));
    if cancelled.load(Ordering::Acquire) {
        let text = String::from("the end was asked for before the program was there");
        return Err((START_CANCELLED.to_owned(), text));
    }
    let dir = Dir::new(&shared.keepers, session.id.0, incarnation.0);
    let spawner = shared.spawner.clone();
    crash::point("launch_before_spawn");
    // In a task of its own: a start must not be cut off halfway by the end of this actor.
    let spawned = tokio::spawn(async move { spawner.spawn(spec).await }).await;
    let spawned = spawned.map_err(|error| (String::from("spawn_failed"), error.to_string()))?;
    if matches!(spawned, Err(SpawnError::Timeout | SpawnError::Answer)) {
        // A keeper that nobody heard of may be there, or come.
        let _gone = keeper::stop_past(&dir, START_TIMEOUT, Duration::ZERO).await;
    }
    let started = spawned.map_err(|error| refused(shared, session.kind, &error))?;
    crash::point("launch_after_spawn");
    let progress = Progress {
        incarnation,
        offset: 0,
        snapshot: String::new(),
    };
    let mut life = Life::resume(shared, feed, &session, (nonce, progress, None));
    life.fresh(started.program.pid, driver.codec(&context));
    Ok(Begun {
        pid: started.program.pid,
        life,
    })
}

fn spec(
    shared: &Shared,
    session: &Session,
    incarnation: Incarnation,
    (launch, env): (Launch, BTreeMap<String, String>),
) -> Spec {
    let agents = &shared.config.agents;
    let kind = shared.config.kinds.get(session.kind.name());
    let mut argv: Vec<OsString> = launch.argv.into_iter().map(OsString::from).collect();
    if let Some(kind) = kind {
        if let (Some(command), Some(first)) = (&kind.command, argv.first_mut()) {
            *first = OsString::from(command);
        }
        argv.extend(kind.args.iter().map(OsString::from));
    }
    Spec {
        session: session.id.to_string(),
        incarnation: incarnation.0,
        dir: Dir::new(&shared.keepers, session.id.0, incarnation.0)
            .path()
            .to_owned(),
        argv,
        env: env
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        cwd: PathBuf::from(&session.cwd),
        mode: match launch.stdio {
            Stdio::Pipes => Mode::Pipes,
            Stdio::Pty { rows, cols } => Mode::Pty { rows, cols },
        },
        limits: Limits {
            segment_bytes: agents.log_segment_bytes,
            segments: agents.log_segments,
            orphan_ttl_s: agents.orphan_ttl.as_secs(),
            on_server_loss: OnServerLoss::Keep,
            umask: 0o077,
        },
        isolation: shared.isolation,
        cgroup: shared
            .cgroup
            .as_ref()
            .map(|base| base.join(keeper::leaf::name(&session.id.to_string(), incarnation.0))),
        caps: shared.caps,
    }
}

/// A start that failed, with what mends a program that is not there.
fn refused(shared: &Shared, kind: Kind, error: &SpawnError) -> (String, String) {
    let (code, mut text) = (error.code().to_owned(), error.to_string());
    if code == "program_not_found" {
        let settings = shared.config.kinds.get(kind.name());
        let command = settings.and_then(|settings| settings.command.as_deref());
        let missing = not_installed(kind, command);
        text = format!("{text}: {}; {}", missing.what, missing.mend);
    }
    (code, text)
}

/// The child's whole environment: a few names of the server's, what the kind names apart from what
/// the owner's sign-ins stand instead of, what the driver needs, and the session's own, which win.
fn environment(
    shared: &Shared,
    session: &Session,
    launch: &Launch,
    (own, instead_of): (BTreeMap<String, String>, &[String]),
) -> BTreeMap<String, String> {
    let mut env = environment::of_kind(&shared.config, session.kind);
    env.retain(|name, _| !instead_of.contains(name));
    let term = match launch.stdio {
        Stdio::Pipes => "dumb",
        Stdio::Pty { .. } => "xterm-256color",
    };
    env.entry("TERM".to_owned())
        .or_insert_with(|| term.to_owned());
    env.extend(launch.env.clone());
    env.extend(own);
    env
}

/// Refuses a start for nobody. The start is committed by now and an account whose agents live is not
/// deleted, so of a deletion at the same time one sees the other.
async fn owned(shared: &Shared, session: &Session) -> Result<(), (String, String)> {
    let owner = session.owner;
    let found = shared.store.read(move |conn| users::by_id(conn, owner));
    match found.await {
        Ok(Some(_person)) => Ok(()),
        Ok(None) => {
            let text = String::from("its owner was deleted: no process runs for nobody");
            Err((OWNER_DELETED.to_owned(), text))
        }
        Err(error) => Err((String::from("owner_unknown"), error.to_string())),
    }
}

/// Refuses a start in a workspace that was deleted: its variables went with it, and without them a
/// program may act for somebody else.
async fn placed(shared: &Shared, session: &Session) -> Result<(), (String, String)> {
    let Some(id) = session.workspace.filter(|id| *id != WorkspaceId::HOST) else {
        return Ok(());
    };
    let found = shared.store.read(move |conn| workspaces::by_id(conn, id));
    match found.await {
        Ok(Some(_stands)) => Ok(()),
        Ok(None) => {
            let text = String::from("its workspace was deleted, and its variables with it");
            Err((WORKSPACE_GONE.to_owned(), text))
        }
        Err(error) => Err((UNREADABLE.to_owned(), error.to_string())),
    }
}

/// Refuses a directory that leads out of the roots by now: somebody has put a link in its place. What
/// is missing is told by the start.
async fn confined(shared: &Shared, session: &Session) -> Result<(), (String, String)> {
    let roots = shared.config.agents.roots.clone();
    let cwd = PathBuf::from(&session.cwd);
    let look = move || {
        let real = std::fs::canonicalize(cwd).ok()?;
        let holds =
            |root: &PathBuf| std::fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
        Some(roots.iter().any(holds))
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(Some(false)) => {
            let text = "the working directory is outside of the allowed roots";
            Err((String::from("cwd_denied"), text.to_owned()))
        }
        Ok(Some(true) | None) => Ok(()),
        Err(error) => Err((String::from("spawn_failed"), error.to_string())),
    }
}

/// What the session was made with and is kept sealed, over the variables of its workspace, over those
/// of its owner's sign-ins; and the names that are nobody else's then.
async fn own(
    shared: &Shared,
    session: &Session,
) -> Result<(Confidential, Vec<String>), (String, String)> {
    let failed = |text: String| (UNREADABLE.to_owned(), text);
    let own = redaction::confidential(shared, session.id).await;
    let mut own = own
        .map_err(|error| failed(error.to_string()))?
        .map_err(failed)?;
    let given = redaction::give(shared, session, &own).await;
    let mut given = given
        .map_err(|error| failed(error.to_string()))?
        .map_err(failed)?;
    given.env.extend(std::mem::take(&mut own.env));
    own.env = given.env;
    Ok((own, given.instead_of))
}

async fn put_files(dir: PathBuf, files: Vec<(String, Vec<u8>)>) -> Result<(), (String, String)> {
    let putting = tokio::task::spawn_blocking(move || {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)?;
        files
            .iter()
            .try_for_each(|(name, bytes)| put_file(&dir, name, bytes))
    });
    let failed = |text: String| (String::from("dir_failed"), text);
    putting
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(format!("the agent's files cannot be written: {error}")))
}

/// Removes the files of an incarnation that is over, or never came to be: they may hold secrets.
pub(super) async fn forget(place: PathBuf) {
    let removing = tokio::task::spawn_blocking(move || match std::fs::remove_dir_all(&place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, place = %place.display(), "an agent's files are left");
        }
        Ok(()) | Err(_) => {}
    });
    let _removed = removing.await;
}

/// Writes one file, 0600, whole or not at all.
pub(super) fn put_file(dir: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let draft = dir.join(format!(".{name}.part"));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    std::fs::rename(draft, dir.join(name))
}
