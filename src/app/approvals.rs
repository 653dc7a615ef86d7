//! Questions of agents, the answers of people, and what is remembered of them.
//!
//! Never answers twice: the first answer stands.

use super::{App, Page};
use crate::domain::overrides::may_remember;
use crate::domain::{
    Approval, ApprovalId, ApprovalState, Error, Matcher, Override, OverrideId, Principal, Remember,
    Result, Risk, Session, SessionId, UserId,
};
use crate::runtime::Answer;
use crate::store::overrides::Request;
use crate::store::{approvals, overrides, sessions};

/// Most overrides of one owner.
const MAX_OVERRIDES: u64 = 1_000;

/// An answer as a person gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRequest {
    /// Which question.
    pub id: ApprovalId,
    /// Yes or no.
    pub approved: bool,
    /// Free words.
    pub response: Option<String>,
    /// For how long it holds.
    pub remember: Remember,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Where the question stands.
    pub state: ApprovalState,
    /// What is answered by itself from now on.
    pub remembered: Option<Override>,
    /// Why nothing is, although that was asked for.
    pub note: Option<&'static str>,
}

impl App {
    /// Open questions that `who` may answer or see, oldest first, with the session of each where
    /// it is still there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending(&self, who: &Principal) -> Result<Vec<(Approval, Option<Session>)>> {
        let owner = everyone(who);
        let found = self
            .store()
            .read(move |conn| {
                let mut found = Vec::new();
                for approval in approvals::pending(conn, owner)? {
                    let session = sessions::by_id(conn, approval.session)?;
                    found.push((approval, session));
                }
                Ok(found)
            })
            .await?;
        Ok(found)
    }

    /// Answers a question.
    ///
    /// # Errors
    /// `not_found`, `already_resolved`, `remember_unsupported`, `too_many_overrides`.
    pub async fn approve(&self, who: &Principal, request: AnswerRequest) -> Result<Answered> {
        let id = request.id;
        let approval = self.question(id).await?;
        let missing = || Error::not_found("approval", id);
        let approval = approval.ok_or_else(missing)?;
        if !who.may_read(approval.owner) {
            return self.denied(who, id, missing()).await;
        }
        if let Err(error) = who.need_write(approval.owner) {
            return self.denied(who, id, error).await;
        }
        if approval.state != ApprovalState::Pending {
            return Err(resolved(&approval));
        }
        let key = match request.remember {
            Remember::Once => None,
            Remember::Session | Remember::Always => Some(self.rememberable(&approval).await?),
        };
        let asked = key.is_some();
        let answer = Answer {
            approval: id,
            approved: request.approved,
            response: request.response,
            remember: request.remember,
            by: who.username.clone(),
        };
        self.runtime().answer(approval.session, answer).await?;
        let action = if request.approved {
            "approval.approved"
        } else {
            "approval.denied"
        };
        self.done(who, action, id).await;
        let now = self.question(id).await?;
        let remembered = match key {
            Some(key) => self.kept(key, request.remember).await?,
            None => None,
        };
        if let Some(made) = &remembered {
            self.done(who, "override.made", made.id).await;
        }
        let destroys = request.approved && approval.risk == Risk::Critical;
        Ok(Answered {
            state: now.map_or(approval.state, |approval| approval.state),
            note: (asked && destroys).then_some("a request that can destroy is asked every time"),
            remembered,
        })
    }

    /// Remembered answers, newest first; of one session, or all.
    ///
    /// # Errors
    /// `not_found` for a session that is not theirs.
    pub async fn overrides(
        &self,
        who: &Principal,
        session: Option<SessionId>,
        range: (usize, usize),
    ) -> Result<Page<Override>> {
        if let Some(session) = session {
            self.readable(who, session).await?;
        }
        let of = (everyone(who), session);
        let read = move |conn: &mut _| overrides::list(conn, of, range);
        let (items, total) = self.store().read(read).await?;
        Ok(Page { items, total })
    }

    /// Forgets a remembered answer; what it answered is asked again from now on.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub async fn forget(&self, who: &Principal, id: OverrideId) -> Result<()> {
        let missing = || Error::not_found("override", id);
        let found = self.store().read(move |conn| overrides::by_id(conn, id));
        let found = found.await?.ok_or_else(missing)?;
        if !who.may_read(found.owner) {
            return self.denied(who, id, missing()).await;
        }
        if let Err(error) = who.need_write(found.owner) {
            return self.denied(who, id, error).await;
        }
        let gone = self.store().write(move |conn| overrides::remove(conn, id));
        gone.await?.then_some(()).ok_or_else(missing)?;
        self.done(who, "override.removed", id).await;
        Ok(())
    }

    async fn question(&self, id: ApprovalId) -> Result<Option<Approval>> {
        Ok(self
            .store()
            .read(move |conn| approvals::by_id(conn, id))
            .await?)
    }

    /// What an answer to this question is remembered by.
    async fn rememberable(&self, approval: &Approval) -> Result<Request> {
        let (id, owner) = (approval.session, approval.owner);
        let (session, (_, count)) = self
            .store()
            .read(move |conn| {
                let own = overrides::list(conn, (Some(owner), None), (0, 0))?;
                Ok((sessions::by_id(conn, id)?, own))
            })
            .await?;
        let session = session.ok_or_else(|| Error::not_found("approval", approval.id))?;
        let matcher = Matcher::of(&approval.args, &session.cwd);
        may_remember(approval, &matcher)?;
        if count >= MAX_OVERRIDES {
            return Err(Error::conflict(
                "too_many_overrides",
                format!("{MAX_OVERRIDES} answers are remembered; forget some first"),
            ));
        }
        Ok(Request {
            owner,
            session: id,
            kind: session.kind,
            tool: approval.tool.clone(),
            matcher,
        })
    }

    async fn kept(&self, key: Request, scope: Remember) -> Result<Option<Override>> {
        let found = self
            .store()
            .read(move |conn| overrides::matching(conn, &key))
            .await?;
        Ok(found.into_iter().find(|found| found.scope() == scope))
    }
}

/// Whose rows `who` sees; `None`: everybody's.
fn everyone(who: &Principal) -> Option<UserId> {
    (!who.may_read(UserId(uuid::Uuid::nil()))).then_some(who.user)
}

fn resolved(approval: &Approval) -> Error {
    let by = approval.resolved_by.as_deref();
    let message = match (approval.state, by) {
        (ApprovalState::Cancelled, Some(by)) => {
            format!("nobody waits for the answer any more: the question was cancelled ({by})")
        }
        (ApprovalState::Cancelled, None)
        | (
            ApprovalState::Pending
            | ApprovalState::Approved
            | ApprovalState::Denied
            | ApprovalState::Expired,
            _,
        ) => format!("the question is {} already", approval.state.name()),
    };
    Error::conflict("already_resolved", message)
}
