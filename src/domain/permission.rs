//! Permission modes and the words that other products use for them.
//!
//! Never decides about one request; it only names the rule that a driver applies.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// How far an agent may go without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum PermissionMode {
    /// Asks before it acts.
    #[default]
    #[serde(rename = "default")]
    Default,
    /// Like `default`, but what would be asked is denied.
    #[serde(rename = "dontAsk")]
    DontAsk,
    /// Edits files without asking, asks for the rest.
    #[serde(rename = "acceptEdits")]
    AcceptEdits,
    /// Acts without asking.
    #[serde(rename = "bypassPermissions")]
    BypassPermissions,
    /// May look and plan, not act.
    #[serde(rename = "plan")]
    Plan,
}

impl PermissionMode {
    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::DontAsk => "dontAsk",
            Self::AcceptEdits => "acceptEdits",
            Self::BypassPermissions => "bypassPermissions",
            Self::Plan => "plan",
        }
    }

    /// Reads a mode or one of its aliases.
    ///
    /// # Errors
    /// `bad_permission_mode` with the accepted words.
    pub fn parse(text: &str) -> Result<Self> {
        match text.trim() {
            "default" | "manual" | "ask" => Ok(Self::Default),
            "dontAsk" => Ok(Self::DontAsk),
            "acceptEdits" | "auto" | "autoEdit" | "auto_edit" | "on-failure" => {
                Ok(Self::AcceptEdits)
            }
            "bypassPermissions" | "yolo" | "allow-all" | "dangerouslySkipPermissions" => {
                Ok(Self::BypassPermissions)
            }
            "plan" => Ok(Self::Plan),
            _ => Err(Error::invalid(
                "bad_permission_mode",
                "permissionMode",
                "the permission mode is not known".to_owned(),
                "default, acceptEdits, bypassPermissions, plan, dontAsk, or an alias: manual, ask, \
                 auto, autoEdit, auto_edit, on-failure, yolo, allow-all, dangerouslySkipPermissions"
                    .to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_map_as_the_contract_says() {
        for (alias, mode) in [
            ("manual", PermissionMode::Default),
            ("ask", PermissionMode::Default),
            ("auto", PermissionMode::AcceptEdits),
            ("autoEdit", PermissionMode::AcceptEdits),
            ("auto_edit", PermissionMode::AcceptEdits),
            ("on-failure", PermissionMode::AcceptEdits),
            ("yolo", PermissionMode::BypassPermissions),
            ("allow-all", PermissionMode::BypassPermissions),
            (
                "dangerouslySkipPermissions",
                PermissionMode::BypassPermissions,
            ),
            ("dontAsk", PermissionMode::DontAsk),
            ("plan", PermissionMode::Plan),
        ] {
            assert_eq!(PermissionMode::parse(alias).unwrap(), mode);
        }
        assert!(PermissionMode::parse("root").is_err());
    }
}
