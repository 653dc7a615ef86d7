//! Rate limits: a session whose provider takes no more work is parked, and goes on by itself.
//!
//! Never sends a prompt again that had done something.

use std::time::Duration;

use serde_json::json;

use crate::domain::status::Intent;
use crate::domain::task::RATE_LIMITED;
use crate::domain::{
    Change, EventKind, ExitReason, Incarnation, Outcome, Process, TaskMove, TaskState, Timestamp,
    TurnPhase,
};
use crate::drivers::Limited;

use super::core::Core;
use super::limits::until;
use super::outcome::TurnEnd;
use super::step::{Alarm, Effect, Step};

/// Longest that one timer runs; behind it the clock is looked at again.
const LOOK: Duration = Duration::from_secs(3_600);

/// The waits where no time is stated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Curve {
    /// The first.
    pub base: Duration,
    /// The longest.
    pub cap: Duration,
}

impl Curve {
    /// The wait after so many limits in a row.
    fn wait(&self, row: u32) -> Duration {
        let factor = 2_u32.saturating_pow(row.saturating_sub(1));
        self.base.saturating_mul(factor).min(self.cap)
    }
}

impl Core {
    /// The turn ended because its provider takes no more work.
    pub(super) fn turn_limited(
        &mut self,
        mut end: TurnEnd,
        limited: Limited,
        now: Timestamp,
        step: &mut Step,
    ) {
        let Some(turn) = self.session.facts.turn.filter(|turn| turn.task == end.task) else {
            return;
        };
        self.park(limited.until, now, step);
        let goes_on = turn.phase != TurnPhase::Stopping && end.outcome != Outcome::Completed;
        if goes_on && !limited.acted {
            self.put_back(end, now, step);
            return;
        }
        if goes_on {
            end.reason = Some(RATE_LIMITED.to_owned());
        }
        self.turn_ended(end, now, step);
    }

    /// Nothing came of it: it waits again, first in line.
    fn put_back(&mut self, end: TurnEnd, now: Timestamp, step: &mut Step) {
        self.cancel_questions("turn_ended", now, step);
        self.count(&end, now);
        let back = TaskMove {
            reason: Some(RATE_LIMITED.to_owned()),
            usage: end.usage,
            ..TaskMove::new(end.task, TaskState::Queued, now)
        };
        step.changes.push(Change::Task(Box::new(back)));
        self.session.facts.turn = None;
        self.session.facts.queued = self.session.facts.queued.saturating_add(1);
        self.task = None;
        // Read again before anything is offered: it stands first in line.
        step.effects.push(Effect::Reload);
    }

    /// Holds the queue until the stated time, or for the next wait of the curve.
    pub(super) fn park(&mut self, stated: Option<Timestamp>, now: Timestamp, step: &mut Step) {
        let stated = stated.filter(|at| *at > now);
        let facts = &mut self.session.facts;
        facts.limited = facts.limited.saturating_add(1);
        let wait = self.rules.rate_limit.wait(facts.limited);
        let ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let at = stated.unwrap_or_else(|| now.plus_ms(ms));
        facts.limited_until = Some(at);
        step.event(
            EventKind::RateLimited,
            now,
            json!({
                "retryAt": at.rfc3339(), "stated": stated.is_some(), "inARow": facts.limited,
                "taskId": facts.turn.map(|turn| turn.task),
            }),
        );
        let mut line = self.line("rate_limited", None);
        line.decision = Some("the queue is held".to_owned());
        line.next_at = Some(at);
        step.effects.push(Effect::Log(line));
        step.effects.push(parked(at, now));
    }

    /// The timer of a session that is parked.
    pub(super) fn parked(&self, now: Timestamp) -> Option<Effect> {
        self.session.facts.limited_until.map(|at| parked(at, now))
    }

    /// The time of a parked session may have come.
    pub(super) fn look_at_parking(&mut self, at: Timestamp, now: Timestamp, step: &mut Step) {
        if self.session.facts.limited_until != Some(at) {
            return;
        }
        if now < at {
            step.effects.push(parked(at, now));
            return;
        }
        self.unpark(now, step);
    }

    /// A person wants it to run although its provider may refuse it still.
    pub(super) fn start_earlier(&mut self, now: Timestamp) -> Step {
        self.run(now, |core, step| core.unpark(now, step))
    }

    /// Whether the last process is gone, and how it ended is still to be read.
    fn end_is_unread(&self) -> bool {
        let facts = &self.session.facts;
        let read = facts.last_exit.as_ref().map(|exit| exit.incarnation);
        let began = facts.incarnation > Incarnation::default();
        facts.process == Process::None && began && read != Some(facts.incarnation)
    }

    /// The end is read: a wait that was over before goes on now.
    pub(super) fn pursue_parking(&mut self, now: Timestamp, step: &mut Step) {
        if self.session.facts.limited_until.is_some_and(|at| at <= now) {
            self.unpark(now, step);
        }
    }

    /// It goes on: by itself when its time has come, or because a person says so.
    pub(super) fn unpark(&mut self, now: Timestamp, step: &mut Step) {
        let Some(at) = self.session.facts.limited_until.take() else {
            return;
        };
        if self.end_is_unread() {
            // What follows is known with the end, and then its time has come.
            self.session.facts.limited_until = Some(at.min(now));
            return;
        }
        let line = self.line("rate_limit_over", None);
        step.effects.push(Effect::Log(line));
        let facts = &self.session.facts;
        let lost = facts.last_exit.as_ref().map(|exit| exit.reason);
        let down = facts.process == Process::None && facts.intent == Intent::Run;
        if down && lost == Some(ExitReason::RateLimited) && self.may_start(false) {
            self.session.facts.process = Process::Waiting { since: now };
            step.effects.push(Effect::Admit);
        }
        step.effects.push(Effect::Stand(self.readiness()));
        step.effects.push(Effect::Reload);
    }
}

fn parked(at: Timestamp, now: Timestamp) -> Effect {
    Effect::After(until(at, now).min(LOOK), Alarm::Parked(at))
}
