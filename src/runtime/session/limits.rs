//! The hard stops of a session and the clocks of its turn: the deadline, and the time that its turns
//! may take together.
//!
//! Never cuts a turn without asking its program first.

use std::time::Duration;

use crate::domain::{Cut, LimitKind, Process, SessionLimits, Timestamp, TurnFact, TurnPhase};

use super::super::facade::Force;
use super::core::Core;
use super::step::{Alarm, Attempt, Effect, Step};

impl Core {
    /// Whether a hard stop is reached.
    pub(super) fn is_spent(&self) -> bool {
        self.spent().is_some()
    }

    /// The hard stop that is reached.
    pub(super) fn spent(&self) -> Option<LimitKind> {
        self.rules.limits.reached(&self.session.facts)
    }

    /// After every move: a session that has reached a hard stop is put down; one whose limit was
    /// raised takes work again.
    pub(super) fn heed_limits(&mut self, now: Timestamp, step: &mut Step) {
        let reached = self.spent();
        let facts = &mut self.session.facts;
        if facts.turn.is_some() || facts.limit == reached || self.session.archived_at.is_some() {
            return;
        }
        facts.limit = reached;
        let Some(limit) = reached else {
            return;
        };
        let words = limit.refusal().to_string();
        step.error(now, "limit_reached", &words);
        let line = self.line("limit_reached", Some(limit.name().to_owned()));
        step.effects.push(Effect::Log(line));
        self.put_down(Force::Ladder, Cut::Limit.name(), now, step);
    }

    /// The clocks of the running turn, as of now.
    pub(super) fn clocks(&self, now: Timestamp) -> Vec<Effect> {
        let Some(turn) = self.session.facts.turn else {
            return Vec::new();
        };
        let SessionLimits {
            busy_ms, turn_ms, ..
        } = self.rules.limits;
        let used = self.session.facts.busy_ms;
        let busy = busy_ms.map(|most| (most.saturating_sub(used), Cut::Limit));
        let deadline = turn_ms.map(|most| (most, Cut::Deadline));
        let clock = |(ms, cut): (u64, Cut)| {
            let at = turn.since.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX));
            let at = at.plus_ms(self.jumps.ms);
            Effect::After(until(at, now), Alarm::Cut((turn.task, turn.since), cut))
        };
        deadline.into_iter().chain(busy).map(clock).collect()
    }

    /// The machinery ends the running turn: in the program's own way, and by force when it does
    /// not listen. A turn that is being ended already goes its way, and one whose log is not read up
    /// to now may be over: its clocks are set again once that is known.
    pub(super) fn cut_turn(&mut self, attempt: Attempt, cut: Cut, now: Timestamp, step: &mut Step) {
        if !matches!(self.session.facts.process, Process::Live { .. }) {
            return;
        }
        let same = |turn: &&mut TurnFact| (turn.task, turn.since) == attempt;
        let Some(turn) = self.session.facts.turn.as_mut().filter(same) else {
            return;
        };
        if turn.phase == TurnPhase::Stopping {
            return;
        }
        turn.cut = Some(cut);
        let line = self.line("turn_cut", Some(cut.name().to_owned()));
        step.effects.push(Effect::Log(line));
        self.stop_turn(now, step);
    }
}

/// How long it is until a time.
pub(super) fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0))
}
