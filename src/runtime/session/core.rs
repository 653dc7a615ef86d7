//! The state of one session and its moves, without an actor: every method changes the state and
//! says in a [`Step`] what is to be committed and done.
//!
//! Never waits, never reads a clock: the time is handed in.

use std::time::Duration;

use serde_json::json;

use crate::config::StallSetting;
use crate::domain::status::Intent;
use crate::domain::{
    Approval, Change, EventKind, Facts, Mission, Override, Process, Progress, Session,
    SessionLimits, Status, Task, TaskMove, TaskState, Timestamp, TurnFact, TurnPhase, status,
};
use crate::drivers::Command;
use crate::supervision::Backoff;

use super::super::queue::Readiness;
use super::parking::Curve;
use super::stall::{Jumps, Watch};
use super::step::{Effect, Step};

/// Numbers that the moves follow; from the settings.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// A process that lives less long counts as a short life.
    pub short_life: Duration,
    /// So many short lives in a row are a crash loop.
    pub crash_loop_after: u32,
    /// The curve of restarts.
    pub backoff: Backoff,
    /// Until the program must have said that it is ready.
    pub start_timeout: Duration,
    /// Between an interrupt and the end of the process.
    pub interrupt_grace: Duration,
    /// Until an open question is denied; zero: never.
    pub approval_ttl: Duration,
    /// Hard stops, and the longest turn: the session's own, else those of the settings.
    pub limits: SessionLimits,
    /// When a turn gets nowhere; `None` where the program's silence says nothing.
    pub stall: Option<StallSetting>,
    /// Waits after rate limits without a stated time.
    pub rate_limit: Curve,
    /// Whether a new process of this kind goes on where the last one ended.
    pub resumable: bool,
    /// Whether the program's prompt can be lost.
    pub has_prompt: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Core {
    /// The session, with its facts as they are committed between two steps.
    pub session: Session,
    /// How far the log of the running, or last, incarnation is decoded.
    pub progress: Progress,
    /// Secret mark of that incarnation.
    pub nonce: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// The task of the running turn, or the uncertain one.
    pub task: Option<Task>,
    /// Open questions.
    pub approvals: Vec<Approval>,
    /// What is seen of the running turn.
    pub watch: Watch,
    /// What the wall clock did under the running turn.
    pub jumps: Jumps,
    /// The overrides for what the program asks in this step, as the rows have them.
    pub overrides: Vec<Override>,
    /// Numbers.
    pub rules: Rules,
    /// A number in `[0, 1)` for the jitter; the actor renews it.
    pub random: f64,
}

impl Core {
    /// Runs one move: afterwards the status follows the facts, and whoever must hear of it does.
    pub(super) fn run(&mut self, now: Timestamp, act: impl FnOnce(&mut Self, &mut Step)) -> Step {
        self.run_only(now, |core, step| {
            act(core, step);
            core.pursue_reset(now, step);
            core.heed_limits(now, step);
        })
    }

    /// The same without going on with a reset.
    pub(super) fn run_only(
        &mut self,
        now: Timestamp,
        act: impl FnOnce(&mut Self, &mut Step),
    ) -> Step {
        self.mind_clock(now);
        let before = self.session.facts.clone();
        let stood = self.readiness();
        let mut step = Step::default();
        act(self, &mut step);
        let since = |facts: &Facts| facts.turn.map(|turn| turn.since);
        if since(&before) != since(&self.session.facts) {
            self.jumps.ms = 0;
        }
        self.mind_watch(&before, now, &mut step);
        self.settle(&before, now, &mut step);
        let stands = self.readiness();
        let mut told = false;
        for effect in &mut step.effects {
            if let Effect::Stand(said) = effect {
                // What came after it in the move may have changed it.
                *said = stands;
                told = true;
            }
        }
        if stands != stood && !told {
            step.effects.insert(0, Effect::Stand(stands));
        }
        step
    }

    fn settle(&mut self, before: &Facts, now: Timestamp, step: &mut Step) {
        let facts = &self.session.facts;
        if facts == before {
            return;
        }
        let (old, new) = (self.session.status, status(facts));
        let (was, is) = (old.lifecycle(before), new.lifecycle(facts));
        let mission = Mission::of(before);
        if old != new || was != is || mission != Mission::of(facts) {
            step.event(
                EventKind::Status,
                now,
                self.status_data(new, (was.name(), old.name(), mission.name())),
            );
            self.session.status = new;
        }
        self.session.updated_at = now;
        step.changes
            .push(Change::Facts(Box::new(self.session.facts.clone())));
    }

