//! The moves of a session's questions to people: asked, answered, expired, withdrawn.
//!
//! Never answered twice, and never carried over to another process.

use serde_json::json;

use crate::domain::overrides::may_remember;
use crate::domain::{
    Approval, ApprovalId, ApprovalKind, ApprovalState, Change, EventKind, Matcher, Outcome,
    Remember, Risk, TaskId, TaskMove, TaskState, Timestamp, TurnFact, TurnPhase,
};
use crate::drivers::{Command, Question};

use super::core::Core;
use super::outcome::TurnEnd;
use super::remember::{ASKED_AGAIN, Verdict, remembered};
use super::step::{Alarm, Effect, Step};

/// The end of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolution {
    pub id: ApprovalId,
    pub to: ApprovalState,
    pub by: String,
    pub response: Option<String>,
    /// For how long it holds.
    pub remember: Remember,
}

impl Core {
    /// The program asks.
    pub(super) fn ask(&mut self, question: Question, now: Timestamp, step: &mut Step) {
        let stopping = |turn: TurnFact| turn.phase == TurnPhase::Stopping;
        if self.session.facts.turn.is_some_and(stopping) {
            // The turn is being ended by a person: nobody is asked any more.
            let no = Command::Answer {
                request: question.request,
                approved: false,
                response: None,
                args: question.args,
            };
            step.effects.push(Effect::Command(no, None));
            return;
        }
        let verdict = self.verdict(&question);
        let ttl = match &verdict {
            Verdict::Decided(_) => 0,
            Verdict::Ask | Verdict::AskAgain => {
                i64::try_from(self.rules.approval_ttl.as_millis()).unwrap_or(i64::MAX)
            }
        };
        let mut approval = Approval {
            id: ApprovalId::generate(),
            session: self.session.id,
            owner: self.session.owner,
            incarnation: self.session.facts.incarnation,
            kind: question.kind,
            request: question.request,
            task: self.session.facts.turn.map(|turn| turn.task),
            tool: question.tool,
            args: question.args,
            summary: question.summary,
            question: question.question,
            options: question.options,
            risk: question.risk,
            state: ApprovalState::Pending,
            created_at: now,
            expires_at: (ttl > 0).then(|| now.plus_ms(ttl)),
            resolved_at: None,
            resolved_by: None,
            response: None,
        };
        match verdict {
            Verdict::Decided(by) => {
                // The row says so before the program hears it: a later generation gives the answer
                // if this one does not come to it.
                approval.state = by.answer();
                approval.resolved_by = Some(by.signature());
                step.effects.push(Effect::Answer(approval.id));
            }
            Verdict::AskAgain => approval.question.push_str(ASKED_AGAIN),
            Verdict::Ask => {}
        }
        let waits = approval.state == ApprovalState::Pending;
        let first = |task: &TaskId| waits && !self.waits_on(*task);
        if let Some(task) = approval.task.filter(first) {
            let waits = TaskMove::new(task, TaskState::AwaitingApproval, now);
            step.changes.push(Change::Task(Box::new(waits)));
        }
        self.open(approval, now, step);
    }

    /// A task that nobody can place is put to a person.
    pub(super) fn ask_about(&mut self, task: TaskId, now: Timestamp, step: &mut Step) {
        let words = self
            .task
            .as_ref()
            .map_or_else(String::new, |task| task.prompt.clone());
        let first: String = words
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(120)
            .collect();
        let approval = Approval {
            id: ApprovalId::generate(),
            session: self.session.id,
            owner: self.session.owner,
            incarnation: self.session.facts.incarnation,
            kind: ApprovalKind::Uncertain,
            request: task.to_string(),
            task: Some(task),
            tool: String::from("queue"),
            args: json!({ "message": words }),
            summary: format!("Was this message received? {first}"),
            question: String::from(
                "The agent's process ended after this message was handed over and before it was \
                 acknowledged. Approve: send it again. Deny: drop it.",
            ),
            options: vec![],
            risk: Risk::Medium,
            state: ApprovalState::Pending,
            created_at: now,
            expires_at: None,
            resolved_at: None,
            resolved_by: None,
            response: None,
        };
        self.open(approval, now, step);
    }

