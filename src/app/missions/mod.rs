//! Sessions as missions: making and finding them, and the one that a person has loaded.
//!
//! Never a state of its own: a mission is a session, and which one is loaded is a row.

mod driving;
mod queue;
mod tree;

use super::{AgentRequest, App, Created, EventPage, Lazy, Overview, Page, Poll};
use crate::domain::{Error, Event, EventKind, Kind, Mission, Principal, Result, SessionId};
use crate::store::sessions::{Filter, Order};
use crate::store::{events, loaded};

pub(super) use driving::TakenUp;
pub use driving::{Cancelled, Quiet, ResumeRequest, Resumed};
pub use queue::Waiting;
pub use tree::{Branch, Tree};

/// Messages of a mission's history that its detail shows.
const HISTORY: usize = 200;
/// Events that are looked at for them, from the newest back.
const LOOKED_AT: usize = 20_000;

/// Which missions to list.
#[derive(Debug, Clone, Default)]
pub struct MissionFilter {
    /// Only those that stand so; empty: any.
    pub standing: Vec<Mission>,
    /// Only of this kind.
    pub backend: Option<String>,
    /// Which first.
    pub order: MissionOrder,
    /// At most so many.
    pub limit: usize,
    /// After so many.
    pub offset: usize,
}

/// Which missions come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissionOrder {
    /// Last changed first.
    #[default]
    Changed,
    /// Newest first.
    Newest,
    /// Oldest first.
    Oldest,
}

/// Which of a mission's events to read, by place in the list.
#[derive(Debug, Clone)]
pub struct Excerpt {
    /// Only these kinds.
    pub kinds: Option<Vec<EventKind>>,
    /// At most so many.
    pub limit: usize,
    /// At most so many bytes of their data, but one event at least.
    pub bytes: usize,
    /// After so many.
    pub offset: usize,
}

impl App {
    /// Lists missions.
    ///
    /// # Errors
    /// `unknown_agent_kind`.
    pub async fn missions(&self, who: &Principal, asked: MissionFilter) -> Result<Page<Overview>> {
        let kinds = asked.backend.as_deref().map(Kind::parse).transpose()?;
        let rows = Filter {
            owner: self.own_only(who),
            missions: asked.standing,
            kinds: kinds.into_iter().collect(),
            order: match asked.order {
                MissionOrder::Changed => Order::Changed,
                MissionOrder::Newest => Order::Newest,
                MissionOrder::Oldest => Order::Oldest,
            },
            ..Filter::default()
        };
        let (limit, offset) = (asked.limit, asked.offset);
        let (items, total) = self.store().session_page(rows, offset, limit).await?;
        Ok(Page { items, total })
    }

    /// Whose rows a list shows: everybody's to admins.
    fn own_only(&self, who: &Principal) -> Option<crate::domain::UserId> {
        let everyone = who.may_read(crate::domain::UserId(uuid::Uuid::nil()));
        (!everyone).then_some(who.user)
    }

