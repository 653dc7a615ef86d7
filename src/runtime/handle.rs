//! The runtime as the floor above holds it: one handle, cheap to clone.
//!
//! Never waits without a bound, and never hands out an actor's address.

mod polling;
mod tuning;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};

use crate::domain::{Error, Result, Session, SessionId, TaskId};
use crate::store;
use crate::supervision::{Exit, Root, StartError};

use super::context::{Parts, Shared};
use super::directory::Handles;
use super::facade::{AcceptRequest, Accepted, Attach, Figures, Force, Interrupt, Paused};
use super::published::Sink;
use super::queue::{Edit, Enqueue, Enqueued};
use super::recovery::{self, Recovered};
use super::session::{ASLEEP, Archive, InterruptTurn, Pause, Resume, SessionActor, Start};
use super::tree::{self, Trunk};
use super::{feed, halt, hub, ledger, reading};

/// Longest wait for an actor's answer before the client hears that the server is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// The living side of the server.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
    trunk: Arc<Trunk>,
}

/// The root of the tree, held by boot.
pub struct Tree {
    root: Root,
}

impl Tree {
    /// Resolves when the root ended: shut down, or given up after too many restarts.
    pub async fn ended(&mut self) -> Exit {
        self.root.ended().await
    }

    /// Ends every actor in reverse order; agents live on below their keepers.
    pub async fn shut_down(&mut self) {
        let stopped = self.root.addr().send(crate::supervision::StopTree).await;
        if stopped.is_ok() {
            let _exit = self.root.ended().await;
        }
    }
}

impl Runtime {
    /// Starts the tree and runs the recovery sweep; the listener may open when this returns. Call
    /// it on the arbiter that the actors shall live on.
    ///
    /// # Errors
    /// A child that does not start, or rows that cannot be read.
    pub async fn start(parts: Parts) -> Result<(Self, Tree, Recovered)> {
        let ledger = ledger::Ledger::start(parts.store.clone());
        let shared = Shared::new(parts, ledger);
        let trunk = Arc::new(Trunk::default());
        shared.set_trunk(&trunk);
        let refused = |error: StartError| Error::internal(format!("the supervisor tree: {error}"));
        let root = tree::start(Arc::clone(&shared), Arc::clone(&trunk))
            .await
            .map_err(refused)?;
        let recovered = recovery::sweep(&shared, &trunk).await?;
        Ok((Self { shared, trunk }, Tree { root }, recovered))
    }

    /// Accepts a prompt: durable when this returns. Wakes the session and starts its process when
    /// there is none.
    ///
    /// # Errors
    /// `queue_full`, `too_large`, `idempotency_key_reused`, `draining`, `agent_busy`.
    pub async fn accept(&self, session: &Session, request: AcceptRequest) -> Result<Accepted> {
        self.open()?;
        for _try in 0..20 {
            let handles = self.wake(session.id).await?;
            match ask(&handles.queue, Enqueue(request.clone())).await?? {
                Enqueued::Accepted(accepted) => return Ok(accepted),
                Enqueued::Moved => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        Err(busy())
    }

    /// Starts the process of a session without work (spawn, or a start after a stop or a crash
    /// loop). Returns when it is committed as started, waiting for a place, or failed.
    ///
    /// # Errors
    /// The start's own refusal (`program_not_found` ...), `draining`.
    pub async fn start_agent(&self, id: SessionId) -> Result<()> {
        self.open()?;
        self.ask_session(id, || Start {}).await
    }

    /// Follows one agent from after `seq`: replay from the ring and live in one step.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn attach(&self, session: &Session, seq: u64, sink: Arc<dyn Sink>) -> Result<Attach> {
        let handles = self.wake(session.id).await?;
        let answer = ask(&handles.feed, feed::Follow { after: seq, sink }).await?;
        answer.map_err(|error| self.name_epoch(error))
    }

    /// Follows every agent from after `pos`; the sink filters by owner itself.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn attach_all(&self, pos: u64, sink: Arc<dyn Sink>) -> Result<Attach> {
        let hub = self.trunk.hub().ok_or_else(busy)?;
        let answer = ask(&hub, hub::Follow { after: pos, sink }).await?;
        answer.map_err(|error| self.name_epoch(error))
    }

