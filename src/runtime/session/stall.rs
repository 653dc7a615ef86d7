//! The watch over a running turn: when its program last printed something, when it last got further,
//! and which tools it has at work.
//!
//! Never takes silence for a stall while a tool may still be at work or a person is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{StallAction, StallSetting};
use crate::domain::{Cut, EventKind, Facts, Stall, StallKind, Timestamp, TurnFact, TurnPhase};

use super::super::clock::Pace;
use super::core::Core;
use super::limits::until;
use super::step::{Alarm, Attempt, Effect, Step};

/// What a tool gets beyond the timeout that it was called with.
const MARGIN: Duration = Duration::from_secs(60);
/// Tools at work that are remembered; more than that is no honest program.
const MOST_TOOLS: usize = 1_000;

/// What is seen of the running turn. In memory alone: a new generation begins anew, and takes it
/// that a tool is at work in a turn whose beginning it has not seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    output_at: Timestamp,
    progress_at: Timestamp,
    /// Tools at work by the program's id of the call, with the time that each may take.
    tools: BTreeMap<String, Option<Duration>>,
    /// Nobody here has seen the beginning of the turn.
    blind: bool,
    /// When the look at this turn began.
    begun_at: Timestamp,
    /// The timer that counts; an older one finds nothing to do.
    round: u64,
}

/// The jumps of the wall clock under a running turn: a clock that is set, or a machine that slept, makes
/// no turn longer. In memory alone.
#[derive(Debug, Default)]
pub(super) struct Jumps {
    /// Who notices them; `None`: nobody does.
    pub pace: Option<Pace>,
    /// All that came since the turn began, in milliseconds.
    pub ms: i64,
}

impl Watch {
    /// The wall clock jumped: what was seen is as long ago as before.
    fn shift(&mut self, ms: i64) {
        for at in [
            &mut self.output_at,
            &mut self.progress_at,
            &mut self.begun_at,
        ] {
            *at = at.plus_ms(ms);
        }
    }

    /// A turn begins, or goes on before nobody's eyes.
    fn begin(&mut self, blind: bool, now: Timestamp) {
        self.output_at = now;
        self.progress_at = now;
        self.begun_at = now;
        self.tools.clear();
        self.blind = blind;
    }

    /// The program got further, or a person answered it. A tool that nobody saw start may be at work
    /// all the same.
    pub(super) fn progressed(&mut self, now: Timestamp) {
        self.output_at = now;
        self.progress_at = now;
    }

    /// The turn begins: whatever comes of it is seen from here on.
    pub(super) fn started(&mut self) {
        self.blind = false;
    }

    /// The program printed something.
    pub(super) fn printed(&mut self, now: Timestamp) {
        self.output_at = now;
    }

    /// An event of the program.
    pub(super) fn told(&mut self, kind: EventKind, data: &Value, now: Timestamp) {
        let call = data.get("toolCallId").and_then(Value::as_str);
        match kind {
            EventKind::ToolCall => {
                if let Some(call) = call.filter(|_| self.tools.len() < MOST_TOOLS) {
                    self.tools.insert(call.to_owned(), declared(data));
                }
                self.progressed(now);
            }
            EventKind::ToolResult => {
                if let Some(call) = call {
                    self.tools.remove(call);
                }
                self.progressed(now);
            }
            EventKind::TurnStarted
            | EventKind::UserMessage
            | EventKind::AssistantMessage
            | EventKind::Thinking
            | EventKind::Plan
            | EventKind::Usage
            | EventKind::ApprovalRequested
            | EventKind::ApprovalResolved => self.progressed(now),
            // A program that tries again and again gets nowhere.
            EventKind::Status
            | EventKind::RateLimited
            | EventKind::Error
            | EventKind::TurnEnded
            | EventKind::Session
            | EventKind::Exit => {}
        }
    }

    /// How long the turn may go without progress as things are.
    fn patience(&self, setting: &StallSetting) -> Duration {
        let of = |declared: &Option<Duration>| declared.unwrap_or(setting.tool_after);
        let unseen = self.blind.then_some(setting.tool_after);
        let longest = self.tools.values().map(of).chain(unseen).max();
        longest.unwrap_or(setting.stalled_after)
    }

    /// What the turn looks like, and when it can look worse.
    fn judge(&self, setting: &StallSetting, now: Timestamp) -> (Option<Stall>, Option<Timestamp>) {
        let due = |since: Timestamp, after: Duration| {
            let ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            (!after.is_zero()).then(|| since.plus_ms(ms))
        };
        let stalls = !setting.stalled_after.is_zero();
        let stalled = due(self.progress_at, self.patience(setting)).filter(|_| stalls);
        let quiet = due(self.output_at, setting.quiet_after);
        if stalled.is_some_and(|at| now >= at) {
            let (kind, since) = (StallKind::Stalled, self.progress_at);
            return (Some(Stall { kind, since }), None);
        }
        if quiet.is_some_and(|at| now >= at) {
            let (kind, since) = (StallKind::Quiet, self.output_at);
            return (Some(Stall { kind, since }), stalled);
        }
        (None, quiet.into_iter().chain(stalled).min())
    }
}

