//! Fills a database before a server opens it: an admin, sessions, events.
//!
//! Never while a server runs on it.

use callboard::auth::Passwords;
use callboard::domain::{
    Batch, Draft, EventKind, Facts, Incarnation, Kind, Options, PermissionMode, Role, Session,
    SessionId, Timestamp, User, UserId, status,
};
use callboard::store::{self, Store};
use serde_json::json;

use super::Res;
use super::database::Place;

/// The admin's password.
pub const PASSWORD: &str = "a password for benchmarks alone";
/// Sessions in one transaction.
const CHUNK: usize = 1_000;

/// An admin and so many sessions with so many events each; the first one has `first` events. Returns
/// the first session.
pub async fn fill(place: &Place, sessions: usize, each: u64, first: u64) -> Res<SessionId> {
    let store = Store::open(place.database())?;
    let owner = admin(&store).await?;
    let rows: Vec<Session> = (0..sessions.max(1)).map(|n| session(owner, n)).collect();
    let one = rows.first().map(|row| row.id).ok_or("no session")?;
    let mut pos = 1;
    for (index, chunk) in rows.chunks(CHUNK).enumerate() {
        let chunk = chunk.to_vec();
        let count = |place: usize| {
            if index == 0 && place == 0 {
                first
            } else {
                each
            }
        };
        let batches: Vec<Batch> = (0..)
            .zip(&chunk)
            .map(|(place, row)| batch(row, count(place)))
            .collect();
        let events: usize = batches.iter().map(|batch| batch.events.len()).sum();
        let begin = pos;
        pos += u64::try_from(events)?;
        let written = store.write(move |conn| {
            for session in &chunk {
                let row = store::sessions::NewSessionRow {
                    session,
                    env_blob: None,
                };
                store::sessions::insert(conn, &row)?;
            }
            store::journal::commit(conn, begin, &batches)
        });
        written.await?;
    }
    store.close();
    drop(store);
    place.settle()?;
    Ok(one)
}

/// An admin alone.
pub async fn empty(place: &Place) -> Res<()> {
    let store = Store::open(place.database())?;
    admin(&store).await?;
    store.close();
    Ok(())
}

async fn admin(store: &Store) -> Res<UserId> {
    let user = User {
        id: UserId::generate(),
        username: "admin".into(),
        email: "admin@example.org".into(),
        role: Role::Superadmin,
        password_hash: Passwords::new().hash(PASSWORD.into()).await?,
        disabled: false,
        created_at: Timestamp(1),
    };
    let id = user.id;
    store
        .write(move |conn| store::users::insert(conn, &user))
        .await?;
    Ok(id)
}

fn session(owner: UserId, n: usize) -> Session {
    let id = SessionId::generate();
    let facts = Facts::default();
    // Young, so that retention has nothing to do.
    let hour_ago = time::OffsetDateTime::now_utc().unix_timestamp() - 3_600;
    let at = Timestamp(hour_ago * 1_000 + i64::try_from(n).unwrap_or_default());
    Session {
        id,
        owner,
        group: id,
        name: Some(format!("session-{n}")),
        kind: Kind::Script,
        cwd: "/tmp".into(),
        workspace: None,
        model: None,
        permission_mode: PermissionMode::Default,
        scenario: Some("hello".into()),
        options: Options::default(),
        topic: None,
        metadata: json!({}),
        created_at: at,
        updated_at: at,
        archived_at: None,
        parent: None,
        status: status(&facts),
        facts,
    }
}

fn batch(session: &Session, events: u64) -> Batch {
    let draft = |n: u64| {
        let content = format!("{:.<200}", format!("event {n} "));
        let data = json!({"messageId": n.to_string(), "role": "assistant", "content": content});
        Draft::new(EventKind::AssistantMessage, session.created_at, data)
    };
    Batch {
        session: session.id,
        owner: session.owner,
        incarnation: Incarnation(0),
        first_seq: 1,
        events: (1..=events).map(draft).collect(),
        progress: None,
        changes: Vec::new(),
    }
}
