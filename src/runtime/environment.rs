//! The environment of a kind's programs, before a session adds to it.
//!
//! Never passes on a variable of the server that nobody named.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::domain::Kind;

/// A few variables of the server's, then what the settings name for this kind.
pub(super) fn of_kind(config: &Config, kind: Kind) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, default) in [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/"),
        ("LANG", "C.UTF-8"),
        ("TMPDIR", "/tmp"),
    ] {
        let value = std::env::var(name).unwrap_or_else(|_unset| default.to_owned());
        env.insert(name.to_owned(), value);
    }
    if let Some(kind) = config.kinds.get(kind.name()) {
        let named = kind
            .env_from
            .iter()
            .filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        env.extend(named);
        env.extend(kind.env.clone());
    }
    env
}
