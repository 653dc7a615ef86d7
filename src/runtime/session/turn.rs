//! The moves of a turn: what the program says in it, how it ends, how it is ended.
//!
//! Never calls a turn completed without the program's own word for it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::prompt::OnUncertain;
use crate::domain::{
    ApprovalId, Change, EventKind, ExitReport, Outcome, Process, Progress, TaskId, TaskMove,
    TaskState, Timestamp, TurnPhase,
};
use crate::drivers::{Command, Output};

use super::super::facade::Force;
use super::core::{Core, prompt_of};
use super::process::{LOST_PROMPT, START_TIMEOUT};
use super::questions::Resolution;
use super::step::{Alarm, Effect, Step};

/// Between two interrupts of a turn that goes on.
const AGAIN: Duration = Duration::from_secs(1);

/// The end of a turn, from the program or from its loss.
#[derive(Debug, Clone)]
pub(super) struct TurnEnd {
    pub task: TaskId,
    pub outcome: Outcome,
    pub reason: Option<String>,
    pub text: Option<String>,
    pub usage: Option<Value>,
}

/// What one decoding, or one command, gave.
#[derive(Debug)]
pub(super) struct Decoded {
    pub progress: Progress,
    pub outputs: Vec<Output>,
    /// The answer that was translated, with who gave it.
    pub answer: Option<Resolution>,
}

