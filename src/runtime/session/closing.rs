//! Done, or from the beginning: a person completes a session, or resets it.
//!
//! Never a record over another of the same verdict: the first stays until somebody goes on.

use std::time::Duration;

use serde_json::json;

use crate::domain::status::Intent;
use crate::domain::{
    Change, Completion, EventKind, Mission, Process, Reopened, TaskMove, TaskState, Timestamp,
    TurnPhase,
};

use super::super::facade::{Force, Verdicts};
use super::core::Core;
use super::step::{Alarm, Attempt, Effect, Step};

/// `by` of the end of a process whose session is reset.
pub(super) const RESET: &str = "reset";
/// How long a reset waits for the running turn before it interrupts it (contract/hammurabi.md 3).
const PATIENCE: Duration = Duration::from_secs(30);

impl Core {
    /// A person says that the work is done: the process ends, and the record stays. The first one
    /// stays, unless a later word is another verdict on the mission and `verdicts` says that it counts.
    pub(super) fn complete(
        &mut self,
        completion: Completion,
        verdicts: Verdicts,
        now: Timestamp,
    ) -> Step {
        self.run(now, |core, step| {
            if let Some(stands) = &core.session.facts.completed
                && (verdicts == Verdicts::First || stands.failed() == completion.failed())
            {
                return;
            }
            let by = completion.by.clone();
            step.event(
                EventKind::Session,
                now,
                json!({
                    "action": "completed",
                    "status": completion.status,
                    "comment": completion.comment,
                    "costUsd": completion.cost_usd,
                    "by": by,
                }),
            );
            core.session.facts.completed = Some(completion);
            core.put_down(Force::Ladder, &by, now, step);
        })
    }

    /// A person says that a mission which came to an end is open again; nothing is started. Whether
    /// it had come to an end, or stands so already.
    pub(super) fn reopen(&mut self, shown: Mission, by: &str, now: Timestamp) -> (Step, bool) {
        let stands = Mission::of(&self.session.facts);
        let open = stands.ended();
        let step = self.run(now, |core, step| {
            if !open {
                return;
            }
            let facts = &mut core.session.facts;
            facts.completed = None;
            facts.reopened = Some(Reopened {
                shown,
                by: by.to_owned(),
                at: now,
                turns: facts.turns,
                incarnation: facts.incarnation,
            });
            step.event(
                EventKind::Session,
                now,
                json!({"action": "reopened", "status": shown.name(), "by": by}),
            );
        });
        (
            step,
            open || (stands == shown && self.session.facts.reopened.is_some()),
        )
    }

    /// It is to be down until the next prompt or start. Whether a process ends now.
    pub(super) fn put_down(
        &mut self,
        force: Force,
        by: &str,
        now: Timestamp,
        step: &mut Step,
    ) -> bool {
        let facts = &mut self.session.facts;
        facts.intent = Intent::Stop;
        facts.down_at = Some(now);
        facts.again = false;
        facts.resetting = None;
        facts.limited_until = None;
        let ends = facts.process.held();
        if ends {
            self.end_process(force, by, step);
        } else {
            facts.process = Process::None;
            step.effects.push(Effect::Leave);
        }
        step.effects
            .push(Effect::Log(self.line("stop_asked", Some(by.to_owned()))));
        ends
    }

    /// A person wants it from the beginning: its running turn ends, then its process, and the next
    /// one takes nothing over.
    pub(super) fn reset(&mut self, by: &str, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            core.session.facts.fresh = true;
            core.session.facts.resetting = Some(by.to_owned());
            // However the process ends until then, another one follows.
            core.session.facts.again = core.session.facts.process.held();
            core.watch_reset(step);
        })
    }

    /// Sets the clock for a turn that a reset waits for.
    pub(super) fn watch_reset(&self, step: &mut Step) {
        let facts = &self.session.facts;
        if let (Some(turn), true) = (&facts.turn, facts.resetting.is_some()) {
            let attempt = (turn.task, turn.since);
            step.effects
                .push(Effect::After(PATIENCE, Alarm::Reset(attempt)));
        }
    }

    /// The turn that a reset waits for takes too long.
    pub(super) fn hurry_reset(&mut self, (task, since): Attempt, now: Timestamp, step: &mut Step) {
        let turn = self.session.facts.turn;
        let same = turn.is_some_and(|turn| turn.task == task && turn.since == since);
        if same && self.session.facts.resetting.is_some() {
            self.stop_turn(now, step);
        }
    }

    /// Ends the running turn in the program's own way; by force when it does not listen.
    pub(super) fn stop_turn(&mut self, now: Timestamp, step: &mut Step) {
        let Some(turn) = self.session.facts.turn.as_mut() else {
            return;
        };
        if turn.phase == TurnPhase::Stopping {
            return;
        }
        turn.phase = TurnPhase::Stopping;
        let attempt = (turn.task, turn.since);
        step.changes.push(Change::Task(Box::new(TaskMove::new(
            attempt.0,
            TaskState::Stopping,
            now,
        ))));
        self.press_interrupt(attempt, step);
    }

    /// After every move: a reset goes on as soon as nothing stands in its way.
    pub(super) fn pursue_reset(&mut self, now: Timestamp, step: &mut Step) {
        let Some(by) = self.session.facts.resetting.clone() else {
            return;
        };
        if self.session.facts.turn.is_some() {
            return;
        }
        if self.session.facts.process.held() {
            if self.session.facts.ending.is_none() {
                self.session.facts.again = true;
                self.end_process(Force::Ladder, RESET, step);
            }
            return;
        }
        self.session.facts.resetting = None;
        self.forgive();
        step.event(
            EventKind::Session,
            now,
            json!({"action": "reset", "by": by}),
        );
        step.effects.push(Effect::Stand(self.readiness()));
        step.effects.push(Effect::Reload);
    }
}
