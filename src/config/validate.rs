//! The rules that settings must keep beyond their types.
//!
//! Never touches a directory: that one exists is found out by the room that uses it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ConfigError;
use super::keep::Room;
use super::settings::{AgentLimits, Agents, Config, KindConfig};
use crate::domain::Kind;

/// A GiB in bytes.
const GIB: u64 = 1 << 30;

/// Checks every rule and makes paths absolute; `home` stands for `~`.
///
/// # Errors
/// The first broken rule.
pub fn validate(mut config: Config, home: Option<&Path>) -> Result<Config, ConfigError> {
    config.data_dir = absolute("data_dir", &config.data_dir, home)?;
    if let Some(file) = &config.secrets.master_key_file {
        config.secrets.master_key_file = Some(absolute("secrets.master_key_file", file, home)?);
    }
    bind(&config)?;
    names(&config)?;
    database(&mut config, home)?;
    counts(&config)?;
    durations(&config)?;
    watches(&config.agents)?;
    disk(&config)?;
    retention(config.retention.every)?;
    watchdog(config.watchdog.exit_after)?;
    agent_limits(&config.agents.limits)?;
    let home = home.unwrap_or(&config.data_dir);
    directories(&mut config.agents, home)?;
    config.kinds = kinds(std::mem::take(&mut config.kinds))?;
    super::providers::check(&config.providers)?;
    Ok(config)
}

fn bind(config: &Config) -> Result<(), ConfigError> {
    if config.bind.ip().is_loopback() || config.behind_proxy {
        return Ok(());
    }
    let message = format!("{} is not a loopback address", config.bind);
    let expected = "an address such as 127.0.0.1:3030, or behind_proxy = true with a proxy that \
                    ends TLS in front";
    Err(ConfigError::bad("bind", message, expected).coded("non_loopback_bind"))
}

fn names(config: &Config) -> Result<(), ConfigError> {
    for host in &config.allowed_hosts {
        let plain = !host.is_empty() && !host.contains(['/', '@', ' ', '*']);
        rule(plain, "allowed_hosts", host, "a host name, or host:port")?;
    }
    for origin in &config.allowed_origins {
        let rest = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        let plain = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', ' ', '*']));
        let expected = "an origin such as https://board.example.org, without a path";
        rule(plain, "allowed_origins", origin, expected)?;
    }
    let prefix = &config.auth.api_key_prefix;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    rule(
        (3..=32).contains(&prefix.len()) && prefix.bytes().all(word),
        "auth.api_key_prefix",
        prefix,
        "3 to 32 letters, digits or _",
    )?;
    rule(
        !config.log.trim().is_empty(),
        "log",
        "",
        "a filter, \"info\"",
    )
}

fn database(config: &mut Config, home: Option<&Path>) -> Result<(), ConfigError> {
    let Some(url) = config.database.url.clone() else {
        return Ok(());
    };
    let refused = |message: &str| {
        // The text may hold a password, so it is not shown.
        let expected = "sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE";
        ConfigError::bad("database.url", message, expected).coded("unsupported_database")
    };
    if url.is_server() {
        return url.check().map_err(refused);
    }
    let path = url
        .file()
        .ok_or_else(|| refused("the address cannot be read"))?;
    let path = absolute("database.url", &path, home)?;
    config.database.url = Some(format!("sqlite:{}", path.display()).into());
    Ok(())
}

fn counts(config: &Config) -> Result<(), ConfigError> {
    let limits = &config.limits;
    let agents = &config.agents;
    for (key, value) in [
        ("limits.max_live_agents", limits.max_live_agents),
        ("limits.starts_at_once", limits.starts_at_once),
        ("limits.waiting_tasks", limits.waiting_tasks),
        ("limits.sockets_per_user", limits.sockets_per_user),
        ("limits.polls_per_token", limits.polls_per_token),
        ("exec.at_once", config.exec.at_once),
        ("exec.per_user", config.exec.per_user),
    ] {
        rule(value >= 1, key, value, "1 or more")?;
    }
    for (key, value) in [
        ("agents.log_segments", agents.log_segments),
        ("agents.crash_loop_after", agents.crash_loop_after),
    ] {
        rule(value >= 1, key, value, "1 or more")?;
    }
    let body = limits.body_bytes;
    rule(
        (64 * 1024..=1 << 30).contains(&body),
        "limits.body_bytes",
        body,
        "64 KiB to 1 GiB",
    )?;
    let log = config.log_bytes;
    rule(
        (16 * 1024..=GIB).contains(&log),
        "log_bytes",
        log,
        "16 KiB to 1 GiB",
    )?;
    let segment = agents.log_segment_bytes;
    let expected = "64 KiB to 1024 GiB";
    rule(
        (64 * 1024..=1024 * GIB).contains(&segment),
        "agents.log_segment_bytes",
        segment,
        expected,
    )
}

