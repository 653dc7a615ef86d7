//! Rows for tests: people, sessions, batches, and a store in a directory of its own.
//!
//! Never in a build for use.

use std::sync::OnceLock;

use serde_json::json;

use super::tests::cluster::Cluster;
use super::*;
pub use crate::domain::testing::session;
use crate::domain::{
    Approval, ApprovalId, ApprovalKind, ApprovalState, Batch, Draft, EventKind, ExitReason,
    ExitReport, Incarnation, NewIncarnation, Prompt, Risk, Role, Session, TaskId, Timestamp, User,
    UserId,
};

/// A store on a fresh file; the directory goes with the first value.
pub fn sqlite() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("callboard.db")).unwrap();
    (dir, store)
}

/// Runs SQL in such a file, past every store.
pub fn execute(file: &std::path::Path, sql: &str) {
    use diesel::connection::SimpleConnection;
    let file = file.to_str().unwrap();
    let mut rows: diesel::SqliteConnection = diesel::Connection::establish(file).unwrap();
    rows.batch_execute(sql).unwrap();
}

/// A database on the PostgreSQL of the tests; dropped with the value.
pub struct Fresh {
    name: String,
}

impl Fresh {
    /// An empty one, without the schema.
    pub fn empty() -> Self {
        let name = Cluster::shared().create(None);
        Self { name }
    }

    /// One with the schema, as a copy of one that was migrated once: that is quick.
    pub fn migrated() -> Self {
        static TEMPLATE: OnceLock<String> = OnceLock::new();
        let template = TEMPLATE.get_or_init(|| {
            let name = Cluster::shared().create(None);
            migrations::apply(Cluster::shared().url(&name).as_ref()).unwrap();
            name
        });
        let name = Cluster::shared().create(Some(template));
        Self { name }
    }

    /// What the setting would say.
    pub fn url(&self) -> String {
        Cluster::shared().url(&self.name)
    }

    /// Runs SQL in it, past every store.
    pub fn execute(&self, sql: &str) {
        let server = &Cluster::shared().server;
        server.execute(&self.name, sql).unwrap();
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let server = &Cluster::shared().server;
        server.execute("postgres", &drop).unwrap();
    }
}

/// A store on a fresh database of PostgreSQL, which goes with the first value.
pub fn postgres() -> (Fresh, Store) {
    let fresh = Fresh::migrated();
    let store = Store::open(fresh.url()).unwrap();
    (fresh, store)
}

/// A member who is not stored yet.
pub fn user(name: &str) -> User {
    User {
        id: UserId::generate(),
        username: name.to_owned(),
        email: format!("{name}@example.org"),
        role: Role::Member,
        password_hash: "$argon2id$x".to_owned(),
        disabled: false,
        created_at: Timestamp(1_000),
    }
}

/// A stored person with one stored session.
pub async fn owned(store: &Store) -> (User, Session) {
    let user = user(&format!("u{}", uuid::Uuid::new_v4().simple()));
    let session = session(user.id);
    let rows = (user.clone(), session.clone());
    let stored = store.write(move |conn| {
        users::insert(conn, &rows.0)?;
        add(conn, &rows.1)
    });
    stored.await.unwrap();
    (user, session)
}

/// Stores a session without an environment.
pub fn add(conn: &mut Connection, session: &Session) -> Result<(), StoreError> {
    let new = sessions::NewSessionRow {
        session,
        env_blob: None,
    };
    sessions::insert(conn, &new)
}

/// A batch of so many events from `first_seq` on.
pub fn batch(session: &Session, first_seq: u64, count: u64) -> Batch {
    let kinds = [
        EventKind::AssistantMessage,
        EventKind::ToolCall,
        EventKind::Status,
    ];
    let events = (first_seq..first_seq + count).map(|seq| Draft {
        kind: kinds[usize::try_from(seq).unwrap() % kinds.len()],
        at: Timestamp(3_000 + i64::try_from(seq).unwrap()),
        data: format!("{{\"n\":{seq}}}"),
    });
    Batch {
        session: session.id,
        owner: session.owner,
        incarnation: Incarnation(1),
        first_seq,
        events: events.collect(),
        progress: None,
        changes: Vec::new(),
    }
}

/// A batch without events that only carries changes.
pub fn only(session: &Session, changes: Vec<crate::domain::Change>) -> Batch {
    Batch {
        changes,
        ..batch(session, 1, 0)
    }
}

/// The row of incarnation `number`, with the nonce `nonce-NUMBER`.
pub fn life(number: u64) -> NewIncarnation {
    NewIncarnation {
        incarnation: Incarnation(number),
        nonce: format!("nonce-{number}"),
        snapshot: "{}".to_owned(),
        started_at: Timestamp(5_000),
    }
}

/// An end by SIGKILL of incarnation `number`, one second after its start.
pub fn exit(number: u64, reason: ExitReason) -> ExitReport {
    ExitReport {
        incarnation: Incarnation(number),
        pid: Some(42),
        exit_code: None,
        signal: Some(9),
        core: false,
        oom: false,
        reason,
        by: None,
        started_at: Timestamp(5_000),
        ended_at: Timestamp(6_000),
        stderr_tail: vec!["last words".to_owned()],
        log_len: 10,
    }
}

/// A permission question that waits since `created_at` (milliseconds).
pub fn question(session: &Session, created_at: i64) -> Approval {
    Approval {
        id: ApprovalId::generate(),
        session: session.id,
        owner: session.owner,
        incarnation: Incarnation(1),
        kind: ApprovalKind::Permission,
        request: "r1".to_owned(),
        task: Some(TaskId::generate()),
        tool: "bash".to_owned(),
        args: json!({"command": "rm -rf x"}),
        summary: "bash: rm -rf x".to_owned(),
        question: "May it run?".to_owned(),
        options: vec!["yes".to_owned(), "no".to_owned()],
        risk: Risk::Critical,
        state: ApprovalState::Pending,
        created_at: Timestamp(created_at),
        expires_at: Some(Timestamp(created_at + 300_000)),
        resolved_at: None,
        resolved_by: None,
        response: None,
    }
}

/// Accepts a prompt as a task of this session.
pub fn accept(
    conn: &mut Connection,
    session: &Session,
    text: &str,
) -> Result<tasks::Accepted, StoreError> {
    let prompt = Prompt::new(text)?;
    let new = tasks::NewTask {
        id: TaskId::generate(),
        session: session.id,
        owner: session.owner,
        prompt: &prompt,
        said: None,
        created_at: Timestamp(4_000),
        busy: true,
        offered: None,
        refused: None,
    };
    tasks::accept(conn, &new, 100, None)
}
