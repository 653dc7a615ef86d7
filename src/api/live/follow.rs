//! What one connection follows: its subscriptions, and the replay that each begins with.
//!
//! Never sends a numbered event twice or leaves one out between replay and live: an agent is
//! carried either by its own subscription or by the one over all, and the hand-over needs a cursor.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::app::{App, Attach, Published, Sink};
use crate::domain::{Error, Principal, Result, Session, SessionId, UserId};

use super::dialect::{Channels, Dialect, Refusal, Reply, Start};
use super::outbox::{Origin, Outbox};

/// Most agents that one connection names (contract/octipus.md 4 has 50 resources; ours 200).
const MAX_NAMED: usize = 200;
/// Events of a page of replay.
const PAGE: usize = 200;

/// The subscriptions of one connection.
pub struct Follows<D: Dialect> {
    app: App,
    who: Principal,
    dialect: Arc<D>,
    outbox: Arc<Outbox>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: Option<All>,
    named: HashMap<SessionId, Named>,
}

struct All {
    channels: Channels,
    life: Arc<Life>,
}

/// A named agent. Without a carrier of its own the subscription over all carries it.
struct Named {
    channels: Channels,
    carrier: Option<Arc<Life>>,
}

/// Whether a subscription goes on, shared with the task that serves it.
struct Life {
    alive: AtomicBool,
    detached: AtomicBool,
    news: Notify,
}

impl Life {
    fn new() -> Self {
        Self {
            alive: AtomicBool::new(true),
            detached: AtomicBool::new(false),
            news: Notify::new(),
        }
    }

    fn end(&self) {
        self.alive.store(false, Ordering::Release);
        self.news.notify_one();
    }
}

impl<D: Dialect> Follows<D> {
    /// None yet.
    #[must_use]
    pub fn new(app: App, who: Principal, dialect: Arc<D>, outbox: Arc<Outbox>) -> Arc<Self> {
        Arc::new(Self {
            app,
            who,
            dialect,
            outbox,
            state: Mutex::default(),
        })
    }

    /// Follows every agent that the client may see. Says hello, then replays, then goes live.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor of another epoch or ahead of the log.
    pub fn all(self: &Arc<Self>, channels: Channels, start: &Start) -> Result<()> {
        let latest = self.app.latest_pos();
        let from = self.number(start, latest)?;
        let mut state = self.lock();
        let extend = from.is_none() && state.all.is_some();
        let before = state.all.as_ref().map(|all| all.channels);
        let channels = channels.with(before.unwrap_or_default());
        let life = Arc::new(Life::new());
        if let Some(all) = &mut state.all {
            all.channels = channels;
            if !extend {
                let old = std::mem::replace(&mut all.life, Arc::clone(&life));
                old.end();
            }
        } else {
            let life = Arc::clone(&life);
            state.all = Some(All { channels, life });
        }
        drop(state);
        let epoch = self.app.epoch().to_owned();
        self.say(&Reply::HelloAll { epoch, latest });
        if !extend {
            let carrier = self.carrier(None, life);
            actix_web::rt::spawn(replay_all(carrier, from.unwrap_or(latest)));
        }
        Ok(())
    }

    /// Follows one agent. Says hello, then replays, then goes live.
    ///
    /// # Errors
    /// `not_found`, `epoch_changed`, `too_many_subscriptions`.
    pub async fn agent(
        self: &Arc<Self>,
        id: SessionId,
        channels: Channels,
        start: &Start,
    ) -> Result<()> {
        let session = self.app.readable(&self.who, id).await?;
        let bounds = self.app.bounds(&session).await?;
        let from = self.number(start, bounds.latest)?;
        let life = Arc::new(Life::new());
        let carries = self.name(id, channels, from.is_some(), &life)?;
        self.say(&Reply::HelloAgent {
            agent: id,
            epoch: self.app.epoch().to_owned(),
            oldest: bounds.oldest,
            latest: bounds.latest,
        });
        if carries {
            let carrier = self.carrier(Some(id), life);
            let from = from.unwrap_or(bounds.latest);
            actix_web::rt::spawn(replay_agent(carrier, session, from));
        }
        Ok(())
    }