fn durations(config: &Config) -> Result<(), ConfigError> {
    let agents = &config.agents;
    for (key, value) in [
        ("auth.token_ttl", config.auth.token_ttl),
        ("auth.refresh_ttl", config.auth.refresh_ttl),
        ("auth.ticket_ttl", config.auth.ticket_ttl),
        ("agents.orphan_ttl", agents.orphan_ttl),
        ("agents.start_timeout", agents.start_timeout),
        ("agents.stop_grace", agents.stop_grace),
        ("agents.restart_base", agents.restart_base),
        ("exec.timeout", config.exec.timeout),
    ] {
        let found = format!("{value:?}");
        rule(value >= Duration::from_millis(1), key, found, "more than 0")?;
    }
    let most = config.exec.max_timeout;
    let found = format!("{most:?}");
    let kept = most >= config.exec.timeout;
    rule(kept, "exec.max_timeout", found, "exec.timeout or more")?;
    let cap = agents.restart_cap;
    let expected = "restart_base or more";
    rule(
        cap >= agents.restart_base,
        "agents.restart_cap",
        format!("{cap:?}"),
        expected,
    )
}

/// What is told before it is refused.
fn disk(config: &Config) -> Result<(), ConfigError> {
    let disk = &config.disk;
    let ordered = match (disk.refuse_free, disk.warn_free) {
        (Room::Bytes(refuse), Room::Bytes(warn)) => warn == 0 || refuse <= warn,
        (Room::Percent(refuse), Room::Percent(warn)) => warn == 0 || refuse <= warn,
        (Room::Bytes(_), Room::Percent(_)) | (Room::Percent(_), Room::Bytes(_)) => true,
    };
    let found = format!("{:?}", disk.refuse_free);
    rule(ordered, "disk.refuse_free", found, "warn_free or less")?;
    let every = disk.check_every;
    let found = format!("{every:?}");
    let kept = every >= Duration::from_millis(100);
    rule(kept, "disk.check_every", found, "100ms or more")
}

/// Room is to come back within a day.
fn retention(every: Duration) -> Result<(), ConfigError> {
    let kept = (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&every);
    let found = format!("{every:?}");
    rule(kept, "retention.every", found, "1s to 24h")
}

/// Below this a busy machine would end a healthy server.
fn watchdog(exit_after: Duration) -> Result<(), ConfigError> {
    let kept = exit_after.is_zero() || exit_after >= Duration::from_secs(2);
    let found = format!("{exit_after:?}");
    rule(kept, "watchdog.exit_after", found, "2s or more, or 0")
}

/// Waits of rate limits, the looks at stalled turns, and hard stops.
fn watches(agents: &Agents) -> Result<(), ConfigError> {
    let (base, cap) = (agents.rate_limit.base, agents.rate_limit.cap);
    let least = Duration::from_millis(1);
    let found = format!("{base:?}");
    rule(
        base >= least,
        "agents.rate_limit.base",
        found,
        "more than 0",
    )?;
    let found = format!("{cap:?}");
    rule(cap >= base, "agents.rate_limit.cap", found, "base or more")?;
    let deadline = agents.turn_deadline.unwrap_or(least);
    let found = format!("{deadline:?}");
    rule(
        deadline >= least,
        "agents.turn_deadline",
        found,
        "more than 0",
    )?;
    let limits = &agents.session_limits;
    let spend = limits.spend_usd.unwrap_or(1.0);
    let some = spend.is_finite() && spend > 0.0;
    rule(
        some,
        "agents.session_limits.spend_usd",
        spend,
        "more than 0",
    )?;
    let turns = limits.turns.unwrap_or(1);
    rule(
        turns >= 1,
        "agents.session_limits.turns",
        turns,
        "1 or more",
    )?;
    let busy = limits.busy_time.unwrap_or(least);
    let found = format!("{busy:?}");
    rule(
        busy >= least,
        "agents.session_limits.busy_time",
        found,
        "more than 0",
    )
}

