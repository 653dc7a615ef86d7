//! A session's record.
//!
//! Never a status that is not committed.

use serde_json::{Map, Value, json};

use crate::app::Overview;
use crate::domain::{Kind, Outcome, ParentReason, SessionId, Status};

/// What stands where nobody knows a commit (contract/agor.md 4).
const UNKNOWN: &str = "unknown";

/// Words a session with the sessions that come from it.
#[must_use]
pub fn session(row: &Overview, children: &[SessionId]) -> Value {
    let one = &row.session;
    let facts = &one.facts;
    let mut all = json!({
        "session_id": one.id,
        "agentic_tool": tool(one.kind),
        "status": status(one.status),
        "detail": one.status.name(),
        "created_at": one.created_at.rfc3339(),
        "last_updated": one.updated_at.rfc3339(),
        "created_by": one.owner,
        "unix_username": null,
        "worktree_id": null,
        "workspace_id": one.workspace,
        "cwd": one.cwd,
        "git_state": {"ref": UNKNOWN, "base_sha": UNKNOWN, "current_sha": UNKNOWN},
        "contextFiles": [],
        "genealogy": genealogy(row, children),
        "name": one.name,
        "title": one.topic,
        "permission_config": {"mode": one.permission_mode.name()},
        "custom_context": custom(&one.metadata),
        "scheduled_from_worktree": false,
        "ready_for_prompt": ready(row),
        "queue_depth": row.queue_depth,
        "pending_approvals": row.pending_approvals,
        "current_task_id": row.turn_task,
        "archived": false,
        "retry_at": facts.retry_at().map(crate::domain::Timestamp::rfc3339),
    });
    if let (Some(model), Value::Object(all)) = (&one.model, &mut all) {
        let config = json!({
            "mode": "exact",
            "model": model,
            "effort": one.options.effort,
            "updated_at": one.updated_at.rfc3339(),
        });
        all.insert("model_config".into(), config);
    }
    all
}

/// The program in the words of the clients.
#[must_use]
pub fn tool(kind: Kind) -> &'static str {
    match kind {
        Kind::Claude => "claude-code",
        Kind::Shell | Kind::Script => kind.name(),
    }
}

/// The status in the words of the clients (decisions.md 3).
#[must_use]
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Starting | Status::Busy | Status::Quiet | Status::Stalled | Status::Unattached => {
            "running"
        }
        Status::AwaitingApproval => "awaiting_permission",
        Status::Stopping => "stopping",
        Status::CrashLoop | Status::Failed => "failed",
        Status::Completed => "completed",
        Status::Created
        | Status::Waiting
        | Status::Idle
        | Status::Paused
        | Status::Interrupted
        | Status::Backoff
        | Status::RateLimited
        | Status::Uncertain
        | Status::Stopped => "idle",
    }
}

/// The words that a session's status can have here.
const STATUSES: [&str; 7] = [
    "idle",
    "running",
    "stopping",
    "awaiting_permission",
    "completed",
    "failed",
    "timed_out",
];

/// The statuses that a word stands for; a word that no session has at this time stands for none.
#[must_use]
pub fn statuses(word: &str) -> Option<Vec<&'static str>> {
    let all = Status::ALL.into_iter().filter(|one| status(*one) == word);
    STATUSES
        .contains(&word)
        .then(|| all.map(Status::name).collect())
}

/// The kinds that a tool stands for; one that this server does not have stands for none.
#[must_use]
pub fn tools(word: &str) -> Option<Vec<&'static str>> {
    Some(Kind::parse(word).map_or(Vec::new(), |kind| vec![kind.name()]))
}

/// Whether it has ended a turn and waits for somebody.
fn ready(row: &Overview) -> bool {
    let facts = &row.session.facts;
    let outcome = match facts.last_outcome {
        Some(
            Outcome::Completed
            | Outcome::Failed
            | Outcome::Stopped
            | Outcome::Interrupted
            | Outcome::TimedOut,
        ) => true,
        None => false,
    };
    let rests = matches!(row.session.status, Status::Idle | Status::Stopped);
    rests && outcome && row.queue_depth == 0
}

fn genealogy(row: &Overview, children: &[SessionId]) -> Value {
    let mut all = Map::new();
    if let Some(parent) = row.session.parent {
        let name = match parent.reason {
            ParentReason::Fork => "forked_from_session_id",
            ParentReason::Agent => "parent_session_id",
        };
        all.insert(name.into(), json!(parent.session));
    }
    all.insert("children".into(), json!(children));
    Value::Object(all)
}

fn custom(metadata: &Value) -> Value {
    match metadata {
        Value::Object(_) => metadata.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            json!({})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_word_that_finds_it() {
        for one in Status::ALL {
            let found = statuses(status(one)).unwrap();
            assert!(found.contains(&one.name()), "{one:?}");
        }
        assert_eq!(statuses("timed_out"), Some(Vec::new()));
        assert_eq!(statuses("asleep"), None);
    }

    #[test]
    fn tools_read_back() {
        for kind in Kind::ALL {
            assert_eq!(tools(tool(kind)), Some(vec![kind.name()]));
        }
        assert_eq!(tools("cursor"), Some(Vec::new()));
    }
}