    fn status_data(&self, new: Status, previous: (&str, &str, &str)) -> serde_json::Value {
        let facts = &self.session.facts;
        let (reason, message) = match &facts.process {
            Process::Failed { code, text } => (Some(code.as_str()), Some(text)),
            Process::Backoff { .. }
            | Process::None
            | Process::Waiting { .. }
            | Process::Starting { .. }
            | Process::Live { .. }
            | Process::Unattached { .. }
            | Process::CrashLoop => (facts.limit.map(|_| "limit_reached"), None),
        };
        json!({
            "status": new.lifecycle(facts).name(),
            "detail": new.name(),
            "previous": previous.0,
            "previousDetail": previous.1,
            "mission": Mission::of(facts).name(),
            "previousMission": previous.2,
            "incarnation": facts.incarnation,
            "pid": facts.process.pid(),
            "retryAt": facts.retry_at().map(Timestamp::rfc3339),
            "since": facts.stall.map(|stall| stall.since.rfc3339()),
            "limit": facts.limit,
            "queued": facts.queued,
            "reason": reason,
            "message": message,
        })
    }

    /// How the queue must see this session.
    pub(super) fn readiness(&self) -> Readiness {
        let facts = &self.session.facts;
        if facts.turn.is_some() {
            return Readiness::InTurn;
        }
        if let Some(limit) = facts.limit {
            return Readiness::Spent(limit);
        }
        let live = matches!(facts.process, Process::Live { .. });
        let free = !facts.paused
            && facts.uncertain.is_none()
            && facts.intent == Intent::Run
            && facts.ending.is_none()
            && facts.resetting.is_none()
            && facts.limited_until.is_none();
        if live && free {
            Readiness::Ready
        } else {
            Readiness::Held
        }
    }

    /// Takes a task from the queue, or gives it back.
    pub(super) fn offer(&mut self, mut task: Task, depth: u32, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            let answered = Effect::Answered(task.id);
            task.attempt = task.attempt.saturating_add(1);
            let (Readiness::Ready, Some(prompt)) = (core.readiness(), prompt_of(&task)) else {
                step.effects.push(Effect::Stand(core.readiness()));
                step.effects.push(answered);
                step.effects.push(Effect::Reload);
                return;
            };
            let incarnation = core.session.facts.incarnation;
            task.incarnation = Some(incarnation);
            step.changes.push(Change::Task(Box::new(TaskMove {
                incarnation: Some(incarnation),
                attempt: Some(task.attempt),
                ..TaskMove::new(task.id, TaskState::Dispatching, now)
            })));
            let phase = TurnPhase::Dispatching;
            core.session.facts.turn = Some(TurnFact {
                task: task.id,
                phase,
                since: now,
                cut: None,
            });
            core.session.facts.queued = depth;
            step.effects.push(Effect::Stand(Readiness::InTurn));
            step.effects.push(answered);
            step.effects.push(Effect::Command(prompt, None));
            step.effects.extend(core.clocks(now));
            step.effects.extend(core.watch_turn(false, now));
            core.task = Some(task);
        })
    }

    /// The keeper's input id of a task that the program has not acknowledged.
    pub(super) fn unacknowledged(&self) -> Option<String> {
        let turn = self
            .session
            .facts
            .turn
            .filter(|turn| turn.phase == TurnPhase::Dispatching)?;
        let task = self.task.as_ref().filter(|task| task.id == turn.task)?;
        Some(task.input_id())
    }

    /// Stops taking from the queue.
    pub(super) fn pause(&mut self, now: Timestamp) -> Step {
        self.run(now, |core, _| core.session.facts.paused = true)
    }

    /// Takes from the queue again.
    pub(super) fn resume(&mut self, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            core.session.facts.paused = false;
            core.unpark(now, step);
            step.effects.push(Effect::Reload);
            step.effects.push(Effect::Stand(core.readiness()));
        })
    }

    /// So many tasks wait now.
    pub(super) fn count_waiting(&mut self, depth: u32, now: Timestamp) -> Step {
        self.run(now, |core, _| core.session.facts.queued = depth)
    }

    /// The session is taken out of the lists; nothing of it runs any more. The commit ends the
    /// tasks and questions that are still open.
    pub(super) fn archive(&mut self, now: Timestamp) -> Step {
        self.run(now, |core, step| {
            core.session.facts.intent = Intent::Stop;
            core.session.facts.down_at = Some(now);
            core.session.facts.resetting = None;
            core.session.facts.limited_until = None;
            core.session.facts.queued = 0;
            if let Some(task) = core.session.facts.uncertain.take() {
                core.drop_uncertain(task, "deleted", now, step);
            }
            core.approvals.clear();
            core.session.facts.asked = 0;
            core.session.archived_at = Some(now);
            step.changes.push(Change::Archived(now));
        })
    }
}

/// The command that carries this attempt of a task; `None`: nothing opens its words.
pub(super) fn prompt_of(task: &Task) -> Option<Command> {
    Some(Command::Prompt {
        task: task.id,
        input_id: task.input_id(),
        text: task.words()?.to_owned(),
    })
}
