//! Words for tests: a session, a task of it, and a person on a token.
//!
//! Never in a build for use.

use super::*;

/// A shell session without a process, the root of its own group.
pub fn session(owner: UserId) -> Session {
    let id = SessionId::generate();
    Session {
        id,
        owner,
        group: id,
        name: None,
        kind: Kind::Shell,
        cwd: "/tmp".to_owned(),
        workspace: None,
        model: None,
        permission_mode: PermissionMode::Default,
        scenario: None,
        options: Options::default(),
        topic: None,
        metadata: serde_json::json!({"k": [1, null]}),
        created_at: Timestamp(2_000),
        updated_at: Timestamp(2_000),
        archived_at: None,
        parent: None,
        status: Status::Created,
        facts: Facts::default(),
    }
}

/// A task of it that waits.
pub fn waiting(session: &Session) -> Task {
    Task {
        id: TaskId::generate(),
        session: session.id,
        owner: session.owner,
        ord: 1,
        state: TaskState::Queued,
        prompt: "do it".into(),
        said: Words::Shown,
        on_uncertain: OnUncertain::Ask,
        metadata: serde_json::Value::Null,
        attempt: 0,
        incarnation: None,
        reason: None,
        text: None,
        usage: None,
        created_at: Timestamp(10_000),
        started_at: None,
        ended_at: None,
    }
}

/// A member on a token.
pub fn someone(sid: &str) -> Principal {
    Principal {
        user: UserId::generate(),
        username: "a".into(),
        role: Role::Member,
        scopes: Scopes::ALL.allowed(Role::Member),
        sid: sid.into(),
    }
}
