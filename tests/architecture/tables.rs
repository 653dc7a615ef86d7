//! The tables of ARCHITECTURE.md: rooms, arrows, crates.
//!
//! Never a rule for one file: a place is a room, or a part of one.

/// Which rooms a place may name. The longest place that fits a file counts.
pub const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    // Nothing but names of places: the test build panics, waits or ends there.
    ("crash", &[]),
    ("store", &["domain", "config"]),
    ("auth", &["domain", "config"]),
    ("secrets", &["domain", "config"]),
    ("process", &["domain"]),
    ("drivers", &["domain", "crash"]),
    // A server of its own, for agent programs of others: it knows nothing of ours.
    ("fake_model", &[]),
    ("supervision", &["domain", "crash"]),
    ("keeper", &["domain", "crash"]),
    // Nothing but the start of a process, its pipes and its end.
    ("workspace", &["domain", "config", "keeper"]),
    // What people are signed in with: rows, and requests to providers.
    ("providers", &["domain", "config", "store", "secrets"]),
    (
        "runtime",
        &[
            "domain",
            "config",
            "crash",
            "store",
            "secrets",
            "process",
            "drivers",
            "supervision",
            "keeper",
            "providers",
        ],
    ),
    (
        "app",
        &[
            "domain",
            "config",
            "crash",
            "store",
            "auth",
            "secrets",
            "runtime",
            "drivers",
            "workspace",
            "providers",
        ],
    ),
    ("api", &["domain", "crash", "app"]),
    ("cli", &["domain"]),
    // The built-in agent programs are the other end of a driver's protocol.
    ("cli/agent", &["domain", "drivers", "fake_model", "process"]),
    (
        "boot",
        &[
            "domain",
            "config",
            "crash",
            "store",
            "auth",
            "secrets",
            "process",
            "drivers",
            "supervision",
            "keeper",
            "workspace",
            "providers",
            "runtime",
            "app",
            "api",
        ],
    ),
    ("main", &["boot", "cli", "config"]),
    ("lib", &[]),
    // The benchmark drives the server as clients do; it fills data directories and plays agents.
    (
        "benches/core",
        &["domain", "auth", "store", "drivers", "keeper"],
    ),
    // The keeper's program shares the room's codec by `#[path]` and names nothing of the library.
    ("bin", &[]),
];

/// Parts of `api` that may not name each other: one door, one dialect.
pub const DOORS: &[&str] = &[
    "agents",
    "control",
    "feathers",
    "terminals",
    "mcp",
    "operator",
];

/// Where a crate may be named; `*` is everywhere.
pub const CRATES: &[(&str, &[&str])] = &[
    ("actix", &["supervision", "runtime", "boot", "api/live"]),
    ("actix_http", &["api", "boot"]),
    // The benchmark's ceilings are bare ones.
    (
        "actix_web",
        &["api", "boot", "fake_model", "benches/core/ceiling"],
    ),
    ("actix_web_actors", &["api/live"]),
    // Finds every stored secret in a text in one pass.
    ("aho_corasick", &["secrets"]),
    ("argon2", &["auth"]),
    ("base64", &["*"]),
    ("bytes", &["*"]),
    ("bytestring", &["api", "runtime"]),
    ("chacha20poly1305", &["secrets"]),
    ("clap", &["cli", "main"]),
    ("clap_complete", &["cli"]),
    ("comfy_table", &["cli"]),
    ("diesel", &["store", "benches/core/ceiling"]),
    ("diesel_migrations", &["store"]),
    ("fail", &["crash"]),
    ("figment", &["config"]),
    ("futures_util", &["*"]),
    // The server's requests to others.
    // `boot` has a module of this name.
    ("http", &["providers", "boot"]),
    ("http_body_util", &["providers"]),
    ("hyper_rustls", &["providers"]),
    ("hyper_util", &["providers"]),
    ("indicatif", &["cli"]),
    ("jsonwebtoken", &["auth"]),
    ("libc", &["keeper", "process", "boot", "bin"]),
    ("libsqlite3_sys", &["store"]),
    // In `cli` for the terminal, signals of a person, and the demo's own server: safe calls alone.
    (
        "nix",
        &["keeper", "process", "boot", "bin", "cli", "benches/core"],
    ),
    ("pq_sys", &["store"]),
    // The text form of the figures at `/metrics`.
    ("prometheus", &["api/operator"]),
    ("rand", &["*"]),
    ("reqwest", &["cli"]),
    ("serde", &["*"]),
    ("serde_json", &["*"]),
    ("sha2", &["*"]),
    ("socket2", &["api", "boot"]),
    ("subtle", &["*"]),
    // The size of the terminal: the call of `nix` would be unsafe.
    ("terminal_size", &["cli"]),
    ("thiserror", &["*"]),
    ("time", &["*"]),
    ("tokio", &["*"]),
    ("tracing", &["*"]),
    // The tests of `supervision` read back what its observer logs.
    ("tracing_subscriber", &["boot", "supervision/tests"]),
    // The other side of a terminal; the server's WebSockets are actix's.
    ("tungstenite", &["cli"]),
    ("utoipa", &["api"]),
    ("utoipa_swagger_ui", &["api"]),
    ("uuid", &["*"]),
    ("zeroize", &["*"]),
];

/// What is named only where it is said, with the reason.
pub const WORDS: &[(&str, &[&str], &str)] = &[
    (
        "std::time::Instant",
        &["keeper", "process", "cli", "bin"],
        "tests cannot pause it: use tokio::time::Instant",
    ),
    (
        "std::thread::sleep",
        &["keeper", "process", "cli", "bin", "benches/core/agent"],
        "it blocks an arbiter: use tokio::time::sleep",
    ),
    (
        "std::process::Command",
        // The store's tests kill a process of their own amid its writes.
        &[
            "keeper",
            "process",
            "cli",
            "bin",
            "store/tests",
            "benches/core",
        ],
        "processes are started by the keeper and by `process`",
    ),
    (
        "tokio::process",
        &["process"],
        "processes are started by the keeper and by `process`",
    ),
];

/// Where `do_send` may stand: the one place that says why a message to itself cannot wait.
pub const DO_SEND: &[&str] = &["runtime/edge"];

/// Names that say nothing.
pub const NO_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "types", "misc",
];

/// Longest file, in lines without its tests.
pub const MAX_LINES: usize = 400;