    /// One mission.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn mission(&self, who: &Principal, id: SessionId) -> Result<Overview> {
        self.agent(who, id).await.map_err(as_mission)
    }

    /// Makes a mission, which starts with its first message. It is the loaded one, unless the person
    /// chose another.
    ///
    /// # Errors
    /// As [`App::create_agent`].
    pub async fn create_mission(&self, who: &Principal, asked: AgentRequest) -> Result<Created> {
        if let Some(parent) = asked.session {
            let parent = self.writable(who, parent).await.map_err(as_mission)?;
            if parent.owner != who.user {
                return Err(Error::Forbidden {
                    code: "forbidden",
                    message: "a mission works for one of the same person".to_owned(),
                });
            }
        }
        let (named, kind) = self.backend(who, &asked).await?;
        let mode = asked.permission_mode.clone();
        let default = self.config().missions.permission_mode.name().to_owned();
        let asked = AgentRequest {
            kind: named,
            fallback: Some(kind),
            permission_mode: mode.or(Some(default)),
            lazy: Lazy::Yes,
            ..asked
        };
        let created = self.create_agent(who, asked).await?;
        if let Created::Now { agent, .. } = &created {
            self.put_loaded(who, (agent.session.id, loaded::Load::Made))
                .await?;
        }
        Ok(created)
    }

    /// The program of a mission: the one that is named, as backend or as agent, else that of the
    /// settings.
    async fn backend(
        &self,
        who: &Principal,
        asked: &AgentRequest,
    ) -> Result<(Option<String>, Kind)> {
        let as_agent = asked.options.agent.as_deref();
        let as_agent = as_agent.filter(|name| Kind::parse(name).is_ok());
        let named = asked.kind.as_deref().or(as_agent);
        if let Some(name) = named {
            return Ok((Some(name.to_owned()), Kind::parse(name)?));
        }
        if let Some(kind) = self.config().missions.backend {
            return Ok((None, kind));
        }
        if asked.options.fork_of.is_some() {
            return Ok((None, Kind::Shell));
        }
        let brought: Vec<String> = asked.env.keys().cloned().collect();
        let (_, choice) = self.programs_of(who, brought).await?;
        Ok((None, choice.kind))
    }

    /// The last messages of a mission, oldest first.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn mission_history(&self, id: SessionId) -> Result<Vec<Event>> {
        let kinds = [EventKind::UserMessage, EventKind::AssistantMessage];
        let read = move |conn: &mut crate::store::Connection| {
            events::last_of(conn, id, &kinds, (HISTORY, LOOKED_AT))
        };
        Ok(self.store().read(read).await?)
    }

    /// A mission's events by their place in the list, and whether there are more.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn mission_excerpt(
        &self,
        who: &Principal,
        id: SessionId,
        asked: Excerpt,
    ) -> Result<(Vec<Event>, bool)> {
        self.mission(who, id).await?;
        let read = move |conn: &mut crate::store::Connection| {
            let bound = (asked.limit.saturating_add(1), asked.bytes);
            let kinds = asked.kinds.as_deref();
            let mut found = events::at_place(conn, (id, kinds), asked.offset, bound)?;
            let more = found.1 || found.0.len() > asked.limit;
            found.0.truncate(asked.limit);
            Ok((found.0, more))
        };
        Ok(self.store().read(read).await?)
    }

    /// A mission's events after a number, as any agent's.
    ///
    /// # Errors
    /// As [`App::events`].
    pub async fn mission_events(
        &self,
        who: &Principal,
        id: SessionId,
        (epoch, poll): (Option<String>, Poll),
    ) -> Result<EventPage> {
        let page = self.events(who, id, epoch, poll).await;
        page.map_err(as_mission)
    }

    /// Loads a mission: messages without a name go to it until another one is loaded.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub async fn load_mission(&self, who: &Principal, id: SessionId) -> Result<Overview> {
        self.writable(who, id).await.map_err(as_mission)?;
        self.put_loaded(who, (id, loaded::Load::Chosen)).await?;
        self.mission(who, id).await
    }

    async fn put_loaded(&self, who: &Principal, what: (SessionId, loaded::Load)) -> Result<()> {
        let (user, now) = (who.user, self.now());
        let write = move |conn: &mut crate::store::Connection| loaded::put(conn, user, what, now);
        Ok(self.store().write(write).await?)
    }

    /// The mission that the person has loaded, if it is still there and theirs to see.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn loaded_mission(&self, who: &Principal) -> Result<Option<SessionId>> {
        let user = who.user;
        let found = self
            .store()
            .read(move |conn| loaded::of(conn, user))
            .await?;
        let Some(id) = found else {
            return Ok(None);
        };
        match self.readable(who, id).await {
            Ok(_) => Ok(Some(id)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The mission that is named, or else the loaded one.
    ///
    /// # Errors
    /// `no_mission_loaded`.
    pub async fn mission_or_loaded(
        &self,
        who: &Principal,
        named: Option<SessionId>,
    ) -> Result<SessionId> {
        if let Some(id) = named {
            return Ok(id);
        }
        let text = "no mission is loaded: name one as `mission_id`, or load one first";
        self.loaded_mission(who)
            .await?
            .ok_or_else(|| Error::conflict("no_mission_loaded", text))
    }

    /// Whether nobody knows the agent that a mission or a message asked for.
    #[must_use]
    pub fn agent_missing(name: &str) -> bool {
        Kind::parse(name).is_err()
    }
}

/// The same failure in the words of this door.
pub(super) fn as_mission(error: Error) -> Error {
    error.called("agent", "mission")
}
