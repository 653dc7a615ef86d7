//! Reading and following events.
//!
//! Never shows an event of a stranger, and never one that is not committed.

use std::sync::Arc;
use std::time::Duration;

use super::{App, Attach, EventPage, Poll, Published, Sink};
use crate::domain::{After, Error, Principal, Result, Session, SessionId};
use crate::store::{events, retention};

/// Numbers that can be read of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Oldest seq; 0 without events.
    pub oldest: u64,
    /// Last committed seq; 0 without events.
    pub latest: u64,
}

/// Events of many agents, in order of pos.
#[derive(Debug, Clone)]
pub struct Places {
    /// The events.
    pub events: Vec<Arc<Published>>,
    /// Whether there may be more behind them.
    pub more: bool,
    /// The last place behind the cursor of an event that retention removed.
    pub removed: Option<u64>,
}

impl App {
    /// Events of one agent. An `epoch` that the client names must be this one's.
    ///
    /// # Errors
    /// `not_found`, `epoch_changed`, `too_many_polls`; `token_revoked` in the middle of a wait.
    pub async fn events(
        &self,
        who: &Principal,
        id: SessionId,
        epoch: Option<String>,
        poll: Poll,
    ) -> Result<EventPage> {
        let here = epoch.as_ref().is_none_or(|epoch| epoch == self.epoch());
        if here
            && let Some((owner, page)) = self.runtime().glance(id, &poll)
            && who.may_read(owner)
        {
            return Ok(page);
        }
        let session = self.readable(who, id).await?;
        if epoch.is_some_and(|epoch| epoch != self.epoch()) {
            return Err(Error::EpochChanged {
                epoch: self.epoch().to_owned(),
                latest_seq: self.bounds(&session, After::Latest).await?.latest,
            });
        }
        if poll.wait.is_zero() || self.draining() {
            let poll = Poll {
                wait: Duration::ZERO,
                ..poll
            };
            return self.runtime().poll(&session, poll).await;
        }
        let _permit = self.may_wait(who)?;
        let mut drain = self.drain_signal();
        let now = Poll {
            wait: Duration::ZERO,
            ..poll.clone()
        };
        let page = tokio::select! {
            page = self.runtime().poll(&session, poll) => page?,
            gone = self.shut_out(who, id) => return Err(gone),
            _ = drain.wait_for(|draining| *draining) => self.runtime().poll(&session, now).await?,
        };
        Ok(page)
    }

    /// The numbers of one agent that can be read now, by a reader that is at `after`.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn bounds(&self, session: &Session, after: After) -> Result<Bounds> {
        let poll = Poll {
            after,
            limit: 1,
            bytes: usize::MAX,
            kinds: None,
            wait: Duration::ZERO,
        };
        let page = self.runtime().poll(session, poll).await?;
        Ok(Bounds {
            oldest: page.oldest,
            latest: page.latest,
        })
    }

    /// The number before the first event that the ring of an agent holds.
    ///
    /// # Errors
    /// When the session cannot be woken.
    pub async fn before_ring(&self, session: &Session) -> Result<u64> {
        let poll = Poll {
            after: After::Oldest,
            limit: 1,
            bytes: usize::MAX,
            kinds: None,
            wait: Duration::ZERO,
        };
        let page = self.runtime().poll(session, poll).await?;
        let first = page.events.first().map(|event| event.event.seq);
        Ok(first.map_or(page.latest, |seq| seq.saturating_sub(1)))
    }

    /// A page of one agent's events after `seq`, for a replay: at most so many, and so many bytes.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn after(
        &self,
        session: &Session,
        seq: u64,
        (limit, bytes): (usize, usize),
    ) -> Result<EventPage> {
        let poll = Poll {
            after: After::Seq(seq),
            limit,
            bytes,
            kinds: None,
            wait: Duration::ZERO,
        };
        self.runtime().poll(session, poll).await
    }

    /// Follows one agent from after `seq`.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn attach(&self, session: &Session, seq: u64, sink: Arc<dyn Sink>) -> Result<Attach> {
        self.runtime().attach(session, seq, sink).await
    }

    /// Follows every agent from after `pos`; the sink leaves out what is not its reader's.
    ///
    /// # Errors
    /// `epoch_changed` for a cursor ahead of the log.
    pub async fn attach_all(&self, pos: u64, sink: Arc<dyn Sink>) -> Result<Attach> {
        self.runtime().attach_all(pos, sink).await
    }

    /// Events of all agents that `who` may see, after `pos`: at most so many, and so many bytes of
    /// their data, but one at least.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn after_pos(
        &self,
        who: &Principal,
        pos: u64,
        bound: (usize, usize),
    ) -> Result<Places> {
        let everyone = who.may_read(crate::domain::UserId(uuid::Uuid::nil()));
        let owner = (!everyone).then_some(who.user);
        let (limit, rows, removed) = self
            .store()
            .read(move |conn| {
                let limit = events::fit_by_pos(conn, pos, owner, bound)?;
                let rows = events::by_pos(conn, pos, owner, limit)?;
                let removed = retention::removed_after(conn, pos, owner)?;
                Ok((limit, rows, removed))
            })
            .await?;
        let more = rows.len() >= limit;
        let published = rows
            .into_iter()
            .map(|(owner, event)| Published::new(event, owner));
        Ok(Places {
            events: published.collect(),
            more,
            removed,
        })
    }

    /// The last pos that a reader can have seen; at least [`Self::latest_pos`].
    #[must_use]
    pub fn visible_pos(&self) -> u64 {
        self.latest_pos().max(self.runtime().writing_pos())
    }

    /// Last committed pos of the server.
    #[must_use]
    pub fn latest_pos(&self) -> u64 {
        self.runtime().latest_pos()
    }
}
