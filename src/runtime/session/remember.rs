//! Answers that are remembered: which override answers a question, and what a person's answer is
//! remembered as.
//!
//! Never a yes to a request that can destroy: such a one is asked every time.

use serde_json::{Value, json};

use crate::domain::overrides::{may_remember, narrowest};
use crate::domain::{
    Approval, ApprovalId, ApprovalKind, ApprovalState, Matcher, Override, OverrideId, Remember,
    Timestamp,
};
use crate::drivers::{Output, Question};
use crate::store::overrides::Request;

use super::core::Core;
use super::questions::Resolution;
use super::step::{Effect, Step};

/// What is added to a question that an override would have answered if it were not critical.
pub(super) const ASKED_AGAIN: &str =
    " It was allowed for later, but a request that can destroy is asked every time.";

/// What the overrides say to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: a person is asked.
    Ask,
    /// Yes, but it is critical: a person is asked and told so.
    AskAgain,
    /// Its answer.
    Decided(Box<Override>),
}

impl Core {
    /// What is to be looked up before these outputs are taken.
    pub(super) fn requests(&self, outputs: &[Output]) -> Vec<Request> {
        let asked = outputs.iter().filter_map(|output| match output {
            Output::Ask(question) => Some(question),
            Output::Ready
            | Output::TurnStarted { .. }
            | Output::Event { .. }
            | Output::Delta(_)
            | Output::Conversation { .. }
            | Output::Withdrawn { .. }
            | Output::TurnEnded { .. }
            | Output::File { .. }
            | Output::Send { .. } => None,
        });
        asked
            .map(|question| Request {
                owner: self.session.owner,
                session: self.session.id,
                kind: self.session.kind,
                tool: question.tool.clone(),
                matcher: Matcher::of(&question.args, &self.session.cwd),
            })
            .collect()
    }

    /// What the overrides that were looked up say.
    pub(super) fn verdict(&self, question: &Question) -> Verdict {
        if question.kind != ApprovalKind::Permission {
            return Verdict::Ask;
        }
        let matcher = Matcher::of(&question.args, &self.session.cwd);
        let same = |found: &&Override| found.tool == question.tool && found.matcher == matcher;
        match narrowest(self.overrides.iter().filter(same)) {
            None => Verdict::Ask,
            Some(found) if found.covers(question.risk) => Verdict::Decided(Box::new(found.clone())),
            Some(_) => Verdict::AskAgain,
        }
    }

    /// The answer that an override has decided and its program has not got yet.
    pub(super) fn decided(&self, id: ApprovalId) -> Option<Resolution> {
        let of = |approval: &&Approval| approval.id == id;
        let approval = self.approvals.iter().find(of)?;
        (approval.state != ApprovalState::Pending).then(|| Resolution {
            id,
            to: approval.state,
            by: approval.resolved_by.clone().unwrap_or_default(),
            response: None,
            remember: Remember::Once,
        })
    }

    /// Gives the decided answers that an earlier generation did not come to.
    pub(super) fn give_decided(&self, step: &mut Step) {
        let decided = |approval: &&Approval| approval.state != ApprovalState::Pending;
        let due = self.approvals.iter().filter(decided);
        step.effects
            .extend(due.map(|approval| Effect::Answer(approval.id)));
    }

    /// What an answer is remembered as; `None`: it holds once.
    pub(super) fn to_remember(
        &self,
        approval: &Approval,
        resolution: &Resolution,
        now: Timestamp,
    ) -> Option<Override> {
        let session = match resolution.remember {
            Remember::Once => return None,
            Remember::Session => Some(self.session.id),
            Remember::Always => None,
        };
        let approved = match resolution.to {
            ApprovalState::Approved => true,
            ApprovalState::Denied => false,
            ApprovalState::Pending | ApprovalState::Expired | ApprovalState::Cancelled => {
                return None;
            }
        };
        let matcher = Matcher::of(&approval.args, &self.session.cwd);
        may_remember(approval, &matcher).ok()?;
        let kept = Override {
            id: OverrideId::generate(),
            owner: self.session.owner,
            session,
            kind: self.session.kind,
            tool: approval.tool.clone(),
            matcher,
            approved,
            by: resolution.by.clone(),
            created_at: now,
        };
        kept.covers(approval.risk).then_some(kept)
    }
}

/// An override in the event of the answer that made it.
pub(super) fn remembered(kept: &Override) -> Value {
    json!({
        "id": kept.id, "scope": kept.scope().name(),
        "matches": kept.matcher.words(&kept.tool),
    })
}
