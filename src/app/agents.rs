//! Looking at agents and driving their processes.
//!
//! Never a status of its own: what is shown is the committed row.

use super::{App, Force, Interrupt, LogSlice, Paused, SessionOverview};
use crate::domain::{
    Error, Kind, Lifecycle, Principal, Result, Session, SessionId, Status, TaskId,
};
use crate::store::sessions::{self, Filter};

/// An agent as lists and details show it.
pub type Overview = SessionOverview;

/// Rows read at one time when a word has to be computed from the facts.
const SWEEP: usize = 1_000;

/// Which agents to list.
#[derive(Debug, Clone, Default)]
pub struct AgentFilter {
    /// Only those of this group.
    pub group: Option<SessionId>,
    /// Only with this status: a coarse or a core word.
    pub status: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// After so many.
    pub offset: usize,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many match in all.
    pub total: u64,
}

impl App {
    /// Lists agents, newest first.
    ///
    /// # Errors
    /// `bad_field` for an unknown status, `unknown_agent_kind`.
    pub async fn agents(&self, who: &Principal, filter: AgentFilter) -> Result<Page<Overview>> {
        let word = filter
            .status
            .as_deref()
            .map(StatusWord::parse)
            .transpose()?;
        let kinds = filter.kind.as_deref().map(Kind::parse).transpose()?;
        let everyone = who.may_read(crate::domain::UserId(uuid::Uuid::nil()));
        let rows = Filter {
            owner: (!everyone).then_some(who.user),
            group: filter.group,
            statuses: word.map(StatusWord::statuses).unwrap_or_default(),
            kinds: kinds.into_iter().collect(),
            ..Filter::default()
        };
        let (limit, offset) = (filter.limit, filter.offset);
        let exact = word.is_none_or(|word| matches!(word, StatusWord::Core(_)));
        if exact {
            let (items, total) = self.store().session_page(rows, offset, limit).await?;
            return Ok(Page { items, total });
        }
        let (items, total) = self
            .store()
            .read(move |conn| {
                let mut matching = Vec::new();
                let mut from = 0;
                loop {
                    let (page, total) = sessions::overviews(conn, &rows, from, SWEEP)?;
                    from = from.saturating_add(page.len());
                    let done = page.is_empty() || u64::try_from(from).is_ok_and(|n| n >= total);
                    matching.extend(
                        page.into_iter()
                            .filter(|row| word.is_none_or(|word| word.holds(&row.session))),
                    );
                    if done {
                        break;
                    }
                }
                let total = u64::try_from(matching.len()).unwrap_or(u64::MAX);
                let page = matching.into_iter().skip(offset).take(limit).collect();
                Ok((page, total))
            })
            .await?;
        Ok(Page { items, total })
    }

    /// One agent.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn agent(&self, who: &Principal, id: SessionId) -> Result<Overview> {
        let found = self
            .store()
            .read(move |conn| sessions::overview(conn, id))
            .await?;
        found
            .filter(|row| row.session.archived_at.is_none() && who.may_read(row.session.owner))
            .ok_or_else(|| Error::not_found("agent", id))
    }

    /// Stops taking from the queue.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `draining`.
    pub async fn pause(&self, who: &Principal, id: SessionId, how: Interrupt) -> Result<Paused> {
        self.writable(who, id).await?;
        self.runtime().pause(id, how).await
    }

    /// Takes from the queue again; returns the agent after it.
    ///
    /// # Errors
    /// As [`App::pause`].
    pub async fn resume(&self, who: &Principal, id: SessionId) -> Result<Overview> {
        self.writable(who, id).await?;
        self.runtime().resume(id).await?;
        self.agent(who, id).await
    }

    /// Ends the running turn.
    ///
    /// # Errors
    /// `no_turn`.
    pub async fn interrupt(&self, who: &Principal, id: SessionId) -> Result<TaskId> {
        self.writable(who, id).await?;
        self.runtime().interrupt(id, &who.username).await
    }

    /// Ends the process; returns whether there was one, and the agent after it.
    ///
    /// # Errors
    /// `still_running`.
    pub async fn stop(
        &self,
        who: &Principal,
        id: SessionId,
        force: Force,
    ) -> Result<(bool, Overview)> {
        self.writable(who, id).await?;
        let stopped = self.runtime().stop(id, force, &who.username).await?;
        let action = match force {
            Force::Kill => "agent.killed",
            Force::Ladder => "agent.stopped",
        };
        self.done(who, action, id).await;
        Ok((stopped, self.agent(who, id).await?))
    }

    /// Starts the process of an agent.
    ///
    /// # Errors
    /// The start's own refusal, `draining`.
    pub async fn start(&self, who: &Principal, id: SessionId) -> Result<Overview> {
        self.writable(who, id).await?;
        self.refuse_new_work()?;
        self.runtime().start_agent(id).await?;
        self.done(who, "agent.started", id).await;
        self.agent(who, id).await
    }

    /// Stops an agent and takes it off the lists; its rows stay.
    ///
    /// # Errors
    /// `not_found`, `still_running`.
    pub async fn remove(&self, who: &Principal, id: SessionId) -> Result<()> {
        self.writable(who, id).await?;
        let done = self.runtime().archive(id, &who.username).await;
        if let Err(Error::Unavailable { .. }) = &done {
            // Its actors are gone because somebody else has deleted it.
            self.readable(who, id).await?;
        }
        if done.is_ok() {
            self.done(who, "agent.deleted", id).await;
        }
        done
    }

    /// Raw output of an agent's process.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn log(
        &self,
        who: &Principal,
        id: SessionId,
        incarnation: Option<u64>,
        range: (u64, usize),
    ) -> Result<LogSlice> {
        self.readable(who, id).await?;
        let (offset, limit) = range;
        self.runtime().log(id, incarnation, offset, limit).await
    }

    pub(super) async fn may_drive_own(&self, who: &Principal, what: &str) -> Result<()> {
        match who.need_write(who.user) {
            Ok(()) => Ok(()),
            Err(error) => self.denied(who, what, error).await,
        }
    }
}

