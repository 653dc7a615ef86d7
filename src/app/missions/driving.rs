//! Driving a mission: cancelling and resuming it, and a person's word on how it stands.
//!
//! Never a word that facts contradict: what a person says becomes a fact, the rest follows.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;

use super::super::{App, Force, MessageRequest, Overview, Verdicts, WhenBusy};
use super::as_mission;
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{
    Completion, Error, Incarnation, Mission, ParentReason, Placement, Principal, Process, Result,
    Session, SessionId, Status,
};
use crate::store::idempotency;
use crate::store::sessions::missions;

/// What a program is told that shall go on.
const GO_ON: &str = "Continue where you left off.";
/// Most sessions and generations of a tree that are looked at.
const MOST: (usize, usize) = (10_000, 1_000);
/// How often a tree is looked at for what was started meanwhile.
const PASSES: usize = 20;

/// Missions that were taken up of which that is remembered.
const MOST_TAKEN_UP: usize = 10_000;

/// What was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// The mission.
    pub mission: SessionId,
    /// It and those below it of which something ran or was about to.
    pub ended: Vec<SessionId>,
}

/// Missions that were taken up, by the turns and processes that they had had: until one more is there,
/// the facts do not tell yet.
#[derive(Default)]
pub(in crate::app) struct TakenUp(Mutex<HashMap<SessionId, (u64, Incarnation)>>);

impl TakenUp {
    fn is(&self, session: &Session) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (session.facts.turns, session.facts.incarnation);
        known.get(&session.id) == Some(&now)
    }

    fn put(&self, session: &Session) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_TAKEN_UP {
            known.clear();
        }
        let now = (session.facts.turns, session.facts.incarnation);
        known.insert(session.id, now);
    }
}

/// How a mission goes on.
#[derive(Debug, Clone, Default)]
pub struct ResumeRequest {
    /// What its program is told, in the place of the usual words.
    pub words: Option<String>,
    /// Whether it is told anything.
    pub quiet: Quiet,
    /// The client's key.
    pub key: Option<IdempotencyKey>,
}

/// Whether a program that goes on is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quiet {
    /// It is, when nothing else waits for it.
    #[default]
    No,
    /// It is only started.
    Yes,
}

/// A mission that goes on.
#[derive(Debug, Clone)]
pub struct Resumed {
    /// It.
    pub mission: Overview,
    /// Where the words landed that it was told.
    pub placement: Option<Placement>,
}

