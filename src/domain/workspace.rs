//! Workspaces: places to run that a person has named, with variables of their own.
//!
//! Never a value of a variable: those are sealed beside the row, and only their names stand here.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::id::{Timestamp, UserId, WorkspaceId};

/// The name of the workspace that everybody has.
pub const HOST: &str = "host";
/// What is shown in place of a variable's value; sent back, it stands for the value that is kept.
pub const STARS: &str = "***";
/// The distributions that the wire knows.
pub const DISTROS: [&str; 4] = [
    "ubuntu-noble",
    "ubuntu-jammy",
    "debian-bookworm",
    "arch-linux",
];
/// Most characters of a name.
const MAX_NAME: usize = 128;

/// Where a workspace stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceState {
    /// It is wanted, and its directory does not stand yet.
    Pending,
    /// It is being made.
    Building,
    /// Agents and commands can run in it.
    Ready,
    /// It cannot be used; the code says why.
    Error,
}

impl WorkspaceState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Building, Self::Ready, Self::Error];

    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Building => "building",
            Self::Ready => "ready",
            Self::Error => "error",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}

/// Why a workspace cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Stable, for example `interrupted`.
    pub code: String,
    /// For people.
    pub text: String,
}

impl Trouble {
    /// A code with its words.
    #[must_use]
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            text: text.into(),
        }
    }
}

/// What else a workspace was made with. It is kept for whoever asks; a host workspace does nothing
/// with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", default)]
pub struct WorkspaceOptions {
    /// Names of the variables that are sealed.
    pub variables: Vec<String>,
    /// Skills of the library.
    pub skills: Vec<String>,
    /// Tools of the library.
    pub tools: Vec<String>,
    /// Plugins.
    pub plugins: Vec<String>,
    /// Tool servers.
    pub mcps: Vec<String>,
    /// Fragments of the script that begins it.
    pub init_scripts: Vec<String>,
    /// A profile of the library.
    pub config_profile: Option<String>,
    /// Whether it has the machine's network; as the machine, when it was not said.
    pub shared_network: Option<bool>,
    /// The word of its private network.
    pub tailscale_mode: Option<String>,
}

/// One workspace as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id; [`WorkspaceId::HOST`] for the one that everybody has and that is no row.
    pub id: WorkspaceId,
    /// Whose it is.
    pub owner: UserId,
    /// Unique for its owner.
    pub name: String,
    /// Absolute.
    pub path: String,
    /// Where it stands.
    pub state: WorkspaceState,
    /// Why it cannot be used.
    pub trouble: Option<Trouble>,
    /// See the type.
    pub options: WorkspaceOptions,
    /// The script that begins it.
    pub init_script: Option<String>,
    /// The distribution.
    pub distro: Option<String>,
    /// What it was made from.
    pub template: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Workspace {
    /// The one that everybody has, at this place.
    #[must_use]
    pub fn host(owner: UserId, path: String, at: Timestamp) -> Self {
        Self {
            id: WorkspaceId::HOST,
            owner,
            name: HOST.to_owned(),
            path,
            state: WorkspaceState::Ready,
            trouble: None,
            options: WorkspaceOptions::default(),
            init_script: None,
            distro: None,
            template: None,
            created_at: at,
            updated_at: at,
        }
    }

    /// The same with a state and why it is in it.
    #[must_use]
    pub fn settled(mut self, outcome: std::result::Result<(), Trouble>) -> Self {
        self.state = match &outcome {
            Ok(()) => WorkspaceState::Ready,
            Err(_) => WorkspaceState::Error,
        };
        self.trouble = outcome.err();
        self
    }

    /// Asks that it can be used.
    ///
    /// # Errors
    /// `workspace_not_ready` with where it stands.
    pub fn usable(&self) -> Result<()> {
        if self.state == WorkspaceState::Ready {
            return Ok(());
        }
        let why = self.trouble.as_ref().map_or_else(
            || self.state.name().to_owned(),
            |trouble| format!("{}: {}", trouble.code, trouble.text),
        );
        let message = format!("the workspace cannot be used ({why})");
        Err(Error::conflict("workspace_not_ready", message))
    }
}

/// Checks a name: it may become a part of a path.
///
/// # Errors
/// `bad_name`, and `name_taken` for the one that everybody has.
pub fn name(text: &str) -> Result<()> {
    if text == HOST {
        let message = "everybody has a workspace of this name already";
        return Err(Error::conflict("name_taken", message));
    }
    let length = (1..=MAX_NAME).contains(&text.chars().count());
    let plain = |c: char| !c.is_control() && c != '/' && c != '\\';
    let trimmed = text.trim() == text;
    if length
        && trimmed
        && text.chars().all(plain)
        && !text.starts_with('.')
        && !text.contains("..")
    {
        return Ok(());
    }
    Err(Error::invalid(
        "bad_name",
        "name",
        "the name is not allowed",
        "1 to 128 characters without / \\ .. and control characters, not beginning with a dot",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_paths() {
        for good in ["a", "my workspace", "build-1.2", "\u{fc}ber"] {
            assert!(name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(MAX_NAME + 1);
        for bad in [
            "", ".", "..", ".a", "a/b", "a\\b", "a..b", "a\n", " a", &long,
        ] {
            assert_eq!(name(bad).unwrap_err().code(), "bad_name", "{bad}");
        }
        assert_eq!(name(HOST).unwrap_err().code(), "name_taken");
    }

    #[test]
    fn what_is_not_ready_says_why() {
        let host = Workspace::host(UserId::generate(), "/x".into(), Timestamp(1));
        assert!(host.usable().is_ok());
        let lost = host.settled(Err(Trouble::new("path_missing", "its directory is gone")));
        let error = lost.usable().unwrap_err();
        assert_eq!(error.code(), "workspace_not_ready");
        assert!(error.to_string().contains("path_missing"), "{error}");
        for state in WorkspaceState::ALL {
            assert_eq!(WorkspaceState::parse(state.name()), Some(state));
        }
    }
}
