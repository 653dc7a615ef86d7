//! The supervisor tree: root (rest_for_one) with journal, hub and sessions; below sessions one
//! subtree (rest_for_one) for each session that is awake: feed, session, queue, agent.
//!
//! Never starts an actor outside of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;

use crate::crash;
use crate::domain::{Error, Result, SessionId};
use crate::store;
use crate::supervision::{
    Child, ChildSpec, DeleteChild, Intensity, Restart, Root, StartChild, StartError, Strategy,
    Supervisor, SupervisorSpec, TerminateChild, start_fn, tireless,
};

use super::agent::AgentActor;
use super::context::{Readers, Shared};
use super::directory::Handles;
use super::fallen::Sessions;
use super::feed::{Feed, FeedOf};
use super::hub::{Hub, Passed};
use super::journal::{HubIs, Journal};
use super::queue::Queue;
use super::recovery;
use super::session::{AgentIs, QueueIs, SessionActor};
use super::window::Window;

/// Addresses of the children that others need, in their generation of now.
#[derive(Default)]
pub(super) struct Trunk {
    journal: Mutex<Option<Addr<Journal>>>,
    hub: Mutex<Option<Addr<Hub>>>,
    sessions: Mutex<Option<Addr<Supervisor>>>,
    root: Mutex<Option<Addr<Supervisor>>>,
}

