//! What a session was made with beside its program, place and mode: kept as it was asked for.
//!
//! Never a secret: variables and tool servers are kept apart, encrypted ([`super::Confidential`]).

use serde::{Deserialize, Serialize};

use super::id::SessionId;

/// See the module. Stored as one JSON object; what is not set is not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// How hard the model thinks, in the program's own word (`low`, `medium`, `high`, `max` ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// The agent of the library, or the kind, that it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The names of its MCP servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<String>,
    /// The program's own id of the conversation that this one branched off from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<String>,
    /// The session whose conversation that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<SessionId>,
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