    /// Last committed pos of the server.
    #[must_use]
    pub fn latest_pos(&self) -> u64 {
        self.shared.latest_pos.load(Ordering::Acquire)
    }

    /// The last pos that a reader can have seen: that of the commit under way, whose rows may be
    /// read before [`Self::latest_pos`] says so.
    #[must_use]
    pub fn writing_pos(&self) -> u64 {
        self.shared.writing_pos.load(Ordering::Acquire)
    }

    /// Names this history; see decisions.md 5.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.shared.epoch
    }

    /// Stops taking from the queue; `Interrupt::Now` also interrupts the running turn. Idempotent.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn pause(&self, id: SessionId, interrupt: Interrupt) -> Result<Paused> {
        self.ask_session(id, || Pause { interrupt }).await
    }

    /// Takes from the queue again. Idempotent.
    ///
    /// # Errors
    /// `draining`, `unavailable`.
    pub async fn resume(&self, id: SessionId) -> Result<()> {
        self.open()?;
        self.ask_session(id, || Resume {}).await
    }

    /// Ends the running turn; its process stays unless it ignores that. Returns the task.
    ///
    /// # Errors
    /// `no_turn` when nothing runs.
    pub async fn interrupt(&self, id: SessionId, by: &str) -> Result<TaskId> {
        tracing::info!(session.id = %id, by, "a turn is interrupted");
        let handles = self.wake(id).await?;
        ask(&handles.session, InterruptTurn {}).await?
    }

    /// Ends the process; goes past actors that do not answer within 2 s. Waiting tasks stay
    /// queued; the next prompt starts a new process. Returns whether something was ended.
    ///
    /// # Errors
    /// `still_running` when the tree could not be ended in time.
    pub async fn stop(&self, id: SessionId, force: Force, by: &str) -> Result<bool> {
        let halted = halt::halt(&self.shared, id, force, by).await?;
        if halted.ended || halted.past {
            // Whoever was passed over says in the rows what is true now.
            let (shared, trunk) = (Arc::clone(&self.shared), Arc::clone(&self.trunk));
            let settle = async move { tree::wake(&shared, &trunk, id).await.map(|_| ()) };
            let _settled = tokio::time::timeout(Duration::from_secs(1), settle).await;
        }
        Ok(halted.ended)
    }

    /// Ends every process that is held; for `--stop-agents`.
    pub async fn stop_all(&self) {
        let held = self
            .shared
            .store
            .read(store::sessions::unsettled)
            .await
            .unwrap_or_default();
        let ends = held
            .iter()
            .filter(|session| session.facts.process.held())
            .map(|session| {
                halt::halt(
                    &self.shared,
                    session.id,
                    Force::Ladder,
                    super::session::SERVER,
                )
            });
        for ended in futures_util::future::join_all(ends).await {
            if let Err(error) = ended {
                tracing::error!(%error, "an agent could not be ended");
            }
        }
    }

    /// Stops the process, ends waiting tasks as stopped, drops the ring and archives the session.
    ///
    /// # Errors
    /// As [`Runtime::stop`].
    pub async fn archive(&self, id: SessionId, by: &str) -> Result<()> {
        self.stop(id, Force::Ladder, by).await?;
        let handles = self.wake(id).await?;
        ask(&handles.queue, Edit::Clear).await??;
        ask(&handles.session, Archive {}).await??;
        // A prompt may have started it once more between the two; from here on nothing does.
        self.stop(id, Force::Ladder, by).await?;
        self.shared.directory.leave(id);
        tree::sleep(&self.trunk, id).await;
        recovery::clear(&self.shared, id).await;
        Ok(())
    }

    /// Waits until the task has ended, at most `within`. Returns whether it has.
    ///
    /// # Errors
    /// `unavailable` while the server stops.
    pub async fn wait_task(
        &self,
        session: &Session,
        task: TaskId,
        within: Duration,
    ) -> Result<bool> {
        reading::wait_task(self, &self.shared, (session, task), within).await
    }

    /// The supervisor tree as JSON.
    ///
    /// # Errors
    /// `unavailable` when the root does not answer in time.
    pub async fn tree(&self) -> Result<serde_json::Value> {
        let root = self.trunk.root().ok_or_else(busy)?;
        let node = ask(&root, crate::supervision::Tree::default()).await?;
        serde_json::to_value(node).map_err(Error::internal)
    }

    /// Waits until the supervisor's log is written as far as it goes; before the rows are closed.
    pub async fn flush_log(&self) {
        self.shared.ledger.flush().await;
    }

    /// From now on new work is refused with `draining`.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }

    /// Whether the server refuses new work because it stops.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.shared.draining.load(Ordering::Acquire)
    }

    /// Figures of the living side for health and metrics.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let free = self.shared.places.available_permits();
        Figures {
            live_agents: self
                .shared
                .config
                .limits
                .max_live_agents
                .saturating_sub(free),
            waiting: self.shared.waiting.load(Ordering::Relaxed),
            active_sessions: self.shared.directory.awake(),
            ring_bytes: self.shared.rings.bytes(),
            journal_pending: self.shared.journal_pending.load(Ordering::Relaxed),
            journal_trouble: self.shared.trouble(),
            journal_events: self.shared.backlog.events(),
            journal_age: self.shared.backlog.age(),
            last_commit: self.shared.backlog.last_commit(),
            since_jump: self.shared.backlog.since_jump(),
            decisions: self.shared.ledger.decisions(),
        }
    }

    /// Asks a session, once more when it was about to go to sleep.
    pub(super) async fn ask_session<M, T>(
        &self,
        id: SessionId,
        message: impl Fn() -> M,
    ) -> Result<T>
    where
        SessionActor: Handler<M>,
        M: Message<Result = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        for _try in 0..20 {
            let handles = self.wake(id).await?;
            match ask(&handles.session, message()).await? {
                Err(error) if error.code() == ASLEEP => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                answer => return answer,
            }
        }
        Err(busy())
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    pub(super) async fn wake(&self, id: SessionId) -> Result<Handles> {
        if let (Some(handles), _) = self.shared.directory.look(id) {
            return Ok(handles);
        }
        let row = self
            .shared
            .store
            .read(move |conn| store::sessions::by_id(conn, id))
            .await?;
        if row.is_none_or(|session| session.archived_at.is_some()) {
            return Err(Error::not_found("agent", id));
        }
        tokio::time::timeout(PATIENCE, tree::wake(&self.shared, &self.trunk, id))
            .await
            .unwrap_or_else(|_late| Err(busy()))
    }

    pub(super) fn open(&self) -> Result<()> {
        if self.draining() {
            return Err(Error::draining());
        }
        Ok(())
    }

    fn name_epoch(&self, error: Error) -> Error {
        if let Error::EpochChanged { latest_seq, .. } = error {
            let epoch = self.shared.epoch.clone();
            return Error::EpochChanged { epoch, latest_seq };
        }
        error
    }
}

/// Asks an actor, with a bound on the wait.
pub(super) async fn ask<A, M>(actor: &Addr<A>, message: M) -> Result<M::Result>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    match tokio::time::timeout(PATIENCE, actor.send(message)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_closed)) => Err(Error::unavailable(
            "restarting",
            "this part of the server is being restarted",
        )),
        Err(_late) => Err(busy()),
    }
}

fn busy() -> Error {
    Error::unavailable("busy", "the server does not answer in time")
}
