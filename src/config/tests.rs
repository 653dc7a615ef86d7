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
    assert_eq!(config.auth.registration, Registration::Closed);
    assert_eq!(config.auth.token_ttl, Duration::from_secs(7 * 86_400));
    assert_eq!(config.limits.body_bytes, 2 * 1024 * 1024);
    assert_eq!(config.agents.turn_deadline, None);
    let roots = config.agents.roots.iter().map(|root| root.to_str());
    assert_eq!(roots.collect::<Vec<_>>(), [Some("/home/ann")]);
    assert_eq!(config.agents.log_segment_bytes, 64 * 1024 * 1024);
    assert_eq!(config.log_bytes, 8 * 1024 * 1024);
    assert_eq!(
        config.database_path(),
        Some("/home/ann/.callboard/callboard.db".into())
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
    assert_eq!(config.database_path(), Some("/srv/x.db".into()));

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
            "[disk]\nrefuse_free = \"2 GiB\"\n",
            "disk.refuse_free",
            "warn_free",
        ),
        ("[disk]\nwarn_free = \"100%\"\n", "disk.warn_free", "5%"),
        (
            "[retention]\nevery = \"100ms\"\n",
            "retention.every",
            "1s to 24h",
        ),
        (
            "[retention]\nevery = \"2d\"\n",
            "retention.every",
            "1s to 24h",
        ),
        (
            "[retention]\nevents_age = 5\n",
            "retention.events_age",
            "24h",
        ),
        (
            "[retention]\ntasks_age = \"soon\"\n",
            "retention.tasks_age",
            "24h",
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
fn the_proxies_that_are_believed_are_here_unless_others_are_named() {
    let trusts = |file: &str, address: &str| {
        let proxies = load(file, &[]).unwrap().trusted_proxies;
        let address = address.parse().unwrap();
        proxies.iter().any(|proxy| proxy.contains(address))
    };
    assert!(trusts("", "127.0.0.1") && trusts("", "::1") && !trusts("", "10.0.0.1"));
    let named = "trusted_proxies = [\"10.0.0.0/8\"]\n";
    assert!(trusts(named, "10.0.0.1") && !trusts(named, "127.0.0.1"));
    let error = load("trusted_proxies = [\"proxy\"]\n", &[]).unwrap_err();
    assert!(error.key.starts_with("trusted_proxies"), "{error}");
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
fn a_database_is_taken_or_refused_without_showing_its_password() {
    let config = load("[database]\nurl = \"postgres://u:hunter2@h/db\"\n", &[]).unwrap();
    assert!(config.database_url().is_server());
    assert_eq!(config.database_path(), None);
    assert!(!format!("{config:?}").contains("hunter2"));
    for bad in [
        "postgres://u:hunter2@h",
        "mysql://u:hunter2@h/db",
        "sqlite:",
    ] {
        let error = load(&format!("[database]\nurl = \"{bad}\"\n"), &[]).unwrap_err();
        assert_eq!(error.code, "unsupported_database");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
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

#[test]
fn no_refusal_shows_what_may_be_a_secret() {
    for file in [
        "[kinds.shell.env]\nTOKEN = \"hunter2",
        "[kinds.shell.env]\nTOKEN = hunter2\n",
        "[kinds.shell]\nenv = \"TOKEN=hunter2\"\n",
        "[kinds.shell]\nenv = { TOKEN = [\"hunter2\"] }\n",
        "[kinds.shell]\nargs = \"--token=hunter2\"\n",
        "kinds = \"hunter2\"\n",
        "database = \"postgres://u:hunter2@h/d\"\n",
        "[database]\nurl = \"postgres://u:hunter2@h/d\nx = 1\n",
    ] {
        let error = load(file, &[]).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{file}: {error}");
    }
    let number = load("[kinds.shell.env]\nPIN = 987654321\n", &[]).unwrap_err();
    assert!(number.to_string().contains("found a number"), "{number}");
    let place = load("bind = \"127.0.0.1:1\"\nlog = \"hunter2\n", &[]).unwrap_err();
    assert!(place.to_string().contains("line 2"), "{place}");
}

#[test]
fn variables_of_a_kind_are_texts_and_keep_their_spelling() {
    let set = [
        ("CALLBOARD_KINDS__SHELL__ENV__API_TOKEN", "123456789"),
        ("CALLBOARD_KINDS__SHELL__ENV__Mixed__Name", "true"),
    ];
    let config = load("", &set).unwrap();
    let shell = &config.kinds["shell"];
    assert_eq!(shell.env["API_TOKEN"], "123456789");
    assert_eq!(shell.env["Mixed__Name"], "true");
    // Names are shown, values never.
    let shown = format!("{config:?}");
    assert!(
        shown.contains("API_TOKEN") && !shown.contains("123456789"),
        "{shown}"
    );
}

#[test]
fn sizes_have_an_end_roots_are_absolute_and_types_are_told_in_words() {
    for (file, expected) in [
        (
            "[limits]\nbody_bytes = \"9999999999 GiB\"\n",
            "64 KiB to 1 GiB",
        ),
        (
            "[agents]\nlog_segment_bytes = \"9999999999 GiB\"\n",
            "1024 GiB",
        ),
        ("[agents]\nroots = [\"relative\"]\n", "absolute"),
        (
            "[limits]\nmax_live_agents = \"many\"\n",
            "a whole number, 0 or more",
        ),
    ] {
        let error = load(file, &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{file}: {error}");
    }
    let config = load("[agents]\nroots = [\"/srv\", \"~/work\"]\n", &[]).unwrap();
    assert_eq!(
        config.agents.roots,
        [Path::new("/srv"), Path::new("/home/ann/work")]
    );
}

#[test]
fn providers_are_read_and_checked() {
    let config = load("", &[]).unwrap();
    let own = &config.providers["anthropic"];
    assert_eq!(own.kinds, [crate::domain::Kind::Claude]);
    assert_eq!(own.key_env.as_deref(), Some("ANTHROPIC_API_KEY"));
    assert_eq!((&own.oauth, &own.base_url), (&None, &None));
    let oauth = |more: &str| {
        format!(
            "[providers.x]\nkinds = [\"shell\"]\n[providers.x.oauth]\nauthorize_url = \"https://h/a\"\n\
             token_url = \"http://127.0.0.1:1/t\"\nclient_id = \"c\"\nredirect_url = \"https://h/b\"\n\
             token_env = \"T\"\n{more}"
        )
    };
    let config = load(&oauth("scopes = [\"a\"]\n"), &[]).unwrap();
    assert_eq!(
        config.providers["x"].secret_variables().collect::<Vec<_>>(),
        ["T"]
    );
    let id = ("CALLBOARD_PROVIDERS__X__OAUTH__CLIENT_ID", "77");
    let config = load(&oauth(""), &[id]).unwrap();
    assert_eq!(
        config.providers["x"].oauth.as_ref().unwrap().client_id,
        "77"
    );
    let off = load("[providers.anthropic]\nkinds = []\n", &[]).unwrap();
    assert!(off.providers["anthropic"].kinds.is_empty());
    let plain = |more: &str| format!("[providers.x]\nkinds = [\"shell\"]\n{more}");
    for (text, key) in [
        (plain(""), "providers.x"),
        (plain("key_env = \"A-B\"\n"), "providers.x"),
        (
            plain("key_env = \"A\"\nbase_url_env = \"A\"\nbase_url = \"https://h\"\n"),
            "providers.x",
        ),
        (
            plain("key_env = \"A\"\nbase_url_env = \"B\"\n"),
            "providers.x.base_url",
        ),
        (
            plain("key_env = \"A\"\nbase_url_env = \"B\"\nbase_url = \"http://h\"\n"),
            "providers.x.base_url",
        ),
        (
            plain("key_env = \"A\"\nbase_url_env = \"B\"\nbase_url = \"http://127.0.0.1.evil\"\n"),
            "providers.x.base_url",
        ),
        (
            plain("key_env = \"A\"\nbase_url_env = \"B\"\nbase_url = \"https://u:p@h\"\n"),
            "providers.x.base_url",
        ),
        (
            oauth("revoke_url = \"ftp://h\"\n"),
            "providers.x.oauth.revoke_url",
        ),
        (oauth("scopes = [\"a b\"]\n"), "providers.x.oauth"),
        (
            String::from("[providers.y]\nkinds = [\"claude\"]\nkey_env = \"ANTHROPIC_API_KEY\"\n"),
            "providers.y.kinds",
        ),
        (
            String::from("[providers.X]\nkey_env = \"A\"\n"),
            "providers.X",
        ),
    ] {
        let error = load(&text, &[]).unwrap_err().to_string();
        assert!(error.contains(key), "{text}: {error}");
    }
}
