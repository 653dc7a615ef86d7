//! Settings of what people ask for at the control door: missions, and commands in workspaces.
//!
//! Never a default: those stand in `config/callboard.toml`.

use std::time::Duration;

use serde::Deserialize;

use super::quantity::read_duration;
use crate::domain::{Kind, PermissionMode};

/// Commands in workspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Time of one that asks for none.
    #[serde(deserialize_with = "read_duration")]
    pub timeout: Duration,
    /// The most that one may ask for.
    #[serde(deserialize_with = "read_duration")]
    pub max_timeout: Duration,
    /// Time to end before its tree is killed.
    #[serde(deserialize_with = "read_duration")]
    pub grace: Duration,
    /// At one time, of all people.
    pub at_once: usize,
    /// At one time, of one person.
    pub per_user: usize,
}

/// What a mission is made with that does not say it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missions {
    /// Its program; absent: one that is installed and signed in, else the shell.
    #[serde(default)]
    pub backend: Option<Kind>,
    /// How far it may go without asking.
    pub permission_mode: PermissionMode,
}
