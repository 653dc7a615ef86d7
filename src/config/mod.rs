//! Typed settings from the built-in defaults, a file, the environment and the command line, read
//! and validated once.
//!
//! Never read again after the start, and never prints the one secret that may stand there: the
//! database's password.

mod database;
mod doors;
mod error;
mod keep;
mod network;
mod providers;
pub mod quantity;
mod settings;
mod validate;
mod variable;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};

pub use database::DatabaseUrl;
pub use doors::{Exec, Missions};
pub use error::ConfigError;
pub use keep::{Disk, Retention, Room};
pub use network::Network;
pub use providers::{Oauth, Provider};
pub use settings::{
    AgentLimits, Agents, Auth, Config, Database, IsolationSetting, KindConfig, Limits,
    RateLimitSetting, Registration, SecretsSetting, SessionLimitSetting, StallAction, StallSetting,
};

/// The commented defaults, as they are printed for people.
pub const DEFAULTS: &str = include_str!("../../config/callboard.toml");

/// What the command line says; `None` leaves a setting to the layers below.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--bind`.
    pub bind: Option<SocketAddr>,
    /// `--config`.
    pub config_file: Option<PathBuf>,
    /// `--behind-proxy`.
    pub behind_proxy: Option<bool>,
    /// `--log`.
    pub log: Option<String>,
    /// `--database-url`.
    pub database_url: Option<DatabaseUrl>,
}

impl Config {
    /// Reads every layer, the later winning: built-in defaults, the file, `CALLBOARD_*`
    /// variables, the command line.
    ///
    /// # Errors
    /// [`ConfigError`] with the key at fault and what was expected.
    pub fn load(overrides: Overrides) -> Result<Self, ConfigError> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::load_from(&overrides, &variables)
    }

    /// Names of variables of the environment that look like settings and are none.
    #[must_use]
    pub fn unknown_variables() -> Vec<String> {
        variable::unknown(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
    }

    /// [`Config::load`] with the variables of the environment given: `HOME` and `CALLBOARD_*`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_from(
        overrides: &Overrides,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = &overrides.config_file {
            readable(file)?;
            layers = layers.merge(Toml::file_exact(file));
        }
        for variable in variable::settings(variables) {
            layers = layers.merge(variable);
        }
        let config: Self = command_line(layers, overrides).extract()?;
        validate::validate(config, variables.get("HOME").map(Path::new))
    }
}

/// A named file that cannot be read is an error, not an empty layer.
fn readable(file: &Path) -> Result<(), ConfigError> {
    std::fs::File::open(file).map(drop).map_err(|error| {
        ConfigError::bad(
            "",
            format!("the file {} cannot be read: {error}", file.display()),
            "a readable TOML file",
        )
        .coded("config_file")
    })
}

fn command_line(layers: Figment, overrides: &Overrides) -> Figment {
    let data_dir = overrides.data_dir.as_ref();
    let texts = [
        ("data_dir", data_dir.map(|dir| dir.display().to_string())),
        ("bind", overrides.bind.map(|bind| bind.to_string())),
        ("log", overrides.log.clone()),
        (
            "database.url",
            overrides
                .database_url
                .as_ref()
                .map(|url| url.expose().to_owned()),
        ),
    ];
    let layers = texts
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .fold(layers, |layers, (key, value)| {
            layers.merge(Serialized::default(key, value))
        });
    match overrides.behind_proxy {
        Some(behind) => layers.merge(Serialized::default("behind_proxy", behind)),
        None => layers,
    }
}

#[cfg(test)]
mod tests;
