//! The settings as types, one struct a table of the file.
//!
//! Never a default here: those stand in `config/callboard.toml` alone.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::SessionLimits;
use crate::domain::limit::micro_usd;

use super::database::DatabaseUrl;
use super::doors::{Exec, Missions};
use super::keep::{Disk, Retention};
use super::network::Network;
use super::providers::Provider;
use super::quantity::{read_duration, read_optional_duration, read_optional_size, read_size};

/// All settings, validated. Paths are absolute.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Directory of everything that the server keeps.
    pub data_dir: PathBuf,
    /// Address of the listener; loopback unless [`Config::behind_proxy`].
    pub bind: SocketAddr,
    /// Whether a proxy in front ends TLS and sets the Forwarded headers.
    pub behind_proxy: bool,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: Vec<Network>,
    /// Host names that requests may carry besides the bound address and localhost.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call the server: `scheme://host[:port]`.
    pub allowed_origins: Vec<String>,
    /// Where rows are kept.
    pub database: Database,
    /// Keys.
    pub secrets: SecretsSetting,
    /// Sign-in.
    pub auth: Auth,
    /// Bounds.
    pub limits: Limits,
    /// The watch over the server's own threads.
    pub watchdog: Watchdog,
    /// Agent processes.
    pub agents: Agents,
    /// Missions.
    pub missions: Missions,
    /// Commands in workspaces.
    pub exec: Exec,
    /// What is forgotten, and when.
    pub retention: Retention,
    /// The room on the disk.
    pub disk: Disk,
    /// How kinds of agents are started, by the kind's name.
    #[serde(default)]
    pub kinds: BTreeMap<String, KindConfig>,
    /// Providers of models that people sign in to, by name.
    #[serde(default)]
    pub providers: BTreeMap<String, Provider>,
    /// Filter of the log, as `tracing_subscriber::EnvFilter` reads it.
    pub log: String,
    /// Most bytes of `DATA_DIR/server.log`; then it is put aside.
    #[serde(deserialize_with = "read_size")]
    pub log_bytes: u64,
}

/// Where rows are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:PATH` or an address of PostgreSQL; absent: `callboard.db` in the data directory.
    #[serde(default)]
    pub url: Option<DatabaseUrl>,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Everyone who reaches the server.
    Open,
    /// Those with an invitation.
    Invite,
    /// Nobody.
    Closed,
}

impl Registration {
    /// The word of the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invite => "invite",
            Self::Closed => "closed",
        }
    }
}

/// Where the master key is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsSetting {
    /// A file outside of the data directory whose first line is the key that seals; absent: the
    /// data directory's own.
    #[serde(default)]
    pub master_key_file: Option<PathBuf>,
}

/// Sign-in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Who may register.
    pub registration: Registration,
    /// Whether a password alone signs the admin in.
    pub single_user: bool,
    /// Life of a token.
    #[serde(deserialize_with = "read_duration")]
    pub token_ttl: Duration,
    /// Life of a refresh token, from its making.
    #[serde(deserialize_with = "read_duration")]
    pub refresh_ttl: Duration,
    /// Life of a ticket for a WebSocket's address.
    #[serde(deserialize_with = "read_duration")]
    pub ticket_ttl: Duration,
    /// How API keys begin.
    pub api_key_prefix: String,
}

/// Bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Agent processes at one time.
    pub max_live_agents: usize,
    /// Agent starts at one time.
    pub starts_at_once: usize,
    /// Largest request body in bytes; a prompt is checked apart (`domain::prompt`).
    #[serde(deserialize_with = "read_count")]
    pub body_bytes: usize,
    /// Waiting tasks of one session.
    pub waiting_tasks: usize,
    /// Open WebSockets of one user.
    pub sockets_per_user: usize,
    /// Waiting long polls of one token.
    pub polls_per_token: usize,
}

/// The watch over the server's own threads.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watchdog {
    /// A thread that is late by so much ends the server, so that it is started again; zero: never.
    #[serde(deserialize_with = "read_duration")]
    pub exit_after: Duration,
}

/// How an agent's processes are held together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsolationSetting {
    /// By the process group alone.
    None,
    /// By the best means of the machine.
    Tree,
}