    fn open(&mut self, approval: Approval, now: Timestamp, step: &mut Step) {
        let shown = shown(&approval, &self.session.cwd);
        step.event(EventKind::ApprovalRequested, now, shown);
        step.changes.push(Change::Asked(Box::new(approval.clone())));
        if let Some(at) = approval.expires_at {
            let wait = u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0);
            let wait = std::time::Duration::from_millis(wait);
            step.effects
                .push(Effect::After(wait, Alarm::Approval(approval.id)));
        }
        self.approvals.push(approval);
        self.count_questions();
    }

    /// The command that carries an answer to the program, for a question of the program.
    pub(super) fn answer_command(&self, resolution: &Resolution) -> Option<Command> {
        let approval = self
            .approvals
            .iter()
            .find(|open| open.id == resolution.id)?;
        approval.kind.of_program().then(|| Command::Answer {
            request: approval.request.clone(),
            approved: resolution.to == ApprovalState::Approved,
            response: resolution.response.clone(),
            args: approval.args.clone(),
        })
    }

    /// Ends an open question; one that is no longer open stays as it is.
    pub(super) fn resolve(&mut self, resolution: Resolution, now: Timestamp, step: &mut Step) {
        let Some(at) = self
            .approvals
            .iter()
            .position(|open| open.id == resolution.id)
        else {
            return;
        };
        let approval = self.approvals.remove(at);
        self.count_questions();
        let kept = self.to_remember(&approval, &resolution, now);
        step.event(
            EventKind::ApprovalResolved,
            now,
            json!({
                "requestId": approval.id, "status": resolution.to,
                "approved": resolution.to == ApprovalState::Approved,
                "by": resolution.by, "response": resolution.response, "taskId": approval.task,
                "toolName": approval.tool, "remember": kept.as_ref().map(remembered),
            }),
        );
        step.changes.push(Change::Resolved {
            id: approval.id,
            to: resolution.to,
            by: resolution.by,
            response: resolution.response,
            at: now,
        });
        step.changes
            .extend(kept.map(|kept| Change::Remembered(Box::new(kept))));
        if approval.state == ApprovalState::Pending {
            self.turn_goes_on(&approval, now, step);
        }
    }

    /// A person's answer about a task that nobody could place.
    pub(super) fn place(&mut self, resolution: Resolution, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            let again = resolution.to == ApprovalState::Approved;
            core.resolve(resolution, now, step);
            let Some(task) = core.session.facts.uncertain.take() else {
                return;
            };
            if again {
                core.task = None;
                core.forgive();
                step.changes.push(Change::Task(Box::new(TaskMove {
                    reason: Some("sent_again".to_owned()),
                    ..TaskMove::new(task, TaskState::Queued, now)
                })));
            } else {
                core.drop_uncertain(task, "dropped", now, step);
            }
            // Read again before anything is offered: it stands first in line.
            step.effects.push(Effect::Reload);
            step.effects.push(Effect::Stand(core.readiness()));
        })
    }

    /// The end of a task that nobody could place and nobody sends again.
    pub(super) fn drop_uncertain(
        &mut self,
        task: TaskId,
        reason: &str,
        now: Timestamp,
        step: &mut Step,
    ) {
        self.task = None;
        self.session.facts.last_outcome = Some(Outcome::Stopped);
        step.changes.push(Change::Task(Box::new(TaskMove {
            reason: Some(reason.to_owned()),
            ..TaskMove::new(task, TaskState::Stopped, now)
        })));
        let end = TurnEnd {
            task,
            outcome: Outcome::Stopped,
            reason: Some(reason.to_owned()),
            text: None,
            usage: None,
        };
        step.event(EventKind::TurnEnded, now, end.shown(None));
    }

    /// The program no longer waits for this answer.
    pub(super) fn withdraw(&mut self, request: &str, now: Timestamp, step: &mut Step) {
        let open = self
            .approvals
            .iter()
            .find(|open| open.kind.of_program() && open.request == request);
        if let Some(id) = open.map(|open| open.id) {
            self.resolve(cancelled(id, "withdrawn"), now, step);
        }
    }

    /// Every open question of the program ends, because its turn or process does.
    pub(super) fn cancel_questions(&mut self, by: &str, now: Timestamp, step: &mut Step) {
        let open: Vec<ApprovalId> = self
            .approvals
            .iter()
            .filter(|approval| approval.kind.of_program())
            .map(|approval| approval.id)
            .collect();
        for id in open {
            self.resolve(cancelled(id, by), now, step);
        }
    }

    /// Whether a person has still to answer the program before this task goes on.
    pub(super) fn waits_on(&self, task: TaskId) -> bool {
        let asks = |open: &Approval| open.kind.of_program() && open.state == ApprovalState::Pending;
        let mut open = self.approvals.iter().filter(|open| asks(open));
        open.any(|open| open.task == Some(task))
    }

    /// With its last question answered, the task is where it was before the first.
    fn turn_goes_on(&mut self, approval: &Approval, now: Timestamp, step: &mut Step) {
        let Some(turn) = self.session.facts.turn else {
            return;
        };
        let waited = approval.kind.of_program() && approval.task == Some(turn.task);
        if !waited || self.waits_on(turn.task) {
            return;
        }
        let to = match turn.phase {
            TurnPhase::Dispatching => TaskState::Dispatching,
            TurnPhase::Running => TaskState::Running,
            TurnPhase::Stopping => return,
        };
        step.changes
            .push(Change::Task(Box::new(TaskMove::new(turn.task, to, now))));
    }

    fn count_questions(&mut self) {
        let open = self
            .approvals
            .iter()
            .filter(|open| open.kind.of_program())
            .filter(|open| open.state == ApprovalState::Pending);
        self.session.facts.asked = u32::try_from(open.count()).unwrap_or(u32::MAX);
    }
}

/// The end of a question that nobody answers any more; `by` says what took it back.
fn cancelled(id: ApprovalId, by: &str) -> Resolution {
    Resolution {
        id,
        to: ApprovalState::Cancelled,
        by: by.to_owned(),
        response: None,
        remember: Remember::Once,
    }
}

/// The data of an `approval_requested` event.
fn shown(approval: &Approval, cwd: &str) -> serde_json::Value {
    let matcher = Matcher::of(&approval.args, cwd);
    let remembers = may_remember(approval, &matcher).is_ok();
    json!({
        "requestId": approval.id, "kind": approval.kind, "taskId": approval.task,
        "toolName": approval.tool, "args": approval.args, "summary": approval.summary,
        "question": approval.question, "options": approval.options, "risk": approval.risk,
        "expiresAt": approval.expires_at.map(Timestamp::rfc3339),
        "status": approval.state, "decidedBy": approval.resolved_by,
        "remembers": remembers.then(|| matcher.words(&approval.tool)),
    })
}
