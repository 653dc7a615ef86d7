//! What this part of the door takes and answers, for the document of the API.
//!
//! Never built: what is sent is written by the handlers; tests compare the two.

#![expect(dead_code, reason = "shapes are described, not built")]

use std::collections::BTreeMap;

use utoipa::{IntoParams, ToSchema};

use crate::domain::WorkspaceId;

/// Which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Rows of it, at most 200.
    #[param(minimum = 1)]
    limit: Option<u64>,
    /// Rows before it.
    offset: Option<u32>,
}

/// How the answer comes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExecQuery {
    /// Whether it comes as events while the command runs.
    stream: Option<bool>,
}

/// A new workspace. Only its name has to be there.
#[derive(ToSchema)]
pub struct NewWorkspace {
    /// Unique among your own; no path.
    name: String,
    /// `host`; `container` is refused with 501.
    workspace_type: Option<String>,
    /// Its directory, absolute or below the first of the server's roots; one of its own by default.
    path: Option<String>,
    /// Variables of agents and commands in it. They are sealed and never shown.
    env_vars: Option<BTreeMap<String, String>>,
    skills: Option<Vec<String>>,
    tools: Option<Vec<String>>,
    plugins: Option<Vec<String>>,
    mcps: Option<Vec<String>>,
    /// Refused with 501.
    template: Option<String>,
    /// `ubuntu-noble`, `ubuntu-jammy`, `debian-bookworm` or `arch-linux`.
    distro: Option<String>,
    init_script: Option<String>,
    init_scripts: Option<Vec<String>>,
    config_profile: Option<String>,
    shared_network: Option<bool>,
    tailscale_mode: Option<String>,
}

/// What becomes different. Null clears.
#[derive(ToSchema)]
pub struct WorkspaceChange {
    /// Another name.
    #[schema(nullable = false)]
    name: Option<String>,
    /// `host`
    workspace_type: Option<String>,
    /// Another directory; what is in the old one stays there.
    path: Option<String>,
    /// All variables; `***` stands for the value that is kept.
    env_vars: Option<BTreeMap<String, String>>,
    skills: Option<Vec<String>>,
    tools: Option<Vec<String>>,
    plugins: Option<Vec<String>>,
    mcps: Option<Vec<String>>,
    /// Refused with 501.
    template: Option<String>,
    /// `ubuntu-noble`, `ubuntu-jammy`, `debian-bookworm` or `arch-linux`.
    distro: Option<String>,
    init_script: Option<String>,
    init_scripts: Option<Vec<String>>,
    config_profile: Option<String>,
    shared_network: Option<bool>,
    tailscale_mode: Option<String>,
}

/// A workspace that is gone.
#[derive(ToSchema)]
#[schema(as = WorkspaceDeleted)]
pub struct Deleted {
    ok: bool,
    /// Its id.
    deleted: WorkspaceId,
}

/// A command.
#[derive(ToSchema)]
pub struct ExecBody {
    /// For the shell (bash, or sh where that is missing).
    command: String,
    /// A directory of the workspace, relative to it or absolute; the workspace's own by default.
    cwd: Option<String>,
    /// Seconds until it is asked to end; the settings have the default (300) and the most (600).
    timeout_secs: Option<f64>,
    /// Variables over those of the workspace.
    env: Option<BTreeMap<String, String>>,
    /// What it reads, at most 1 MiB; nothing by default.
    stdin: Option<String>,
    /// Bytes kept of each output, 256 KiB by default and at most 4 MiB.
    #[schema(minimum = 1, maximum = 4194304)]
    max_output_bytes: Option<u64>,
}
