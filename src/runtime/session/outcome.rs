//! The end of a turn: by the program's own word, or by the loss of its process.
//!
//! Never gives a prompt back that may have reached the program, unless its owner chose a retry.

use serde_json::{Value, json};

use crate::domain::limit::micro_usd;
use crate::domain::prompt::OnUncertain;
use crate::domain::{
    Change, Cut, EventKind, ExitReport, Facts, Outcome, TaskId, TaskMove, TaskState, Timestamp,
    TurnFact, TurnPhase,
};

use super::core::Core;
use super::exits::LOST_PROMPT;
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
    pub(super) fn turn_ended(&mut self, end: TurnEnd, now: Timestamp, step: &mut Step) {
        self.turn_ended_at(end, (now, now), step);
    }

    /// The same, with the time until which the turn ran before what is now.
    fn turn_ended_at(
        &mut self,
        mut end: TurnEnd,
        (last, now): (Timestamp, Timestamp),
        step: &mut Step,
    ) {
        let Some(turn) = self.session.facts.turn.filter(|turn| turn.task == end.task) else {
            return;
        };
        verdict(&mut end, &turn);
        self.cancel_questions("turn_ended", now, step);
        let ms = self.count(&end, last);
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
        if end.outcome == Outcome::Completed {
            facts.limited = 0;
        }
        self.task = None;
        step.event(EventKind::TurnEnded, now, end.shown(Some(ms)));
    }

    /// Adds up what the running turn used; how long it took, in milliseconds.
    pub(super) fn count(&mut self, end: &TurnEnd, now: Timestamp) -> i64 {
        let jumped = self.jumps.ms;
        let facts = &mut self.session.facts;
        let since = facts.turn.map_or(now, |turn| turn.since.plus_ms(jumped));
        let ms = now.0.saturating_sub(since.0).max(0);
        if let Some(usage) = &end.usage {
            add_usage(facts, usage);
        }
        let busy = u64::try_from(ms).unwrap_or(0);
        facts.busy_ms = facts.busy_ms.saturating_add(busy);
        if facts.turn.and_then(|turn| turn.cut) == Some(Cut::Limit) {
            // The clock said so, also where another clock counts a moment less.
            let most = self.rules.limits.busy_ms.unwrap_or(0);
            facts.busy_ms = facts.busy_ms.max(most);
        }
        ms
    }

    /// Adds up what the program used without a turn of ours; whether it was so.
    pub(super) fn count_outside(&mut self, kind: EventKind, data: &Value) -> bool {
        let mark = data.get("outsideTurn").and_then(Value::as_bool);
        let outside = kind == EventKind::Usage && mark == Some(true);
        if outside {
            add_usage(&mut self.session.facts, data);
        }
        outside
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
        // The server may have been away since.
        let times = (report.ended_at.min(now), now);
        match (turn.phase, handed_over) {
            (TurnPhase::Dispatching, false) => self.give_back(turn.task, now, step),
            (TurnPhase::Dispatching, true) => self.uncertain(turn.task, times, step),
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
                self.turn_ended_at(end, times, step);
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
    fn uncertain(&mut self, id: TaskId, times: (Timestamp, Timestamp), step: &mut Step) {
        let (_, now) = times;
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
                self.turn_ended_at(end, times, step);
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

/// What a person or a clock makes of the end of a turn that they were ending.
fn verdict(end: &mut TurnEnd, turn: &TurnFact) {
    let completed = end.outcome == Outcome::Completed;
    match (turn.phase, turn.cut) {
        // The time is over, whatever the program says meanwhile.
        (_, Some(cut @ (Cut::Deadline | Cut::Limit))) => {
            end.outcome = Outcome::TimedOut;
            end.reason = Some(cut.name().to_owned());
        }
        (_, Some(Cut::Stalled)) if !completed => {
            end.outcome = Outcome::Failed;
            end.reason = Some(Cut::Stalled.name().to_owned());
        }
        (TurnPhase::Stopping, None) if !completed => {
            end.outcome = Outcome::Stopped;
            end.reason.get_or_insert_with(|| "interrupted".into());
        }
        (TurnPhase::Dispatching | TurnPhase::Running | TurnPhase::Stopping, _) => {}
    }
}

/// Adds what a usage record says to what the session has used.
fn add_usage(facts: &mut Facts, usage: &Value) {
    let cost = usage.get("costUsd").and_then(Value::as_f64);
    let cost = cost.map_or(0, micro_usd);
    facts.tokens = facts.tokens.saturating_add(tokens(usage));
    facts.spent_micro_usd = facts.spent_micro_usd.saturating_add(cost);
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
