//! The `CALLBOARD_*` variables that name a setting, each as a layer of its own.
//!
//! Never takes the ones that are no settings: the admin's first password and the client's.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

const PREFIX: &str = "CALLBOARD_";

/// One variable that sets one key.
#[derive(Debug)]
pub struct Variable {
    name: String,
    key: String,
    value: String,
}

/// The variables among these that name a setting: a few by their own names, the others by their
/// path with two underscores between the parts.
pub fn settings(variables: &BTreeMap<String, String>) -> impl Iterator<Item = Variable> {
    variables.iter().filter_map(|(name, value)| {
        Some(Variable {
            name: name.clone(),
            key: key(name.strip_prefix(PREFIX)?)?,
            value: value.clone(),
        })
    })
}

/// What has such a name and is no setting: the client's, and those of tests and of agents.
const OTHERS: [&str; 11] = [
    "ADMIN_PASSWORD",
    "API_KEY",
    "CHAOS_",
    "DETACH_KEYS",
    "FUZZ_",
    "INCARNATION",
    "KEEPER",
    "REWRITE_",
    "SOAK_",
    "TEST_",
    "URL",
];

/// The variables that look like settings and are none: mistyped, perhaps.
pub fn unknown(names: impl Iterator<Item = String>) -> Vec<String> {
    let strange = |name: &str| {
        let rest = name.strip_prefix(PREFIX)?;
        let known = key(rest).is_some() || OTHERS.iter().any(|other| rest.starts_with(other));
        (!known).then_some(())
    };
    names.filter(|name| strange(name).is_some()).collect()
}

fn key(name: &str) -> Option<String> {
    if let Some(key) = of_kind(name) {
        return Some(key);
    }
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "data_dir" | "bind" | "log" | "log_bytes" | "behind_proxy" => Some(name),
        "database_url" => Some("database.url".into()),
        "master_key_file" => Some("secrets.master_key_file".into()),
        _ if name.contains("__") => Some(name.replace("__", ".")),
        _ => None,
    }
}

/// `KINDS__NAME__ENV__VARIABLE`: the variable is spelled as it is.
fn of_kind(name: &str) -> Option<String> {
    let mut parts = name.splitn(4, "__");
    let (kinds, kind, env) = (parts.next()?, parts.next()?, parts.next()?);
    let variable = parts.next()?;
    let named = kinds.eq_ignore_ascii_case("kinds") && env.eq_ignore_ascii_case("env");
    named.then(|| format!("kinds.{}.env.{variable}", kind.to_ascii_lowercase()))
}

/// Keys that are text whatever they look like: a directory `007`, a filter `off`.
fn is_text(key: &str) -> bool {
    let variable = key.starts_with("kinds.") && key.contains(".env.");
    let provider = key.starts_with("providers.") && !key.ends_with(".kinds");
    variable
        || (provider && !key.ends_with(".scopes"))
        || matches!(
            key,
            "data_dir" | "bind" | "log" | "database.url" | "secrets.master_key_file"
        )
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("the variable {}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let value = if is_text(&self.key) {
            Value::from(self.value.clone())
        } else {
            self.value.parse().unwrap_or_else(|never| match never {})
        };
        let nested = figment::util::nest(&self.key, value);
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_sets_nothing_is_found() {
        let names = [
            "MAX_LIVE_AGENTS",
            "LIMITS__MAX_LIVE_AGENTS",
            "URL",
            "LOG",
            "KEEPER",
        ];
        let names = names.map(|name| format!("{PREFIX}{name}")).into_iter();
        let found = unknown(names.chain(["HOME".to_owned()]));
        assert_eq!(found, ["CALLBOARD_MAX_LIVE_AGENTS"]);
    }
}