fn set<T>(cell: &Mutex<Option<T>>, value: T) {
    *cell.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

fn get<T: Clone>(cell: &Mutex<Option<T>>) -> Option<T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Trunk {
    pub(super) fn hub(&self) -> Option<Addr<Hub>> {
        get(&self.hub)
    }

    pub(super) fn journal(&self) -> Option<Addr<Journal>> {
        get(&self.journal)
    }

    pub(super) fn root(&self) -> Option<Addr<Supervisor>> {
        get(&self.root)
    }

    fn sessions(&self) -> Result<Addr<Supervisor>> {
        get(&self.sessions).ok_or_else(gone)
    }
}

fn gone() -> Error {
    Error::unavailable("restarting", "this part of the server is being restarted")
}

fn failed(error: impl ToString) -> StartError {
    StartError::Failed(error.to_string())
}

/// Starts the root with its three children.
pub(super) async fn start(
    shared: Arc<Shared>,
    trunk: Arc<Trunk>,
) -> std::result::Result<Root, StartError> {
    let children = vec![
        journal(Arc::clone(&shared), Arc::clone(&trunk)),
        hub(Arc::clone(&shared), Arc::clone(&trunk)),
        sessions(&shared, &trunk),
    ];
    let told = Arc::clone(&trunk);
    let observer = Arc::new(shared.ledger.clone());
    let spec = SupervisorSpec {
        children,
        observer,
        ..SupervisorSpec::new("root", Strategy::RestForOne)
    };
    let root = Supervisor::start_root(spec).await?;
    set(&told.root, root.addr());
    Ok(root)
}

fn journal(shared: Arc<Shared>, trunk: Arc<Trunk>) -> ChildSpec {
    let start = start_fn(move |lifeline| {
        let (shared, trunk) = (Arc::clone(&shared), Arc::clone(&trunk));
        async move {
            crash::point("journal.start");
            let max_pos = shared
                .store
                .read(store::events::max_pos)
                .await
                .map_err(failed)?;
            let address = Journal::new(shared, lifeline, max_pos).start();
            set(&trunk.journal, address.clone());
            Ok(Child::worker(address.recipient()))
        }
    });
    let mut spec = ChildSpec::worker("journal", start);
    // It commits what it has before it ends.
    spec.shutdown = crate::supervision::Shutdown::Within(Duration::from_secs(20));
    spec
}

fn hub(shared: Arc<Shared>, trunk: Arc<Trunk>) -> ChildSpec {
    ChildSpec::worker(
        "hub",
        start_fn(move |lifeline| {
            let (shared, trunk) = (Arc::clone(&shared), Arc::clone(&trunk));
            async move {
                crash::point("hub.start");
                let journal = get(&trunk.journal).ok_or_else(|| failed("no journal"))?;
                let address = Hub::new(shared, lifeline).start();
                let announced = journal.send(HubIs(address.clone())).await.map_err(failed)?;
                address.send(Passed(announced)).await.map_err(failed)?;
                set(&trunk.hub, address.clone());
                Ok(Child::worker(address.recipient()))
            }
        }),
    )
}

/// The supervisor of the sessions, empty: each is added when it wakes.
fn sessions(shared: &Arc<Shared>, trunk: &Arc<Trunk>) -> ChildSpec {
    let (shared, trunk) = (Arc::clone(shared), Arc::clone(trunk));
    let start = start_fn(move |lifeline| {
        let (shared, trunk) = (Arc::clone(&shared), Arc::clone(&trunk));
        async move {
            crash::point("sessions.start");
            let spec = SupervisorSpec {
                observer: Arc::new(Sessions::new(&shared, &trunk)),
                // Sessions do not bring each other down: one that gives up is not started again
                // by this supervisor, but by whoever wakes it next.
                intensity: Intensity {
                    max: u32::MAX,
                    within: Duration::from_secs(1),
                },
                ..SupervisorSpec::new("root/sessions", Strategy::OneForOne)
            };
            let address = Supervisor::launch(spec, lifeline).await?;
            set(&trunk.sessions, address.clone());
            let watched = address.clone();
            actix::spawn(tireless("recovery", move || {
                let (shared, trunk) = (Arc::clone(&shared), Arc::clone(&trunk));
                recovery::keep_awake(shared, trunk, watched.clone())
            }));
            Ok(Child::supervisor(address))
        }
    });
    ChildSpec {
        kind: crate::supervision::Kind::Supervisor,
        shutdown: crate::supervision::Shutdown::Infinity,
        ..ChildSpec::worker("sessions", start)
    }
}

/// The actors of a session, started if they are not there.
pub(super) async fn wake(
    shared: &Arc<Shared>,
    trunk: &Arc<Trunk>,
    id: SessionId,
) -> Result<Handles> {
    for _try in 0..40 {
        let (handles, mut next) = shared.directory.look(id);
        if let Some(handles) = handles {
            return Ok(handles);
        }
        let child = subtree(shared, trunk, id);
        let started = trunk
            .sessions()?
            .send(StartChild(child))
            .await
            .map_err(|_closed| gone())?;
        match started {
            Ok(()) => {}
            Err(StartError::AlreadyPresent) => {
                // It is being started, restarted or put to sleep: hear of it, or look again.
                let _heard = tokio::time::timeout(Duration::from_millis(100), next.changed()).await;
            }
            Err(StartError::Stopping) => return Err(gone()),
            Err(
                error @ (StartError::MaxChildren | StartError::Invalid(_) | StartError::Failed(_)),
            ) => {
                sleep(trunk, id).await;
                tracing::error!(session.id = %id, %error, "a session could not be woken");
                return Err(gone());
            }
        }
    }
    Err(gone())
}

/// Takes a session's subtree down and forgets it.
pub(super) async fn sleep(trunk: &Trunk, id: SessionId) {
    if let Ok(sessions) = trunk.sessions() {
        let _terminated = sessions.send(TerminateChild(id.to_string())).await;
        let _deleted = sessions.send(DeleteChild(id.to_string())).await;
    }
}

/// What the children of one subtree know of each other.
#[derive(Default)]
struct Links {
    feed: Mutex<Option<Addr<Feed>>>,
    window: Mutex<Option<Arc<Window>>>,
    session: Mutex<Option<Addr<SessionActor>>>,
    queue: Mutex<Option<Addr<Queue>>>,
}

fn subtree(shared: &Arc<Shared>, trunk: &Arc<Trunk>, id: SessionId) -> ChildSpec {
    let (shared, trunk) = (Arc::clone(shared), Arc::clone(trunk));
    let make = move || {
        let links = Arc::new(Links::default());
        let readers = Readers::new();
        SupervisorSpec {
            children: vec![
                feed(
                    &shared,
                    &trunk,
                    (id, Arc::clone(&links), Arc::clone(&readers)),
                ),
                session(&shared, (id, Arc::clone(&links), readers)),
                queue(&shared, (id, Arc::clone(&links))),
                agent(&shared, (id, links)),
            ],
            observer: Arc::new(shared.ledger.clone()),
            ..SupervisorSpec::new(format!("root/sessions/{id}"), Strategy::RestForOne)
        }
    };
    ChildSpec {
        restart: Restart::Temporary,
        ..Supervisor::child_spec(id.to_string(), Arc::new(make))
    }
}

fn feed(
    shared: &Arc<Shared>,
    trunk: &Arc<Trunk>,
    (id, links, readers): (SessionId, Arc<Links>, Arc<Readers>),
) -> ChildSpec {
    let (shared, trunk) = (Arc::clone(shared), Arc::clone(trunk));
    ChildSpec::worker(
        "feed",
        start_fn(move |lifeline| {
            let (shared, trunk, links, readers) = (
                Arc::clone(&shared),
                Arc::clone(&trunk),
                Arc::clone(&links),
                Arc::clone(&readers),
            );
            async move {
                crash::point("feed.start");
                shared.directory.leave(id);
                let journal = get(&trunk.journal).ok_or_else(|| failed("no journal"))?;
                let hub = trunk.hub().ok_or_else(|| failed("no hub"))?;
                let session = shared
                    .store
                    .read(move |conn| store::sessions::by_id(conn, id))
                    .await
                    .map_err(failed)?;
                let session = session.ok_or_else(|| failed("there is no such session"))?;
                let of = FeedOf {
                    id,
                    owner: session.owner,
                    group: session.group,
                    incarnation: session.facts.incarnation,
                };
                let feed = Feed::load(&shared, of, (journal, hub), (lifeline, readers))
                    .await
                    .map_err(failed)?;
                set(&links.window, feed.window());
                let address = feed.start();
                set(&links.feed, address.clone());
                Ok(Child::worker(address.recipient()))
            }
        }),
    )
}

fn session(
    shared: &Arc<Shared>,
    (id, links, readers): (SessionId, Arc<Links>, Arc<Readers>),
) -> ChildSpec {
    let shared = Arc::clone(shared);
    ChildSpec::worker(
        "session",
        start_fn(move |lifeline| {
            let (shared, links, readers) = (
                Arc::clone(&shared),
                Arc::clone(&links),
                Arc::clone(&readers),
            );
            async move {
                crash::point("session.start");
                shared.directory.leave(id);
                let feed = get(&links.feed).ok_or_else(|| failed("no feed"))?;
                let actor = SessionActor::load(shared, id, feed, (lifeline, readers))
                    .await
                    .map_err(failed)?;
                let address = actor.start();
                set(&links.session, address.clone());
                Ok(Child::worker(address.recipient()))
            }
        }),
    )
}

fn queue(shared: &Arc<Shared>, (id, links): (SessionId, Arc<Links>)) -> ChildSpec {
    let shared = Arc::clone(shared);
    ChildSpec::worker(
        "queue",
        start_fn(move |lifeline| {
            let (shared, links) = (Arc::clone(&shared), Arc::clone(&links));
            async move {
                crash::point("queue.start");
                shared.directory.leave(id);
                let session = get(&links.session).ok_or_else(|| failed("no session"))?;
                let row = shared
                    .store
                    .read(move |conn| store::sessions::by_id(conn, id))
                    .await
                    .map_err(failed)?;
                let owner = row.ok_or_else(|| failed("there is no such session"))?.owner;
                let queue = Queue::load(shared, (id, owner), session.clone(), lifeline)
                    .await
                    .map_err(failed)?;
                let address = queue.start();
                set(&links.queue, address.clone());
                session
                    .send(QueueIs {
                        queue: address.clone(),
                    })
                    .await
                    .map_err(failed)?;
                Ok(Child::worker(address.recipient()))
            }
        }),
    )
}

/// The last child: when it stands, the session is awake.
fn agent(shared: &Arc<Shared>, (id, links): (SessionId, Arc<Links>)) -> ChildSpec {
    let shared = Arc::clone(shared);
    ChildSpec::worker(
        "agent",
        start_fn(move |lifeline| {
            let (shared, links) = (Arc::clone(&shared), Arc::clone(&links));
            async move {
                crash::point("agent.start");
                let feed = get(&links.feed).ok_or_else(|| failed("no feed"))?;
                let window = get(&links.window).ok_or_else(|| failed("no window"))?;
                let session = get(&links.session).ok_or_else(|| failed("no session"))?;
                let queue = get(&links.queue).ok_or_else(|| failed("no queue"))?;
                let around = (session.clone(), feed.clone());
                let address = AgentActor::new(Arc::clone(&shared), around, lifeline).start();
                let settled = session
                    .send(AgentIs {
                        agent: address.clone(),
                    })
                    .await
                    .map_err(failed)?;
                settled.map_err(failed)?;
                shared.directory.enter(
                    id,
                    Handles {
                        feed,
                        window,
                        session,
                        queue,
                        agent: address.clone(),
                    },
                );
                Ok(Child::worker(address.recipient()))
            }
        }),
    )
}