impl Core {
    /// Takes what the codec made of bytes or of a command.
    pub(super) fn output(&mut self, decoded: Decoded, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            if let Some(answer) = decoded.answer {
                core.resolve(answer, now, step);
            }
            for output in decoded.outputs {
                core.take(output, now, step);
            }
            core.progress = decoded.progress.clone();
            step.progress = Some(decoded.progress);
        })
    }

    fn take(&mut self, output: Output, now: Timestamp, step: &mut Step) {
        match output {
            Output::Ready => self.became_ready(now),
            Output::TurnStarted { task } => self.turn_started(task, now, step),
            Output::Event { kind, mut data } => {
                self.name_task(&mut data);
                step.event(kind, now, data);
            }
            Output::Ask(question) => self.ask(question, now, step),
            Output::Withdrawn { request } => self.withdraw(&request, now, step),
            Output::TurnEnded {
                task,
                outcome,
                reason,
                text,
                usage,
            } => {
                let end = TurnEnd {
                    task,
                    outcome,
                    reason,
                    text,
                    usage,
                };
                self.turn_ended(end, now, step);
            }
            // The agent's actor writes these itself, after the commit.
            Output::File { .. } | Output::Send { .. } => {}
        }
    }

    fn name_task(&self, data: &mut Value) {
        if let (Some(turn), Value::Object(map)) = (&self.session.facts.turn, data) {
            map.entry("taskId").or_insert_with(|| json!(turn.task));
        }
    }

    fn turn_started(&mut self, id: TaskId, now: Timestamp, step: &mut Step) {
        let Some(turn) = self
            .session
            .facts
            .turn
            .as_mut()
            .filter(|turn| turn.task == id)
        else {
            return;
        };
        if turn.phase == TurnPhase::Dispatching {
            turn.phase = TurnPhase::Running;
        }
        let stopping = turn.phase == TurnPhase::Stopping;
        if !stopping {
            step.changes.push(Change::Task(Box::new(TaskMove::new(
                id,
                TaskState::Running,
                now,
            ))));
        }
        let Some(task) = self.task.as_ref().filter(|task| task.id == id) else {
            return;
        };
        let incarnation = self.session.facts.incarnation;
        let attempt = task.attempt;
        step.event(
            EventKind::TurnStarted,
            now,
            json!({"taskId": id, "attempt": attempt, "incarnation": incarnation}),
        );
        step.event(
            EventKind::UserMessage,
            now,
            json!({"messageId": id, "role": "user", "content": task.prompt, "taskId": id}),
        );
    }

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
        step.event(
            EventKind::TurnEnded,
            now,
            json!({
                "taskId": end.task, "outcome": end.outcome, "reason": end.reason,
                "text": end.text, "usage": end.usage, "durationMs": ms,
            }),
        );
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

    /// A person ends the turn. The task, when one runs.
    pub(super) fn interrupt(&mut self, now: Timestamp) -> (Step, Option<TaskId>) {
        let running = self.session.facts.turn.map(|turn| turn.task);
        let step = self.run(now, |core, step| {
            let Some(turn) = core.session.facts.turn.as_mut() else {
                return;
            };
            if turn.phase == TurnPhase::Stopping {
                return;
            }
            turn.phase = TurnPhase::Stopping;
            let task = turn.task;
            step.changes.push(Change::Task(Box::new(TaskMove::new(
                task,
                TaskState::Stopping,
                now,
            ))));
            core.press_interrupt(task, step);
        });
        (step, running)
    }

    /// Interrupts now, once more if that was not heard, and ends the process if that was not either.
    fn press_interrupt(&mut self, task: TaskId, step: &mut Step) {
        step.effects.push(Effect::Command(Command::Interrupt, None));
        step.effects.push(Effect::After(AGAIN, Alarm::Again(task)));
        let grace = self.rules.interrupt_grace;
        step.effects
            .push(Effect::After(grace, Alarm::Interrupt(task)));
    }

    /// The keeper is connected and its log is decoded up to now; `turn` is the task that the
    /// codec knows of.
    pub(super) fn caught_up(&mut self, pid: u32, turn: Option<TaskId>, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            let since = core.started_at;
            core.session.facts.process = if core.session.facts.ready {
                Process::Live { pid, since }
            } else {
                Process::Starting {
                    since,
                    pid: Some(pid),
                }
            };
            let Some(fact) = core.session.facts.turn else {
                return;
            };
            if turn == Some(fact.task) {
                if fact.phase == TurnPhase::Stopping {
                    core.press_interrupt(fact.task, step);
                }
                return;
            }
            match (&core.task, fact.phase) {
                (Some(task), TurnPhase::Dispatching) => {
                    step.effects.push(Effect::Command(prompt_of(task), None));
                }
                (Some(_) | None, _) => {
                    let reason = Some("lost_turn".to_owned());
                    let end = TurnEnd {
                        task: fact.task,
                        outcome: Outcome::Failed,
                        reason,
                        text: None,
                        usage: None,
                    };
                    core.turn_ended(end, now, step);
                }
            }
        })
    }

    /// The program's prompt does not come back.
    pub(super) fn prompt_lost(&mut self, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            if let Some(turn) = core.session.facts.turn {
                let reason = Some(LOST_PROMPT.to_owned());
                let end = TurnEnd {
                    task: turn.task,
                    outcome: Outcome::Failed,
                    reason,
                    text: None,
                    usage: None,
                };
                core.turn_ended(end, now, step);
            }
            core.end_process(Force::Ladder, LOST_PROMPT, step);
        })
    }

    /// A timer rang.
    pub(super) fn alarm(&mut self, alarm: &Alarm, now: Timestamp) -> Step {
        self.run(now, |core, step| match alarm {
            Alarm::Interrupt(task) => {
                if core.is_stopping(*task) {
                    core.end_process(Force::Ladder, "interrupt", step);
                }
            }
            // A shell defers what comes before its command has taken the terminal.
            Alarm::Again(task) => {
                if core.is_stopping(*task) {
                    step.effects.push(Effect::Command(Command::Interrupt, None));
                    step.effects.push(Effect::After(AGAIN, Alarm::Again(*task)));
                }
            }
            Alarm::Start(incarnation) => {
                let starting = matches!(core.session.facts.process, Process::Starting { .. });
                if starting && core.session.facts.incarnation == *incarnation {
                    core.end_process(Force::Kill, START_TIMEOUT, step);
                }
            }
            Alarm::Deadline(task) => {
                if core
                    .session
                    .facts
                    .turn
                    .is_some_and(|turn| turn.task == *task)
                {
                    let reason = Some("deadline".to_owned());
                    let end = TurnEnd {
                        task: *task,
                        outcome: Outcome::TimedOut,
                        reason,
                        text: None,
                        usage: None,
                    };
                    core.turn_ended(end, now, step);
                    core.end_process(Force::Ladder, "deadline", step);
                }
            }
            // The actor handles these itself: they need a place, or the codec.
            Alarm::Backoff(_) | Alarm::Approval(_) => {}
        })
    }

    fn is_stopping(&self, task: TaskId) -> bool {
        let turn = self.session.facts.turn;
        turn.is_some_and(|turn| turn.task == task && turn.phase == TurnPhase::Stopping)
    }

    /// Whether this question can still be answered.
    pub(super) fn is_open(&self, id: ApprovalId) -> bool {
        self.approvals.iter().any(|approval| approval.id == id)
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
