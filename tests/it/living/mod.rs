//! The runtime without a door: real keepers, real programs, a real database.
//! Never talks HTTP; what people see is tested through the doors.

mod turns;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callboard::config::{Config, Overrides};
use callboard::domain::*;
use callboard::keeper::{KeeperBinary, Spawner};
use callboard::providers::Providers;
use callboard::runtime::{AcceptRequest, Page, Parts, Poll, Runtime, Tree, WhenBusy, now};
use callboard::secrets::Secrets;
use callboard::store::{self, Store};
use tempfile::TempDir;

/// A running tree on a data directory.
pub struct House {
    pub runtime: Runtime,
    pub tree: Tree,
    pub store: Store,
    pub owner: UserId,
    /// Where its agents work.
    pub cwd: String,
}

/// Runs a future on an actix system of its own.
pub fn on_system<F: Future<Output = ()> + 'static>(future: F) {
    actix::System::new().block_on(future);
}

/// Starts the tree on this data directory; `adapt` changes the settings first.
pub async fn open(dir: &Path, adapt: impl FnOnce(&mut Config)) -> House {
    let mut config = Config::load(Overrides {
        data_dir: Some(dir.to_owned()),
        ..Overrides::default()
    })
    .unwrap();
    config.agents.roots = vec![dir.to_owned()];
    adapt(&mut config);
    let store = Store::open(dir.join("callboard.db")).unwrap();
    let epoch = store.write(store::meta::epoch).await.unwrap();
    let owner = owner(&store).await;
    let binary =
        KeeperBinary::resolve(Some(Path::new(env!("CARGO_BIN_EXE_callboard-keeper")))).unwrap();
    let config = Arc::new(config);
    let secrets = Arc::new(Secrets::open(dir).unwrap());
    let parts = Parts {
        store: store.clone(),
        providers: Providers::new(store.clone(), Arc::clone(&secrets), Arc::clone(&config)),
        config,
        secrets,
        spawner: Spawner::start(binary).unwrap(),
        server_exe: env!("CARGO_BIN_EXE_callboard").to_owned(),
        isolation: callboard::keeper::Isolation::Group,
        cgroup: None,
        caps: callboard::keeper::Caps::default(),
        epoch,
    };
    let (runtime, tree, _) = Runtime::start(parts).await.unwrap();
    House {
        runtime,
        tree,
        store,
        owner,
        cwd: dir.to_str().unwrap().to_owned(),
    }
}

async fn owner(store: &Store) -> UserId {
    if let Some(user) = store
        .read(|conn| store::users::by_login(conn, "tester"))
        .await
        .unwrap()
    {
        return user.id;
    }
    let user = store::users::User {
        id: UserId::generate(),
        username: "tester".into(),
        email: "tester@localhost".into(),
        role: Role::Admin,
        password_hash: "-".into(),
        disabled: false,
        created_at: now(),
    };
    let id = user.id;
    store
        .write(move |conn| store::users::insert(conn, &user))
        .await
        .unwrap();
    id
}

impl House {
    /// A session of this kind, not started.
    pub async fn session(&self, kind: Kind, adapt: impl FnOnce(&mut Session)) -> Session {
        let id = SessionId::generate();
        let facts = Facts::default();
        let mut session = Session {
            id,
            owner: self.owner,
            group: id,
            name: None,
            kind,
            cwd: self.cwd.clone(),
            workspace: None,
            model: None,
            permission_mode: PermissionMode::BypassPermissions,
            scenario: Some("hello".into()),
            options: Options::default(),
            topic: None,
            metadata: serde_json::Value::Null,
            created_at: now(),
            updated_at: now(),
            archived_at: None,
            parent: None,
            status: status(&facts),
            facts,
        };
        adapt(&mut session);
        let row = session.clone();
        self.store
            .write(move |conn| {
                store::sessions::insert(
                    conn,
                    &store::sessions::NewSessionRow {
                        session: &row,
                        env_blob: None,
                    },
                )
            })
            .await
            .unwrap();
        session
    }

    pub async fn send(&self, session: &Session, text: &str) -> TaskId {
        let request = AcceptRequest {
            prompt: Prompt::new(text).unwrap(),
            key: None,
            when_busy: WhenBusy::Queue,
        };
        self.runtime
            .accept(session, request)
            .await
            .unwrap()
            .placement
            .task
    }

    /// Waits for the end of a task and returns its row.
    pub async fn done(&self, session: &Session, task: TaskId) -> Task {
        let ended = self
            .runtime
            .wait_task(session, task, Duration::from_secs(30))
            .await
            .unwrap();
        let row = self
            .store
            .read(move |conn| store::tasks::by_id(conn, task))
            .await
            .unwrap()
            .unwrap();
        assert!(ended, "the task has not ended: {row:?}");
        row
    }

    pub async fn row(&self, session: &Session) -> Session {
        let id = session.id;
        self.store
            .read(move |conn| store::sessions::by_id(conn, id))
            .await
            .unwrap()
            .unwrap()
    }

    /// Every event so far, with the numbers checked.
    pub async fn events(&self, session: &Session) -> Vec<Event> {
        let mut all = Vec::new();
        let mut after = 0;
        loop {
            let poll = Poll {
                after: After::Seq(after),
                limit: 200,
                bytes: usize::MAX,
                kinds: None,
                wait: Duration::ZERO,
            };
            let page: Page = self.runtime.poll(session, poll).await.unwrap();
            all.extend(page.events.iter().map(|event| event.event.clone()));
            after = page.next;
            if !page.more {
                break;
            }
        }
        for (event, seq) in all.iter().zip(1..) {
            assert_eq!(event.seq, seq, "a hole in the numbers");
        }
        all
    }

    /// Ends everything of this data directory.
    pub async fn close(mut self, sessions: &[&Session]) {
        for session in sessions {
            self.runtime
                .stop(session.id, callboard::runtime::Force::Kill, "test")
                .await
                .unwrap();
        }
        self.tree.shut_down().await;
        self.store.close();
    }
}

pub fn data_dir() -> TempDir {
    tempfile::Builder::new()
        .prefix("callboard-living-")
        .tempdir()
        .unwrap()
}

pub fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.name()).collect()
}
