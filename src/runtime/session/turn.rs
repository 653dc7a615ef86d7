//! The moves of a turn: what the program says in it, and how people and clocks end it.
//!
//! Never calls a turn completed without the program's own word for it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{
    ApprovalId, Change, Cut, EventKind, Outcome, Process, Progress, TaskId, TaskMove, TaskState,
    Timestamp, TurnFact, TurnPhase,
};
use crate::drivers::{Command, Output};

use super::super::facade::Force;
use super::super::queue::WORDS_LOST;
use super::core::{Core, prompt_of};
use super::exits::{INTERRUPT, LOST_PROMPT, START_TIMEOUT};
use super::outcome::TurnEnd;
use super::questions::Resolution;
use super::step::{Alarm, Attempt, Effect, Step};

/// Between two interrupts of a turn that goes on.
const AGAIN: Duration = Duration::from_secs(1);

/// What one decoding, or one command, gave.
#[derive(Debug)]
pub(super) struct Decoded {
    pub progress: Progress,
    pub outputs: Vec<Output>,
    /// Pieces of messages came that are told to nobody here.
    pub pieces: bool,
    /// The answer that was translated, with who gave it.
    pub answer: Option<Resolution>,
}

impl Core {
    /// Takes what the codec made of bytes or of a command.
    pub(super) fn output(&mut self, decoded: Decoded, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            if decoded.progress.offset > core.progress.offset {
                core.watch.printed(now);
            }
            if decoded.pieces {
                core.watch.progressed(now);
            }
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
            Output::Ready => {
                self.watch.progressed(now);
                self.became_ready(now);
            }
            Output::TurnStarted { task } => {
                self.watch.progressed(now);
                self.turn_started(task, now, step);
            }
            Output::Event { kind, mut data } => {
                self.watch.told(kind, &data, now);
                if !self.count_outside(kind, &data) {
                    self.name_task(&mut data);
                }
                step.event(kind, now, data);
            }
            Output::Ask(question) => {
                self.watch.progressed(now);
                self.ask(question, now, step);
            }
            Output::Conversation { id } => self.session.facts.conversation = Some(id),
            Output::Withdrawn { request } => self.withdraw(&request, now, step),
            Output::TurnEnded {
                task,
                outcome,
                reason,
                text,
                usage,
                limited,
            } => {
                let end = TurnEnd {
                    task,
                    outcome,
                    reason,
                    text,
                    usage,
                };
                let turn = self.session.facts.turn.filter(|turn| turn.task == end.task);
                match limited {
                    Some(limited) => self.turn_limited(end, limited, now, step),
                    None => self.turn_ended(end, now, step),
                }
                if self.exchanges(turn.and_then(|turn| turn.cut)) {
                    self.end_process(Force::Ladder, Cut::Stalled.name(), step);
                }
            }
            // The agent's actor writes these itself, after the commit.
            Output::File { .. } | Output::Send { .. } | Output::Delta(_) => {}
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
        match turn.phase {
            TurnPhase::Dispatching => {
                turn.phase = TurnPhase::Running;
                self.watch.started();
                let asked = self.waits_on(id).then_some(TaskState::AwaitingApproval);
                for to in [TaskState::Running].into_iter().chain(asked) {
                    let goes = TaskMove::new(id, to, now);
                    step.changes.push(Change::Task(Box::new(goes)));
                }
            }
            TurnPhase::Running => return,
            TurnPhase::Stopping => {}
        }
        let Some(task) = self.task.as_ref().filter(|task| task.id == id) else {
            return;
        };
        let incarnation = self.session.facts.incarnation;
        let attempt = task.attempt;
        // A task that its provider refused has been told before.
        let known = task.started_at.is_some();
        step.event(
            EventKind::TurnStarted,
            now,
            json!({"taskId": id, "attempt": attempt, "incarnation": incarnation}),
        );
        if known {
            return;
        }
        step.event(
            EventKind::UserMessage,
            now,
            json!({"messageId": id, "role": "user", "content": task.prompt, "taskId": id}),
        );
    }

    /// A person ends the turn. The task, when one runs.
    pub(super) fn interrupt(&mut self, now: Timestamp) -> (Step, Option<TaskId>) {
        let running = self.session.facts.turn.map(|turn| turn.task);
        let step = self.run(now, |core, step| {
            core.stop_turn(now, step);
        });
        (step, running)
    }