    /// Follows less: these channels of these agents, or of everything.
    pub fn leave(&self, channels: Channels, agents: &[SessionId]) {
        let mut state = self.lock();
        if agents.is_empty() {
            if let Some(all) = &mut state.all {
                all.channels = all.channels.without(channels);
            }
            for named in state.named.values_mut() {
                named.channels = named.channels.without(channels);
            }
        } else {
            for id in agents {
                if let Some(named) = state.named.get_mut(id) {
                    named.channels = named.channels.without(channels);
                }
            }
        }
        state.tidy();
    }

    /// Enters an agent by name. Returns whether it needs a carrier of its own.
    fn name(
        &self,
        id: SessionId,
        channels: Channels,
        replays: bool,
        life: &Arc<Life>,
    ) -> Result<bool> {
        let mut state = self.lock();
        let covered = state.all.is_some();
        let full = state.named.len() >= MAX_NAMED;
        if let Some(named) = state.named.get_mut(&id) {
            named.channels = named.channels.with(channels);
            if !replays && (named.carrier.is_some() || covered) {
                return Ok(false);
            }
            if let Some(old) = named.carrier.replace(Arc::clone(life)) {
                old.end();
            }
            return Ok(true);
        }
        if full {
            return Err(Error::Busy {
                code: "too_many_subscriptions",
                message: format!("a connection names at most {MAX_NAMED} agents"),
                retry_after: 1,
            });
        }
        let carries = replays || !covered;
        let carrier = carries.then(|| Arc::clone(life));
        state.named.insert(id, Named { channels, carrier });
        Ok(carries)
    }

    fn number(&self, start: &Start, latest: u64) -> Result<Option<u64>> {
        let Start::After { number, epoch } = start else {
            return Ok(None);
        };
        let other = epoch.as_deref().is_some_and(|e| e != self.app.epoch());
        if other || *number > latest {
            return Err(Error::EpochChanged {
                epoch: self.app.epoch().to_owned(),
                latest_seq: latest,
            });
        }
        Ok(Some(*number))
    }

    fn carrier(self: &Arc<Self>, agent: Option<SessionId>, life: Arc<Life>) -> Arc<Carrier<D>> {
        Arc::new(Carrier {
            follows: Arc::clone(self),
            agent,
            life,
            cursor: AtomicU64::new(0),
        })
    }

    /// The channels of an event of `agent` for the carrier over all (`None`) or of that agent.
    fn wanted(&self, agent: SessionId, carrier: Option<SessionId>) -> Channels {
        let state = self.lock();
        let all = state
            .all
            .as_ref()
            .map(|all| all.channels)
            .unwrap_or_default();
        match state.named.get(&agent) {
            Some(named) if carrier.is_none() && named.carrier.is_some() => Channels::default(),
            Some(named) => all.with(named.channels),
            None => all,
        }
    }

    fn say(&self, reply: &Reply) {
        self.outbox.push(self.dialect.reply(reply), None);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ends carriers that nobody needs any more.
    fn tidy(&mut self) {
        let all = self
            .all
            .as_ref()
            .map(|all| all.channels)
            .unwrap_or_default();
        self.named.retain(|_, named| {
            let keep = !named.channels.is_empty() || (named.carrier.is_some() && !all.is_empty());
            if let (false, Some(carrier)) = (keep, &named.carrier) {
                carrier.end();
            }
            keep
        });
        let lent = self.named.values().any(|named| named.carrier.is_none());
        if all.is_empty()
            && !lent
            && let Some(all) = self.all.take()
        {
            all.life.end();
        }
    }
}

/// The sink of one subscription.
struct Carrier<D: Dialect> {
    follows: Arc<Follows<D>>,
    /// Which agent; `None`: all.
    agent: Option<SessionId>,
    life: Arc<Life>,
    /// The last number that came by: seq of the agent, or pos.
    cursor: AtomicU64,
}

impl<D: Dialect> Carrier<D> {
    fn visible(&self, owner: UserId) -> bool {
        self.agent.is_some() || self.follows.who.may_read(owner)
    }

    fn alive(&self) -> bool {
        self.life.alive.load(Ordering::Acquire)
    }

    /// Waits while the publisher pushes. `true`: it went away, follow again from the cursor.
    async fn lost_publisher(&self) -> bool {
        loop {
            tokio::select! {
                () = self.life.news.notified() => {}
                () = self.follows.outbox.wait_end() => return false,
            }
            if !self.alive() {
                return false;
            }
            if self.life.detached.swap(false, Ordering::AcqRel) {
                return true;
            }
        }
    }

