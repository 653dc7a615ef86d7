//! Which agent programs this machine has, in which version, and whether they are signed in.
//!
//! Never reads a secret: of a variable it looks whether it is set, of a file whether it is there.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::context::Shared;
use super::environment;
use super::handle::Runtime;
use crate::domain::program::{Found, SignedIn, version_in};
use crate::domain::{Error, Kind, Result};
use crate::process::program;

/// How long a program may take to say its version.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a version is believed without asking again, unless the file changes.
const BELIEVED: Duration = Duration::from_secs(600);
/// The same for a program that did not say one.
const RETRIED: Duration = Duration::from_secs(30);

/// Versions that were asked for.
#[derive(Debug, Default)]
pub(super) struct Programs(Arc<Mutex<HashMap<PathBuf, Known>>>);

#[derive(Debug, Clone)]
struct Known {
    at: Instant,
    changed: Option<SystemTime>,
    version: Option<String>,
}

impl Known {
    fn holds(&self, changed: Option<SystemTime>) -> bool {
        let life = match self.version {
            Some(_) => BELIEVED,
            None => RETRIED,
        };
        self.changed == changed && self.at.elapsed() < life
    }
}

impl Runtime {
    /// Looks for the program of every kind, as its agents would find it.
    ///
    /// # Errors
    /// When the look itself fails.
    pub async fn programs(&self) -> Result<Vec<Found>> {
        let runtime = self.clone();
        // One look at a time: whoever comes meanwhile finds the versions known.
        let mut known = Arc::clone(&runtime.shared().programs.0).lock_owned().await;
        let look = move || -> Vec<Found> {
            let kinds = Kind::ALL.into_iter();
            kinds
                .map(|kind| look(runtime.shared(), kind, &mut known))
                .collect()
        };
        tokio::task::spawn_blocking(look)
            .await
            .map_err(Error::internal)
    }
}

fn look(shared: &Shared, kind: Kind, known: &mut HashMap<PathBuf, Known>) -> Found {
    let settings = shared.config.kinds.get(kind.name());
    let command = settings.and_then(|settings| settings.command.clone());
    let Some(needs) = kind.program() else {
        return Found {
            kind,
            path: Some(command.clone().unwrap_or_else(|| shared.server_exe.clone())),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            signed_in: SignedIn::NotNeeded,
            command,
        };
    };
    let mut env = environment::of_kind(&shared.config, kind);
    let path = env.get("PATH").cloned().unwrap_or_default();
    let name = command.as_deref().unwrap_or(needs.command);
    let found = program::find(name, &path);
    let variable = |name: &str| env.get(name).cloned();
    let signed_in = needs.sign_in.map_or(SignedIn::NotNeeded, |sign_in| {
        sign_in.found(variable, filled)
    });
    let quiet = needs.quiet.iter();
    env.extend(quiet.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let version = found.as_ref().and_then(|(path, file)| {
        let changed = file.modified().ok();
        let old = known.get(path).filter(|known| known.holds(changed));
        old.cloned()
            .unwrap_or_else(|| ask(path, changed, &env, known))
            .version
    });
    Found {
        kind,
        path: found.map(|(path, _)| path.to_string_lossy().into_owned()),
        version,
        signed_in,
        command,
    }
}

fn ask(
    path: &Path,
    changed: Option<SystemTime>,
    env: &BTreeMap<String, String>,
    known: &mut HashMap<PathBuf, Known>,
) -> Known {
    let said = program::version(path, env, ANSWER);
    let fresh = Known {
        at: Instant::now(),
        changed,
        version: said.ok().as_deref().and_then(version_in),
    };
    known.insert(path.to_owned(), fresh.clone());
    fresh
}

/// Whether a file is there with something in it.
fn filled(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0)
}