    /// Interrupts now, once more if that was not heard, and ends the process if that was not either.
    pub(super) fn press_interrupt(&mut self, attempt: Attempt, step: &mut Step) {
        step.effects.push(Effect::Command(Command::Interrupt, None));
        step.effects
            .push(Effect::After(AGAIN, Alarm::Again(attempt)));
        let grace = self.rules.interrupt_grace;
        step.effects
            .push(Effect::After(grace, Alarm::Interrupt(attempt)));
    }

    /// The keeper is connected and its log is decoded up to now; `turn` is the task that the
    /// codec knows of.
    pub(super) fn caught_up(&mut self, pid: u32, turn: Option<TaskId>, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            let since = core.started_at;
            core.give_decided(step);
            if core.session.facts.ready {
                core.session.facts.process = Process::Live { pid, since };
            } else {
                let pid = Some(pid);
                core.session.facts.process = Process::Starting { since, pid };
                step.effects.push(core.start_clock(since, now));
            }
            if let Some(by) = core.session.facts.ending.clone() {
                // The order may have been lost together with the one who was to carry it out.
                step.effects.push(Effect::End(Force::Ladder, by));
            }
            core.settle_turn(turn, now, step);
            core.watch_reset(step);
        })
    }

    /// The running turn goes on, is sent again, or was lost; `known` is what the codec knows of.
    fn settle_turn(&mut self, known: Option<TaskId>, now: Timestamp, step: &mut Step) {
        let Some(turn) = self.session.facts.turn.as_mut() else {
            return;
        };
        if known == Some(turn.task) {
            let attempt = (turn.task, turn.since);
            if turn.phase == TurnPhase::Stopping {
                self.press_interrupt(attempt, step);
            }
            step.effects.extend(self.clocks(now));
            return;
        }
        let (waits, prompt) = match (&self.task, turn.phase) {
            (Some(task), TurnPhase::Dispatching) => (true, prompt_of(task)),
            (Some(_) | None, _) => (false, None),
        };
        match prompt {
            Some(prompt) => {
                // It begins only now, before the eyes of this generation.
                turn.since = now;
                step.effects.push(Effect::Command(prompt, None));
                step.effects.extend(self.clocks(now));
                step.effects.extend(self.watch_turn(false, now));
            }
            None => {
                let reason = if waits { WORDS_LOST } else { "lost_turn" };
                let end = TurnEnd {
                    task: turn.task,
                    outcome: Outcome::Failed,
                    reason: Some(reason.to_owned()),
                    text: None,
                    usage: None,
                };
                self.turn_ended(end, now, step);
            }
        }
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
            Alarm::Interrupt(attempt) => {
                if core.is_stopping(*attempt) {
                    let cut = core.session.facts.turn.and_then(|turn| turn.cut);
                    core.end_process(Force::Ladder, cut.map_or(INTERRUPT, Cut::name), step);
                }
            }
            // A shell defers what comes before its command has taken the terminal.
            Alarm::Again(attempt) => {
                if core.is_stopping(*attempt) {
                    step.effects.push(Effect::Command(Command::Interrupt, None));
                    step.effects
                        .push(Effect::After(AGAIN, Alarm::Again(*attempt)));
                }
            }
            Alarm::Start(incarnation) => {
                let facts = &core.session.facts;
                let starting = matches!(facts.process, Process::Starting { .. })
                    && facts.ending.as_deref() != Some(START_TIMEOUT);
                if starting && core.session.facts.incarnation == *incarnation {
                    core.end_process(Force::Kill, START_TIMEOUT, step);
                }
            }
            Alarm::Cut(attempt, cut) => core.cut_turn(*attempt, *cut, now, step),
            Alarm::Stall(attempt, round) => core.look_for_stall((*attempt, *round), now, step),
            Alarm::Parked(at) => core.look_at_parking(*at, now, step),
            Alarm::Reset(attempt) => core.hurry_reset(*attempt, now, step),
            // The actor handles these itself: they need a place, or the codec.
            Alarm::Backoff(_) | Alarm::Approval(_) => {}
        })
    }

    fn is_stopping(&self, (task, since): Attempt) -> bool {
        let turn = self.session.facts.turn;
        let same = |turn: TurnFact| turn.task == task && turn.since == since;
        turn.is_some_and(|turn| same(turn) && turn.phase == TurnPhase::Stopping)
    }

    /// Whether this question can still be answered.
    pub(super) fn is_open(&self, id: ApprovalId) -> bool {
        self.approvals.iter().any(|approval| approval.id == id)
    }
}
