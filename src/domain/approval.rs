//! Approvals: questions from agents that people answer, as queue citizens of their own.
//!
//! Never answered twice, and never applied to another incarnation than the one that asked.

use serde::{Deserialize, Serialize};

use super::id::{ApprovalId, Incarnation, SessionId, TaskId, Timestamp, UserId};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalKind {
    /// The agent wants to do something.
    Permission,
    /// The agent wants to know something: the answer is the response, and holds this once.
    Question,
    /// A task of which nobody knows whether the agent got it: approve sends it again, deny drops
    /// it.
    Uncertain,
}

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Nobody has answered yet.
    Pending,
    /// Answered with yes.
    Approved,
    /// Answered with no.
    Denied,
    /// Its time ran out: denied.
    Expired,
    /// The process that asked, or its turn, is gone.
    Cancelled,
}

/// How much harm the asked action can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Reads.
    Low,
    /// Edits.
    Medium,
    /// Runs commands or reaches the network.
    High,
    /// Matches a destructive pattern.
    Critical,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ }) => {
        impl $type {
            /// The stored and shown word.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads a stored word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(ApprovalKind {
    Permission = "permission",
    Question = "question",
    Uncertain = "uncertain"
});

impl ApprovalKind {
    /// Whether its answer goes to the program.
    #[must_use]
    pub fn of_program(self) -> bool {
        match self {
            Self::Permission | Self::Question => true,
            Self::Uncertain => false,
        }
    }
}
words!(ApprovalState {
    Pending = "pending",
    Approved = "approved",
    Denied = "denied",
    Expired = "expired",
    Cancelled = "cancelled"
});
words!(Risk { Low = "low", Medium = "medium", High = "high", Critical = "critical" });

/// One question as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Its id: the `requestId` of every door.
    pub id: ApprovalId,
    /// The session whose agent asks.
    pub session: SessionId,
    /// Whose session it is.
    pub owner: UserId,
    /// The process that asked.
    pub incarnation: Incarnation,
    /// What is asked.
    pub kind: ApprovalKind,
    /// The program's own id of the request.
    pub request: String,
    /// The task in whose turn it was asked.
    pub task: Option<TaskId>,
    /// The tool that wants to run.
    pub tool: String,
    /// Its arguments.
    pub args: serde_json::Value,
    /// One line for a list.
    pub summary: String,
    /// The question in full.
    pub question: String,
    /// Answers to choose from; empty for yes or no.
    pub options: Vec<String>,
    /// How much harm it can do.
    pub risk: Risk,
    /// Where it stands.
    pub state: ApprovalState,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it is denied by itself; absent: never.
    pub expires_at: Option<Timestamp>,
    /// When it was answered, expired or cancelled.
    pub resolved_at: Option<Timestamp>,
    /// The user name that answered, or `expired`, `exit`, `stop`.
    pub resolved_by: Option<String>,
    /// Free words that came with the answer.
    pub response: Option<String>,
}
