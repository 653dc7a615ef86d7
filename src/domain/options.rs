//! What a session was made with beside its program, place and mode: kept as it was asked for.
//!
//! Never a secret: variables are kept apart, encrypted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// See the module. Stored as one JSON object; what is not set is not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// How hard the model thinks, in the program's own word (`low`, `medium`, `high`, `max` ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// MCP servers by name, in the form of the programs' `mcpServers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_servers: Option<Map<String, Value>>,
    /// The program's own id of the conversation that this one branched off from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<String>,
    /// Hard stops.
    #[serde(skip_serializing_if = "SessionLimits::is_empty")]
    pub limits: SessionLimits,
}

/// Hard stops of a session; absent: those of the settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionLimits {
    /// Most that its turns may cost together, in millionths of a US dollar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend_micro_usd: Option<u64>,
    /// Most turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// Most time that its turns may take together, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_ms: Option<u64>,
    /// Longest time of one turn, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_ms: Option<u64>,
}

impl SessionLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
