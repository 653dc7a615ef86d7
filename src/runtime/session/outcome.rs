//! The end of a turn: by the program's own word, or by the loss of its process.
//!
//! Never gives a prompt back that may have reached the program, unless its owner chose a retry.

use serde_json::{Value, json};

use crate::domain::prompt::OnUncertain;
use crate::domain::{
    Change, EventKind, ExitReport, Outcome, TaskId, TaskMove, TaskState, Timestamp, TurnPhase,
};

use super::core::Core;
use super::process::LOST_PROMPT;
use super::step::Step;

/// The end of a turn, from the program or from its loss.
#[derive(Debug, Clone)]
pub(super) struct TurnEnd {
    pub task: TaskId,
    pub outcome: Outcome,
    pub reason: Option<String>,
    pub text: Option<String>,
    pub usage: Option<Value>,
}

impl TurnEnd {
    /// The data of a `turn_ended` event; `ms`: how long the turn took, if one ran.
    pub(super) fn shown(&self, ms: Option<i64>) -> Value {
        json!({
            "taskId": self.task, "outcome": self.outcome, "reason": self.reason,
            "text": self.text, "usage": self.usage, "durationMs": ms,
        })
    }
}

impl Core {
    /// Ends the running turn if it is this task's.
    pub(super) fn turn_ended(&mut self, mut end: TurnEnd, now: Timestamp, step: &mut Step) {
        let Some(turn) = self.session.facts.turn.filter(|turn| turn.task == end.task) else {
            return;
        };
        if turn.phase == TurnPhase::Stopping && end.outcome != Outcome::Completed {
            end.outcome = Outcome::Stopped;
            end.reason.get_or_insert_with(|| "interrupted".into());
        }
        self.cancel_questions("turn_ended", now, step);
        self.session.facts.tokens = self
            .session
            .facts
            .tokens
            .saturating_add(end.usage.as_ref().map_or(0, tokens));
        step.changes.push(Change::Task(Box::new(TaskMove {
            reason: end.reason.clone(),
            text: end.text.clone(),
            usage: end.usage.clone(),
            ..TaskMove::new(end.task, end.outcome.task_state(), now)
        })));
        let facts = &mut self.session.facts;
        facts.turn = None;
        facts.turns = facts.turns.saturating_add(1);
        facts.last_outcome = Some(end.outcome);
        self.task = None;
        let ms = now.0.saturating_sub(turn.since.0).max(0);
        step.event(EventKind::TurnEnded, now, end.shown(Some(ms)));
    }

    /// The process is gone under the turn.
    pub(super) fn turn_lost(
        &mut self,
        report: &ExitReport,
        handed_over: bool,
        now: Timestamp,
        step: &mut Step,
    ) {
        let Some(turn) = self.session.facts.turn else {
            return;
        };
        match (turn.phase, handed_over) {
            (TurnPhase::Dispatching, false) => self.give_back(turn.task, now, step),
            (TurnPhase::Dispatching, true) => self.uncertain(turn.task, now, step),
            (TurnPhase::Running | TurnPhase::Stopping, _) => {
                let by_itself = report.exit_code.is_some() && report.by.is_none();
                let (outcome, reason) = if self.rules.has_prompt && by_itself {
                    (Outcome::Failed, LOST_PROMPT.to_owned())
                } else {
                    (Outcome::Interrupted, report.reason.name().to_owned())
                };
                let end = TurnEnd {
                    task: turn.task,
                    outcome,
                    reason: Some(reason),
                    text: None,
                    usage: None,
                };
                self.turn_ended(end, now, step);
            }
        }
    }

    /// Nothing of it reached the program: it waits again, first in line.
    fn give_back(&mut self, task: TaskId, now: Timestamp, step: &mut Step) {
        self.cancel_questions("exit", now, step);
        let back = TaskMove {
            reason: Some("given_back".into()),
            ..TaskMove::new(task, TaskState::Queued, now)
        };
        step.changes.push(Change::Task(Box::new(back)));
        self.session.facts.turn = None;
        self.task = None;
    }

    /// Nobody can say whether the program got it.
    fn uncertain(&mut self, id: TaskId, now: Timestamp, step: &mut Step) {
        let policy = self
            .task
            .as_ref()
            .map_or(OnUncertain::Ask, |task| task.on_uncertain);
        match policy {
            OnUncertain::Retry => self.give_back(id, now, step),
            OnUncertain::Drop => {
                let reason = Some("uncertain".to_owned());
                let end = TurnEnd {
                    task: id,
                    outcome: Outcome::Interrupted,
                    reason,
                    text: None,
                    usage: None,
                };
                self.turn_ended(end, now, step);
            }
            OnUncertain::Ask => {
                let hold = TaskMove {
                    reason: Some("uncertain".into()),
                    ..TaskMove::new(id, TaskState::Uncertain, now)
                };
                step.changes.push(Change::Task(Box::new(hold)));
                self.session.facts.turn = None;
                self.session.facts.uncertain = Some(id);
                self.ask_about(id, now, step);
            }
        }
    }
}

/// The whole number of tokens in a program's usage record: `totalTokens`, or the sum of what goes
/// in and out.
fn tokens(usage: &Value) -> u64 {
    let number = |key: &str| usage.get(key).and_then(Value::as_u64);
    number("totalTokens")
        .or_else(|| number("total_tokens"))
        .unwrap_or_else(|| {
            [
                "inputTokens",
                "outputTokens",
                "input_tokens",
                "output_tokens",
            ]
            .into_iter()
            .filter_map(number)
            .fold(0, u64::saturating_add)
        })
}
