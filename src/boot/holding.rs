//! What holds agents here: their trees, their limits, and whether they outlive the server.
//!
//! Never asked again after the start.

use std::path::PathBuf;
use std::time::Duration;

use super::error::BootError;
use crate::app::Holding;
use crate::config::{Config, IsolationSetting};
use crate::domain::survival::{Place, Survival, kill_mode};
use crate::keeper::{Caps, Isolation, KeeperBinary, Means};
use crate::process::unit;

/// Longest wait for the service manager's answer.
const ANSWER: Duration = Duration::from_secs(2);

/// What the runtime is told.
pub struct Held {
    /// The means in force.
    pub isolation: Isolation,
    /// Where the cgroups of trees are made.
    pub cgroup: Option<PathBuf>,
    /// What each tree may use.
    pub caps: Caps,
    /// What people are told.
    pub told: Holding,
}

/// Asks the machine.
///
/// # Errors
/// When the server's own threads fail.
pub async fn ask(config: &Config, keeper: &KeeperBinary) -> Result<Held, BootError> {
    let wanted = config.agents.isolation == IsolationSetting::Tree;
    let means = if wanted {
        let keeper = keeper.clone();
        tokio::task::spawn_blocking(move || Means::probe(&keeper))
            .await
            .map_err(BootError::fault)?
    } else {
        Means::none()
    };
    let caps = caps(config);
    let (limits, limits_missing) = means.limits(caps);
    let told = Holding {
        means: means.best().name(),
        means_missing: means.missing().filter(|_| wanted),
        cgroup: means.cgroup().is_some(),
        cgroup_missing: means.cgroup_missing().filter(|_| wanted).map(str::to_owned),
        limits: limits.name(),
        limits_missing,
        survival: survival().await,
    };
    log(&told);
    Ok(Held {
        isolation: means.best(),
        cgroup: means.cgroup().map(PathBuf::from),
        caps,
        told,
    })
}

/// The settings in the keeper's words.
fn caps(config: &Config) -> Caps {
    let limits = &config.agents.limits;
    Caps {
        memory: limits.memory,
        processes: limits.processes,
        open_files: limits.open_files,
        cpu_time_s: limits.cpu_time.map(|time| time.as_secs()),
        file_size: limits.file_size,
    }
}

fn log(told: &Holding) {
    tracing::info!(
        means = told.means,
        missing = told.means_missing.as_deref(),
        cgroup = told.cgroup,
        cgroup_missing = told.cgroup_missing.as_deref(),
        limits = told.limits,
        "isolation"
    );
    if let (Some(missing), false) = (&told.means_missing, told.cgroup) {
        tracing::warn!(%missing, "the trees of agents are held by their process groups alone");
    }
    if let Some(missing) = told.limits_missing {
        tracing::warn!(missing, "limits of agents are not held as they say");
    }
    if told.survival != Survival::Yes {
        let mend = told.survival.mend();
        tracing::warn!(mend, "agents may end with the server");
    }
}

/// Whether agents outlive this process.
async fn survival() -> Survival {
    let looked = tokio::task::spawn_blocking(|| {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let place = Place::read(&read("/proc/self/cgroup"), &read("/proc/self/status"));
        let shown = place.unit.as_deref().map(unit::shown).unwrap_or_default();
        place.judge(shown.iter().find_map(|shown| kill_mode(shown)))
    });
    match tokio::time::timeout(ANSWER, looked).await {
        Ok(Ok(survival)) => survival,
        Ok(Err(_)) | Err(_) => Survival::Unknown,
    }
}
