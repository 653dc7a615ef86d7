//! Agent kinds: which program a session talks to, by the names that people type.
//!
//! Never knows how a program is driven; that is `drivers`.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// A kind of agent program that this build can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Claude Code, driven over its stream of JSON lines.
    Claude,
    /// One interactive bash on a pty; a message is a script that it evaluates.
    Shell,
    /// The built-in player of scripted scenarios, for demos, tests and load.
    Script,
}

impl Kind {
    /// Every kind, in the order in which they are listed to people.
    pub const ALL: [Self; 3] = [Self::Claude, Self::Shell, Self::Script];

    /// The stored and shown name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Shell => "shell",
            Self::Script => "script",
        }
    }

    /// Reads a name or an alias of it, without regard to case.
    ///
    /// # Errors
    /// `unknown_agent_kind` with the list of known names.
    pub fn parse(text: &str) -> Result<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "claude" | "claude-code" | "claude_code" | "claudecode" => Ok(Self::Claude),
            "shell" | "bash" | "sh" => Ok(Self::Shell),
            "script" | "scripted" => Ok(Self::Script),
            _ => Err(Error::invalid(
                "unknown_agent_kind",
                "agentType",
                format!("there is no agent kind `{}`", cut(text)),
                format!("one of: {}", Self::ALL.map(Self::name).join(", ")),
            )),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()).unwrap(), kind);
        }
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_list() {
        let Err(Error::Invalid { code, expected, .. }) = Kind::parse("hal9000") else {
            panic!("accepted");
        };
        assert_eq!(code, "unknown_agent_kind");
        assert!(expected.unwrap().contains("shell, script"));
    }
}
