//! What one connection follows: its subscriptions, and the replay that each begins with.
//!
//! Never sends a numbered event twice or leaves one out between replay and live: an agent is
//! carried either by its own subscription or by the one over all, and the hand-over needs a cursor.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    alive: Arc<AtomicBool>,
}

/// A named agent. Without a carrier of its own the subscription over all carries it.
struct Named {
    channels: Channels,
    carrier: Option<Arc<AtomicBool>>,
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
        let alive = Arc::new(AtomicBool::new(true));
        if let Some(all) = &mut state.all {
            all.channels = channels;
            if !extend {
                let old = std::mem::replace(&mut all.alive, Arc::clone(&alive));
                old.store(false, Ordering::Release);
            }
        } else {
            let alive = Arc::clone(&alive);
            state.all = Some(All { channels, alive });
        }
        drop(state);
        let epoch = self.app.epoch().to_owned();
        self.say(&Reply::HelloAll { epoch, latest });
        if !extend {
            let carrier = self.carrier(None, alive);
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
        let alive = Arc::new(AtomicBool::new(true));
        let carries = self.name(id, channels, from.is_some(), &alive)?;
        self.say(&Reply::HelloAgent {
            agent: id,
            epoch: self.app.epoch().to_owned(),
            oldest: bounds.oldest,
            latest: bounds.latest,
        });
        if carries {
            let carrier = self.carrier(Some(id), alive);
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
        alive: &Arc<AtomicBool>,
    ) -> Result<bool> {
        let mut state = self.lock();
        let covered = state.all.is_some();
        let full = state.named.len() >= MAX_NAMED;
        if let Some(named) = state.named.get_mut(&id) {
            named.channels = named.channels.with(channels);
            if !replays && (named.carrier.is_some() || covered) {
                return Ok(false);
            }
            if let Some(old) = named.carrier.replace(Arc::clone(alive)) {
                old.store(false, Ordering::Release);
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
        let carrier = carries.then(|| Arc::clone(alive));
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

    fn carrier(self: &Arc<Self>, agent: Option<SessionId>, alive: Arc<AtomicBool>) -> Arc<Carrier<D>> {
        Arc::new(Carrier {
            follows: Arc::clone(self),
            agent,
            alive,
        })
    }

    /// The channels of an event of `agent` for the carrier over all (`None`) or of that agent.
    fn wanted(&self, agent: SessionId, carrier: Option<SessionId>) -> Channels {
        let state = self.lock();
        let all = state.all.as_ref().map(|all| all.channels).unwrap_or_default();
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
        let all = self.all.as_ref().map(|all| all.channels).unwrap_or_default();
        self.named.retain(|_, named| {
            let keep = !named.channels.is_empty() || (named.carrier.is_some() && !all.is_empty());
            if let (false, Some(carrier)) = (keep, &named.carrier) {
                carrier.store(false, Ordering::Release);
            }
            keep
        });
        let lent = self.named.values().any(|named| named.carrier.is_none());
        if all.is_empty()
            && !lent
            && let Some(all) = self.all.take()
        {
            all.alive.store(false, Ordering::Release);
        }
    }
}

/// The sink of one subscription.
struct Carrier<D: Dialect> {
    follows: Arc<Follows<D>>,
    /// Which agent; `None`: all.
    agent: Option<SessionId>,
    alive: Arc<AtomicBool>,
}

impl<D: Dialect> Carrier<D> {
    fn visible(&self, owner: UserId) -> bool {
        self.agent.is_some() || self.follows.who.may_read(owner)
    }

    fn alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
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
            refusal.more.insert("agentId".into(), agent.to_string().into());
        }
        self.alive.store(false, Ordering::Release);
        self.follows.say(&Reply::Error(refusal));
    }
}

impl<D: Dialect> Sink for Carrier<D> {
    fn push(&self, event: &Arc<Published>) -> bool {
        if !self.alive() {
            return false;
        }
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
        let sink: Arc<dyn Sink> = Arc::clone(&carrier) as Arc<dyn Sink>;
        match app.attach(&session, seq, sink).await {
            Ok(Attach::Live { .. }) => return,
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
        let sink: Arc<dyn Sink> = Arc::clone(&carrier) as Arc<dyn Sink>;
        match app.attach_all(pos, sink).await {
            Ok(Attach::Live { .. }) => return,
            Ok(Attach::Behind) => {}
            Err(error) => return carrier.fail(&error),
        }
    }
}