/// Below these no program starts.
fn agent_limits(limits: &AgentLimits) -> Result<(), ConfigError> {
    for (key, value, least, expected) in [
        ("memory", limits.memory, 16 * 1024 * 1024, "16 MiB or more"),
        ("processes", limits.processes, 8, "8 or more"),
        ("open_files", limits.open_files, 32, "32 or more"),
        ("file_size", limits.file_size, 4096, "4 KiB or more"),
    ] {
        if let Some(value) = value {
            rule(
                value >= least,
                &format!("agents.limits.{key}"),
                value,
                expected,
            )?;
        }
    }
    let time = limits.cpu_time.unwrap_or(Duration::from_secs(1));
    let whole = time.as_secs() >= 1 && time.subsec_nanos() == 0;
    let found = format!("{time:?}");
    rule(
        whole,
        "agents.limits.cpu_time",
        found,
        "whole seconds, 1s or more",
    )
}

/// A user without a home works in the data directory, as agents without a directory do.
fn directories(agents: &mut Agents, home: &Path) -> Result<(), ConfigError> {
    let some = !agents.roots.is_empty();
    rule(some, "agents.roots", "none", "at least one directory")?;
    for root in &mut agents.roots {
        let whole = root.is_absolute() || root.starts_with("~");
        let expected = "absolute paths, or such that begin with ~";
        rule(whole, "agents.roots", root.display(), expected)?;
        *root = absolute("agents.roots", root, Some(home))?;
    }
    if let Some(dir) = &mut agents.scenarios_dir {
        *dir = absolute("agents.scenarios_dir", dir, Some(home))?;
    }
    Ok(())
}

/// Names of kinds are brought to their one spelling, so that readers look them up by it.
fn kinds(
    found: std::collections::BTreeMap<String, KindConfig>,
) -> Result<std::collections::BTreeMap<String, KindConfig>, ConfigError> {
    let mut kinds = std::collections::BTreeMap::new();
    for (name, kind) in found {
        let key = format!("kinds.{name}");
        let known = Kind::ALL.map(Kind::name).join(", ");
        let parsed = Kind::parse(&name)
            .map_err(|_unknown| ConfigError::bad(&key, "there is no such kind", known))?;
        let blank = kind
            .command
            .as_ref()
            .is_some_and(|text| text.trim().is_empty());
        rule(!blank, &format!("{key}.command"), "", "a program")?;
        for name in kind.env.keys().chain(&kind.env_from) {
            let plain = !name.is_empty() && !name.contains(['=', '\0']);
            rule(plain, &format!("{key}.env"), name, "names of variables")?;
        }
        if kinds.insert(parsed.name().to_owned(), kind).is_some() {
            return Err(ConfigError::bad(
                key,
                "the kind is there twice",
                "one table",
            ));
        }
    }
    Ok(kinds)
}

/// Resolves `~` and makes the path absolute against the current directory.
fn absolute(key: &str, path: &Path, home: Option<&Path>) -> Result<PathBuf, ConfigError> {
    let path = match path.strip_prefix("~") {
        Ok(rest) => match home {
            // Joining nothing would end the path in a slash.
            Some(home) => home.components().chain(rest.components()).collect(),
            None => {
                let message = "HOME is not set, so `~` means nothing";
                return Err(ConfigError::bad(key, message, "an absolute path"));
            }
        },
        Err(_no_tilde) => path.to_owned(),
    };
    std::path::absolute(&path)
        .map_err(|error| ConfigError::bad(key, error.to_string(), "a path of a directory"))
}

fn rule(
    kept: bool,
    key: &str,
    found: impl std::fmt::Display,
    expected: &str,
) -> Result<(), ConfigError> {
    if kept {
        return Ok(());
    }
    Err(ConfigError::bad(key, format!("found `{found}`"), expected))
}
