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

/// The variables among these that name a setting: four by their own names, the others by their
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

fn key(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "data_dir" | "bind" | "log" | "behind_proxy" => Some(name),
        "database_url" => Some("database.url".into()),
        _ if name.contains("__") => Some(name.replace("__", ".")),
        _ => None,
    }
}

/// Keys that are text whatever they look like: a directory `007`, a filter `off`.
fn is_text(key: &str) -> bool {
    matches!(key, "data_dir" | "bind" | "log" | "database.url")
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
