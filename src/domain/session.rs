//! Sessions: one durable conversation with one agent program in one place.
//!
//! Never the live process; that is a fact in [`Facts`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::agent::Kind;
use super::id::{SessionId, Timestamp, UserId, WorkspaceId};
use super::options::Options;
use super::permission::PermissionMode;
use super::status::{Facts, Status};

/// One session as it is stored. Its environment is kept apart, encrypted.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id, also the agent's.
    pub id: SessionId,
    /// Whose it is.
    pub owner: UserId,
    /// The session that this agent was added to; itself when it stands alone. The agents door
    /// shows it as `sessionId`.
    pub group: SessionId,
    /// A name of the owner's choice.
    pub name: Option<String>,
    /// Which program.
    pub kind: Kind,
    /// Working directory, absolute.
    pub cwd: String,
    /// The workspace that it works in, if it is not the one that everybody has.
    pub workspace: Option<WorkspaceId>,
    /// Model, for kinds that have one.
    pub model: Option<String>,
    /// How far it may go without asking.
    pub permission_mode: PermissionMode,
    /// Scenario name or absolute path, for `script`.
    pub scenario: Option<String>,
    /// What else it was made with.
    pub options: Options,
    /// The topic that the client gave it.
    pub topic: Option<String>,
    /// The client's own data.
    pub metadata: serde_json::Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its status last changed.
    pub updated_at: Timestamp,
    /// When it was deleted from the lists.
    pub archived_at: Option<Timestamp>,
    /// The stored status: always `status(&facts)`.
    pub status: Status,
    /// What is known and wanted.
    pub facts: Facts,
    /// Where it comes from.
    pub parent: Option<Parent>,
}

/// The session that another one comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Which.
    pub session: SessionId,
    /// How.
    pub reason: ParentReason,
}

/// How a session comes from another (decisions.md 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentReason {
    /// It was added to the other's group.
    Agent,
    /// It branched off the other's conversation.
    Fork,
}

impl ParentReason {
    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Fork => "fork",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Agent, Self::Fork]
            .into_iter()
            .find(|reason| reason.name() == text)
    }
}

/// What is needed to make a session.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// The session as it will be stored.
    pub session: Session,
    /// Variables of the agent's environment; stored encrypted.
    pub env: BTreeMap<String, String>,
}

/// A person's word that the work of a session is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// How it went: `success`, `failed`, `cancelled`, `partial`, or a word of theirs.
    pub status: String,
    /// Their comment.
    pub comment: Option<String>,
    /// What it cost, as they say.
    pub cost_usd: Option<serde_json::Number>,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Completion {
    /// Whether it says that the work failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status == FAILED
    }
}

/// The word of a completion that is a failure.
const FAILED: &str = "failed";