/// A status as clients ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StatusWord {
    Core(Status),
    Coarse(Lifecycle),
}

const LIFECYCLES: [Lifecycle; 6] = [
    Lifecycle::Idle,
    Lifecycle::Running,
    Lifecycle::Paused,
    Lifecycle::Stopped,
    Lifecycle::Completed,
    Lifecycle::Failed,
];

impl StatusWord {
    /// `idle`, `paused`, `stopped` and `failed` are both: the coarse meaning wins, because that is
    /// what the field `status` shows.
    fn parse(text: &str) -> Result<Self> {
        let coarse = LIFECYCLES.into_iter().find(|word| word.name() == text);
        coarse
            .map(Self::Coarse)
            .or_else(|| Status::parse(text).map(Self::Core))
            .ok_or_else(|| {
                Error::invalid(
                    "bad_field",
                    "status",
                    "the status is not known",
                    "idle, running, paused, stopped, completed, failed, or a word of `detail`",
                )
            })
    }

    /// Statuses that may show this word.
    fn statuses(self) -> Vec<Status> {
        let coarse = match self {
            Self::Core(status) => return vec![status],
            Self::Coarse(coarse) => coarse,
        };
        Status::ALL
            .into_iter()
            .filter(|status| match status {
                Status::Idle => matches!(
                    coarse,
                    Lifecycle::Idle | Lifecycle::Completed | Lifecycle::Failed
                ),
                Status::Created
                | Status::Waiting
                | Status::Starting
                | Status::Busy
                | Status::AwaitingApproval
                | Status::Quiet
                | Status::Stalled
                | Status::RateLimited
                | Status::Stopping
                | Status::Unattached
                | Status::Paused
                | Status::Interrupted
                | Status::Backoff
                | Status::CrashLoop
                | Status::Uncertain
                | Status::Failed
                | Status::Stopped
                | Status::Completed => status.lifecycle(&crate::domain::Facts::default()) == coarse,
            })
            .collect()
    }

    fn holds(self, session: &Session) -> bool {
        match self {
            Self::Core(status) => session.status == status,
            Self::Coarse(coarse) => session.status.lifecycle(&session.facts) == coarse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_by_one_coarse_word_at_least() {
        for status in Status::ALL {
            let found = LIFECYCLES
                .into_iter()
                .filter(|word| StatusWord::Coarse(*word).statuses().contains(&status))
                .count();
            assert!(found >= 1, "{status:?}");
        }
    }

    #[test]
    fn coarse_words_win_over_core_words() {
        assert_eq!(
            StatusWord::parse("failed").unwrap(),
            StatusWord::Coarse(Lifecycle::Failed)
        );
        assert_eq!(
            StatusWord::parse("crash_loop").unwrap(),
            StatusWord::Core(Status::CrashLoop)
        );
        assert!(StatusWord::parse("sleeping").is_err());
    }
}
