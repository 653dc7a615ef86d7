//! What one connection follows: its subscriptions, and the replay that each begins with.
//!
//! Never sends a numbered event twice or leaves one out between replay and live: an agent is
//! carried either by its own subscription or by the one over all, and the hand-over needs a cursor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Semaphore;

use crate::app::{App, Bounds};
use crate::domain::{After, Error, Principal, Result, SessionId};

use super::carrier::{Carrier, Life, replay_agent, replay_all};
use super::dialect::{Channels, Dialect, Reply, Start};
use super::outbox::Outbox;
use super::screen::Behind;
use super::source::Source;

/// Most agents that one connection names (contract/octipus.md 4 has 50 resources; ours 200).
const MAX_NAMED: usize = 200;

/// The subscriptions of one connection.
pub struct Follows<D: Dialect, S: Source = App> {
    pub(super) app: S,
    pub(super) who: Principal,
    pub(super) dialect: Arc<D>,
    pub(super) outbox: Arc<Outbox>,
    /// What has to wait for the bytes of a terminal; set when one is shown.
    pub(super) behind: OnceLock<Arc<Behind>>,
    /// Whose page is held: one at a time, however many subscriptions replay.
    pub(super) pages: Semaphore,
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

impl Named {
    /// Whether its own carrier is at work.
    fn carries(&self) -> bool {
        self.carrier.as_ref().is_some_and(|life| life.goes_on())
    }
}

impl<D: Dialect, S: Source> Follows<D, S> {
    /// None yet.
    #[must_use]
    pub fn new(app: S, who: Principal, dialect: Arc<D>, outbox: Arc<Outbox>) -> Arc<Self> {
        Arc::new(Self {
            app,
            who,
            dialect,
            outbox,
            behind: OnceLock::new(),
            pages: Semaphore::new(1),
            state: Mutex::default(),
        })
    }

    /// Follows every agent that the client may see. Says hello, then replays, then goes live.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor of another epoch or ahead of the log.
    pub fn all(self: &Arc<Self>, channels: Channels, start: &Start) -> Result<()> {
        let latest = self.app.latest_pos();
        let from = self.number(start, self.app.visible_pos())?;
        let mut state = self.lock();
        let extend = from.is_none() && state.follows_all();
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
            self.outbox
                .serve(replay_all(carrier, from.unwrap_or(latest)));
        }
        Ok(())
    }

    /// Follows one agent. Says `hello` of its numbers, then replays, then goes live.
    ///
    /// # Errors
    /// `not_found`, `epoch_changed`, `too_many_subscriptions`.
    pub async fn agent(
        self: &Arc<Self>,
        id: SessionId,
        channels: Channels,
        start: &Start,
        hello: impl FnOnce(&Bounds) -> Reply,
    ) -> Result<()> {
        let session = self.app.readable(&self.who, id).await?;
        let at = match start {
            Start::Now | Start::Ring => After::Latest,
            Start::After { number, .. } => After::Seq(*number),
        };
        let bounds = self.app.bounds(&session, at).await?;
        let from = match start {
            Start::Ring => Some(self.app.before_ring(&session).await?),
            Start::Now | Start::After { .. } => self.number(start, bounds.latest)?,
        };
        let life = Arc::new(Life::new());
        let carries = self.name(id, channels, from, &life)?;
        self.say(&hello(&bounds));
        if carries {
            let carrier = self.carrier(Some(id), life);
            let from = from.unwrap_or(bounds.latest);
            self.outbox.serve(replay_agent(carrier, session, from));
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
        from: Option<u64>,
        life: &Arc<Life>,
    ) -> Result<bool> {
        let replays = from.is_some();
        let mut state = self.lock();
        let covered = state.follows_all();
        let full = state.named.len() >= MAX_NAMED;
        if let Some(named) = state.named.get_mut(&id) {
            named.channels = named.channels.with(channels);
            let own = named.carries();
            if !replays && (own || (named.carrier.is_none() && covered)) {
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

    fn carrier(self: &Arc<Self>, agent: Option<SessionId>, life: Arc<Life>) -> Arc<Carrier<D, S>> {
        Carrier::new(Arc::clone(self), agent, life)
    }

    /// The channels of an event of `agent` for the carrier over all (`None`) or of that agent.
    pub(super) fn wanted(&self, agent: SessionId, carrier: Option<SessionId>) -> Channels {
        let state = self.lock();
        let all = state
            .all
            .as_ref()
            .map(|all| all.channels)
            .unwrap_or_default();
        match state.named.get(&agent) {
            // One that failed carries nothing any more.
            Some(named) if carrier.is_none() && named.carries() => Channels::default(),
            Some(named) => all.with(named.channels),
            None => all,
        }
    }

    pub(super) fn say(&self, reply: &Reply) {
        let frame = self.dialect.reply(reply);
        if frame.is_empty() {
            return;
        }
        if matches!(reply, Reply::Opened(_)) {
            self.outbox.push(frame);
        } else {
            self.outbox.reply(frame);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a subscription of everything is at work; one that failed is not.
    fn follows_all(&self) -> bool {
        self.all.as_ref().is_some_and(|all| all.life.goes_on())
    }

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