/// Agent processes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    /// How long an agent runs on without a server.
    #[serde(deserialize_with = "read_duration")]
    pub orphan_ttl: Duration,
    /// Bytes of one segment of a process's output log.
    #[serde(deserialize_with = "read_size")]
    pub log_segment_bytes: u64,
    /// Segments that are kept.
    pub log_segments: u32,
    /// Time until a question is denied by itself; zero is for ever.
    #[serde(deserialize_with = "read_duration")]
    pub approval_ttl: Duration,
    /// Time for a program to become ready.
    #[serde(deserialize_with = "read_duration")]
    pub start_timeout: Duration,
    /// Time for a program to end its turn when it is asked to.
    #[serde(deserialize_with = "read_duration")]
    pub interrupt_grace: Duration,
    /// Time for a program to end before it is killed.
    #[serde(deserialize_with = "read_duration")]
    pub stop_grace: Duration,
    /// A life below this is short.
    #[serde(deserialize_with = "read_duration")]
    pub short_life: Duration,
    /// So many short lives in a row are a crash loop.
    pub crash_loop_after: u32,
    /// First pause before a restart.
    #[serde(deserialize_with = "read_duration")]
    pub restart_base: Duration,
    /// Longest pause before a restart.
    #[serde(deserialize_with = "read_duration")]
    pub restart_cap: Duration,
    /// After a life of this length the pause is back at its base.
    #[serde(deserialize_with = "read_duration")]
    pub restart_reset: Duration,
    /// Longest time of a turn; absent: any.
    #[serde(default, deserialize_with = "read_optional_duration")]
    pub turn_deadline: Option<Duration>,
    /// When a turn that gets nowhere is seen, and what is done about it.
    pub stall: StallSetting,
    /// How long a session waits whose provider takes no more work and states no time.
    pub rate_limit: RateLimitSetting,
    /// Hard stops of every session that has none of its own.
    #[serde(default)]
    pub session_limits: SessionLimitSetting,
    /// How long a session without process, reader and work keeps its actors.
    #[serde(deserialize_with = "read_duration")]
    pub linger: Duration,
    /// Directories below which working directories must be; at least one.
    pub roots: Vec<PathBuf>,
    /// How an agent's processes are held together.
    pub isolation: IsolationSetting,
    /// What the processes of one agent may use.
    #[serde(default)]
    pub limits: AgentLimits,
    /// Where scenarios are looked up by name besides the built-in ones.
    #[serde(default)]
    pub scenarios_dir: Option<PathBuf>,
}

/// What the processes of one agent may use; absent: as the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentLimits {
    /// Bytes of memory.
    #[serde(deserialize_with = "read_optional_size")]
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Open files of each process.
    pub open_files: Option<u64>,
    /// Processor time of each process.
    #[serde(deserialize_with = "read_optional_duration")]
    pub cpu_time: Option<Duration>,
    /// Bytes of a file that a process writes.
    #[serde(deserialize_with = "read_optional_size")]
    pub file_size: Option<u64>,
}

/// What is done about a turn that gets nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StallAction {
    /// Everyone is told.
    Notify,
    /// The turn is interrupted; a program that does not listen is ended.
    Interrupt,
    /// The same, and the process is exchanged for a new one that goes on.
    Restart,
}

impl StallAction {
    /// The word of the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Interrupt => "interrupt",
            Self::Restart => "restart",
        }
    }
}

/// When a turn that gets nowhere is seen. A time of zero switches its look off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StallSetting {
    /// Without output for so long it is called quiet; nothing is done.
    #[serde(deserialize_with = "read_duration")]
    pub quiet_after: Duration,
    /// Without progress for so long, and no tool at work, it is stalled.
    #[serde(deserialize_with = "read_duration")]
    pub stalled_after: Duration,
    /// The same while a tool is at work that does not say how long it may take.
    #[serde(deserialize_with = "read_duration")]
    pub tool_after: Duration,
    /// What is done about a stalled turn.
    pub action: StallAction,
    /// Whether programs on a terminal are watched too.
    pub terminals: bool,
}

/// The curve of waits after rate limits without a stated time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitSetting {
    /// The first wait; doubled with each limit in a row.
    #[serde(deserialize_with = "read_duration")]
    pub base: Duration,
    /// The longest.
    #[serde(deserialize_with = "read_duration")]
    pub cap: Duration,
}

/// Hard stops of a session; absent: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionLimitSetting {
    /// Most US dollars that its turns may cost together.
    pub spend_usd: Option<f64>,
    /// Most turns.
    pub turns: Option<u64>,
    /// Most time that its turns may take together.
    #[serde(deserialize_with = "read_optional_duration")]
    pub busy_time: Option<Duration>,
}

impl Agents {
    /// The hard stops that the settings give to every session, with the deadline of a turn.
    #[must_use]
    pub fn hard_stops(&self) -> SessionLimits {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        SessionLimits {
            spend_micro_usd: self.session_limits.spend_usd.map(micro_usd),
            turns: self.session_limits.turns,
            busy_ms: self.session_limits.busy_time.map(ms),
            turn_ms: self.turn_deadline.map(ms),
        }
    }
}

/// How one kind of agent is started, where it differs from the built-in way.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KindConfig {
    /// The program instead of the built-in one.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
    /// Names of variables that are copied from the server's environment.
    pub env_from: Vec<String>,
}

/// Names alone: values and arguments may be secrets.
impl fmt::Debug for KindConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KindConfig")
            .field("command", &self.command)
            .field("args", &self.args.len())
            .field("env", &self.env.keys())
            .field("env_from", &self.env_from)
            .finish()
    }
}

impl Config {
    /// What the store opens: `database.url`, or `callboard.db` in the data directory.
    #[must_use]
    pub fn database_url(&self) -> DatabaseUrl {
        match &self.database.url {
            Some(url) => url.clone(),
            None => {
                let path = self.data_dir.join("callboard.db");
                format!("sqlite:{}", path.display()).into()
            }
        }
    }

    /// The file of the embedded database; none on PostgreSQL.
    #[must_use]
    pub fn database_path(&self) -> Option<PathBuf> {
        self.database_url().file()
    }
}

fn read_count<'de, D: serde::Deserializer<'de>>(input: D) -> Result<usize, D::Error> {
    usize::try_from(read_size(input)?).map_err(serde::de::Error::custom)
}
