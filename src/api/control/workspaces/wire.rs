//! A workspace, and the end of a command, as this door shows them.
//!
//! Never a value of a variable.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{Finish, Outcome};
use crate::domain::workspace::STARS;
use crate::domain::{self, UserId, WorkspaceId};

/// A place to run.
#[derive(Debug, Serialize, ToSchema)]
pub struct Workspace<'a> {
    id: WorkspaceId,
    /// Whose it is.
    owner_id: UserId,
    name: &'a str,
    /// `host`
    workspace_type: &'static str,
    /// Its directory.
    path: &'a str,
    /// `pending`, `building`, `ready` or `error`.
    status: &'static str,
    /// Why it cannot be used, for programs.
    #[schema(required)]
    error_code: Option<&'a str>,
    /// The same for people.
    #[schema(required)]
    error_message: Option<&'a str>,
    /// Whether it is the one that everybody has.
    is_default: bool,
    skills: &'a [String],
    tools: &'a [String],
    plugins: &'a [String],
    mcps: &'a [String],
    #[schema(required)]
    template: Option<&'a str>,
    #[schema(required)]
    distro: Option<&'a str>,
    /// Its variables by name; the values are never shown.
    env_vars: BTreeMap<&'a str, &'static str>,
    #[schema(required)]
    init_script: Option<&'a str>,
    init_scripts: &'a [String],
    #[schema(required)]
    config_profile: Option<&'a str>,
    #[schema(required)]
    shared_network: Option<bool>,
    #[schema(required)]
    tailscale_mode: Option<&'a str>,
    created_at: String,
    updated_at: String,
}

/// Words a workspace.
pub fn workspace(one: &domain::Workspace) -> Workspace<'_> {
    let options = &one.options;
    let names = options.variables.iter();
    Workspace {
        id: one.id,
        owner_id: one.owner,
        name: &one.name,
        workspace_type: "host",
        path: &one.path,
        status: one.state.name(),
        error_code: one.trouble.as_ref().map(|trouble| &*trouble.code),
        error_message: one.trouble.as_ref().map(|trouble| &*trouble.text),
        is_default: one.id == WorkspaceId::HOST,
        skills: &options.skills,
        tools: &options.tools,
        plugins: &options.plugins,
        mcps: &options.mcps,
        template: one.template.as_deref(),
        distro: one.distro.as_deref(),
        env_vars: names.map(|name| (name.as_str(), STARS)).collect(),
        init_script: one.init_script.as_deref(),
        init_scripts: &options.init_scripts,
        config_profile: options.config_profile.as_deref(),
        shared_network: options.shared_network,
        tailscale_mode: options.tailscale_mode.as_deref(),
        created_at: one.created_at.rfc3339(),
        updated_at: one.updated_at.rfc3339(),
    }
}

/// How a command ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CommandExit)]
pub struct Exit {
    /// 128 and the signal's number after a signal, -1 when the time was over.
    exit_code: i32,
    /// Whether the time was over.
    timed_out: bool,
    /// The number of the signal that ended it.
    #[schema(required)]
    signal: Option<i32>,
    /// Whether the kernel killed in it for lack of memory.
    oom: bool,
    /// Whether it was ended because the server stops.
    draining: bool,
    /// Bytes that it printed.
    stdout_bytes: u64,
    /// Bytes that it printed on its standard error.
    stderr_bytes: u64,
    /// Whether a part of it was left out.
    stdout_truncated: bool,
    /// The same of its standard error.
    stderr_truncated: bool,
    /// Until nothing of it was left.
    duration_ms: u64,
}

/// How a command ended, and what it printed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExecAnswer {
    /// Its beginning and its end; a line in brackets stands for what was left out.
    stdout: String,
    /// The same of its standard error.
    stderr: String,
    #[serde(flatten)]
    exit: Exit,
}

/// Words the end of a command: bytes of each output, and whether all were told.
pub fn exit(end: Finish, bytes: (u64, u64), truncated: (bool, bool)) -> Exit {
    Exit {
        exit_code: end.exit_code,
        timed_out: end.timed_out,
        signal: end.signal,
        oom: end.oom,
        draining: end.drained,
        stdout_bytes: bytes.0,
        stderr_bytes: bytes.1,
        stdout_truncated: truncated.0,
        stderr_truncated: truncated.1,
        duration_ms: u64::try_from(end.duration.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Words a command that was waited for.
pub fn answer(done: Outcome) -> ExecAnswer {
    let bytes = (done.stdout.bytes, done.stderr.bytes);
    let truncated = (done.stdout.truncated, done.stderr.truncated);
    ExecAnswer {
        exit: exit(done.ending, bytes, truncated),
        stdout: done.stdout.text,
        stderr: done.stderr.text,
    }
}
