//! Where commands are started: the keeper's program, the means of the machine, the environment.
//!
//! Never passes on a variable of the server beyond the few that every program needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::run::Run;
use super::seats::Seat;
use crate::domain::Error;
use crate::keeper::{Caps, ExecSpec, Isolation, SpawnError, Spawner, StartCode};

/// The server's variables that a command gets too, with what stands for an absent one.
const COMMON: [(&str, &str); 3] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("HOME", "/"),
    ("LANG", "C.UTF-8"),
];

/// A command to run.
pub struct Command {
    /// For the shell.
    pub words: String,
    /// Where; confined already.
    pub cwd: PathBuf,
    /// Over the common ones.
    pub env: BTreeMap<String, String>,
    /// What it reads.
    pub input: Option<Vec<u8>>,
    /// When it is asked to end.
    pub timeout: Duration,
    /// Its place among the others.
    pub seat: Seat,
    /// Ends when its person may not run it any more, with the reason.
    pub refused: BoxFuture<'static, Error>,
}

/// Why a command did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// Its directory is not there, or is none.
    #[error("the working directory is gone")]
    CwdMissing,
    /// Its directory may not be entered.
    #[error("the working directory may not be entered")]
    CwdDenied,
    /// The system refused it.
    #[error("{0}")]
    Spawn(String),
    /// What held it was lost, and it with it.
    #[error("what held the command was lost, and the command with it")]
    Lost,
    /// Its person may not run it any more.
    #[error(transparent)]
    Refused(Error),
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Yard {
    spawner: Spawner,
    isolation: Isolation,
    cgroup: Option<PathBuf>,
    caps: Caps,
    grace: Duration,
}

impl Yard {
    /// Puts it onto its means.
    #[must_use]
    pub fn new(
        spawner: Spawner,
        (isolation, cgroup): (Isolation, Option<PathBuf>),
        caps: Caps,
        grace: Duration,
    ) -> Self {
        Self {
            spawner,
            isolation,
            cgroup,
            caps,
            grace,
        }
    }

    /// Starts a command. It ends with what is returned, and is asked to end when `drain` turns true.
    ///
    /// # Errors
    /// [`ExecError::Spawn`]; that it could not begin is told by its end.
    pub async fn start(
        &self,
        command: Command,
        drain: watch::Receiver<bool>,
    ) -> Result<Run, ExecError> {
        let begun = Instant::now();
        let deadline = begun + command.timeout;
        let spec = ExecSpec {
            id: uuid::Uuid::new_v4().to_string(),
            argv: vec![shell().to_owned(), "-c".to_owned(), command.words],
            env: environment(command.env),
            cwd: command.cwd,
            input: command.input,
            isolation: self.isolation,
            cgroup: self.cgroup.clone(),
            caps: self.caps,
        };
        let execution = self.spawner.exec(spec).await?;
        Ok(Run::hold(
            execution,
            (begun, deadline, self.grace),
            drain,
            (command.seat, command.refused),
        ))
    }
}

fn shell() -> &'static str {
    if Path::new("/bin/bash").exists() {
        "/bin/bash"
    } else {
        "/bin/sh"
    }
}

/// The whole environment of a command.
fn environment(own: BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut env: BTreeMap<String, String> = COMMON
        .into_iter()
        .map(|(name, default)| {
            let value = std::env::var(name).unwrap_or_else(|_unset| default.to_owned());
            (name.to_owned(), value)
        })
        .collect();
    env.insert("TERM".to_owned(), "dumb".to_owned());
    env.extend(own);
    env.into_iter().collect()
}

impl From<SpawnError> for ExecError {
    fn from(error: SpawnError) -> Self {
        match error {
            SpawnError::Start(failure) => match failure.code {
                StartCode::CwdMissing => Self::CwdMissing,
                StartCode::CwdDenied => Self::CwdDenied,
                StartCode::ProgramNotFound
                | StartCode::NotExecutable
                | StartCode::SpawnFailed
                | StartCode::DirBusy
                | StartCode::DirUsed
                | StartCode::DirFailed
                | StartCode::BadSpec => Self::Spawn(failure.text),
            },
            SpawnError::Answer => Self::Lost,
            SpawnError::Keeper(_) | SpawnError::Timeout | SpawnError::Gone => {
                Self::Spawn(error.to_string())
            }
        }
    }
}

impl From<ExecError> for Error {
    fn from(error: ExecError) -> Self {
        let refused = |code| {
            let expected = "a directory of the workspace that the server's user may enter";
            Self::invalid(code, "cwd", error.to_string(), expected)
        };
        match error {
            ExecError::CwdMissing => refused("cwd_missing"),
            ExecError::CwdDenied => refused("cwd_denied"),
            ExecError::Spawn(text) => Self::unavailable("spawn_failed", text),
            ExecError::Lost => Self::unavailable("exec_lost", ExecError::Lost.to_string()),
            ExecError::Refused(error) => error,
        }
    }
}