impl App {
    /// Ends what runs of a mission and of the agents below it, with all that they started; their
    /// queues stay. Answers when it is gone.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `not_running` when nothing runs or is about to, `still_running`.
    pub async fn cancel_mission(&self, who: &Principal, id: SessionId) -> Result<Cancelled> {
        let mut ended: Vec<SessionId> = Vec::new();
        for _pass in 0..PASSES {
            let mut open = self.at_work(who, id).await?;
            if open.is_empty() {
                // Nobody makes another below it while this is looked at.
                let _alone = self.inner.trees.write().await;
                open = self.at_work(who, id).await?;
                if open.is_empty() && ended.is_empty() {
                    let text = "nothing of the mission runs or is about to";
                    return Err(Error::conflict("not_running", text));
                }
                if open.is_empty() {
                    return Ok(Cancelled { mission: id, ended });
                }
            }
            let stops = open.iter().map(|id| self.stop(who, *id, Force::Ladder));
            let stopped = join_all(stops).await;
            for (id, stopped) in open.into_iter().zip(stopped) {
                match stopped {
                    Ok(_) if ended.contains(&id) => {}
                    Ok(_) => ended.push(id),
                    // Somebody deleted it meanwhile, which ended it.
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let text = "more is started below the mission as fast as it is ended";
        Err(Error::conflict("still_running", text))
    }

    /// The mission and those below it of which something runs, as far as they are this person's.
    async fn at_work(&self, who: &Principal, id: SessionId) -> Result<Vec<SessionId>> {
        let root = self.writable(who, id).await.map_err(as_mission)?;
        let below = self
            .store()
            .read(move |conn| missions::descendants(conn, &[id], MOST))
            .await?;
        let tree = its_agents(root, below).into_iter();
        let own = tree.filter(|session| who.need_write(session.owner).is_ok());
        Ok(own.filter(at_work).map(|session| session.id).collect())
    }

    /// Gives a prompt to a mission and to no other.
    ///
    /// # Errors
    /// As [`App::message`].
    pub async fn send_to_mission(
        &self,
        who: &Principal,
        id: SessionId,
        message: MessageRequest,
    ) -> Result<Placement> {
        self.message(who, id, message).await.map_err(as_mission)
    }

    /// Says how a mission stands: `completed` and `failed` end it, `interrupted` ends its turn,
    /// `active` and `pending` open it again and start nothing.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `no_turn`, `invalid_state`, `still_running`.
    pub async fn set_mission(
        &self,
        who: &Principal,
        id: SessionId,
        word: Mission,
    ) -> Result<Overview> {
        let session = self.writable(who, id).await.map_err(as_mission)?;
        match word {
            Mission::Completed => self.judge(who, &session, "success").await?,
            Mission::Failed => self.judge(who, &session, Mission::Failed.name()).await?,
            Mission::Interrupted => {
                self.interrupt(who, id).await?;
            }
            Mission::Active | Mission::Pending => {
                self.runtime().reopen(id, word, &who.username).await?;
            }
        }
        self.done(who, "mission.status", id).await;
        self.mission(who, id).await
    }

    async fn judge(&self, who: &Principal, session: &Session, status: &str) -> Result<()> {
        let said = Completion {
            status: status.to_owned(),
            comment: None,
            cost_usd: None,
            by: who.username.clone(),
            at: self.now(),
        };
        let judged = self.runtime().complete(session, said, Verdicts::Last);
        judged.await.map(drop)
    }

    /// Lets a mission go on that was interrupted, failed or was paused: what waits is taken up; when
    /// nothing waits, a program with a conversation is told to go on.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_state`, `draining`, those of a start and of a message.
    pub async fn resume_mission(
        &self,
        who: &Principal,
        id: SessionId,
        asked: ResumeRequest,
    ) -> Result<Resumed> {
        self.writable(who, id).await.map_err(as_mission)?;
        self.refuse_new_work()?;
        let _alone = self.resuming(id).lock().await;
        let session = self.writable(who, id).await.map_err(as_mission)?;
        let told = self.was_told(who, asked.key.as_ref()).await?;
        if !told {
            may_resume(&session, asked.words.is_some())?;
            let row = self.mission(who, id).await?;
            let busy = row.queue_depth > 0 || row.turn_task.is_some();
            if busy && self.inner.resumed.is(&session) {
                let text = "the mission was taken up just now";
                return Err(Error::conflict("invalid_state", text));
            }
        }
        if session.facts.paused {
            self.resume(who, id).await?;
        }
        let words = match (asked.words, asked.quiet) {
            (Some(words), _) => Some(words),
            (None, Quiet::Yes) => None,
            (None, Quiet::No) => {
                let waits = self.mission(who, id).await?.queue_depth > 0;
                let speaks = session.kind.has_model() && (told || !waits);
                speaks.then(|| GO_ON.to_owned())
            }
        };
        let placement = match words {
            Some(words) => {
                let message = MessageRequest {
                    key: asked.key,
                    ..MessageRequest::new(words, WhenBusy::Queue)
                };
                Some(self.message(who, id, message).await?)
            }
            None => {
                self.runtime().start_agent(id).await?;
                None
            }
        };
        self.inner.resumed.put(&session);
        self.done(who, "mission.resumed", id).await;
        let mission = self.mission(who, id).await?;
        Ok(Resumed { mission, placement })
    }

    fn resuming(&self, id: SessionId) -> &tokio::sync::Mutex<()> {
        let [first, ..] = &self.inner.resuming;
        let count = u128::try_from(self.inner.resuming.len()).unwrap_or(1);
        let place = usize::try_from(id.0.as_u128() % count).unwrap_or_default();
        self.inner.resuming.get(place).unwrap_or(first)
    }

    /// Whether an earlier request with this key has told the program already.
    async fn was_told(&self, who: &Principal, key: Option<&IdempotencyKey>) -> Result<bool> {
        let Some(key) = key.cloned() else {
            return Ok(false);
        };
        let (owner, now) = (who.user, self.now());
        let read =
            move |conn: &mut crate::store::Connection| idempotency::find(conn, owner, &key, now);
        Ok(self.store().read(read).await?.is_some())
    }
}

/// The mission and the agents below it; what branched off goes on by itself.
fn its_agents(root: Session, below: Vec<Session>) -> Vec<Session> {
    let mut known = HashSet::from([root.id]);
    let mut tree = vec![root];
    for session in below {
        let agent = session
            .parent
            .is_some_and(|up| up.reason == ParentReason::Agent && known.contains(&up.session));
        if agent {
            known.insert(session.id);
            tree.push(session);
        }
    }
    tree
}

/// Whether something of it runs, waits for a place or a time, or is about to run.
fn at_work(session: &Session) -> bool {
    let facts = &session.facts;
    let comes = match facts.process {
        Process::Waiting { .. } | Process::Backoff { .. } => true,
        Process::None
        | Process::Starting { .. }
        | Process::Live { .. }
        | Process::Unattached { .. }
        | Process::CrashLoop
        | Process::Failed { .. } => false,
    };
    let turn = facts.turn.is_some() || facts.uncertain.is_some();
    let comes = comes || session.status == Status::Created && facts.queued > 0;
    let held = facts.process.held() && (turn || facts.queued > 0 || facts.turns == 0);
    held || comes || session.status == Status::RateLimited
}

fn may_resume(session: &Session, words: bool) -> Result<()> {
    let facts = &session.facts;
    if facts.uncertain.is_some() {
        let text = "nobody knows whether its last prompt arrived: answer that question first";
        return Err(Error::conflict("invalid_state", text));
    }
    let stands = Mission::of(facts);
    let again = facts.reopened.is_some() && Mission::plain(facts).ended();
    let told = words && (matches!(stands, Mission::Interrupted | Mission::Failed) || again);
    if told || Mission::resumable(session) {
        return Ok(());
    }
    let text = format!(
        "the mission is {}, and there is nothing to take up: a message, or words to resume with, go \
         on with it",
        stands.name()
    );
    Err(Error::conflict("invalid_state", text))
}
