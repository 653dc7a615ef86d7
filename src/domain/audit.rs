//! What is written down of who did what: the words of the audit table.
//!
//! Never a secret, a password or the text of a prompt.

/// How an audited action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditResult {
    /// It was done.
    Done,
    /// It was refused for lack of rights.
    Denied,
    /// It was tried and failed: a wrong password, a bad key.
    Failed,
}

impl AuditResult {
    /// The stored and shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// One thing that somebody did or tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditNote {
    /// Who: a user's id, or the name of the account that somebody tried to sign in to.
    pub actor: String,
    /// What: a noun and a verb, `login.succeeded`, `key.created`, `agent.stopped`.
    pub action: &'static str,
    /// To what: an id or a name; empty where there is none.
    pub object: String,
    /// How it ended.
    pub result: AuditResult,
}
