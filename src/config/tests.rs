//! Tests of the settings' layers and rules.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use super::*;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.as_bytes()).unwrap();
    let overrides = Overrides {
        config_file: Some(written.path().to_owned()),
        ..Overrides::default()
    };
    Config::load_from(&overrides, &env(variables))
}

fn env(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    let home = [("HOME", "/home/ann")];
    let all = home.iter().chain(variables);
    all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

#[test]
fn the_defaults_are_valid_and_as_documented() {
    let config = Config::load_from(&Overrides::default(), &env(&[])).unwrap();
    assert_eq!(config.data_dir, Path::new("/home/ann/.callboard"));
    assert_eq!(config.bind.to_string(), "127.0.0.1:3030");
    assert_eq!(config.auth.token_ttl, Duration::from_secs(7 * 86_400));
    assert_eq!(config.limits.body_bytes, 2 * 1024 * 1024);
    assert_eq!(config.agents.turn_deadline, None);
    let roots = config.agents.roots.iter().map(|root| root.to_str());
    assert_eq!(roots.collect::<Vec<_>>(), [Some("/home/ann")]);
    assert_eq!(config.agents.log_segment_bytes, 64 * 1024 * 1024);
    assert_eq!(
        config.database_path(),
        Path::new("/home/ann/.callboard/callboard.db")
    );
}

#[test]
fn a_later_layer_wins() {
    let file = "bind = \"127.0.0.1:1111\"\n[limits]\nmax_live_agents = 7\n";
    let from_file = load(file, &[]).unwrap();
    assert_eq!(from_file.bind.port(), 1111);
    assert_eq!(from_file.limits.max_live_agents, 7);
    assert_eq!(from_file.limits.waiting_tasks, 100);

    let variables = [
        ("CALLBOARD_BIND", "127.0.0.1:2222"),
        ("CALLBOARD_LIMITS__MAX_LIVE_AGENTS", "9"),
        ("CALLBOARD_AGENTS__TURN_DEADLINE", "2h"),
        ("CALLBOARD_DATA_DIR", "/srv/007"),
        ("CALLBOARD_DATABASE_URL", "sqlite:/srv/x.db"),
        ("CALLBOARD_ADMIN_PASSWORD", "not a setting"),
        ("CALLBOARD_URL", "http://127.0.0.1:1"),
    ];
    let config = load(file, &variables).unwrap();
    assert_eq!(config.bind.port(), 2222);
    assert_eq!(config.limits.max_live_agents, 9);
    assert_eq!(config.agents.turn_deadline, Some(Duration::from_secs(7200)));
    assert_eq!(config.database_path(), Path::new("/srv/x.db"));

    let overrides = Overrides {
        bind: Some("127.0.0.1:3333".parse().unwrap()),
        data_dir: Some("/srv/other".into()),
        ..Overrides::default()
    };
    let config = Config::load_from(&overrides, &env(&variables)).unwrap();
    assert_eq!(config.bind.port(), 3333);
    assert_eq!(config.data_dir, Path::new("/srv/other"));
}

#[test]
fn a_refusal_names_the_key_and_what_was_expected() {
    for (file, key, expected) in [
        ("[agents]\norphan_ttl = 5\n", "agents.orphan_ttl", "24h"),
        (
            "[limits]\nmax_live_agents = 0\n",
            "limits.max_live_agents",
            "1 or more",
        ),
        (
            "[limits]\nmax_live_agnts = 1\n",
            "limits.max_live_agnts",
            "max_live_agents",
        ),
        (
            "[limits]\nbody_bytes = \"2 MB\"\n",
            "limits.body_bytes",
            "MiB",
        ),
        ("[kinds.hal9000]\n", "kinds.hal9000", "shell, script"),
        (
            "[agents]\nrestart_cap = \"1ms\"\n",
            "agents.restart_cap",
            "restart_base",
        ),
        (
            "[agents.limits]\nmemory = \"1 MiB\"\n",
            "agents.limits.memory",
            "16 MiB",
        ),
        (
            "[agents.limits]\ncpu_time = \"1500ms\"\n",
            "agents.limits.cpu_time",
            "whole seconds",
        ),
        (
            "[agents.limits]\nprocesses = 2\n",
            "agents.limits.processes",
            "8 or more",
        ),
        (
            "[agents.stall]\naction = \"shrug\"\n",
            "agents.stall.action",
            "interrupt",
        ),
        (
            "[agents.rate_limit]\ncap = \"1s\"\n",
            "agents.rate_limit.cap",
            "base or more",
        ),
        (
            "[agents.session_limits]\nspend_usd = -1.0\n",
            "agents.session_limits.spend_usd",
            "more than 0",
        ),
        (
            "[agents.session_limits]\nturns = 0\n",
            "agents.session_limits.turns",
            "1 or more",
        ),
        ("allowed_origins = [\"*\"]\n", "allowed_origins", "https://"),
    ] {
        let error = load(file, &[]).unwrap_err();
        assert_eq!(error.key, key, "{error}");
        assert!(error.expected.contains(expected), "{error}");
    }
}

#[test]
fn agents_are_limited_when_it_is_said() {
    let none = load("", &[]).unwrap().agents.limits;
    assert_eq!(none, AgentLimits::default());
    let file = "[agents.limits]\nmemory = \"2 GiB\"\nprocesses = 64\ncpu_time = \"10m\"\n";
    let variables = [("CALLBOARD_AGENTS__LIMITS__FILE_SIZE", "1 MiB")];
    let limits = load(file, &variables).unwrap().agents.limits;
    let expected = AgentLimits {
        memory: Some(2 << 30),
        processes: Some(64),
        open_files: None,
        cpu_time: Some(Duration::from_secs(600)),
        file_size: Some(1 << 20),
    };
    assert_eq!(limits, expected);
}

#[test]
fn hard_stops_are_those_of_the_settings() {
    let agents = load("", &[]).unwrap().agents;
    assert_eq!(agents.hard_stops(), crate::domain::SessionLimits::default());
    assert_eq!(agents.stall.action, StallAction::Notify);
    assert_eq!(agents.stall.quiet_after, Duration::from_secs(120));
    assert_eq!(agents.stall.stalled_after, Duration::from_secs(600));
    assert_eq!(agents.stall.tool_after, Duration::from_secs(1_800));
    assert!(!agents.stall.terminals);
    let file = "[agents.session_limits]\nspend_usd = 1.5\nbusy_time = \"2h\"\n\
                [agents.stall]\naction = \"restart\"\n";
    let agents = load(file, &[("CALLBOARD_AGENTS__TURN_DEADLINE", "1m")]);
    let agents = agents.unwrap().agents;
    let expected = crate::domain::SessionLimits {
        spend_micro_usd: Some(1_500_000),
        turns: None,
        busy_ms: Some(7_200_000),
        turn_ms: Some(60_000),
    };
    assert_eq!(agents.hard_stops(), expected);
    assert_eq!(agents.stall.action, StallAction::Restart);
}

#[test]
fn a_variable_at_fault_is_named() {
    let error = load("", &[("CALLBOARD_LIMITS__WAITING_TASKS", "many")]).unwrap_err();
    assert_eq!(error.key, "limits.waiting_tasks");
    assert!(
        error
            .to_string()
            .contains("CALLBOARD_LIMITS__WAITING_TASKS"),
        "{error}"
    );
}

#[test]
fn the_world_is_not_served_without_a_proxy() {
    let error = load("bind = \"0.0.0.0:3030\"\n", &[]).unwrap_err();
    assert_eq!(error.code, "non_loopback_bind");
    assert!(load("bind = \"0.0.0.0:3030\"\nbehind_proxy = true\n", &[]).is_ok());
    assert!(load("bind = \"[::1]:3030\"\n", &[]).is_ok());
}

#[test]
fn another_database_is_refused_without_showing_its_address() {
    let error = load("[database]\nurl = \"postgres://u:hunter2@h/db\"\n", &[]).unwrap_err();
    assert_eq!(error.code, "unsupported_database");
    assert!(error.to_string().contains("not in this build"));
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn a_missing_or_broken_file_is_an_error() {
    let overrides = Overrides {
        config_file: Some("/nonexistent/callboard.toml".into()),
        ..Overrides::default()
    };
    let error = Config::load_from(&overrides, &env(&[])).unwrap_err();
    assert_eq!(error.code, "config_file");
    assert!(load("bind = \n", &[]).is_err());
}

#[test]
fn kinds_are_found_by_their_one_name() {
    let config = load(
        "[kinds.bash]\ncommand = \"/bin/bash\"\nenv_from = [\"LANG\"]\n",
        &[],
    );
    let kinds = config.unwrap().kinds;
    assert_eq!(kinds["shell"].command.as_deref(), Some("/bin/bash"));
}