/// The time that a tool's arguments name, in milliseconds, with a margin.
fn declared(data: &Value) -> Option<Duration> {
    let ms = data.get("args")?.get("timeout")?.as_u64()?;
    Some(Duration::from_millis(ms).saturating_add(MARGIN))
}

impl Core {
    /// Before every move: whether the wall clock goes with the time that passes.
    pub(super) fn mind_clock(&mut self, now: Timestamp) {
        let jump = self.jumps.pace.as_mut().map_or(0, |pace| pace.jump(now));
        if jump != 0 {
            self.clock_jumped(jump);
        }
    }

    pub(super) fn clock_jumped(&mut self, ms: i64) {
        self.jumps.ms = self.jumps.ms.saturating_add(ms);
        self.watch.shift(ms);
        if let Some(stall) = &mut self.session.facts.stall {
            stall.since = stall.since.plus_ms(ms);
        }
    }

    /// A turn begins, or (`blind`) is found to be running.
    pub(super) fn watch_turn(&mut self, blind: bool, now: Timestamp) -> Option<Effect> {
        self.watch.begin(blind, now);
        self.set_watch(now)
    }

    /// The one timer of the watch, set anew.
    fn set_watch(&mut self, now: Timestamp) -> Option<Effect> {
        let turn = self.session.facts.turn?;
        let setting = self.rules.stall.as_ref()?;
        let (_, next) = self.watch.judge(setting, now);
        let wait = until(next?, now).saturating_add(Duration::from_millis(1));
        self.watch.round = self.watch.round.saturating_add(1);
        let attempt = (turn.task, turn.since);
        Some(Effect::After(wait, Alarm::Stall(attempt, self.watch.round)))
    }

    /// The timer of the watch rang.
    pub(super) fn look_for_stall(
        &mut self,
        (attempt, round): (Attempt, u64),
        now: Timestamp,
        step: &mut Step,
    ) {
        let watched = |turn: &TurnFact| {
            (turn.task, turn.since) == attempt && turn.phase != TurnPhase::Stopping
        };
        let facts = &self.session.facts;
        let here = facts.turn.as_ref().is_some_and(watched) && facts.asked == 0;
        let (true, Some(setting)) = (here && round == self.watch.round, self.rules.stall) else {
            return;
        };
        let stands = facts.stall.map(|stall| stall.kind);
        let (seen, _) = self.watch.judge(&setting, now);
        step.effects.extend(self.set_watch(now));
        // What was seen before stands until the program says something.
        let seen =
            seen.filter(|seen| stands != Some(StallKind::Stalled) && stands != Some(seen.kind));
        let Some(seen) = seen else {
            return;
        };
        self.session.facts.stall = Some(seen);
        if seen.kind == StallKind::Stalled {
            self.stalled(attempt, setting.action, now, step);
        }
    }

    fn stalled(&mut self, turn: Attempt, action: StallAction, now: Timestamp, step: &mut Step) {
        let since = self.session.facts.stall.map_or(now, |stall| stall.since);
        let seconds = until(now, since).as_secs();
        let words = format!("the turn has made no progress for {seconds} s");
        step.event(
            EventKind::Error,
            now,
            json!({
                "code": "stalled", "message": words, "taskId": turn.0, "since": since.rfc3339(),
                "action": action.name(),
            }),
        );
        let mut line = self.line("stalled", Some(words));
        line.decision = Some(action.name().to_owned());
        step.effects.push(Effect::Log(line));
        match action {
            StallAction::Notify => {}
            StallAction::Interrupt | StallAction::Restart => {
                self.cut_turn(turn, Cut::Stalled, now, step);
            }
        }
    }

    /// Whether the process is exchanged when a turn ends that was cut because it stalled.
    pub(super) fn exchanges(&self, cut: Option<Cut>) -> bool {
        let restarts = |setting: StallSetting| setting.action == StallAction::Restart;
        let wanted = cut == Some(Cut::Stalled) && self.rules.stall.is_some_and(restarts);
        wanted && self.session.facts.process.held() && self.session.facts.ending.is_none()
    }

    /// After every move: a turn that goes on, ends or waits for a person is not stalled, and the
    /// time that a person took does not count.
    pub(super) fn mind_watch(&mut self, before: &Facts, now: Timestamp, step: &mut Step) {
        let facts = &self.session.facts;
        let answered = before.asked > 0 && facts.asked == 0 && facts.turn.is_some();
        if answered {
            self.watch.progressed(now);
        }
        let Some(stall) = facts.stall else {
            if answered {
                step.effects.extend(self.set_watch(now));
            }
            return;
        };
        let stopping = |turn: TurnFact| turn.phase == TurnPhase::Stopping;
        let over = facts.turn.is_none_or(stopping) || facts.asked > 0;
        let since = match stall.kind {
            StallKind::Quiet => self.watch.output_at,
            StallKind::Stalled => self.watch.progress_at,
        };
        // A new generation knows nothing yet, and what the old one saw stands.
        let moved = since > stall.since && since > self.watch.begun_at;
        if over || moved {
            self.session.facts.stall = None;
            step.effects.extend(self.set_watch(now));
        }
    }
}
