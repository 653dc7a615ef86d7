//! Questions of agents and the answers of people.
//!
//! Never answers twice: the first answer stands.

use super::App;
use crate::domain::{
    Approval, ApprovalId, ApprovalState, Error, Principal, Result, SessionId, UserId,
};
use crate::runtime::Answer;
use crate::store::{approvals, sessions};

impl App {
    /// Open questions that `who` may answer or see, oldest first, with the group of their session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending(&self, who: &Principal) -> Result<Vec<(Approval, SessionId)>> {
        let everyone = who.may_read(UserId(uuid::Uuid::nil()));
        let owner = (!everyone).then_some(who.user);
        let found = self
            .store()
            .read(move |conn| {
                let mut found = Vec::new();
                for approval in approvals::pending(conn, owner)? {
                    let session = sessions::by_id(conn, approval.session)?;
                    let group = session.map_or(approval.session, |session| session.group);
                    found.push((approval, group));
                }
                Ok(found)
            })
            .await?;
        Ok(found)
    }

    /// Answers a question and returns where it stands then.
    ///
    /// # Errors
    /// `not_found`, `already_resolved`.
    pub async fn approve(
        &self,
        who: &Principal,
        id: ApprovalId,
        approved: bool,
        response: Option<String>,
    ) -> Result<ApprovalState> {
        let approval = self.question(id).await?;
        let approval = approval
            .filter(|approval| who.may_read(approval.owner))
            .ok_or_else(|| Error::not_found("approval", id))?;
        if !who.may_write(approval.owner) {
            return Err(super::access::read_only());
        }
        if approval.state != ApprovalState::Pending {
            return Err(resolved(&approval));
        }
        let answer = Answer {
            approval: id,
            approved,
            response,
            by: who.username.clone(),
        };
        self.runtime().answer(approval.session, answer).await?;
        let now = self.question(id).await?;
        Ok(now.map_or(approval.state, |approval| approval.state))
    }

    async fn question(&self, id: ApprovalId) -> Result<Option<Approval>> {
        Ok(self
            .store()
            .read(move |conn| approvals::by_id(conn, id))
            .await?)
    }
}

fn resolved(approval: &Approval) -> Error {
    Error::conflict(
        "already_resolved",
        format!("the question is {} already", approval.state.name()),
    )
}