    /// Waits until a page fits; `false` when there is nobody to send to any more.
    async fn room(&self) -> bool {
        self.alive() && self.follows.outbox.wait_room().await && self.alive()
    }

    async fn send(&self, events: &[Arc<Published>]) -> bool {
        for event in events {
            if !self.room().await || !self.push(event) {
                return false;
            }
        }
        true
    }

    fn fail(&self, error: &Error) {
        let mut refusal = Refusal::of(error, None);
        if let Some(agent) = self.agent {
            refusal
                .more
                .insert("agentId".into(), agent.to_string().into());
        }
        self.life.end();
        self.follows.say(&Reply::Error(refusal));
    }
}

impl<D: Dialect> Sink for Carrier<D> {
    fn push(&self, event: &Arc<Published>) -> bool {
        if !self.alive() {
            return false;
        }
        let number = match self.agent {
            Some(_) => event.event.seq,
            None => event.event.pos,
        };
        self.cursor.store(number, Ordering::Release);
        let follows = &self.follows;
        if !self.visible(event.owner) {
            return true;
        }
        let wanted = follows.wanted(event.event.agent, self.agent);
        if !wanted.meets(follows.dialect.channels(event.event.kind)) {
            return true;
        }
        let Some(frame) = follows.dialect.frame(event) else {
            return true;
        };
        let origin = Origin {
            agent: event.event.agent,
            seq: event.event.seq,
            pos: event.event.pos,
        };
        follows.outbox.push(frame, Some(origin))
    }

    fn detached(&self) {
        self.life.detached.store(true, Ordering::Release);
        self.life.news.notify_one();
    }

    fn open(&self) -> bool {
        self.alive() && !self.follows.outbox.standing_over()
    }
}

/// Pages until the ring takes over; each frame waits for room, so a replay never overflows.
async fn replay_agent<D: Dialect>(carrier: Arc<Carrier<D>>, session: Session, mut seq: u64) {
    let app = carrier.follows.app.clone();
    loop {
        let page = match app.after(&session, seq, PAGE).await {
            Ok(page) => page,
            Err(error) => return carrier.fail(&error),
        };
        if let Some(gap) = page.gap {
            let gap = super::outbox::Gap {
                agent: Some(session.id),
                first: gap.from,
                last: gap.to,
                dropped: gap.to.saturating_sub(gap.from).saturating_add(1),
            };
            let frame = carrier.follows.dialect.gap(&gap);
            carrier.follows.outbox.push(frame, None);
        }
        if !carrier.send(&page.events).await {
            return;
        }
        seq = page.next.max(seq);
        if page.more {
            continue;
        }
        if !carrier.room().await {
            return;
        }
        let sink: Arc<dyn Sink> = carrier.clone();
        match app.attach(&session, seq, sink).await {
            Ok(Attach::Live { .. }) => {
                if !carrier.lost_publisher().await {
                    return;
                }
                seq = carrier.cursor.load(Ordering::Acquire).max(seq);
            }
            Ok(Attach::Behind) => {}
            Err(error) => return carrier.fail(&error),
        }
    }
}

/// The same over all agents, by pos.
async fn replay_all<D: Dialect>(carrier: Arc<Carrier<D>>, mut pos: u64) {
    let app = carrier.follows.app.clone();
    let who = carrier.follows.who.clone();
    loop {
        let latest = app.latest_pos();
        if pos < latest {
            let events = match app.after_pos(&who, pos, PAGE).await {
                Ok(events) => events,
                Err(error) => return carrier.fail(&error),
            };
            if !carrier.send(&events).await {
                return;
            }
            let last = events.last().map_or(pos, |event| event.event.pos);
            if events.len() >= PAGE {
                pos = last;
                continue;
            }
            // A page that is not full has shown all that was committed before it was read.
            pos = last.max(latest);
        }
        if !carrier.room().await {
            return;
        }
        let sink: Arc<dyn Sink> = carrier.clone();
        match app.attach_all(pos, sink).await {
            Ok(Attach::Live { .. }) => {
                if !carrier.lost_publisher().await {
                    return;
                }
                pos = carrier.cursor.load(Ordering::Acquire).max(pos);
            }
            Ok(Attach::Behind) => {}
            Err(error) => return carrier.fail(&error),
        }
    }
}
