//! What a session was made with that may hold secrets: its variables and its tool servers.
//!
//! Never stored plainly, shown, or printed by `Debug`: only names are.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// See the module. It is sealed as one JSON object.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confidential {
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
    /// MCP servers by name, in the form of the programs' `mcpServers`.
    #[serde(default)]
    pub mcp_servers: Map<String, Value>,
}

/// What is found in a data directory: sessions of earlier versions have their variables alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Whole(Confidential),
    Variables(BTreeMap<String, String>),
}

impl Confidential {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.env.is_empty() && self.mcp_servers.is_empty()
    }

    /// The bytes to seal.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// Reads what was sealed. The text of an error names no value.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        match serde_json::from_slice(bytes) {
            Ok(Stored::Whole(whole)) => Ok(whole),
            Ok(Stored::Variables(env)) => Ok(Self {
                env,
                mcp_servers: Map::new(),
            }),
            Err(_names_values) => Err("it does not read as variables and tool servers"),
        }
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confidential")
            .field("env", &self.env.keys())
            .field("mcp_servers", &self.mcp_servers.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_so_do_the_variables_of_earlier_versions() {
        let server = serde_json::json!({"command": "x", "env": {"TOKEN": "hush"}});
        let whole = Confidential {
            env: BTreeMap::from([("env".into(), "v".into())]),
            mcp_servers: Map::from_iter([("notes".to_owned(), server)]),
        };
        let read = Confidential::parse(&whole.to_bytes().unwrap()).unwrap();
        assert_eq!(read, whole);
        let shown = format!("{whole:?}");
        assert!(
            shown.contains("notes") && !shown.contains("hush"),
            "{shown}"
        );
        let old = Confidential::parse(br#"{"env":"v","A":"b"}"#).unwrap();
        assert_eq!(old.env.len(), 2);
        assert!(old.mcp_servers.is_empty());
        assert!(Confidential::parse(b"[]").is_err());
    }
}
